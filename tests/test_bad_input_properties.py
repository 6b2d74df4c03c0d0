"""Whatever stands in a file or an option that a verb reads, it ends with a sound result or one line, soon, in order."""

import json
import re
import shutil
import tomllib
from contextlib import ExitStack, chdir
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
import pytest
import typer.main
from ase import Atoms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pymatgen.entries.computed_entries import ComputedEntry

from damage import INTEGERS, JSON_DAMAGE, NUMBERS, TEXTS, as_toml, damaged, holds, run
from dopantfit.cli import app
from dopantfit.errors import ConfigError
from dopantfit.fit.figures_uncertainty import draw_budget
from dopantfit.fit.tables import result_tables
from dopantfit.study.cost import Rates
from dopantfit.terminal import print_parts
from made_up_records import write_fit_record, write_made_up_fit

DATA = Path(__file__).parent / "data"
FIT = DATA / "cases/kill-leaves-workers"


def boundary_toml() -> dict:
    from dopantfit.boundary.build.config import preset_text

    return tomllib.loads(preset_text("tiny"))


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
CERAMIC = {
    "temperature": 298.15, "temperatures": [250.0, 300.0], "host": "latp",
    "bulk": {"conductivity": 2e-3, "error": 2e-4, "activation_energy": 0.27, "permittivity": 15.0},
    "boundary": {"conductivity": 4e-6, "error": 1e-6, "activation_energy": 0.4, "permittivity": 15.0},
    "microstructure": {"grain_size": 1.0, "thickness": 2.0, "relative_density": 0.98},
}  # fmt: skip
LEARN = {"set": "set", "items": ["a"], "rounds": 2, "frames": 4, "candidates": 5, "spread": 0.1, "prefix": "more"}
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
    "ceramic.toml": (CERAMIC, ["ceramic", "ceramic.toml"]),
    "learn.toml": (LEARN, ["learn", ".", "--dry-run"]),
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
    salt().write(made / "salt.extxyz")
    (made / "walk.extxyz").write_text(walk())
    for kelvin in (700, 900):
        estimate = {"value": 1e-5, "error": 1e-6, "interval_95": [8e-6, 1.2e-5]}
        record = {"temperature_K": kelvin, "species": {"Li": {"D_cm2_per_s": estimate}}}
        (made / f"{kelvin}.json").write_text(json.dumps(record))
    energies = {"Li": -1.9, "S": -4.0, "Li2S": -10.8}
    entries = [ComputedEntry(formula, energy).as_dict() for formula, energy in energies.items()]
    (made / "entries.json").write_text(json.dumps({"source": "made up", "entries": entries}))
    return made


def salt() -> Atoms:
    """A neutral cell with the dopant: a cubic perovskite, of which one ion has moved."""
    at = [[0, 0, 0.1], [2, 2, 2], [2, 2, 0], [2, 0, 2], [0, 2, 2]]
    return Atoms("MgTiO3", at, cell=np.eye(3) * 4, pbc=True)


def walk() -> str:
    """Thirty frames of Li that walks and O that rests, as extended XYZ."""
    steps = np.random.default_rng(3).normal(scale=0.2, size=(30, 3)).cumsum(axis=0)
    head = 'Lattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3 pbc="T T T" time='
    return "".join(
        f"2\n{head}{k * 0.1:.1f}\nLi {x + 1:.4f} {y + 1:.4f} {z + 1:.4f}\nO 4.0 4.0 4.0\n"
        for k, (x, y, z) in enumerate(steps)
    )


#: What may stand in a line of an extended XYZ file.
WORDS = [
    "", "nan", "inf", "1e300", "-1", "999999999", "Lattice", 'Lattice="0 0 0 0 0 0 0 0 0"', 'Lattice="1 2"', '"', "é\0",
    "Properties=species:S:1:pos:R:3", "Properties=pos:R:1000000000", "energy=x", "energy=1e300", "Xx", "[/b]", "=", "{",
]  # fmt: skip


FEW = settings(
    max_examples=7,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def stopped(*_: object, **__: object) -> None:
    raise ConfigError("the study was sound")


def without_rounds(play: object, ladder: object, rounds: int, folder: Path, *_: object) -> object:
    (folder / "ladder.json").write_text("{}")
    return ladder


@pytest.fixture
def short():
    """What is longer than a look at its input ends where it would begin, and cells are what a second places."""
    with ExitStack() as stack:
        for name in ("study.verb.run_study", "fit.verb.fit", "validate.verb.run_gates"):
            stack.enter_context(patch(f"dopantfit.{name}", stopped))
        stack.enter_context(patch("dopantfit.boundary.swap.run.temper", without_rounds))
        stack.enter_context(patch("dopantfit.study.verb.calibrated_rates", lambda planner: Rates(1e-5, 1e-2, "a test")))
        for name in ("boundary.build.config", "structures.cells"):
            stack.enter_context(patch(f"dopantfit.{name}.MOST_IONS", 2_000))
        yield


#: A sound call of every verb.
VERBS = {
    "fit": ["fit.toml", "--dry-run"],
    "learn": [".", "--dry-run"],
    "study": ["study.toml", "--run", "r"],
    "plan": ["study.toml"],
    "run": ["."],
    "new": ["Ga", "--charge", "3", "--like", "Al", "--into", "n"],
    "ceramic": ["ceramic.toml"],
    "window": ["entries.json", "--composition", "Li2S"],
    "design": [".", "--plan", "--preset", "quick", "--run", "d"],
    "check": ["."],
    "compare": [".", "--output", "compare.html"],
    "trace": ["rho Mg-O", "."],
    "report": [".", "--output", "page"],
    "validate": [".", "--work", "v"],
    "potential show": ["potential.toml"],
    "potential export": ["potential.toml"],
    "reference check": ["set"],
    "reference import": ["frames.extxyz", "--set", "set", "--family", "b"],
    "reference split": ["set", "--hold-out", "a", "--reason", "a test"],
    "reference generate": [".", "--work", "g"],
    "reference compare": ["set", "set"],
    "reference run": [".", "--write-only", "castep", "--work", "g"],
    "transport msd": ["walk.extxyz", "--temperature", "700", "--mobile", "Li=1"],
    "transport rdf": ["walk.extxyz", "--pair", "Li-O"],
    "transport density": ["walk.extxyz", "--species", "Li", "--spacing", "1"],
    "transport sites": ["walk.extxyz", "--species", "Li", "--reference", "walk.extxyz"],
    "transport arrhenius": ["700.json", "900.json", "--species", "Li", "--quantity", "diffusion"],
    "boundary build": ["boundary.toml", "--only-start", "--output", "run"],
    "boundary domains": ["salt.extxyz"],
    "boundary dope": ["salt.extxyz", "--config", "dope.toml", "--potential", "latp-2021", "--output", "d"],
    "boundary swap": ["salt.extxyz", "swap.toml", "--output", "s"],
    "boundary bleeding": ["s"],
    "boundary spectrum": ["salt.extxyz", "--dopant", "Mg", "--potential", "latp-2021", "--output", "s"],
}  # fmt: skip
#: What is there and is no file that can be read, or is too much of one.
PATHS = ["pipe", "loop", "/dev/null", "/dev/zero", "/proc/self/mem", "set", "empty", "bytes", "fit.toml/x", "-"]


def verbs(command, words=()):
    """Every verb of a command with its words."""
    if isinstance(command, click.Group) or hasattr(command, "commands"):
        for name, inside in command.commands.items():
            yield from verbs(inside, (*words, name))
    else:
        yield " ".join(words), command


COMMANDS = dict(verbs(typer.main.get_command(app)))


def test_every_verb_is_attacked():
    assert VERBS.keys() == COMMANDS.keys()


@pytest.fixture(scope="module")
def trapped(folder, tmp_path_factory):
    """The sound folder with files that hold nothing, and everything."""
    made = tmp_path_factory.mktemp("trapped") / "Mg"
    shutil.copytree(folder, made)
    (made / "empty").touch()
    (made / "bytes").write_bytes(bytes(range(256)) * 40)
    return made


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_or_argument_of_any_value_is_one_line_or_sound(trapped, short, verb):
    values = [
        value for value in (*TEXTS, *map(str, (*INTEGERS, *NUMBERS)), *PATHS) if "\0" not in value and value != "/"
    ]
    options = [one.opts[0] for one in COMMANDS[verb].params if one.opts[0].startswith("--") and not one.is_flag]
    sound = [*verb.split(), *VERBS[verb]]
    places = range(len(verb.split()), len(sound))

    # Three of them draw a page, place ions or write sets each time.
    @settings(FEW, max_examples=2 if verb in ("report", "boundary build", "new") else 4)
    @given(st.sampled_from([*options, *places]), st.sampled_from(values))
    def any_value(where, value):
        if isinstance(where, int):
            words = [*sound[:where], value, *sound[where + 1 :]]
        else:
            words = [*sound, where, value]
        holds(trapped, "", "", *words)

    any_value()


#: Files that are no TOML, damaged word by word, and what reads them.
TABLES = {
    "walk.extxyz": ["transport msd", "transport rdf", "transport density", "transport sites"],
    "700.json": ["transport arrhenius"],
    "entries.json": ["window"],
    "frames.extxyz": ["reference import"],
    "potential.toml": ["potential export"],
    "salt.extxyz": ["boundary domains", "boundary swap"],
    "set/manifest.toml": ["reference split"],
}  # fmt: skip


@pytest.mark.parametrize("file, verb", [(file, verb) for file, all_of in TABLES.items() for verb in all_of])
def test_a_file_with_words_changed_is_one_line_or_sound(folder, short, file, verb):
    lines = (folder / file).read_text().splitlines()

    @settings(FEW, max_examples=4)
    @given(st.integers(0, len(lines) - 1), st.integers(0, 20), st.sampled_from([*WORDS, *TEXTS]), st.booleans())
    def any_content(number, place, word, cut):
        parts = lines[number].split(" ")
        parts[place % len(parts)] = word
        changed = [*lines[:number], " ".join(parts), *([] if cut else lines[number + 1 :])]
        holds(folder, file, "\n".join(changed) + "\n", *verb.split(), *VERBS[verb])

    any_content()


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
        ("swap.toml", ('["Ti"]', '["Ti", "Xx"]'), "'Xx' is not in potential"),
        ("salt.extxyz", ("Ti ", "Al "), "must be neutral"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(folder, tmp_path, file, change, said):
    text = (folder / file).read_text()
    assert change[0] in text
    shutil.copytree(folder, tmp_path / "a")
    (tmp_path / "a" / file).write_text(text.replace(*change))
    before = {*(tmp_path / "a").rglob("*.*")}
    with chdir(tmp_path / "a"):
        status, error = run(*FILES.get(file, FILES["swap.toml"])[1])
    assert status == 2 and said in error
    assert {path for path in (tmp_path / "a").rglob("*.*") if path.name != ".lock"} == before


def test_the_sound_call_of_swaps_comes_to_its_work(folder, short, tmp_path):
    with chdir(folder):
        status, error = run("boundary", "swap", "salt.extxyz", "swap.toml", "--output", str(tmp_path / "s"))
    assert (status, error) == (0, "")
    assert (tmp_path / "s" / "swap.json").is_file()


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
