"""DCD files of any program: cells in cosines or degrees, either byte order; damaged headers are refused before work."""

import gzip
import struct

import numpy as np
import pytest
from ase.geometry import cell_to_cellpar

from dopantfit.errors import ConfigError
from dopantfit.transport import read_trajectory

from .walk import CELL, INTERVAL, LABELS, dcd, walk

RUN = walk()
A, B, C, ALPHA, BETA, GAMMA = cell_to_cellpar(CELL)
DEGREES = (A, GAMMA, B, BETA, ALPHA, C)
COSINES = (A, np.cos(np.radians(GAMMA)), B, np.cos(np.radians(BETA)), np.cos(np.radians(ALPHA)), C)


def read(folder, content, **arguments):
    (folder / "run.dcd").write_bytes(content)
    return read_trajectory(folder / "run.dcd", species=LABELS, **arguments)


def refused(word, folder, content, **arguments):
    with pytest.raises(ConfigError) as caught:
        read(folder, content, **arguments)
    assert word in str(caught.value) and "run.dcd" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("cell", [DEGREES, COSINES], ids=["degrees", "cosines"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_cells_in_degrees_and_cosines_of_either_byte_order_are_one(cell, order, compress, tmp_path):
    trajectory = read(tmp_path, compress(dcd(RUN.positions, cell, order)))
    np.testing.assert_allclose(trajectory.cells, np.broadcast_to(CELL, (60, 3, 3)), rtol=0, atol=1e-9)
    # float32 of up to 30 Å.
    np.testing.assert_allclose(trajectory.positions, RUN.positions, rtol=0, atol=2e-6)
    assert trajectory.interval == pytest.approx(INTERVAL, rel=1e-6)


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ((8.0, 1.2, 8.0, 0.0, 0.0, 8.0), "angles 1.2 0 0, which are neither cosines nor degrees"),
        ((8.0, 90.0, 8.0, 90.0, 0.0, 8.0), "neither cosines nor degrees"),
        ((8.0, 200.0, 8.0, 90.0, 90.0, 8.0), "neither cosines nor degrees"),
        ((8.0, np.nan, 8.0, 0.0, 0.0, 8.0), "neither cosines nor degrees"),
        ((8.0, -0.9, 8.0, -0.9, -0.9, 8.0), "an impossible cell"),
        ((8.0, 150.0, 8.0, 150.0, 150.0, 8.0), "an impossible cell"),
        ((8.0, 1.0, 8.0, 0.0, 0.0, 8.0), "an impossible cell"),
        ((-8.0, 0.0, 8.0, 0.0, 0.0, 8.0), "an impossible cell"),
        ((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), "an impossible cell"),
        ((1e200, 0.0, 1e200, 0.0, 0.0, 1e200), "without end"),
        ((8.0, 0.0, 8.0, 0.0, 0.0, 0.01), "0.01 Å thin"),
    ],
)
def test_a_cell_that_cannot_be_is_refused(cell, word, tmp_path):
    refused(word, tmp_path, dcd(RUN.positions, cell))


@pytest.mark.parametrize("counts", [(60, -5), (60, 2**31 - 1), (60, 0), (-60, 12), (2**31 - 1, 12), (60, 13)])
def test_numbers_that_the_file_cannot_hold_are_refused_before_anything_is_laid_out(counts, tmp_path):
    refused(f"{counts[0]} frames of {counts[1]} ions", tmp_path, dcd(RUN.positions, COSINES, counts=counts))


def test_records_that_are_not_what_they_should_be_are_refused(tmp_path):
    whole = dcd(RUN.positions, COSINES)
    for place, value, word in (
        (0, b"\x00\x00\x00\x00", "was cut short in its header"),
        (4, b"VELD", "is no DCD file of positions"),
        (4 + 4 * 9, struct.pack("<i", 3), "leaves out fixed ions"),
        (4 + 4 * 11, struct.pack("<i", 0), "holds no cell"),
        (4 + 4 * 12, struct.pack("<i", 1), "four dimensions"),
        (92, struct.pack("<i", -84), "was cut short in its header"),
        (92, struct.pack("<i", 2**31 - 1), "was cut short in its header"),
    ):
        refused(word, tmp_path, whole[:place] + value + whole[place + 4 :])


def test_a_program_with_another_clock_is_asked_for_its_time_step(tmp_path):
    # NAMD at 0.4 fs writes 0.4 / 48.88821: read as ps it would be 8 fs, which no check of its size can find.
    content = dcd(RUN.positions, COSINES, timestep=0.4 / 48.88821, title=b"REMARKS FILENAME=run.dcd CREATED BY NAMD")
    refused("give the time step of the run with --timestep", tmp_path, content)
    assert read(tmp_path, content, timestep=0.0004).interval == pytest.approx(0.04)
