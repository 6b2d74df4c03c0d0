"""`dopantfit transport` as a user meets it."""

import json
import subprocess
import sys

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io.cube import read_cube_data

from command_line import dopantfit
from dopantfit.workflow.provenance import sha256_of

from .conftest import SPECIES, random_walk


def transport(*arguments):
    return dopantfit("transport", *arguments)


def apart(n_ions):
    """Places 10 Å apart, in a box of 50 Å."""
    return 10.0 * np.array(list(np.ndindex(5, 5, 5)))[:n_ions]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two replicas of walkers with D = 5e-5 cm²/s, 0.1 ps between frames, in a box of 50 Å; framework at rest."""
    folder = tmp_path_factory.mktemp("runs")
    paths = []
    for seed in (1, 2):
        walk = random_walk(np.random.default_rng(seed), 300, 20, variance=0.1)
        positions = np.concatenate([walk, np.zeros((300, 2, 3))], axis=1) + apart(22)
        frames = [
            Atoms("Li20TiO", positions=p, cell=np.eye(3) * 50, pbc=True, info={"time": 0.1 * i})
            for i, p in enumerate(positions)
        ]
        paths.append(folder / f"run{seed}.extxyz")
        ase.io.write(paths[-1], frames)
    return paths


def test_replicas_give_numbers_with_errors(runs, tmp_path):
    output = tmp_path / "msd.csv"
    words = (*runs, "--temperature", 700, "--mobile", "Li=1", "--output", output, "--json")
    command = [sys.executable, "-m", "dopantfit.cli", "transport", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
        (("bare.dump", "--mobile", "Li=1"), "carry steps, not times"),
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


@pytest.fixture(scope="module")
def activated(tmp_path_factory):
    """Results at three temperatures of walkers with E_a = 0.3 eV, as `--json` prints them."""
    folder = tmp_path_factory.mktemp("activated")
    paths = []
    for seed, kelvin in enumerate((700.0, 850.0, 1000.0)):
        variance = 0.1 * np.exp(-0.3 / 8.617333e-5 * (1 / kelvin - 1 / 1000.0))
        walk = random_walk(np.random.default_rng(seed), 300, 40, variance=variance)
        positions = np.concatenate([walk, np.zeros((300, 1, 3))], axis=1) + apart(41)
        frames = [
            Atoms("Li40Ti", positions=p, cell=np.eye(3) * 50, pbc=True, info={"time": 0.1 * i})
            for i, p in enumerate(positions)
        ]
        ase.io.write(folder / "run.extxyz", frames)
        # Gaussian steps of 0.3 Å at most: hops of 1 Å are long.
        arguments = ("--temperature", kelvin, "--mobile", "Li=1", "--hop-length", 1, "--json")
        done = transport(folder / "run.extxyz", *arguments)
        paths.append(folder / f"{kelvin:g}.json")
        paths[-1].write_text(done.stdout)
    return paths


def test_results_at_several_temperatures_give_the_activation_energy(activated, tmp_path):
    table, figure = tmp_path / "line.csv", tmp_path / "line.png"
    arguments = ("--species", "Li", "--quantity", "diffusion", "--at", 300, "--output", table, "--figure", figure)
    done = transport("arrhenius", *activated, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    low, high = result["activation_energy_eV"]["interval_95"]
    assert low < 0.3 < high and high - low < 0.2
    (room,) = result["predictions"]
    # D = variance/2 per 0.1 ps: 5e-5 cm²/s at 1000 K.
    assert room["extrapolated"]
    expected = 5e-5 * np.exp(-0.3 / 8.617333e-5 * (1 / 300 - 1 / 1000))
    assert room["interval_95"][0] < expected < room["interval_95"][1]
    assert figure.read_bytes().startswith(b"\x89PNG")
    rows = [line.split(",") for line in table.read_text().splitlines()]
    assert rows[0] == ["kind", "temperature_K", "diffusion_cm2_per_s", "low_95", "high_95"]
    assert [row[0] for row in rows[1:4]] == ["point"] * 3
    done = transport("arrhenius", *activated, *arguments)
    assert "extrapolated" in done.stdout and "E_a" in done.stdout


@pytest.fixture(scope="module")
def rocksalt(tmp_path_factory):
    """Two frames of rock salt, nearest neighbours 2 Å apart."""
    path = tmp_path_factory.mktemp("rocksalt") / "run.extxyz"
    cell = bulk("MgO", "rocksalt", a=4.0, cubic=True).repeat(2)
    frames = [cell.copy(), cell.copy()]
    for i, frame in enumerate(frames):
        frame.info["time"] = 0.1 * i
    ase.io.write(path, frames)
    return path


def test_pair_distributions_count_neighbours(rocksalt, tmp_path):
    table, figure = tmp_path / "g.csv", tmp_path / "g.png"
    arguments = ("--pair", "Mg-O", "--pair", "O-O", "--radius", 2.9, "--cutoff", 4, "--output", table)
    done = transport("rdf", rocksalt, *arguments, "--figure", figure, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["pairs"]
    assert found["Mg-O"]["first_peak_A"] == pytest.approx(2.0, abs=0.05)
    assert found["Mg-O"]["coordination_number"]["value"] == 6.0
    assert found["O-O"]["coordination_number"]["value"] == 12.0
    assert table.read_text().startswith("pair,r_A,g,error\nMg-O,") and figure.is_file()


def test_a_density_holds_the_ions_and_goes_to_viewers(rocksalt, tmp_path):
    table, cube, figure = (tmp_path / name for name in ("d.csv", "d.cube", "d.png"))
    outputs = ("--output", table, "--cube", cube, "--figure", figure)
    done = transport("density", rocksalt, "--species", "Mg", "--spacing", 1.0, *outputs, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ions"] == pytest.approx(32.0) and result["grid"] == [8, 8, 8]
    # 32 of 512 voxels hold an ion each.
    assert result["cell_part_with_90_percent_of_the_ions"] == pytest.approx(29 / 512)
    values, atoms = read_cube_data(cube)
    assert values.sum() == pytest.approx(32.0)  # voxels of 1 Å³
    np.testing.assert_allclose(atoms.cell, 8.0 * np.eye(3), atol=1e-6)
    assert len(table.read_text().splitlines()) == 513 and figure.is_file()


@pytest.fixture(scope="module")
def one_less(rocksalt):
    """The ions of the rock salt with the Mg at the origin called Ca."""
    path = rocksalt.parent / "one_less.extxyz"
    atoms = ase.io.read(rocksalt, index=0)
    assert atoms[0].symbol == "Mg" and not atoms[0].position.any()
    atoms[0].symbol = "Ca"
    ase.io.write(path, atoms)
    return path


@pytest.mark.parametrize("sign", [1, -1])
def test_the_difference_of_two_densities_is_the_ion_that_one_lacks(sign, rocksalt, one_less, tmp_path):
    mesh, table, figure = (tmp_path / name for name in ("d.obj", "d.csv", "d.png"))
    structures = ("--structure", rocksalt, "--minus-structure", one_less)
    if sign < 0:
        structures = ("--structure", one_less, "--minus-structure", rocksalt)
    outputs = ("--mesh", mesh, "--output", table, "--figure", figure)
    arguments = ("density", rocksalt, "--minus", rocksalt, "--species", "Mg", "--spacing", 1.0, *structures)
    done = transport(*arguments, "--level", 0.5 * sign, *outputs, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ions"] == pytest.approx(sign) and result["minus"] == str(rocksalt)
    highest, lowest = result["highest_density_per_A3"], result["lowest_density_per_A3"]
    assert (highest, lowest) == pytest.approx((1.0, 0.0) if sign > 0 else (0.0, -1.0))
    # One voxel of 512, of 1 Å³: the surface half-way to its six neighbours is an octahedron of edges √½ Å.
    assert result["standard_deviation_per_A3"] == pytest.approx(512**-0.5, rel=1e-3)
    surface = result["isosurface"]
    assert surface["area_A2"] == pytest.approx(3**0.5, rel=1e-6)
    assert surface["volume_A3"] == pytest.approx(1.0) and surface["ions"] == pytest.approx(sign)
    lines = [line.split() for line in mesh.read_text().splitlines()]
    vertices = np.array([line[1:] for line in lines if line[0] == "v"], dtype=float)
    corners = vertices[np.array([line[1:] for line in lines if line[0] == "f"], dtype=int) - 1]
    edges = np.diff(corners, axis=1)
    area = 0.5 * np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum()
    assert area == pytest.approx(surface["area_A2"], rel=1e-6)
    assert len(table.read_text().splitlines()) == 513 and figure.is_file()


def test_both_densities_take_their_species_from_one_structure(rocksalt, one_less):
    arguments = ("--species", "Mg", "--spacing", 1.0, "--structure", one_less, "--json")
    done = transport("density", rocksalt, "--minus", rocksalt, *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ions"] == 0.0


def test_the_tables_name_what_was_taken_off_and_the_surface(rocksalt, one_less):
    structures = ("--structure", rocksalt, "--minus-structure", one_less)
    done = transport("density", rocksalt, "--minus", rocksalt, "--species", "Mg", *structures, "--level", 0.5)
    assert done.returncode == 0, done.stderr
    for words in ("less that in run.extxyz", "scatter", "isosurface", "volume beyond"):
        assert words in done.stdout


@pytest.fixture(scope="module")
def hopping(tmp_path_factory):
    """Two Li that visit sites of two kinds in an oblique cell, 0.5 ps between frames; the sites in a turned cell."""
    folder = tmp_path_factory.mktemp("hopping")
    cell = np.array([[9.0, 0.0, 0.0], [3.0, 9.0, 0.0], [0.0, 2.0, 10.0]])
    fractions = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5]])
    between = [0.25, 0.0, 0.0]
    # The first goes 0, 1; the second 3, 2, 3; half-way from 0 to 1 is no site.
    first = np.vstack([fractions[[0, 0, 0, 0]], [between], fractions[[1, 1, 1]]])
    second = fractions[[3, 3, 2, 2, 2, 3, 3, 3]]
    frames = [
        Atoms("Li2Ti", positions=[*(np.array(pair) @ cell), [1, 1, 1]], cell=cell, pbc=True, info={"time": 0.5 * i})
        for i, pair in enumerate(zip(first, second, strict=True))
    ]
    ase.io.write(folder / "run.extxyz", frames)
    sites = Atoms("Li4O", positions=[*(fractions @ cell), [2, 2, 2]], cell=cell, pbc=True)
    sites.set_array("label", np.array(["M1", "M1", "M2", "M2", "O"]))
    sites.rotate(30, "z", rotate_cell=True)
    ase.io.write(folder / "sites.extxyz", sites)
    return folder


def test_sites_are_occupied_and_left_as_the_ions_were_told(hopping, tmp_path):
    table = tmp_path / "sites.csv"
    arguments = ("sites", hopping / "run.extxyz", "--reference", hopping / "sites.extxyz", "--species", "Li")
    kinds = ("--site", "M1", "--site", "M2")
    done = transport(*arguments, *kinds, "--output", table, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    inputs = [hopping / "run.extxyz", hopping / "sites.extxyz"]
    assert result["inputs"] == {str(path): sha256_of(path) for path in inputs}
    # M1: 4 + 3 of 2 × 8 frames, M2 all 8 of 2 × 8; blocks of two frames on M1 hold 1/2, 1/2, 1/4, 1/2.
    assert {kind: one["n_sites"] for kind, one in result["sites"].items()} == {"M1": 2, "M2": 2}
    m1, m2 = (result["sites"][kind]["ions_per_site"] for kind in ("M1", "M2"))
    assert (m1["value"], m1["error"]) == pytest.approx((7 / 16, 1 / 16))
    assert (m2["value"], m2["error"]) == pytest.approx((1 / 2, 0.0))
    assert result["part_of_time_between_sites"] == pytest.approx(1 / 16)
    jumps = [{"from": "M1", "to": "M1", "count": 1}, {"from": "M2", "to": "M2", "count": 2}]
    assert result["jumps"] == jumps
    # Three jumps of two ions in seven intervals.
    assert result["jumps_per_ion_and_ps"]["value"] == pytest.approx(3 / 7.0)
    rows = [line.split(",") for line in table.read_text().splitlines()]
    assert rows[0] == ["kind", "a", "b", "c", "ions", "error"]
    assert [(row[0], float(row[4])) for row in rows[1:]] == [("M1", 4 / 8), ("M1", 3 / 8), ("M2", 3 / 8), ("M2", 5 / 8)]
    done = transport(*arguments, *kinds)
    assert done.returncode == 0, done.stderr
    for words in (
        "Li on sites",
        "0.438 ± 0.06",
        "between sites 6.2% of the time",
        "M2 to M2 2",
        "per ion and ps 0.429",
    ):
        assert words in done.stdout
    # One kind alone: nobody leaves it for another.
    done = transport(*arguments, "--site", "M1", "--json")
    assert json.loads(done.stdout)["jumps"] == [{"from": "M1", "to": "M1", "count": 1}]


@pytest.mark.parametrize(
    ("reference", "arguments", "words"),
    [
        ("sites", ("--species", "Li"), "no site is labelled 'Li'; it holds M1, M2, O: name kinds with --site"),
        ("sites", ("--species", "Na", "--site", "M1"), "no ion of species 'Na'; it holds Li, Ti"),
        ("sites", ("--species", "Li", "--site", "M1", "--radius", "3"), "take a radius below 2.25 Å"),
        ("salt", ("--species", "Li", "--site", "Mg"), "its cell (lengths, angles) is 8 8 8 90 90 90"),
        ("none", ("--species", "Li"), "cannot be read"),
    ],
)
def test_bad_sites_are_one_line_and_status_2(reference, arguments, words, hopping, rocksalt):
    path = rocksalt if reference == "salt" else hopping / f"{reference}.extxyz"
    done = transport("sites", hopping / "run.extxyz", "--reference", path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rdf", "run", "--pair", "MgO"), "write it as Ti-O"),
        (("rdf", "run", "--pair", "Mg-O", "--radius", "9"), "must lie between 0 and the cutoff"),
        (("rdf", "run", "--pair", "Mg-O", "--figure", "g.xyz"), "cannot be drawn"),
        (("density", "run", "--species", "Li"), "no ion of species 'Li'"),
        (("density", "run", "--species", "Mg", "--cube", "nowhere/d.cube"), "cannot be written"),
        (("density", "run", "--species", "Mg", "--minus", "oblique"), "no ion of species 'Mg'"),
        (("density", "oblique", "--species", "Li", "--minus", "wide"), "cells differ by more than 5 %"),
        (("density", "run", "--species", "Mg", "--level", "1e6"), "lies outside the densities"),
        (("density", "run", "--species", "Mg", "--mesh", "d.obj"), "give that density with --level"),
        (("arrhenius", "run", "--species", "Li"), "holds no result of"),
        (("arrhenius", "700", "--species", "Li"), "two temperatures"),
        (("arrhenius", "700", "850", "--species", "Ti"), "not among the --mobile"),
        (("arrhenius", "700", "850", "--species", "Mg"), "no species 'Mg'"),
        (("arrhenius", "700", "--species", "Li", "--quantity", "speed"), "choose one of"),
    ],
)
def test_bad_input_of_every_verb_is_one_line_and_status_2(arguments, words, rocksalt, activated, hopping, runs):
    files = {"run": rocksalt, "700": activated[0], "850": activated[1]}
    files |= {"oblique": hopping / "run.extxyz", "wide": runs[0]}
    done = transport(*(files.get(word, word) for word in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and words in done.stderr
