"""Text dumps of LAMMPS, frame by frame, as they are written: any columns, any order of ions, times and units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from dopantfit.units import BOHR

Array = NDArray[np.float64]

#: Units of LAMMPS in Å and ps; those of Lennard-Jones particles have no such size.
_LENGTHS = {"metal": 1.0, "real": 1.0, "electron": BOHR, "nano": 10.0, "micro": 1e4, "cgs": 1e8, "si": 1e10}
_TIMES = {"metal": 1.0, "real": 1e-3, "electron": 1e-3, "nano": 1e3, "micro": 1e6, "cgs": 1e12, "si": 1e12}
#: LAMMPS counts steps in 63 bits.
_LAST_STEP = 2**63


@dataclass(frozen=True)
class DumpFrame:
    """One frame.

    step: time step. time: of the run [ps]; None where the dump has none, or has one and does not say its units.
    units: LAMMPS's word for them; None where the dump does not say. length: of their unit of length [Å], 1 then.
    cell: vectors as rows, lower triangular [Å], ``shape=(3, 3)``. origin: corner of the box [Å].
    columns: names, in order. rows: one line per ion or site, in the order of the file.
    """

    step: int
    time: float | None
    units: str | None
    length: float
    cell: Array
    origin: Array
    columns: tuple[str, ...]
    rows: list[str]

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Rows in the order of ids; ValueError for a dump without ids."""
        return np.argsort(self.ids_as_written, kind="stable")

    @cached_property
    def ids_as_written(self) -> NDArray[np.int64]:
        """Id of every row; ValueError for a dump without ids, or with ids that are not."""
        ids = self.as_written(("id",))[:, 0]
        if not (np.isfinite(ids).all() and (ids == np.rint(ids)).all() and np.abs(ids).max() < 2.0**53):
            raise ValueError("the ids are no whole numbers")
        return ids.astype(np.int64)

    def numbers(self, names: Sequence[str]) -> Array:
        """Return columns as numbers, in the order of ids, ``shape=(n_rows, len(names))``.

        Raises ValueError, naming what is missing or no number.
        """
        return self.as_written(names)[self.order]

    def as_written(self, names: Sequence[str]) -> Array:
        """Return columns as numbers, in the order of the file, ``shape=(n_rows, len(names))``; as `numbers`."""
        for name in names:
            if name not in self.columns:
                raise ValueError(f"no column {name!r} among {', '.join(self.columns)}; dump it")
        try:
            return np.loadtxt(self.rows, usecols=[self.columns.index(n) for n in names], ndmin=2, comments=None)
        except ValueError:
            raise ValueError(
                "a line has too few columns, or no number where one must be; write the dump again"
            ) from None

    def words(self, name: str) -> tuple[str, ...]:
        """Return a column as text, in the order of ids; ValueError when it is not there."""
        if name not in self.columns:
            raise ValueError(f"no column {name!r} among {', '.join(self.columns)}")
        place = self.columns.index(name)
        return tuple(self.rows[i].split()[place] for i in self.order)


def dump_frames_of(stream: TextIO) -> Iterator[DumpFrame]:
    """Read the frames of a text dump one by one.

    Raises ValueError for what is no text dump, is damaged or cut short, is in reduced units, or in a general cell.
    """
    units, time = None, None
    for line in stream:
        if line.startswith("ITEM: UNITS"):
            units = stream.readline().strip()
            if units not in _LENGTHS:
                raise ValueError(f"holds units {units!r}, which have no size in Å and ps; convert it")
        elif line.startswith("ITEM: TIMESTEP"):
            yield _frame(stream, time, units)
            time = None
        elif line.startswith("ITEM: TIME"):
            time = stream.readline()
        elif line.strip():
            raise ValueError(f"expected the start of a frame, found {line.strip()[:40]!r}; is it a text dump?")
    if time is not None:
        raise ValueError("is damaged or was cut short in a frame; remove its last frame")


def _frame(stream: TextIO, time: str | None, units: str | None) -> DumpFrame:
    """Read the frame whose first line was read."""
    step, rows, header = None, list[str](), list[str]()
    try:
        step = int(stream.readline())
        if abs(step) > _LAST_STEP:
            raise ValueError("no step")
        length = 1.0 if units is None else _LENGTHS[units]
        known_time = None if time is None or units is None else float(time) * _TIMES[units]
        stream.readline()
        n_rows = int(stream.readline())
        header = stream.readline().split()
        bounds = np.array([stream.readline().split() for _ in range(3)], dtype=float) * length
        # Damaged numbers may overflow; what is then not finite is refused by whoever uses it.
        with np.errstate(all="ignore"):
            cell, origin = _box(bounds, "xy" in header)
        columns = tuple(stream.readline().split()[2:])
        rows = list(islice(stream, n_rows))
    except (ValueError, IndexError, OverflowError):
        rows = []
    if "abc" in header:
        raise ValueError("holds a general cell (abc origin); dump it with triclinic/general no")
    if not rows or len(rows) < n_rows or not rows[-1].endswith("\n") or any(not row.strip() for row in rows):
        where = "a frame" if step is None else f"the frame of step {step}"
        raise ValueError(f"is damaged or was cut short in {where}; remove its last frame")
    return DumpFrame(step or 0, known_time, units, length, cell, origin, columns, rows)


def _box(bounds: Array, tilted: bool) -> tuple[Array, Array]:
    """Cell vectors as rows and origin, from the bounding box that LAMMPS writes for a tilted cell."""
    xy, xz, yz = bounds[:, 2] if tilted else (0.0, 0.0, 0.0)
    low = bounds[:, 0] - np.array([min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0])
    high = bounds[:, 1] - np.array([max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0])
    x, y, z = high - low
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]]), low
