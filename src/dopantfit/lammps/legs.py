"""What the legs of a run add up to: one trajectory and one table, in step with the record of what is done.

The record (``progress.json``) is written last and whole, and vouches for the two files by size and SHA-256. Whatever
stands in them beyond what it says belongs to a leg that was not finished, and is cut off before the next one is added.
"""

import hashlib
import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from dopantfit.errors import EngineError
from dopantfit.lammps import recipes
from dopantfit.lammps.outputs import Array, ThermoTable

#: Bytes of a DCD file before its number of frames and before its last step; more than come before its first frame.
_COUNT, _LAST_STEP, _HEAD = 8, 20, 512
_MARK = 4
#: What the title that holds the time of writing begins with, and its length.
_DATED, _TITLE = b"REMARKS Created", 80
#: Bytes read at a time.
_PIECE = 2**20

#: Columns of the table, and those of LAMMPS they come from; time is counted here.
COLUMNS = {
    "step": "Step",
    "time_ps": "",
    "temperature_K": "Temp",
    "shell_temperature_K": "v_shell_temp",
    "potential_eV": "PotEng",
    "total_eV": "TotEng",
    "conserved_eV": "Econserve",
    "pressure_bar": "Press",
    "volume_A3": "Volume",
    "density_g_cm3": "Density",
    "lx": "Lx",
    "ly": "Ly",
    "lz": "Lz",
    "xy": "Xy",
    "xz": "Xz",
    "yz": "Yz",
    "core_shell_A": "v_core_shell",
    "guard_eV": "v_guard",
}


class SegmentedFile:
    """A file that legs add to; of it counts what was added so far.

    Its hash is kept as it grows, so that no leg reads again what others left. Counters in its head, which change with
    every leg, are no part of the hash: they follow from the rest.
    size: bytes that count.
    """

    #: Where the counters stand, four bytes each.
    counters: tuple[int, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path, self.size, self._sha256 = path, 0, hashlib.sha256()

    @classmethod
    def taken_up(cls, path: Path, known: Mapping[str, Any]) -> Self | None:
        """Go on from what `as_dict` told, cutting off what stands beyond it; None when the file is damaged."""
        grown = cls(path)
        with suppress(OSError), path.open("rb") as stream:
            while piece := stream.read(min(_PIECE, known["size"] - grown.size)):
                grown._count(piece)
        if grown.as_dict() != known:
            return None
        if grown.size:
            grown.add(b"")
        return grown

    def as_dict(self) -> dict[str, Any]:
        """Return what tells whether the file is still what was written."""
        return {"size": self.size, "sha256": self._sha256.hexdigest()}

    def add(self, data: bytes) -> None:
        """Put data after what counts; they count from now on."""
        with self.path.open("r+b" if self.size else "w+b") as stream:
            stream.truncate(self.size)
            stream.seek(self.size)
            stream.write(data)
            stream.flush()
            self._count(data)
            self._set_counters(stream.fileno())
            os.fsync(stream.fileno())

    def _count(self, data: bytes) -> None:
        head = bytearray() if self.size else bytearray(data[:_HEAD])
        for place in self.counters if head else ():
            head[place : place + 4] = bytes(4)
        self._sha256.update(head)
        self._sha256.update(memoryview(data)[len(head) :])
        self.size += len(data)

    def _set_counters(self, descriptor: int) -> None:
        """Bring the counters in the head up to date."""


class Frames(SegmentedFile):
    """The trajectory of a run, a DCD file."""

    counters = (_COUNT, _LAST_STEP)

    def append(self, leg: Path, after: int) -> None:
        """Add the frames of the DCD file `leg` past step `after`; a leg shorter than their interval has none.

        Raises EngineError when `leg` is no DCD file of whole frames.
        """
        raw = leg.read_bytes() if leg.is_file() else b""
        if not raw:
            return
        header, frame = _layout(raw, leg)
        first, every = struct.unpack_from("<2i", raw, _COUNT + 4)
        n_frames, rest = divmod(len(raw) - header, frame)
        if rest:
            raise EngineError(f"{leg}: LAMMPS left an incomplete frame; run again")
        known = min(n_frames, max(0, (after - first) // every + 1))
        self.add(raw[header + known * frame :] if self.size else _undated(raw))

    def _set_counters(self, descriptor: int) -> None:
        head = os.pread(descriptor, _HEAD, 0)
        header, frame = _layout(head, self.path)
        first, every = struct.unpack_from("<2i", head, _COUNT + 4)
        count = (self.size - header) // frame
        os.pwrite(descriptor, struct.pack("<i", count), _COUNT)
        os.pwrite(descriptor, struct.pack("<i", first + (count - 1) * every), _LAST_STEP)


def _undated(raw: bytes) -> bytes:
    """The file without the minute at which LAMMPS began it, so that the same run has the same bytes."""
    date = raw.find(_DATED, 0, _HEAD)
    return raw if date < 0 else raw[:date] + _DATED.ljust(_TITLE) + raw[date + _TITLE :]


def _layout(raw: bytes, path: Path) -> tuple[int, int]:
    """Bytes before the first frame, and of a frame (a cell, then x, y and z as Fortran records of float32)."""
    if raw[4:8] != b"CORD":
        raise EngineError(f"{path}: LAMMPS wrote no DCD file; see the log of the run")
    position = 0
    for _ in range(2):
        position += struct.unpack_from("<i", raw, position)[0] + 2 * _MARK
    n_ions = struct.unpack_from("<i", raw, position + _MARK)[0]
    return position + 3 * _MARK, 48 + 2 * _MARK + 3 * (4 * n_ions + 2 * _MARK)


class Rows(SegmentedFile):
    """The thermodynamic data of a run, a CSV file."""

    def append(self, table: ThermoTable, steps: Sequence[int], timestep: float) -> None:
        """Add the rows of `table` at these steps; columns that LAMMPS did not print are ``nan``.

        timestep: [ps].
        """
        n_rows = len(table["Step"])
        known = {**table.columns, "": table["Step"] * timestep}
        values = [known.get(name, np.full(n_rows, np.nan)) for name in COLUMNS.values()]
        wanted = np.flatnonzero(np.isin(table["Step"], steps))
        lines = [] if self.size else [",".join(COLUMNS)]
        lines += [",".join([str(int(table["Step"][i])), *(repr(float(v[i])) for v in values[1:])]) for i in wanted]
        self.add("".join(line + "\n" for line in lines).encode("ascii"))


def read_table(path: Path) -> dict[str, Array]:
    """Read a table of thermodynamic data: column of `COLUMNS` -> values, ``shape=(n_rows,)``."""
    values = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return dict(zip(COLUMNS, values.T, strict=True))


def difference(known: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> str:
    """Say what of the run in a folder is not what is asked for: an input, or a setting; and what to do."""
    names = {recipes.DATA_FILE: "the structure", recipes.POTENTIAL_FILE: "the potential"}
    for name, value in asked["inputs"].items():
        if known.get("inputs", {}).get(name) != value:
            return f"{folder}: holds a run with other input ({names.get(name, 'the potential')}); choose another folder"
    for name, value in asked["settings"].items():
        there = known.get("settings", {}).get(name)
        if there != value:
            return f"{folder}: holds a run with {name} = {there!r}, asked for {value!r}; choose another folder"
    return f"{folder}: holds another run; choose another folder"
