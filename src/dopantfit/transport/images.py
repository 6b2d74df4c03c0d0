"""Unwrapping: which image of the cell an ion went to between two frames, where the file does not say."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.transport.trajectory import Floats, Positions

#: Longest step, in parts of a cell vector, by which the nearest image is certainly the one an ion went to: crossing a
#: face it then jumps by two thirds of the cell or more.
_CLEAR_STEP = 1.0 / 3.0
#: Jump from which on the nearest image is another one.
_HALF = 0.5
#: Extent of wrapped positions, in parts of the cell: LAMMPS wraps when it lists neighbours, not when it writes.
_IN_CELL = 1.3
#: Numbers handled at a time.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Steps:
    """How ions move from frame to frame, in parts of the cell vectors.

    jump: longest step as the positions have it. step: longest step to the nearest image, made by `ion` between the
    frames `frame` and the next. extent: largest range of the coordinates along a cell vector, over ions and frames.
    """

    jump: float
    step: float
    frame: int
    ion: int
    extent: float


def steps_of(positions: Positions, cells: Floats) -> Steps:
    """Look at all steps of a trajectory; positions [Å] ``shape=(n_frames, n_ions, 3)``, cells [Å] one per frame."""
    jump, step, frame, ion = 0.0, 0.0, 0, 0
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for first, fractions in _fractions(positions, cells):
        low, high = np.minimum(low, fractions.min(axis=(0, 1))), np.maximum(high, fractions.max(axis=(0, 1)))
        jumps = np.diff(fractions, axis=0)
        if jumps.size == 0:
            continue
        jump = max(jump, float(np.abs(jumps).max()))
        nearest = np.abs(jumps - np.rint(jumps)).max(axis=2)
        if nearest.max() > step:
            step = float(nearest.max())
            where = np.unravel_index(int(nearest.argmax()), nearest.shape)
            frame, ion = first + int(where[0]), int(where[1])
    return Steps(jump, step, frame, ion, float((high - low).max()))


def unwrapped(
    positions: Positions, cells: Floats, source: str, wrapped: bool | None, nearest: bool
) -> tuple[Positions, str | None]:
    """Positions that are continuous [Å], and a word on what was done to them unasked, or None.

    wrapped: whether the file says that its positions are those in the cell; None where it does not say.
    nearest: take the nearest image also where an ion moves by more than a third of the cell between frames.
    Raises ConfigError where positions are wrapped and the image an ion went to is not certain, unless `nearest`.
    """
    if wrapped is False:
        return positions, None
    # Damaged numbers may overflow; what is then not finite is refused with the trajectory.
    with np.errstate(all="ignore"):
        found = steps_of(positions, cells)
    in_cell = found.extent < _IN_CELL
    if not np.isfinite(found.jump) or found.jump <= _HALF or not (wrapped or nearest or in_cell):
        return positions, None
    if found.step > _CLEAR_STEP and not nearest:
        raise ConfigError(
            f"{source}: positions are wrapped into the cell without image flags, and ion {found.ion + 1} moves by "
            f"{found.step:.2f} of the cell between frames {found.frame} and {found.frame + 1}: to which image is not "
            "certain; write unwrapped ones (xu yu zu, or dump_modify unwrap yes) or frames closer together, or take "
            "the nearest image with --nearest-image"
        )
    note = f"{source}: wrapped positions, unwrapped by nearest image; the longest step is {found.step:.2f} of a cell"
    return _by_nearest_image(positions, cells), None if nearest else note


def _by_nearest_image(positions: Positions, cells: Floats) -> Positions:
    result = np.empty(positions.shape, dtype=positions.dtype)
    images = np.zeros(positions.shape[1:])
    for first, fractions in _fractions(positions, cells):
        shifts = -np.rint(np.diff(fractions, axis=0))
        counts = images + np.concatenate([np.zeros((1, *images.shape)), np.cumsum(shifts, axis=0)])
        frames = slice(first, first + len(fractions))
        result[frames] = (fractions + counts) @ np.asarray(cells[frames], dtype=np.float64)
        images = counts[-1]
    return result


def _fractions(positions: Positions, cells: Floats) -> Iterator[tuple[int, Floats]]:
    """Number of the first frame, and fractions, of stretches that overlap by a frame."""
    length = max(2, _CHUNK // (3 * positions.shape[1]))
    for first in range(0, max(1, len(positions) - 1), length - 1):
        frames = slice(first, first + length)
        yield first, np.asarray(positions[frames], dtype=np.float64) @ np.linalg.inv(cells[frames])
