"""`dopantfit transport` as a user meets it."""

import json
import subprocess
import sys

import ase.io
import numpy as np
import pytest
from ase import Atoms

from dopantfit.provenance import sha256_of

from .conftest import SPECIES, random_walk


def transport(*arguments):
    command = [sys.executable, "-m", "dopantfit.cli", "transport", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two replicas of walkers with D = 5e-5 cm²/s, 0.1 ps between frames, in a box of 50 Å; framework at rest."""
    folder = tmp_path_factory.mktemp("runs")
    paths = []
    for seed in (1, 2):
        walk = random_walk(np.random.default_rng(seed), 300, 20, variance=0.1)
        positions = np.concatenate([walk, np.zeros((300, 2, 3))], axis=1)
        frames = [
            Atoms("Li20TiO", positions=p, cell=np.eye(3) * 50, pbc=True, info={"time": 0.1 * i})
            for i, p in enumerate(positions)
        ]
        paths.append(folder / f"run{seed}.extxyz")
        ase.io.write(paths[-1], frames)
    return paths


def test_replicas_give_numbers_with_errors(runs, tmp_path):
    output = tmp_path / "msd.csv"
    done = transport(*runs, "--temperature", 700, "--mobile", "Li=1", "--output", output, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["inputs"] == {str(path): sha256_of(path) for path in runs}
    lithium = result["species"]["Li"]
    low, high = lithium["D_cm2_per_s"]["interval_95"]
    assert low < 5e-5 < high
    # σ = e² D N / (V k_B T) = 1.602e-19 × 5e-5 × 20 / (1.25e-19 cm³ × 0.06032 V)
    assert lithium["tracer_conductivity_S_per_cm"]["value"] == pytest.approx(
        lithium["D_cm2_per_s"]["value"] / 5e-5 * 2.125e-2, rel=1e-3
    )
    assert "upper_bound_95" in result["species"]["Ti"]["D_cm2_per_s"]
    assert result["haven_ratio"]["interval_95"][0] < 1.0 < result["haven_ratio"]["interval_95"][1]
    lines = output.read_text().splitlines()
    assert lines[0].startswith("species,run,time_ps")
    assert len(lines) == 1 + 3 * 2 * 300


def test_the_table_names_bounds_and_what_is_missing(runs):
    done = transport(runs[0], "--temperature", 700, "--mobile", "Li=1")
    assert done.returncode == 0, done.stderr
    for words in ("Li", "D* cm²/s", "< ", "upper bound", "only replicas show", "Haven ratio"):
        assert words in done.stdout


def test_a_dcd_file_takes_its_species_from_a_structure(fixed_cell, tmp_path):
    structure = tmp_path / "ions.extxyz"
    ase.io.write(structure, Atoms(SPECIES, positions=np.eye(7)[:, :3], cell=np.eye(3) * 9, pbc=True))
    arguments = ("--temperature", 700, "--mobile", "Li=1", "--structure", structure, "--json")
    done = transport(fixed_cell / "unwrapped.dcd", *arguments)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["species"]) == {"Li", "O", "Ti"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("wrapped.dcd", "--mobile", "Li=1"), "holds no species"),
        (("bare.dump", "--mobile", "Li=1", "--timestep", "0.0005"), "image flags"),
        (("xu.dump", "--mobile", "Li", "--timestep", "0.0005"), "write it as Li=1"),
        (("xu.dump", "--mobile", "Mg=2", "--timestep", "0.0005"), "no ion of species 'Mg'"),
        (("none.dump", "--mobile", "Li=1"), "no such trajectory"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, words, fixed_cell):
    done = transport(fixed_cell / arguments[0], *arguments[1:], "--temperature", 700)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
