"""Reading DCD files of LAMMPS: positions stay on disk as float32 and are mapped, not loaded.

A DCD file is a sequence of Fortran records: a header, a title, the number of atoms, then for every frame the cell
(three lengths and three cosines) and one record each of x, y, z. All frames have the same size, so that frame i is
found by arithmetic, and a file that was cut short betrays itself.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.transport.trajectory import Floats

_MARK = 4  # every record stands between two copies of its length, int32 each
_HEADER = 84
_CELL = 48


@dataclass(frozen=True)
class DcdFile:
    """What a DCD file holds. It knows no species, and not whether it was written unwrapped.

    positions: [Å], mapped read-only, ``shape=(n_frames, n_ions, 3)``.
    cells: cell vectors as rows [Å], LAMMPS's lower triangle, ``shape=(n_frames, 3, 3)``.
    steps_per_frame: time steps between frames.
    timestep: of the run that wrote it, in its own unit of time (ps for ``metal``).
    """

    positions: NDArray[np.float32]
    cells: Floats
    steps_per_frame: int
    timestep: float


def read_dcd(path: str | os.PathLike[str]) -> DcdFile:
    """Map a DCD file.

    Raises ConfigError when it cannot be read, is no DCD file with a cell per frame, holds no frame, or holds
    another number of frames than its header says.
    """
    file = Path(path)
    try:
        raw = np.memmap(file, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{file}: cannot be read ({problem}); check the path, and that the run wrote it") from None
    header = _record(raw, 0, file)
    if len(header) != _HEADER or bytes(header[:4]) != b"CORD":
        raise ConfigError(f"{file}: is no little-endian DCD file; convert it to one, or to a text dump or extxyz")
    n_frames, _, per_frame = (int(value) for value in header[4:16].view("<i4"))
    if int(header[44:48].view("<i4")[0]) != 1:
        raise ConfigError(f"{file}: holds no cell; write it with one, as LAMMPS does")
    timestep = float(header[40:44].view("<f4")[0])
    start = _HEADER + 2 * _MARK
    start += len(_record(raw, start, file)) + 2 * _MARK
    n_ions = int(_record(raw, start, file).view("<i4")[0])
    start += 3 * _MARK
    frames = _frames(raw[start:], n_frames, n_ions, file)
    # Three records of equal size at equal distance: one array with a stride for each of frame, axis, ion.
    offset = start + _CELL + 2 * _MARK + _MARK
    stride = (frames.dtype.itemsize, 4 * n_ions + 2 * _MARK, 4)
    axes: NDArray[np.float32] = np.ndarray((n_frames, 3, n_ions), "<f4", buffer=raw, offset=offset, strides=stride)
    # Damaged numbers may overflow; what is then not finite is refused with the trajectory.
    with np.errstate(all="ignore"):
        cells = _cells(np.array(frames["cell"], dtype=float))
    return DcdFile(axes.transpose(0, 2, 1), cells, per_frame, timestep)


def _record(raw: NDArray[np.uint8], start: int, file: Path) -> NDArray[np.uint8]:
    """Content of the record that starts there."""
    if start + _MARK <= len(raw):
        length = int(raw[start : start + _MARK].view("<i4")[0])
        end = start + _MARK + length
        if 0 < length and end + _MARK <= len(raw) and int(raw[end : end + _MARK].view("<i4")[0]) == length:
            return np.asarray(raw[start + _MARK : end])
    raise ConfigError(f"{file}: is no DCD file, or was cut short in its header; run again")


def _frames(raw: NDArray[np.uint8], n_frames: int, n_ions: int, file: Path) -> NDArray[np.void]:
    """Frames as a structured array, after checking that all are there and whole."""
    axis = [("length", "<i4"), ("values", "<f4", (n_ions,)), ("end", "<i4")]
    layout = np.dtype([("start", "<i4"), ("cell", "<f8", (6,)), ("end", "<i4"), ("x", axis), ("y", axis), ("z", axis)])
    found, rest = divmod(len(raw), layout.itemsize)
    if n_frames == 0 and len(raw) == 0:
        raise ConfigError(f"{file}: holds no frame; the run ended before it wrote one")
    if rest or found != n_frames:
        raise ConfigError(
            f"{file}: its header speaks of {n_frames} frames of {n_ions} ions, the file holds {found}"
            f"{' and a part of one' if rest else ''}: frames are missing or the run was cut short; "
            "write it again, or repair it with the tool that made it"
        )
    frames: NDArray[np.void] = raw.view(layout)
    whole = (frames["start"] == _CELL) & (frames["end"] == _CELL)
    for name in ("x", "y", "z"):
        whole &= (frames[name]["length"] == 4 * n_ions) & (frames[name]["end"] == 4 * n_ions)
    if not whole.all():
        raise ConfigError(
            f"{file}: frame {int(np.argmin(whole))} is damaged, or holds another number of ions; "
            f"every frame must have {n_ions}; write it again"
        )
    return frames


def _cells(values: Floats) -> Floats:
    """Cell vectors from a, cos(gamma), b, cos(beta), cos(alpha), c, the order in which LAMMPS writes them."""
    a, cos_gamma, b, cos_beta, cos_alpha, c = values.T
    cells = np.zeros((len(values), 3, 3))
    sin_gamma = np.sqrt(np.clip(1.0 - cos_gamma**2, 0.0, None))
    cells[:, 0, 0] = a
    cells[:, 1, 0], cells[:, 1, 1] = b * cos_gamma, b * sin_gamma
    along_x = c * cos_beta
    along_y = c * (cos_alpha - cos_beta * cos_gamma) / np.where(sin_gamma > 0.0, sin_gamma, 1.0)
    cells[:, 2, 0], cells[:, 2, 1] = along_x, along_y
    cells[:, 2, 2] = np.sqrt(np.clip(c**2 - along_x**2 - along_y**2, 0.0, None))
    return cells
