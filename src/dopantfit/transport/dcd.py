"""Reading DCD files: positions stay on disk as float32 and are mapped, not loaded.

A DCD file is a sequence of Fortran records: a header, a title, the number of atoms, then for every frame the cell
(three lengths and three angles) and one record each of x, y, z. All frames have the same size, so that frame i is
found by arithmetic, and a file that was cut short betrays itself.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.transport.recording import Recording
from dopantfit.transport.trajectory import Floats
from dopantfit.workflow.compressed import is_compressed, open_bytes

_MARK = 4  # every record stands between two copies of its length, int32 each
_HEADER = 84
_CELL = 48
#: Smallest and largest angle [°] between cell vectors that a program writes; what lies beyond is no angle.
_ANGLES = (15.0, 165.0)
#: Words in the titles of programs whose unit of time is 48.88821 fs.
_OTHER_CLOCKS = (b"NAMD", b"CHARMM", b"OpenMM", b"OPENMM", b"VMD", b"MDAnalysis")


def read_dcd(path: str | os.PathLike[str]) -> Recording:
    """Map a DCD file, or load a compressed one. It knows no species, and not whether it was written unwrapped.

    The time step is that of the header, for LAMMPS in the unit of its run (ps for ``metal``).
    Raises ConfigError when it cannot be read, is no DCD file with a cell per frame, holds no frame, or holds
    another number of frames than its header says.
    """
    file = Path(path)
    raw = _bytes(file)
    order = ">" if len(raw) >= 4 and int(raw[:4].view(">i4")[0]) == _HEADER else "<"
    header = _record(raw, 0, file, order)
    if len(header) != _HEADER or bytes(header[:4]) != b"CORD":
        raise ConfigError(f"{file}: is no DCD file of positions; convert it to one, or to a text dump or extxyz")
    counters = header[4:].view(f"{order}i4")
    n_frames, first, per_frame, fixed, with_cell, four = (int(counters[i]) for i in (0, 1, 2, 8, 10, 11))
    if with_cell != 1:
        raise ConfigError(f"{file}: holds no cell; write it with one, as LAMMPS does")
    if fixed or four:
        raise ConfigError(f"{file}: leaves out fixed ions or has four dimensions, which is not read; write it plain")
    timestep = float(header[40:44].view(f"{order}f4")[0])
    start = _HEADER + 2 * _MARK
    title = _record(raw, start, file, order)
    start += len(title) + 2 * _MARK
    number = _record(raw, start, file, order)
    n_ions = int(number.view(f"{order}i4")[0]) if len(number) == 4 else -1
    start += 3 * _MARK
    frames = _frames(raw[start:], n_frames, n_ions, file, order)
    # Three records of equal size at equal distance: one array with a stride for each of frame, axis, ion.
    offset = start + _CELL + 2 * _MARK + _MARK
    stride = (frames.dtype.itemsize, 4 * n_ions + 2 * _MARK, 4)
    kind = f"{order}f4"
    axes: NDArray[np.float32] = np.ndarray((n_frames, 3, n_ions), kind, buffer=raw, offset=offset, strides=stride)
    return Recording(
        str(file),
        axes.transpose(0, 2, 1),
        _cells(np.array(frames["cell"], dtype=np.float64), file),
        steps=np.asarray(first + per_frame * np.arange(n_frames), dtype=np.float64),
        timestep=None if any(word in bytes(title) for word in _OTHER_CLOCKS) else timestep,
    )


def _bytes(file: Path) -> NDArray[np.uint8]:
    if is_compressed(file):
        with open_bytes(file) as stream:
            return np.frombuffer(stream.read(), dtype=np.uint8)
    try:
        return np.memmap(file, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{file}: cannot be read ({problem}); check the path, and that the run wrote it") from None


def _record(raw: NDArray[np.uint8], start: int, file: Path, order: str) -> NDArray[np.uint8]:
    """Content of the record that starts there."""
    if start + _MARK <= len(raw):
        length = int(raw[start : start + _MARK].view(f"{order}i4")[0])
        end = start + _MARK + length
        if 0 < length and end + _MARK <= len(raw) and int(raw[end : end + _MARK].view(f"{order}i4")[0]) == length:
            return np.asarray(raw[start + _MARK : end])
    raise ConfigError(f"{file}: is no DCD file, or was cut short in its header; run again")


def _frames(raw: NDArray[np.uint8], n_frames: int, n_ions: int, file: Path, order: str) -> NDArray[np.void]:
    """Frames as a structured array, after checking that all are there and whole."""
    if n_frames == 0 and len(raw) == 0:
        raise ConfigError(f"{file}: holds no frame; the run ended before it wrote one")
    # Looked at before any array is laid out: a damaged number may ask for more memory than there is.
    if n_ions < 1 or n_frames < 1 or 12 * n_ions > len(raw):
        raise ConfigError(
            f"{file}: its header speaks of {n_frames} frames of {n_ions} ions, which the {len(raw)} bytes behind it "
            "cannot hold: the header is damaged, or the run was cut short; write it again"
        )
    axis = [("length", f"{order}i4"), ("values", f"{order}f4", (n_ions,)), ("end", f"{order}i4")]
    sizes = [("start", f"{order}i4"), ("cell", f"{order}f8", (6,)), ("end", f"{order}i4")]
    layout = np.dtype([*sizes, ("x", axis), ("y", axis), ("z", axis)])
    found, rest = divmod(len(raw), layout.itemsize)
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


def _cells(values: Floats, file: Path) -> Floats:
    """Cell vectors, lower triangular, from a, gamma, b, beta, alpha, c: angles as cosines (LAMMPS, NAMD) or degrees."""
    a, b, c = values[:, 0], values[:, 2], values[:, 5]
    angles = values[:, [1, 3, 4]]
    # Damaged numbers may overflow; what is then not finite is refused.
    with np.errstate(all="ignore"):
        if not (np.abs(angles) <= 1.0).all():
            low, high = _ANGLES
            if not ((angles >= low) & (angles <= high)).all():
                frame = int(np.argmin(((angles >= low) & (angles <= high)).all(axis=1)))
                said = " ".join(f"{angle:.5g}" for angle in angles[frame])
                raise ConfigError(
                    f"{file}: frame {frame} has a cell with angles {said}, which are neither cosines nor degrees "
                    f"between {low:g} and {high:g}; write it with lengths and angles, as LAMMPS does"
                )
            angles = np.cos(np.radians(angles))
        cos_gamma, cos_beta, cos_alpha = angles.T
        sin_gamma = np.sqrt(1.0 - cos_gamma**2)
        along_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
        height = np.sqrt(1.0 - cos_beta**2 - along_y**2)
        zero = np.zeros(len(values))
        rows = [[a, zero, zero], [b * cos_gamma, b * sin_gamma, zero], [c * cos_beta, c * along_y, c * height]]
        cells = np.moveaxis(np.array(rows), 2, 0)
    bad = ~np.isfinite(cells).all(axis=(1, 2)) | ~(values[:, [0, 2, 5]] > 0.0).all(axis=1)
    if bad.any():
        frame = int(np.argmax(bad))
        said = " ".join(f"{value:.5g}" for value in values[frame])
        raise ConfigError(
            f"{file}: frame {frame} has an impossible cell (a, gamma, b, beta, alpha, c: {said}); "
            "no three vectors have these lengths and angles; write the trajectory again"
        )
    return np.asarray(cells)
