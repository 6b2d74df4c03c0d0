"""What people gave the command line, and what it must say: a right number, or one line and status 2."""

import io
import json
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import numpy as np
import pytest

from dopantfit.cli import main

from .walk import dcd, dump, walk, xdatcar, xyz

RUN = walk()
MSD = ("--temperature", 700, "--mobile", "Li=1")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "run.dump").write_text(dump(RUN))
    (tmp_path / "run.extxyz").write_text(xyz(RUN.positions, "time={ps:.1f}"))
    (tmp_path / "words.extxyz").write_text(xyz(RUN.positions, "time={ps:.1f}").replace("time=0.3", "time=abc"))
    (tmp_path / "XDATCAR").write_text(xdatcar(RUN))
    (tmp_path / "huge.dcd").write_bytes(dcd(RUN.positions, (8.0, 0.0, 8.0, 0.0, 0.0, 9.0), counts=(60, 2**31 - 1)))
    (tmp_path / "a.dump").write_text(dump(RUN.part(0, 31), "id element xu yu zu"))
    (tmp_path / "b.dump").write_text(dump(RUN.part(30, 60), "id element xu yu zu", first=3000))
    return tmp_path


@dataclass(frozen=True)
class Done:
    """How a verb ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def of(files, verb, *arguments):
    """Run a verb in this process; files are named by their names."""
    words = [
        str(files / word) if isinstance(word, str) and (files / word).is_file() else str(word) for word in arguments
    ]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["dopantfit", "transport", verb, *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())


def reached(files, *arguments):
    """MSD of Li at the end of the fitted part [Å²], and what was noted."""
    done = of(files, "msd", *arguments, *MSD, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    return record["species"]["Li"]["msd_reached_A2"], record["notes"], done.stderr


def test_one_walk_is_one_number_from_every_format_by_its_own_option(files):
    direct, notes, said = reached(files, "run.extxyz")
    # Independent steps of 0.35 Å in three directions: 3 × 0.1225 Å² a frame, 41 frames; a walk of four ions scatters.
    assert 0.3 < direct / (41 * 0.3675) < 3.0 and notes == [] and said == ""
    typed, *_ = reached(files, "run.dump", "--timestep", 0.001, "--types", "1=Li,2=Ti", "--types", "3=O")
    assert typed == pytest.approx(direct, rel=1e-4)
    wrapped, notes, said = reached(files, "XDATCAR", "--interval", 0.1)
    assert wrapped == pytest.approx(direct, rel=1e-4)
    assert "unwrapped by nearest image" in notes[0] and said == f"dopantfit: note: {notes[0]}\n"
    joined, notes, _ = reached(files, "a.dump", "b.dump", "--timestep", 0.001, "--join")
    assert joined == pytest.approx(direct, rel=1e-4) and notes == []
    # As replicas they are half as long, and not independent.
    apart, notes, _ = reached(files, "a.dump", "b.dump", "--timestep", 0.001)
    assert apart < direct and "goes on from" in notes[0] and "--join" in notes[0]


def test_distributions_and_densities_need_no_times_and_no_unwrapped_positions(files):
    found = {}
    for name in ("XDATCAR", "run.extxyz"):
        rdf = of(files, "rdf", name, "--pair", "Ti-O", "--json")
        density = of(files, "density", name, "--species", "Li", "--spacing", 1.0, "--json")
        assert (rdf.returncode, density.returncode) == (0, 0), rdf.stderr + density.stderr
        pair = json.loads(rdf.stdout)["pairs"]["Ti-O"]
        found[name] = [pair["first_peak_A"], pair["coordination_number"]["value"]]
        assert json.loads(density.stdout)["ions"] == pytest.approx(4.0)
    # Eight digits of a fraction.
    np.testing.assert_allclose(found["XDATCAR"], found["run.extxyz"], rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("msd", "run.dump", *MSD, "--timestep", 0.001), "no column 'element'"),
        (("msd", "run.extxyz", *MSD, "--interval", 0), "--interval 0"),
        (("msd", "run.extxyz", *MSD, "--timestep", 0), "--timestep 0"),
        (("msd", "run.extxyz", *MSD, "--interval", "nan"), "--interval nan"),
        (("msd", "run.extxyz", *MSD, "--hop-length", "nan"), "--hop-length nan"),
        (("msd", "run.extxyz", "--temperature", "inf", "--mobile", "Li=1"), "--temperature inf"),
        (("msd", "run.extxyz", "run.extxyz", *MSD), "is the same run as"),
        (("msd", "words.extxyz", *MSD), "time = 'abc'"),
        (("msd", "huge.dcd", *MSD), "cannot hold"),
        (("msd", "XDATCAR", *MSD), "--interval"),
        (("rdf", "run.extxyz", "--pair", "Li-O", "--radius", "nan"), "radius = nan"),
        (("rdf", "run.extxyz", "--pair", "Li-O", "--cutoff", "1e300"), "1e+300"),
        (("density", "run.extxyz", "--species", "Li", "--smooth", "1e300"), "1e+300"),
        (("density", "run.extxyz", "--species", "Li", "--level", "nan"), "--level nan"),
        (("density", "run.extxyz", "--species", "Li", "--spacing", "1e-300"), "spacing"),
        (("sites", "run.extxyz", "--species", "Li", "--reference", "run.extxyz", "--radius", "nan"), "--radius nan"),
        (("msd", "run.extxyz", *MSD, "--types", "Li"), "--types 'Li'"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(arguments, words, files):
    done = of(files, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("verb", "arguments", "options"),
    [
        ("msd", MSD, ("--output", "--figure")),
        ("rdf", ("--pair", "Li-O"), ("--output", "--figure")),
        ("density", ("--species", "Li"), ("--output", "--figure", "--cube", "--mesh")),
        ("sites", ("--species", "Li", "--reference", "structure.extxyz"), ("--output",)),
    ],
)
def test_no_output_takes_the_place_of_an_input(verb, arguments, options, files):
    shutil.copy(files / "run.extxyz", files / "structure.extxyz")
    os.link(files / "run.extxyz", files / "hard.extxyz")
    before = {path: path.read_bytes() for path in files.iterdir()}
    for option in options:
        for target in ("run.extxyz", "structure.extxyz", "hard.extxyz"):
            given = ("run.extxyz", *arguments, "--structure", "structure.extxyz", option, target)
            done = of(files, verb, *given)
            assert done.returncode == 2 and f"{option} " in done.stderr and "is an input" in done.stderr
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_a_damaged_result_gives_no_line(files):
    done = of(files, "msd", "run.extxyz", *MSD, "--json")
    whole = json.loads(done.stdout)
    estimate = {"value": 1e-5, "error": 1e-6, "interval_95": [8e-6, 1.2e-5]}
    for kelvin in (700, 900):
        whole |= {"temperature_K": kelvin, "species": {"Li": {"D_cm2_per_s": estimate}}}
        (files / f"{kelvin}.json").write_text(json.dumps(whole))
    arguments = ("--species", "Li", "--quantity", "diffusion")
    assert of(files, "arrhenius", "700.json", "900.json", *arguments).returncode == 0
    shutil.copy(files / "700.json", files / "copy.json")
    assert "is the same result as" in of(files, "arrhenius", "700.json", "copy.json", *arguments).stderr
    for species in (None, [], {"Li": None}, {"Li": {"D_cm2_per_s": []}}, {"Li": {"D_cm2_per_s": {"value": 1}}}, "Li"):
        (files / "bad.json").write_text(json.dumps({**whole, "species": species}))
        done = of(files, "arrhenius", "700.json", "bad.json", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "bad.json" in done.stderr
    for number in ("-1e-5", "0", "NaN", "9" * 5000, '"x"'):
        (files / "bad.json").write_text(json.dumps(whole).replace('"value": 1e-05', f'"value": {number}'))
        done = of(files, "arrhenius", "700.json", "bad.json", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "or a damaged one" in done.stderr
    for text in ("[" * 20000, "null", "9" * 5000, ""):
        (files / "bad.json").write_text(text)
        done = of(files, "arrhenius", "700.json", "bad.json", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "bad.json" in done.stderr
