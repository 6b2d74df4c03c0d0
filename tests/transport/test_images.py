"""Wrapped positions are unwrapped where the image is certain, refused where it is not, and taken nearest on request."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.transport import read_trajectory
from dopantfit.transport.images import steps_of, unwrapped

from .conftest import SPECIES
from .walk import CELL, dump, walk, xyz

RUN = walk()
CELLS = np.broadcast_to(CELL, (60, 3, 3))


def moved(trajectory):
    positions = np.asarray(trajectory.positions, dtype=float)
    return positions - positions[0]


@pytest.mark.parametrize("chunk", [4_000_000, 200])
def test_unwrapping_gives_back_the_walk(chunk, monkeypatch):
    # Stretches of a few frames, as of a long run.
    monkeypatch.setattr("dopantfit.transport.images._CHUNK", chunk)
    found, note = unwrapped(RUN.wrapped, CELLS, "run", None, nearest=False)
    np.testing.assert_allclose(found - found[0], RUN.positions - RUN.positions[0], rtol=0, atol=1e-12)
    fractions = RUN.positions @ np.linalg.inv(CELL)
    longest = np.abs(np.diff(fractions, axis=0)).max()
    assert steps_of(RUN.wrapped, CELLS).step == pytest.approx(longest, rel=1e-12)
    assert f"the longest step is {longest:.2f} of a cell" in note
    # Positions that need nothing are left as they are, on disk if they were.
    assert unwrapped(RUN.positions, CELLS, "run", None, nearest=False) == (RUN.positions, None)


def test_a_cell_that_breathes_is_unwrapped_in_its_own_fractions():
    cells = CELL * (1.0 + 0.03 * np.sin(np.arange(60.0)))[:, None, None]
    fractions = RUN.positions @ np.linalg.inv(CELL)
    found, _ = unwrapped((fractions % 1.0) @ cells, cells, "run", None, nearest=False)
    start = (fractions[0] - fractions[0] % 1.0)[None]
    np.testing.assert_allclose(found, (fractions - start) @ cells, rtol=0, atol=1e-11)


@pytest.mark.parametrize("columns", ["id element x y z", "id element xs ys zs"])
def test_a_wrapped_dump_without_image_flags_is_read(columns, tmp_path):
    (tmp_path / "run.dump").write_text(dump(RUN, columns))
    trajectory = read_trajectory(tmp_path / "run.dump", timestep=0.001)
    np.testing.assert_allclose(moved(trajectory), RUN.positions - RUN.positions[0], rtol=0, atol=2e-5)


def test_real_wrapped_files_are_the_unwrapped_ones(fixed_cell):
    reference = moved(read_trajectory(fixed_cell / "xu.dump", timestep=0.0005))
    bare = read_trajectory(fixed_cell / "bare.dump", timestep=0.0005)
    dcd = read_trajectory(fixed_cell / "wrapped.dcd", species=SPECIES)
    for trajectory, digits in ((bare, 1e-3), (dcd, 2e-5)):
        # A bare dump has six digits.
        np.testing.assert_allclose(moved(trajectory), reference, rtol=0, atol=digits)


#: Every twelfth frame: the longest step is 0.42 of the cell, so that images are not certain.
COARSE = RUN.positions[::12]


@pytest.mark.parametrize("text", ["dump", "xyz"])
def test_an_image_that_is_not_certain_is_refused_or_taken_nearest_by_option(text, tmp_path):
    fractions = np.diff(COARSE @ np.linalg.inv(CELL), axis=0)
    assert 1 / 3 < np.abs(fractions).max() < 0.5
    coarse = type(RUN)(COARSE)
    path = tmp_path / f"run.{text}"
    path.write_text(dump(coarse, "id element x y z") if text == "dump" else xyz(coarse.wrapped, "time={ps}"))
    arguments = {"timestep": 0.001} if text == "dump" else {}
    with pytest.raises(ConfigError) as caught:
        read_trajectory(path, **arguments)
    frame, ion = np.unravel_index(np.abs(fractions).max(axis=2).argmax(), fractions.shape[:2])
    words = f"ion {ion + 1} moves by {np.abs(fractions).max():.2f} of the cell between frames {frame} and {frame + 1}"
    assert words in str(caught.value) and "--nearest-image" in str(caught.value)
    taken = read_trajectory(path, **arguments, nearest_image=True)
    np.testing.assert_allclose(moved(taken), COARSE - COARSE[0], rtol=0, atol=2e-5)


def test_frames_that_are_missing_from_an_unwrapped_run_are_not_folded_back(tmp_path):
    # An ion two cells away in the next frame was not wrapped.
    positions = RUN.positions.copy()
    positions[30:, 0] += 1.8 * CELL[0]
    (tmp_path / "gap.xyz").write_text(xyz(positions, "time={ps}"))
    with pytest.raises(ConfigError, match="frames missing or too far apart"):
        read_trajectory(tmp_path / "gap.xyz")


def test_a_position_that_is_not_finite_is_refused_before_it_is_unwrapped(tmp_path):
    positions = RUN.wrapped
    positions[20, 3] = np.nan
    (tmp_path / "nan.xyz").write_text(xyz(positions, "time={ps}"))
    with pytest.raises(ConfigError, match="frame 20 holds a position that is not finite"):
        read_trajectory(tmp_path / "nan.xyz")
