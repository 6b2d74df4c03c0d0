"""What people have: compressed dumps, types in place of elements, times in files, XYZ and XDATCAR of all programs."""

import bz2
import gzip
import lzma
from itertools import pairwise

import ase.io
import numpy as np
import pytest
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.transport import read_trajectory
from dopantfit.transport.labels import parse_types, read_structure

from .walk import CELL, INTERVAL, LABELS, data_file, dump, walk, xdatcar, xyz

RUN = walk()
KINDS = {"1": "Li", "2": "Ti", "3": "O"}


def is_the_walk(trajectory, labels=LABELS):
    """Whether what was read is what was written, but for the cell that each ion started in."""
    assert trajectory.species == labels
    assert trajectory.interval == pytest.approx(INTERVAL, rel=1e-6)
    moved = np.asarray(trajectory.positions, dtype=float)
    moved = moved - moved[0]
    # Eight decimals of a fraction, float32 of up to 30 Å.
    np.testing.assert_allclose(moved, RUN.positions - RUN.positions[0], rtol=0, atol=2e-5)
    np.testing.assert_allclose(trajectory.cells, np.broadcast_to(CELL, trajectory.cells.shape), atol=1e-6)


def written(path, text):
    (path.write_bytes if isinstance(text, bytes) else path.write_text)(text)
    return path


def refused(words, path, **arguments):
    with pytest.raises(ConfigError) as caught:
        read_trajectory(path, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("run.lammpstrj", dump(RUN), {"timestep": 0.001, "types": KINDS}),
        ("run.dump", dump(RUN, "id element x y z ix iy iz"), {"timestep": 0.001}),
        ("anything", dump(RUN, "element id xs ys zs ix iy iz"), {"timestep": 0.001}),
        ("run.extxyz", xyz(RUN.positions, "time={ps:.3f}"), {}),
        ("XDATCAR", xdatcar(RUN), {"interval": INTERVAL}),
    ],
)
def test_a_compressed_file_is_read_as_the_plain_one(compress, name, text, arguments, tmp_path):
    is_the_walk(read_trajectory(written(tmp_path / name, text), **arguments))
    suffix = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}[compress]
    path = written(tmp_path / (name + suffix), compress(text.encode()))
    is_the_walk(read_trajectory(path, **arguments))
    # Half a file is no file, and types are no elements, compressed or not.
    refused(["damaged or was cut short"], written(tmp_path / "cut.gz", compress(text.encode())[:-30]), **arguments)
    if "types" in arguments:
        refused(["no column 'element'", "--types"], path, timestep=0.001)


def test_what_a_dump_calls_a_type_is_looked_up_and_never_guessed(tmp_path):
    path = written(tmp_path / "run.dump", dump(RUN))
    is_the_walk(read_trajectory(path, timestep=0.001, types=parse_types(["1=Li, 2=Ti", "3=O"])))
    refused(["which species type 3 is"], path, timestep=0.001, types={"1": "Li", "2": "Ti"})
    with pytest.raises(ConfigError, match="--types '3=Ti': is no type with its species"):
        parse_types(["3=O,3=Ti"])
    with pytest.raises(ConfigError, match="--types 'Li'"):
        parse_types(["Li"])
    # Type labels stand in the column in place of numbers.
    labelled = dump(RUN, "id element xu yu zu").replace("id element", "id type")
    is_the_walk(read_trajectory(written(tmp_path / "labels.dump", labelled), timestep=0.001))
    # LAMMPS calls every type C where nobody names them.
    nameless = dump(RUN, "id type element xu yu zu")
    for label in ("Li", "Ti", "O"):
        nameless = nameless.replace(f" {label} ", " C ")
    path = written(tmp_path / "nameless.dump", nameless)
    refused(["calls all its 3 types C", "--types"], path, timestep=0.001)
    is_the_walk(read_trajectory(path, timestep=0.001, types=KINDS))
    refused(["holds no types"], written(tmp_path / "run.xyz", xyz(RUN.positions, "time={ps}")), types=KINDS)


@pytest.mark.parametrize(
    ("style", "hint"),
    [("charge", True), ("atomic", True), ("full", True), ("molecular", True), ("atomic", False), ("full", False)],
)
def test_a_data_file_names_types_and_ions_by_id(style, hint, tmp_path):
    structure = read_structure(written(tmp_path / "system.data", data_file(style, hint)))
    np.testing.assert_allclose(structure.cell, CELL)
    # By the types of the dump, and by the ids alone.
    for columns in ("id type xu yu zu", "id xu yu zu"):
        path = written(tmp_path / "run.dump", dump(RUN, columns))
        is_the_walk(read_trajectory(path, timestep=0.001, structure=structure))


def test_masses_without_names_are_no_species(tmp_path):
    path = written(tmp_path / "run.dump", dump(RUN))
    for names in (("", "", ""), ("one", "two", "three"), ("6.94", "47.9", "16")):
        structure = read_structure(written(tmp_path / "system.data", data_file(names=names)))
        refused(["--types" if not structure.kinds else "which species"], path, timestep=0.001, structure=structure)
        is_the_walk(read_trajectory(path, timestep=0.001, structure=structure, types=KINDS))
    labels = data_file(names=("Li core", "Ti_core", "O # of the framework"))
    assert read_structure(written(tmp_path / "x.data", labels)).kinds == KINDS


def test_a_damaged_data_file_is_refused(tmp_path):
    whole = data_file()
    for text, word in (
        (data_file("charge", hint=False), "write the style behind the word"),
        (whole.replace("# charge", "# strange"), "style strange"),
        (whole.replace("\n5 2 1.5", "\nfive 2 1.5"), "is damaged"),
        (whole.replace("0.0 8.0 xlo", "zero 8.0 xlo"), "is no edge of a box"),
    ):
        with pytest.raises(ConfigError, match=word):
            read_structure(written(tmp_path / "system.data", text))
    fewer = read_structure(
        written(
            tmp_path / "system.data", whole.replace("\n12 3 -1.5 0.0 0.0 0.0", "").replace("12 3 1.5 0.0 0.0 0.0\n", "")
        )
    )
    refused(
        ["11 species labels for 12 ions"],
        written(tmp_path / "a.dump", dump(RUN, "id xu yu zu")),
        structure=fewer,
        timestep=0.001,
    )


SHELLS = np.concatenate([RUN.positions, RUN.positions[:, 7:] + 0.02], axis=1)
WITH_SHELLS = (*LABELS, *("O",) * 5)


def test_shells_beside_their_cores_are_refused_or_left_out(tmp_path):
    path = written(tmp_path / "all.extxyz", xyz(SHELLS, "time={ps}", labels=WITH_SHELLS))
    refused(["sites 8 (O) and 13 (O) are 0.035 Å apart", "5 pair(s)", "shells beside their cores"], path)
    # A map of types, or a data file, says which sites are shells.
    typed = written(
        tmp_path / "all.xyz", xyz(SHELLS, "time={ps}", labels=["1"] * 4 + ["2"] * 3 + ["3"] * 5 + ["4"] * 5)
    )
    refused(["shells beside their cores"], typed, types={**KINDS, "4": "O"})
    is_the_walk(read_trajectory(typed, types={**KINDS, "4": "shell"}))
    refused(["every type is called 'shell'"], typed, types=dict.fromkeys("1234", "shell"))


def test_ions_that_meet_once_are_no_shells(tmp_path):
    def met(frame, apart):
        """The walk in which the first Li comes that close to an image of a Ti."""
        positions = RUN.positions.copy()
        way = (positions[frame, 5] + apart - positions[frame, 0]) @ np.linalg.inv(CELL)
        positions[frame, 0] += (way - np.rint(way)) @ CELL
        return xyz(positions, "time={ps}")

    read_trajectory(written(tmp_path / "met.extxyz", met(30, 0.2)))
    refused(["are 0.052 Å apart"], written(tmp_path / "one.extxyz", met(0, 0.03)))


@pytest.mark.parametrize(("units", "per_ps"), [("metal", 1.0), ("real", 1e3)])
def test_times_of_a_dump_are_read_with_their_units(units, per_ps, tmp_path):
    text = dump(RUN, "id element xu yu zu", head=f"ITEM: UNITS\n{units}\n", time=INTERVAL * per_ps)
    path = written(tmp_path / "run.dump", text)
    is_the_walk(read_trajectory(path))
    is_the_walk(read_trajectory(path, timestep=0.001))
    assert "0.1 ps apart by the file, 0.2 ps as given" in read_trajectory(path, timestep=0.002).notes[0]
    refused(["--timestep makes frames 0.2 ps apart, --interval 0.1"], path, timestep=0.002, interval=0.1)


def test_lengths_of_a_dump_are_in_its_units(tmp_path):
    # The same box read in nanometres is ten times as wide.
    text = dump(RUN, "id element xu yu zu", head="ITEM: UNITS\nnano\n", time=INTERVAL * 1e-3)
    nano = read_trajectory(written(tmp_path / "run.dump", text))
    np.testing.assert_allclose(nano.cells[0], 10.0 * CELL, rtol=1e-12)
    np.testing.assert_allclose(nano.positions, 10.0 * RUN.positions, atol=1e-4)
    refused(["units 'lj'"], written(tmp_path / "lj.dump", text.replace("nano", "lj")))


def test_times_without_units_are_asked_for(tmp_path):
    path = written(tmp_path / "run.dump", dump(RUN, "id element xu yu zu", time=INTERVAL))
    refused(["carry steps, not times"], path)
    is_the_walk(read_trajectory(path, interval=INTERVAL))


@pytest.mark.parametrize(
    "comment",
    [
        "Timestep={i}00 Time={ps:.6f}",  # LAMMPS, dump extxyz
        "time={ps:.3f}",
        "time_fs={fs}",
        "step={i} time={ps:.3f}",  # a number of the frame, no time step
        "step={i}00 time={ps:.4f} timestep=0.001",
    ],
)
def test_times_of_xyz_are_those_of_the_program_that_wrote_it(comment, tmp_path):
    is_the_walk(read_trajectory(written(tmp_path / "run.xyz", xyz(RUN.positions, comment))))


def test_xyz_without_a_cell_takes_that_of_a_structure(tmp_path):
    structure = read_structure(written(tmp_path / "system.data", data_file()))
    cp2k = xyz(RUN.wrapped, " i = {i:8}00, time = {fs:12.3f}, E = -123.456", lattice=False)
    path = written(tmp_path / "cp2k.xyz", cp2k)
    refused(["holds no cell"], path)
    is_the_walk(read_trajectory(path, structure=structure))
    types = [{"Li": "1", "Ti": "2", "O": "3"}[label] for label in LABELS]
    lammps = xyz(RUN.wrapped, "Atoms. Timestep: {i}00", lattice=False, labels=types)
    path = written(tmp_path / "lammps.xyz", lammps)
    refused(["holds no cell"], path, timestep=0.001, types=KINDS)
    refused(["no column 'element'", "--types"], path, timestep=0.001)
    is_the_walk(read_trajectory(path, timestep=0.001, structure=structure))


def test_a_time_in_other_units_than_ps_is_asked_about(tmp_path):
    # LAMMPS in units real counts fs: 1 fs a step is no 1 ps.
    path = written(tmp_path / "run.xyz", xyz(RUN.positions, "Timestep={i}00 Time={fs:.6f}"))
    refused(["a time step of 1,", "as ps too long", "--timestep"], path)
    is_the_walk(read_trajectory(path, timestep=0.001))


def test_damaged_xyz_is_one_line(tmp_path):
    whole = xyz(RUN.positions, "time={ps:.1f}")
    lines = whole.splitlines(keepends=True)
    for text, word in (
        (whole.replace("time=0.3", "time=abc"), "frame 3 has time = 'abc', expected a number"),
        (whole.replace("time=0.3 ", "time ").replace("time=0.3\n", "time\n"), "frame 3 has time = 'True'"),
        (whole.replace("time=0.3", "time=nan"), "frame 3 has time = "),
        ("".join(lines[:-1]), "frame 59 holds 11 of its 12 ions"),
        (whole.replace("12\n", "1000000000\n", 1), "of its 1000000000 ions"),
        (whole.replace("12\n", "-3\n", 1), "begins with '-3'"),
        (whole.replace("12\n", "9" * 5000 + "\n", 1), "expected its number of ions"),
        (whole.replace("Li ", "Li x", 1), "frame 0 cannot be read"),
        (whole.replace('Lattice="8.0 0.0', 'Lattice="8.0', 1), "frame 0 cannot be read"),
        (whole.replace("pos:R:3", "pos:R:2", 1), "has no species:S:1 or no pos:R:3"),
    ):
        assert text != whole
        refused([word], written(tmp_path / "run.xyz", text))


def test_an_xdatcar_of_vasp_4_is_refused_as_what_it_is(tmp_path):
    text = "  2  2  3\n 0.1E+02 0.8E-09 0.8E-09 0.8E-09 0.1E-14\n 300.0\n  CAR\n a title\n"
    text += "".join(f"Konfig=  {k}\n 0.0 0.0 0.0\n 0.5 0.5 0.{k}\n" for k in range(1, 4))
    with pytest.raises(ConfigError, match="is an XDATCAR of VASP 4, which names neither cell vectors nor species"):
        read_trajectory(written(tmp_path / "XDATCAR", text), interval=INTERVAL)


def test_xdatcar_is_read_however_vasp_writes_it(tmp_path):
    # The scale may be the volume of the cell; the head stands before every frame where the cell changes.
    for text in (
        xdatcar(RUN),
        xdatcar(RUN, scale="2.0", vectors=CELL / 2.0),
        xdatcar(RUN, scale="-540.0", vectors=CELL / 3.0),
        xdatcar(RUN, head_every_frame=True),
        xdatcar(RUN, numbers=range(10, 610, 10)),
    ):
        trajectory = read_trajectory(written(tmp_path / "XDATCAR", text), interval=INTERVAL)
        is_the_walk(trajectory)
        assert "unwrapped by nearest image" in trajectory.notes[0]


def test_damaged_xdatcar_is_one_line(tmp_path):
    whole = xdatcar(RUN)
    for text, words in (
        (whole[:-40], ["cut short", "after configuration"]),
        (xdatcar(RUN, numbers=[*range(1, 31), *range(32, 62)]), ["configuration 30 is followed by 32"]),
        (xdatcar(RUN, numbers=[*range(1, 31), *range(1, 31)]), ["configuration 30 is followed by 1", "several runs"]),
        (whole.replace("  Li Ti O\n", ""), ["line of species"]),
        (whole.replace("4 3 5", "4 3 999999999999"), ["numbers of ions"]),
        (whole.replace("Direct configuration=     2", "Direct configuration=     x"), ["damaged"]),
    ):
        assert text != whole
        refused(words, written(tmp_path / "XDATCAR", text), interval=INTERVAL)
    refused(["carry no time", "--interval"], written(tmp_path / "XDATCAR", whole))
    refused(["carry no steps", "--interval"], tmp_path / "XDATCAR", timestep=0.001)


def test_an_ase_trajectory_of_wrapped_ions_is_unwrapped(tmp_path):
    frames = [Atoms(LABELS, positions=positions, cell=CELL, pbc=True) for positions in RUN.wrapped]
    ase.io.write(tmp_path / "run.traj", frames)
    is_the_walk(read_trajectory(tmp_path / "run.traj", interval=INTERVAL))
    refused(["no time"], tmp_path / "run.traj")
    ase.io.write(tmp_path / "cell.traj", [Atoms(LABELS, positions=positions) for positions in RUN.wrapped])
    refused(["holds no cell"], tmp_path / "cell.traj", interval=INTERVAL)


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["interval", "timestep"])
def test_a_time_that_is_not_positive_is_refused_whatever_the_file_says(name, value, tmp_path):
    for file, text in (("run.extxyz", xyz(RUN.positions, "time={ps}")), ("run.dump", dump(RUN, "id element xu yu zu"))):
        refused([f"--{name}", "positive"], written(tmp_path / file, text), **{name: value})


def test_ids_that_are_none_or_twice_are_refused(tmp_path):
    whole = dump(RUN, "id element xu yu zu")
    first = whole.splitlines()[9]
    for other, word in ((f"{first.split()[0]}.5", "no whole numbers"), ("nan", "no whole numbers")):
        changed = whole.replace(first, other + first[first.index(" ") :])
        refused([word], written(tmp_path / "run.dump", changed), timestep=0.001)
    twice = "\n".join(
        "1" + line[line.index(" ") :] if before.startswith("ITEM: ATOMS") else line
        for before, line in pairwise(whole.splitlines())
    )
    refused(["twice"], written(tmp_path / "run.dump", "ITEM: TIMESTEP\n" + twice + "\n"), timestep=0.001)


def test_what_lammps_itself_writes_is_one_run(fixed_cell):
    """Compressed with types, times and units; extended and plain XYZ, wrapped; data files with and without names."""
    reference = read_trajectory(fixed_cell / "xu.dump", timestep=0.0005)
    structure = read_structure(fixed_cell / "labels.data")
    assert structure.kinds == {"1": "Li", "2": "O", "3": "Ti"}
    nameless = read_structure(fixed_cell / "plain.data")
    assert nameless.kinds == {} and nameless.types == structure.types
    with pytest.raises(ConfigError, match="--types"):
        read_trajectory(fixed_cell / "typed.dump.gz", structure=nameless)
    found = [
        read_trajectory(fixed_cell / "typed.dump.gz", structure=structure),
        read_trajectory(fixed_cell / "typed.dump.gz", types=structure.kinds),
        read_trajectory(fixed_cell / "run.extxyz"),
        read_trajectory(fixed_cell / "plain.xyz", structure=structure, timestep=0.0005),
        read_trajectory(fixed_cell / "unwrapped.dcd", structure=structure),
    ]
    for one in found:
        assert one.species == reference.species and one.interval == pytest.approx(0.01, rel=1e-6)
        np.testing.assert_allclose(one.cells, reference.cells, atol=1e-6)
        # XYZ has six digits.
        moved, known = (np.asarray(run.positions, dtype=float) - run.positions[0] for run in (one, reference))
        np.testing.assert_allclose(moved, known, rtol=0, atol=1e-3)
