"""Values that no reader expects, content damaged with them, and what must hold of every verb that is given it."""

import copy
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import strategies as st

from dopantfit.cli import main

#: Longest that a verb may look at bad input [s].
LONGEST = 10.0
REMOVED = object()
#: What may stand where something of its type should: beyond every limit, just within some, and text that is no name.
INTEGERS = [0, -1, 1, 2, 21, 1000, 10**6, 10**9, -(10**18), 10**30]
NUMBERS = [0.0, -0.5, 1e-300, 1e-6, 1e-3, 0.5, 1.0, 1.1, 20.0, 100.0, 1e4, 1e6, 1e9, 1e300, float("inf"), float("nan")]
TEXTS = [
    "", " ", "a\0b", "é ✓ 😀", "\x1b[31m", "[/b]", "$x_{$", "../../x", "/", ".", "a" * 300, "Xx", "O", "Mg", "Mg-O",
    "Na-Cl", "all", "latp-2021", "potential.toml", "fit.toml", "frames.extxyz", "\ud7ff", "{0.__class__}", "%s",
]  # fmt: skip
TABLES = [REMOVED, True, [], [[]], [1], [-1.0, 1e300], ["a"], {}, {"a": 1}, {"": {}}, [{}]]
JSON_DAMAGE = ["", "null", "[]", "{}", "0", '"a"', "{", "\0", "[" * 5000, '{"format": 1}', '{"format": null}', "NaN"]


class TooLong(BaseException):
    """A verb took longer than it may."""


def toml(value: object) -> str:
    """Write a value as TOML, tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


def as_toml(content: dict) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in content.items())


def places(content: object, at: tuple = ()) -> Iterator[tuple]:
    """Every place in a tree of tables and lists, but its root."""
    inside = content.items() if isinstance(content, dict) else enumerate(content if isinstance(content, list) else ())
    for key, value in inside:
        yield (*at, key)
        yield from places(value, (*at, key))


@st.composite
def damaged(draw: st.DrawFn, content: dict) -> dict:
    """The content with one or two places changed, removed or added to."""
    made = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 2))):
        every = [*places(made)]
        if not every:
            break
        *above, last = draw(st.sampled_from(every))
        parent = made
        for key in above:
            parent = parent[key]
        # Mostly of the type that is there: what a schema lets through goes deeper.
        alike = {int: INTEGERS, float: NUMBERS, str: TEXTS}.get(type(parent[last]), TABLES)
        value = draw(st.sampled_from(draw(st.sampled_from([alike, alike, alike, INTEGERS, NUMBERS, TEXTS, TABLES]))))
        if value is REMOVED:
            del parent[last]
        elif draw(st.integers(0, 9)) == 0 and isinstance(parent, dict):
            parent[draw(st.sampled_from(["extra", "", "é", "Mg-O", "a.b"]))] = copy.deepcopy(value)
        else:
            parent[last] = copy.deepcopy(value)
    return made


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what takes longer."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def run(*words: object) -> tuple[int, str]:
    """Exit status and standard error of a command in this process."""
    out, err = StringIO(), StringIO()
    with (
        patch.object(sys, "argv", ["dopantfit", *map(str, words)]),
        redirect_stdout(out),
        redirect_stderr(err),
        limited(LONGEST),
        pytest.raises(SystemExit) as stopped,
    ):
        main()
    return stopped.value.code or 0, err.getvalue()


def holds(sound: Path, file: str, written: str, *words: str) -> int:
    """Run a verb in a copy of a sound folder with a file changed, or a pipe and a link to itself: what must hold."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "b/c/a"  # so deep that "../../x" stays in it
        shutil.copytree(sound, folder)
        if file:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(written, encoding="utf-8")
        else:
            os.mkfifo(folder / "pipe")
            (folder / "loop").symlink_to("loop")
        before = {path for path in folder.rglob("*") if path.is_file()}
        with chdir(folder):
            started = time.monotonic()
            status, error = run(*words)
            assert time.monotonic() - started < LONGEST
        assert status in (0, 1, 2), (status, error)
        assert "Traceback" not in error
        if status == 2:
            last = error.splitlines()[-1]
            # A check of a whole project has a line for each of its errors.
            several = words[0] == "check" or error.count("dopantfit: error: ") == 1
            assert last.startswith("dopantfit: error: ") and several, error
            assert len(last) < 1000
            made = {path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"} - before
            assert not made, (made, error)
        return status
