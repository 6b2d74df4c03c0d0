"""What the legs of a run add up to: one trajectory and one table, in step with the record of what is done.

The record (``progress.json``) is written last and whole. Whatever stands in the two files beyond what it says
belongs to a leg that was not finished, and is cut off before the next one is added.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dopantfit.errors import EngineError
from dopantfit.lammps.outputs import Array, ThermoTable

#: Bytes of a DCD file before its number of atoms: the header record, and where its counts stand.
_COUNT, _LAST_STEP = 8, 20
_MARK = 4

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


def append_frames(target: Path, leg: Path, keep: int, after: int) -> int:
    """Add to the DCD file `target`, of which the first `keep` bytes count, the frames of `leg` past step `after`.

    Returns the new size in bytes. A leg shorter than the interval of frames adds none.
    Raises EngineError when `leg` is no DCD file of whole frames.
    """
    raw = leg.read_bytes() if leg.is_file() else b""
    if not raw:
        return keep
    header, frame = _layout(raw, leg)
    first, every = struct.unpack_from("<2i", raw, _COUNT + 4)
    n_frames, rest = divmod(len(raw) - header, frame)
    if rest:
        raise EngineError(f"{leg}: LAMMPS left an incomplete frame; run again")
    skip = min(n_frames, max(0, (after - first) // every + 1)) if keep else 0
    with target.open("r+b" if keep else "wb") as stream:
        stream.truncate(keep)
        if not keep:
            stream.write(raw[:header])
        stream.seek(0, os.SEEK_END)
        stream.write(raw[header + skip * frame :])
        size = stream.tell()
        count = (size - header) // frame
        _write_at(stream.fileno(), _COUNT, count)
        start = struct.unpack("<i", os.pread(stream.fileno(), 4, _COUNT + 4))[0] if keep else first
        _write_at(stream.fileno(), _LAST_STEP, start + (count - 1) * every)
        stream.flush()
        os.fsync(stream.fileno())
    return size


def _layout(raw: bytes, path: Path) -> tuple[int, int]:
    """Bytes before the first frame, and of a frame (a cell, then x, y and z as Fortran records of float32)."""
    if raw[4:8] != b"CORD":
        raise EngineError(f"{path}: LAMMPS wrote no DCD file; see the log of the run")
    position = 0
    for _ in range(2):
        position += struct.unpack_from("<i", raw, position)[0] + 2 * _MARK
    n_ions = struct.unpack_from("<i", raw, position + _MARK)[0]
    return position + 3 * _MARK, 48 + 2 * _MARK + 3 * (4 * n_ions + 2 * _MARK)


def _write_at(descriptor: int, offset: int, value: int) -> None:
    os.pwrite(descriptor, struct.pack("<i", value), offset)


def append_rows(target: Path, table: ThermoTable, keep: int, steps: Sequence[int], timestep: float) -> int:
    """Add to the CSV file `target`, of which the first `keep` bytes count, the rows of `table` at these steps.

    timestep: [ps]. Columns that LAMMPS did not print are ``nan``. Returns the new size in bytes.
    """
    n_rows = len(table["Step"])
    known = {**table.columns, "": table["Step"] * timestep}
    values = [known.get(name, np.full(n_rows, np.nan)) for name in COLUMNS.values()]
    wanted = np.flatnonzero(np.isin(table["Step"], steps))
    lines = [] if keep else [",".join(COLUMNS)]
    lines += [",".join([str(int(table["Step"][i])), *(repr(float(v[i])) for v in values[1:])]) for i in wanted]
    with target.open("r+b" if keep else "wb") as stream:
        stream.truncate(keep)
        stream.seek(0, os.SEEK_END)
        stream.write("".join(line + "\n" for line in lines).encode("ascii"))
        stream.flush()
        os.fsync(stream.fileno())
        return stream.tell()


def read_table(path: Path) -> dict[str, Array]:
    """Read a table of thermodynamic data: column of `COLUMNS` -> values, ``shape=(n_rows,)``."""
    values = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return dict(zip(COLUMNS, values.T, strict=True))
