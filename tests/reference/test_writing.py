"""A set or folder that cannot be written is a line with the path and the remedy, and what was there stays."""

import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import dopantfit
from dopantfit.errors import DopantFitError
from dopantfit.reference import frames as sets
from dopantfit.reference.frames import append_frames, dump_frames, load_set, write_set
from dopantfit.reference.manifest import load_manifest

SAMPLE = Path(__file__).parents[1] / "data" / "reference" / "lamtp-sample"
PLAN = """
set = "a"
purpose = "tests"
licence = "MIT"
[[configurations]]
kind = "volumes"
name = "v"
start = { file = "start.xyz" }
scales = [1.0]
"""


def run(*words: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program; limit: largest file that the system lets it write [bytes], as on a disk that is full."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    if limit is None:
        return dopantfit("reference", *words)
    command = [sys.executable, "-m", "dopantfit.cli", "reference", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)


def a_set(folder: Path) -> Path:
    sample = load_set(SAMPLE)
    write_set(folder / "set", sample.frames[:1], sample.manifest)
    (folder / "more.xyz").write_text(dump_frames(sample.frames[1:]))
    return folder / "set"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "words",
    [
        lambda folder: ("import", folder / "more.xyz", "--set", folder / "set"),
        lambda folder: ("split", folder / "set", "--hold-out", "relax_s1_00", "--reason", "why " * 4000),
    ],
)
def test_a_full_disk_leaves_a_set_as_it_was(tmp_path: Path, words: Callable[[Path], tuple[object, ...]]) -> None:
    folder = a_set(tmp_path)
    sample = load_set(SAMPLE)
    append_frames(folder, sample.frames[2:])
    (tmp_path / "more.xyz").write_text(dump_frames(sample.frames[1:2]))
    before = content(folder)
    done = run(*words(tmp_path), limit=10_000)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "cannot be written (File too large)" in done.stderr and str(folder) in done.stderr
    assert content(folder) == before


@pytest.mark.parametrize("words", [("generate",), ("run",), ("run", "--write-only", "castep")])
def test_a_work_folder_that_cannot_be_made_is_a_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "start.xyz").write_text(dump_frames(load_set(SAMPLE).frames[:1]))
    (tmp_path / "afile").write_text("x")
    done = run(words[0], tmp_path, "--work", tmp_path / "afile" / "work", *words[1:])
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "afile" in done.stderr and "Not a directory" in done.stderr and "choose another folder" in done.stderr


def test_a_set_that_another_import_holds_says_who_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_set(tmp_path)
    monkeypatch.setattr(sets, "PATIENCE", 0.3)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(DopantFitError, match=f"set: process {os.getpid()} is writing to this set; wait for it"):
            append_frames(folder, load_set(SAMPLE).frames[1:])
    finally:
        os.close(handle)
    assert len(append_frames(folder, load_set(SAMPLE).frames[1:]).frames) == 3


def test_a_file_system_that_refuses_the_rename_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a set on read-only media: root may write anywhere, so the refusal is put in the place of the call."""
    folder = a_set(tmp_path)
    before = load_manifest(folder)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system", str(folder / "x"))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DopantFitError, match=r"set/.*: cannot be written \(Read-only file system\)"):
        append_frames(folder, load_set(SAMPLE).frames[1:])
    monkeypatch.undo()
    assert load_manifest(folder) == before and len(load_set(folder).frames) == 1


def test_a_file_where_the_set_should_be_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("x")
    sample = load_set(SAMPLE)
    with pytest.raises(DopantFitError, match=r"set: cannot be made \(File exists\); choose another folder"):
        write_set(tmp_path / "set", sample.frames, sample.manifest)
    for words in (("check", tmp_path / "set"), ("import", tmp_path / "set", "--set", tmp_path / "set")):
        done = run(*words)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
