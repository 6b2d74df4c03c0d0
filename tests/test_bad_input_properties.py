"""Whatever stands in a file that a verb reads, the verb ends with a sound result or one line, soon and in order."""

import copy
import json
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dopantfit.cli import main
from dopantfit.errors import ConfigError
from dopantfit.fit.figures_uncertainty import draw_budget
from dopantfit.fit.tables import result_tables
from dopantfit.study.cost import Rates
from dopantfit.terminal import print_parts
from made_up_records import write_fit_record, write_made_up_fit

DATA = Path(__file__).parent / "data"
FIT = DATA / "cases/kill-leaves-workers"
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
    """Write a file into a copy of a sound folder and run a verb there: what must hold of every such run."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "a"
        shutil.copytree(sound, folder)
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(written, encoding="utf-8")
        before = {path for path in folder.rglob("*") if path.is_file()}
        with chdir(folder):
            started = time.monotonic()
            status, error = run(*words)
            assert time.monotonic() - started < LONGEST
        assert status in (0, 1, 2), (status, error)
        assert "Traceback" not in error
        if status == 2:
            last = error.splitlines()[-1]
            assert last.startswith("dopantfit: error: ") and error.count("dopantfit: error: ") == 1, error
            assert len(last) < 1000
            made = {path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"} - before
            assert not made, (made, error)
        return status


def boundary_toml() -> dict:
    from dopantfit.boundary.build.config import size_text

    return tomllib.loads(size_text("tiny"))


def potential_toml() -> dict:
    import dopantfit.potential

    return tomllib.loads((Path(dopantfit.potential.__file__).parent / "library/latp-mg-2022.toml").read_text())


FIT_TOML = {
    **tomllib.loads((FIT / "fit.toml").read_text()),
    "compare_with": "latp-mg-2022",
    "charge_scale": {"bounds": [0.4, 0.7]},
    "species": {"O": {"spring": {"bounds": [60.0, 120.0]}}},
    "force_weights": {"Mg": 2.0},
    "budget": {"max_iterations": 1, "levels": [{"name": "host", "pairs": ["O-P"]}], "spread": {"rho": 0.1}},
}
SET = tomllib.loads((DATA / "reference/lamtp-sample/manifest.toml").read_text())
STUDY = {
    "preset": "quick", "seed": 1, "dopant": "Mg", "host": "latp",
    "potential": "potential.toml", "validation": "validation.json",
    "accept_failed_gates": "made up to test how bad input is told",
    "engine": {"timestep": 0.0004, "kspace": "pppm 1e-4", "frame_interval": 0.1, "pressure": 1.0},
    "boundary": {"build": "tiny"},
    "doping": {"concentrations": [0.6, 7.1], "realisations": 2},
    "swaps": {"layers": 2, "coldest": 1000.0, "hottest": 2000.0, "layer_width": 3.5, "lowest_walkers": 1},
    "spectrum": {"sites": 1, "arrangements": 1, "settling": 0, "exchange_error": 0.0},
    "crystals": {"edge": 1, "x": 0.3, "replicas": 1},
    "amorphous": {"arrhenius_of": 1, "arrhenius_temperatures": [700.0], "cells": 1, "production": 1.0},
    "ensemble": {"potentials": ["draw-01.toml"], "systems": ["C_1"]},
}  # fmt: skip
DOPE = {
    "dopant": "Mg", "mobile": "Li", "replaces": ["Ti"], "concentrations": [0.6, 7.1], "measure": "mean", "seed": 1,
    "host": "latp", "realisations": 1, "profile": {"kind": "two-maxima", "separation": 0.5, "width": 0.1},
    "health": {"four_coordinated": 0.8},
}  # fmt: skip
SWAP = {
    "dopant": "Mg", "attempts": 1, "walkers": 1, "coldest": 1000.0, "hottest": 1000.0, "seed": 1, "host": "latp",
    "layers": {"interface": 1.0, "into_grain": 1, "reservoir": 1.0, "width": 1.0, "count": 1, "rounds_per_layer": 1},
    "burst": {"mode": "rigid", "partners": ["Ti"], "calibration": 1},
    "dynamics": {"duration": 0.0, "temperature": 1000.0},
}  # fmt: skip
VALIDATE = {
    "host": "latp", "hot": {"x": 0.3, "y": 0.1, "temperature": 700.0},
    "compound": {"prototype": "MgO", "cell": [4.2, 4.2, 4.2, 90.0, 90.0, 90.0], "source": "a test"},
}  # fmt: skip
PLAN = {
    "set": "X", "purpose": "a test", "k_mesh": [1, 1, 1], "min_distance": 0.02, "plane_waves": {"cutoff": 500.0},
    "configurations": [
        {"kind": "volumes", "name": "a", "start": {"prototype": "MgO", "repeat": [1, 1, 1]}, "scales": [0.98, 1.02]},
        {"kind": "rattle", "name": "b", "start": {"prototype": "MgO", "strain": 0.01}, "sigmas": [0.05], "seed": 1},
        {"kind": "strain", "name": "c", "start": {"file": "frames.extxyz"}, "strains": [[0.01, 0, 0, 0, 0, 0]]},
    ],
}  # fmt: skip
SITE = {
    "provider": "local", "workers_per_node": 1, "ranks": 1, "nodes_per_block": 1, "max_blocks": 1,
    "address": "localhost", "walltime": "01:00:00",
    "worker_init": "", "launcher": "mpirun -n {ranks} lmp", "volumes": [["a", "b"]],
}  # fmt: skip
#: File, sound content, and the words of the verb that reads it.
FILES = {
    "fit.toml": (FIT_TOML, ["fit", "fit.toml", "--dry-run"]),
    "study.toml": (STUDY, ["plan", "study.toml"]),
    "boundary.toml": (boundary_toml(), ["boundary", "build", "boundary.toml", "--only-start", "--output", "run"]),
    "dope.toml": (
        DOPE, ["boundary", "dope", "salt.extxyz", "--config", "dope.toml", "--potential", "latp-2021", "--output", "d"]
    ),
    "swap.toml": (SWAP, ["boundary", "swap", "salt.extxyz", "swap.toml", "--output", "s"]),
    "validate.toml": (VALIDATE, ["validate", ".", "--gate", "turn-over", "--work", "v"]),
    "plan.toml": (PLAN, ["reference", "generate", ".", "--work", "g"]),
    "set/manifest.toml": (SET, ["reference", "check", "set"]),
    "site.toml": (SITE, ["study", "study.toml", "--site", "site.toml", "--run", "r"]),
    "potential.toml": (potential_toml(), ["potential", "show", "potential.toml"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with everything that a verb reads, sound."""
    made = write_made_up_fit(tmp_path_factory.mktemp("sound") / "Mg")
    shutil.copytree(FIT, made, dirs_exist_ok=True)
    shutil.copy(DATA / "reference/lamtp-sample/frames.extxyz", made)
    shutil.copy(made / "potential.toml", made / "draw-01.toml")
    for name, (content, _) in FILES.items():
        if name not in ("set/manifest.toml",):
            (made / name).write_text(as_toml(content))
    Atoms("MgTi", [[0, 0, 0], [2, 2, 2]], cell=np.eye(3) * 4, pbc=True).write(made / "salt.extxyz")
    return made


FEW = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def stopped(*_: object) -> None:
    raise ConfigError("the study was sound")


@pytest.mark.parametrize("file", FILES)
def test_a_toml_file_of_any_content_is_one_line_or_sound(folder, file):
    content, words = FILES[file]

    @FEW
    @given(damaged(content))
    def any_content(written):
        with (
            patch("dopantfit.study.verb.calibrated_rates", lambda planner: Rates(1e-5, 1e-2, "a test")),
            patch("dopantfit.study.verb.run_study", stopped),
            patch("dopantfit.boundary.build.config.MOST_IONS", 2_000),  # what can be placed in a second
            patch("dopantfit.structures.cells.MOST_IONS", 2_000),
        ):
            holds(folder, file, as_toml(written), *words)

    any_content()


#: Records, and a verb that reads each.
RECORDS = {
    "fit.json": ["trace", "rho Mg-O", "."],
    "validation.json": ["report", ".", "--output", "page"],
    "study/study.json": ["report", ".", "--output", "page"],
}


@pytest.mark.parametrize("damage", JSON_DAMAGE, ids=lambda text: repr(text[:20]))
@pytest.mark.parametrize("file", RECORDS)
def test_a_record_that_is_none_is_one_line(folder, file, damage):
    assert holds(folder, file, damage, *RECORDS[file]) == 2


@pytest.mark.parametrize("file", ["fit.json", "validation.json"])
def test_a_record_of_any_content_is_one_line_or_sound(folder, file):
    @FEW
    @given(damaged(json.loads((folder / file).read_text())))
    def any_content(written):
        # Not by way of a page with figures, which takes long to make.
        holds(folder, file, json.dumps(written), "trace", "rho Mg-O", ".")

    any_content()


#: What may stand in a line of an extended XYZ file.
WORDS = [
    "", "nan", "inf", "1e300", "-1", "999999999", "Lattice", 'Lattice="0 0 0 0 0 0 0 0 0"', 'Lattice="1 2"', '"', "é\0",
    "Properties=species:S:1:pos:R:3", "Properties=pos:R:1000000000", "energy=x", "energy=1e300", "Xx", "[/b]", "=", "{",
]  # fmt: skip


@pytest.mark.parametrize(
    "words", [["reference", "check", "set"], ["fit", ".", "--dry-run"]], ids=lambda words: " ".join(words[:2])
)
def test_frames_of_any_content_are_findings_or_one_line(folder, words):
    lines = (folder / "set/frames.extxyz").read_text().splitlines()

    @FEW
    @given(st.integers(0, len(lines) - 1), st.integers(0, 20), st.sampled_from(WORDS), st.booleans())
    def any_content(number, place, word, cut):
        at = number % 3 if place % 2 else number  # mostly a header
        parts = lines[at].split(" ")
        parts[place % len(parts)] = word
        changed = [*lines[:at], " ".join(parts), *([] if cut else lines[at + 1 :])]
        holds(folder, "set/frames.extxyz", "\n".join(changed) + "\n", *words)

    any_content()


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("boundary.toml", ('"thickness" = 1}', '"thickness" = 1000}'), "at most 100000"),
        ("plan.toml", ("[1, 1, 1]}", "[1000, 1000, 1]}"), "at most 100000"),
        ("study.toml", ('"realisations" = 2', '"realisations" = 1001'), "realisations"),
        ("swap.toml", ('"dopant" = "Mg"', '"dopant" = "Mg"'), "must be neutral"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(folder, tmp_path, file, change, said):
    text = (folder / file).read_text()
    assert change[0] in text
    shutil.copytree(folder, tmp_path / "a")
    (tmp_path / "a" / file).write_text(text.replace(*change))
    before = {*(tmp_path / "a").rglob("*.*")}
    with chdir(tmp_path / "a"):
        status, error = run(*FILES[file][1])
    assert status == 2 and said in error
    assert {path for path in (tmp_path / "a").rglob("*.*") if path.name != ".lock"} == before


def test_properties_of_more_columns_than_there_are_is_one_line(folder):
    lines = (folder / "set/frames.extxyz").read_text().splitlines()
    lines[1] = re.sub("pos:R:3", "pos:R:1000000000", lines[1])
    assert holds(folder, "set/frames.extxyz", "\n".join(lines) + "\n", "fit", ".", "--dry-run") == 2


@pytest.mark.parametrize("name", ["a [/b]", "[red]", "$x_{$", "\\[", "é ✓"])
def test_names_are_printed_and_drawn_as_they_are(tmp_path, capsys, name):
    forces = {"train": {"all": 1.0, "O": 0.5}}
    level = {"name": name, "free": 1, "cost": 1.0, "forces": forces, "energies": {"train": 1e-3}}
    record = write_fit_record(write_made_up_fit(tmp_path / "Mg"), name=name, budget=[level])
    print_parts(*result_tables(record))
    assert name in capsys.readouterr().out
    draw_budget({"budget": [level]}, tmp_path)
    assert (tmp_path / "budget.png").stat().st_size > 0
