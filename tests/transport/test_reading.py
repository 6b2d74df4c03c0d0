"""Every format gives the same trajectory, and none gives a wrong one silently."""

import shutil

import ase.io
import numpy as np
import pytest
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.lammps import Launcher
from dopantfit.transport import Trajectory, mean_square_displacement, read_trajectory

from .conftest import N_IONS, RUN, SPECIES

DUMPS = ("xu.dump", "xsu.dump", "xi.dump", "xsi.dump")


def xu(files):
    return read_trajectory(files / "xu.dump", timestep=0.0005)


def refused(words, path, **arguments):
    with pytest.raises(ConfigError) as caught:
        read_trajectory(path, **arguments)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


def edited(source, target, old, new, count=1):
    text = source.read_text()
    assert old in text
    target.write_text(text.replace(old, new, count))
    return target


@pytest.mark.parametrize("files", ["fixed_cell", "breathing_cell"])
def test_dcd_and_all_kinds_of_dump_hold_the_same_run(files, request):
    files = request.getfixturevalue(files)
    reference = xu(files)
    assert reference.species == SPECIES
    assert reference.n_frames == 51
    assert reference.interval == pytest.approx(0.01, rel=1e-12)
    dcd = read_trajectory(files / "unwrapped.dcd", species=SPECIES)
    others = [read_trajectory(files / name, timestep=0.0005) for name in DUMPS[1:]]
    for other in [dcd, *others]:
        assert other.species == reference.species
        # The DCD header holds a time step in float32.
        assert other.interval == pytest.approx(reference.interval, rel=1e-6)
        # Positions are float32 of numbers up to 100 Å.
        np.testing.assert_allclose(other.positions, reference.positions, rtol=0, atol=2e-5)
        np.testing.assert_allclose(other.cells, reference.cells, rtol=0, atol=1e-12)


def test_free_flight_goes_straight_through_every_face(fixed_cell):
    trajectory = read_trajectory(fixed_cell / "unwrapped.dcd", species=SPECIES)
    positions = np.asarray(trajectory.positions, dtype=float)
    straight = np.linspace(positions[0], positions[-1], trajectory.n_frames)
    # 51 frames of float32; a wrapped ion would be off by a cell vector.
    np.testing.assert_allclose(positions, straight, rtol=0, atol=1e-4)
    assert np.abs((positions[-1] - positions[0]) @ np.linalg.inv(trajectory.cells[0])).max() > 1.0


def test_dcd_positions_stay_on_disk(fixed_cell):
    trajectory = read_trajectory(fixed_cell / "unwrapped.dcd", species=SPECIES)
    assert trajectory.positions.dtype == np.float32
    assert not trajectory.positions.flags.owndata
    assert not trajectory.positions.flags.writeable


def test_extended_xyz_holds_the_same_run(fixed_cell, tmp_path):
    reference = xu(fixed_cell)
    frames = [
        Atoms(reference.species, positions=p, cell=c, pbc=True, info={"time": 0.01 * i})
        for i, (p, c) in enumerate(zip(reference.positions, reference.cells, strict=True))
    ]
    ase.io.write(tmp_path / "run.extxyz", frames)
    read = read_trajectory(tmp_path / "run.extxyz")
    assert read.species == SPECIES
    assert read.interval == pytest.approx(0.01)
    np.testing.assert_allclose(read.positions, reference.positions, atol=1e-6)


def test_dump_with_a_missing_frame_is_refused(fixed_cell, tmp_path):
    text = (fixed_cell / "xu.dump").read_text()
    frames = text.split("ITEM: TIMESTEP")[1:]
    path = tmp_path / "gap.dump"
    path.write_text("".join(f"ITEM: TIMESTEP{frame}" for frame in frames[:20] + frames[21:]))
    refused(["step 380 is followed by 420", "missing"], path, timestep=0.0005)


def test_dump_with_a_doubled_frame_is_refused(fixed_cell, tmp_path):
    # What a restart leaves behind.
    frames = (fixed_cell / "xu.dump").read_text().split("ITEM: TIMESTEP")[1:]
    path = tmp_path / "twice.dump"
    path.write_text("".join(f"ITEM: TIMESTEP{frame}" for frame in [*frames[:20], *frames[19:]]))
    refused(["doubled"], path, timestep=0.0005)


def test_frames_that_go_backwards_are_refused(fixed_cell, tmp_path):
    frames = (fixed_cell / "xu.dump").read_text().split("ITEM: TIMESTEP")[:0:-1]
    path = tmp_path / "backwards.dump"
    path.write_text("".join(f"ITEM: TIMESTEP{frame}" for frame in frames))
    refused(["step 1000 is followed by 980"], path, timestep=0.0005)


def test_a_dump_with_a_general_cell_is_refused(fixed_cell, tmp_path):
    old = "ITEM: BOX BOUNDS xy xz yz pp pp pp"
    path = edited(fixed_cell / "xu.dump", tmp_path / "abc.dump", old, "ITEM: BOX BOUNDS abc origin pp pp pp")
    refused(["general cell"], path, timestep=0.0005)


def test_dump_that_loses_an_ion_is_refused(fixed_cell, tmp_path):
    frames = (fixed_cell / "xu.dump").read_text().split("ITEM: TIMESTEP")[1:]
    lines = frames[5].splitlines(keepends=True)
    frames[5] = "".join(lines[:-1]).replace(f"ATOMS\n{N_IONS}\n", f"ATOMS\n{N_IONS - 1}\n")
    path = tmp_path / "lost.dump"
    path.write_text("".join(f"ITEM: TIMESTEP{frame}" for frame in frames))
    refused(["step 100 holds 6 ions", "step 0 7", "same ions"], path, timestep=0.0005)


@pytest.mark.parametrize("cut", [10, 200, 700])
def test_dump_that_was_cut_short_is_refused(cut, fixed_cell, tmp_path):
    path = tmp_path / "cut.dump"
    path.write_bytes((fixed_cell / "xu.dump").read_bytes()[:-cut])
    refused(["cut short"], path, timestep=0.0005)


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_dcd_that_was_cut_short_is_refused(cut, fixed_cell, tmp_path):
    path = tmp_path / "cut.dcd"
    path.write_bytes((fixed_cell / "unwrapped.dcd").read_bytes()[:-cut])
    refused(["51 frames of 7 ions", "missing or the run was cut short"], path, species=SPECIES)


def test_dcd_without_its_last_frames_is_refused(fixed_cell, tmp_path):
    frame = 8 + 48 + 3 * (8 + 4 * N_IONS)
    path = tmp_path / "short.dcd"
    path.write_bytes((fixed_cell / "unwrapped.dcd").read_bytes()[: -2 * frame])
    refused(["51 frames", "holds 49"], path, species=SPECIES)


def test_dcd_with_another_number_of_ions_in_a_frame_is_refused(fixed_cell, tmp_path):
    content = bytearray((fixed_cell / "unwrapped.dcd").read_bytes())
    frame = 8 + 48 + 3 * (8 + 4 * N_IONS)
    start = len(content) - 3 * frame + 56
    content[start : start + 4] = np.int32(4 * N_IONS + 4).tobytes()
    path = tmp_path / "changed.dcd"
    path.write_bytes(content)
    refused(["frame 48", "another number of ions"], path, species=SPECIES)


def test_dcd_without_frames_is_refused(fixed_cell, tmp_path):
    frame = 8 + 48 + 3 * (8 + 4 * N_IONS)
    content = bytearray((fixed_cell / "unwrapped.dcd").read_bytes()[: -51 * frame])
    content[8:12] = np.int32(0).tobytes()
    path = tmp_path / "none.dcd"
    path.write_bytes(content)
    refused(["holds no frame"], path, species=SPECIES)


def test_dcd_needs_species(fixed_cell):
    refused(["holds no species", "7 ions"], fixed_cell / "unwrapped.dcd")
    refused(["2 species labels for 7 ions"], fixed_cell / "unwrapped.dcd", species=("Li", "O"))


def test_a_dcd_in_units_of_femtoseconds_is_refused_until_its_time_step_is_given(fixed_cell, tmp_path):
    in_real = RUN.format(deform="").replace("units metal", "units real").replace("timestep 0.0005", "timestep 0.5")
    (tmp_path / "run.in").write_text(in_real)
    Launcher("lmp").run(tmp_path / "run.in", timeout=120)
    path, reference = tmp_path / "unwrapped.dcd", read_trajectory(fixed_cell / "unwrapped.dcd", species=SPECIES)
    refused(["time step of 0.5", "units", "--timestep", "in ps"], path, species=SPECIES)
    for given in ({"timestep": 0.0005}, {"interval": 0.01}):
        trajectory = read_trajectory(path, species=SPECIES, **given)
        # The DCD header of the reference holds a time step in float32.
        assert trajectory.interval == pytest.approx(reference.interval, rel=1e-6)
        # The same flight, over up to 40 Å, with constants that agree to six digits or so in the two units.
        np.testing.assert_allclose(trajectory.positions, reference.positions, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["a.dcd", "a.dump", "a.extxyz"])
def test_empty_and_missing_and_foreign_files_are_refused(name, tmp_path):
    refused(["no such trajectory"], tmp_path / name)
    (tmp_path / name).touch()
    refused(["is empty"], tmp_path / name)
    (tmp_path / name).write_text("What is this?\nNo trajectory, in any case, but long enough for a header." * 9)
    refused([], tmp_path / name, species=SPECIES, interval=1.0)


def test_a_dump_needs_a_time_step(fixed_cell):
    refused(["carry steps, not times"], fixed_cell / "xu.dump")


def test_a_dump_of_one_frame_is_refused(fixed_cell, tmp_path):
    text = (fixed_cell / "xu.dump").read_text()
    (tmp_path / "one.dump").write_text("ITEM: TIMESTEP" + text.split("ITEM: TIMESTEP")[1])
    refused(["holds 1 frames", "at least two"], tmp_path / "one.dump", timestep=0.0005)


def test_a_position_that_is_no_number_is_refused(fixed_cell, tmp_path):
    text = (fixed_cell / "xu.dump").read_text()
    last = text.splitlines()[-1].split()
    edited(fixed_cell / "xu.dump", tmp_path / "nan.dump", " ".join(last[2:]), "nan 0 0")
    refused(["frame 50", "not finite"], tmp_path / "nan.dump", timestep=0.0005)
    edited(fixed_cell / "xu.dump", tmp_path / "word.dump", last[-1], "oops")
    refused(["step 1000", "no number"], tmp_path / "word.dump", timestep=0.0005)


def test_extended_xyz_whose_ions_change_is_refused(tmp_path):
    frames = [Atoms("LiO", positions=np.eye(3)[:2], cell=np.eye(3) * 9, pbc=True) for _ in range(3)]
    ase.io.write(tmp_path / "run.extxyz", [*frames, frames[0][:1]])
    refused(["frame 3 holds 1 ions, frame 0 2"], tmp_path / "run.extxyz", interval=1.0)
    ase.io.write(tmp_path / "run.extxyz", [*frames, frames[0][::-1]])
    refused(["other species"], tmp_path / "run.extxyz", interval=1.0)
    ase.io.write(tmp_path / "run.extxyz", frames)
    refused(["carry no time"], tmp_path / "run.extxyz")


@pytest.mark.parametrize("name", ["time", "step"])
def test_extended_xyz_with_a_missing_frame_is_refused(name, tmp_path):
    frames = [
        Atoms("LiO", positions=np.eye(3)[:2], cell=np.eye(3) * 9, pbc=True, info={name: 20 * i}) for i in range(9)
    ]
    ase.io.write(tmp_path / "run.extxyz", frames[:4] + frames[5:])
    # An interval does not close the gap.
    for interval in (None, 0.01):
        words = [f"{name} 60 is followed by 100, where frames are 20 apart", "missing"]
        refused(words, tmp_path / "run.extxyz", timestep=0.0005, interval=interval)
    ase.io.write(tmp_path / "run.extxyz", [*frames[:4], *frames[3:]])
    refused([f"{name} 60 is followed by 60", "doubled"], tmp_path / "run.extxyz", timestep=0.0005)


def test_gzip_of_a_dump_is_no_crash(fixed_cell, tmp_path):
    shutil.make_archive(str(tmp_path / "run"), "zip", fixed_cell.folder, "run.in")
    refused([], tmp_path / "run.zip", timestep=0.0005)


def test_a_breathing_cell_is_no_motion(rng):
    # Ions at fixed fractions, some far outside the cell, whose origin moves as well.
    fractions = rng.uniform(-5, 5, (20, 3))
    cells = np.array([np.diag([8, 9, 10]) * (1 + 0.02 * np.sin(t)) for t in range(100)])
    positions = fractions @ cells + rng.normal(0, 1, (100, 1, 3))
    trajectory = Trajectory.from_arrays(positions, ["Li"] * 10 + ["O"] * 10, cells, 0.1)
    # Rounding of 1e2 Å in float64; without the correction it would be Å².
    assert mean_square_displacement(trajectory, "Li").total.max() < 1e-24 * 1e4


def test_arrays_that_do_not_fit_are_refused(rng):
    positions = rng.random((5, 4, 3))
    for arguments, word in (
        ((positions, ["Li", "O"], np.eye(3), 1.0), "2 species labels for 4 ions"),
        ((positions, ["Li"] * 4, np.eye(3), 0.0), "must be positive"),
        ((positions, ["Li"] * 4, np.zeros((3, 3)), 1.0), "flat"),
        ((positions, ["Li"] * 4, np.diag([8, 8, 0.1]), 1.0), "0.1 Å thin"),
        ((positions, ["Li"] * 4, np.diag([8, 8, 1e6]), 1.0), "times as long as it is thin"),
        ((positions, ["Li"] * 4, np.zeros((4, 3, 3)), 1.0), "one per frame"),
        ((positions[:, :, :2], ["Li"] * 4, np.eye(3), 1.0), "(n_frames, n_ions, 3)"),
        ((positions[:0], ["Li"] * 4, np.eye(3), 1.0), "holds 0 frames"),
    ):
        with pytest.raises(ConfigError, match=word.replace("(", r"\(").replace(")", r"\)")):
            Trajectory.from_arrays(*arguments)


def test_a_species_that_is_not_there_is_named_with_those_that_are(rng):
    trajectory = Trajectory.from_arrays(rng.random((5, 2, 3)), ["Li", "O"], np.eye(3) * 9, 1.0)
    with pytest.raises(ConfigError, match="no ion of species 'Mg'; it holds Li, O"):
        mean_square_displacement(trajectory, "Mg")
