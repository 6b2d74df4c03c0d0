"""How far two frames of one composition are apart, modulo rigid translation and periodic images."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

#: A strain counts as the displacement that it gives to a neighbour at this distance [Å], a cation–O bond.
STRAIN_LEVER = 2.0
#: Frames that are compared with all others at a time.
_BLOCK = 512


def rms_displacement(a: Atoms, b: Atoms) -> float:
    """RMS displacement per ion [Å] between two frames; inf unless their ions are the same in the same order.

    Removed: rigid translation, lattice translations of single ions. A difference of cells adds in quadrature
    the Frobenius norm of the strain between them times `STRAIN_LEVER`.
    """
    if len(a) != len(b) or not np.array_equal(a.numbers, b.numbers):
        return float("inf")
    return float(_rms_to_many(_scaled(a), a.cell.array, _scaled(b)[None], b.cell.array[None])[0])


def near_pairs(
    frames: Sequence[Atoms], closer_than: float, sides: Sequence[bool] | None = None
) -> list[tuple[int, int, float]]:
    """Return (i, j, distance [Å]), i < j, of all pairs of frames with an `rms_displacement` below a limit.

    sides: one for each frame; only pairs of frames on different sides are looked at then.
    """
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        groups[frame.numbers.tobytes()].append(index)
    pairs = []
    for members in groups.values():
        scaled = np.array([_scaled(frames[index]) for index in members])
        cells = np.array([frames[index].cell.array for index in members])
        flags = None if sides is None else np.array([sides[index] for index in members])
        for k, others in _candidates(scaled, cells, closer_than, flags):
            distances = _rms_to_many(scaled[k], cells[k], scaled[others], cells[others])
            near = np.flatnonzero(distances < closer_than)
            pairs += [(members[k], members[int(others[n])], float(distances[n])) for n in near]
    return pairs


def _candidates(scaled: Array, cells: Array, limit: float, flags: Flags | None) -> Iterator[tuple[int, Indices]]:
    """Yield for each frame the later ones that may be nearer than ``limit`` [Å]; none that is nearer is left out.

    z(j, α) = exp 2πi (s_j - s_j')_α of neighbours j, j' in the list of ions knows neither translations nor images. A
    displacement d_j changes it by |Δz(j, α)| <= 2π |g_α| |d_j - d_j'| with the reciprocal vector g_α, so that the
    squares Σ |Δz|² / |g_α|² are at most 16π² 3 N times the mean square of d. Distances in this Euclidean space, and
    between cells, are products of matrices, which take a thousandth of the time of an `rms_displacement`.
    """
    count, n_ions = scaled.shape[:2]
    reciprocal = np.linalg.norm(np.linalg.inv(cells), axis=1).max(axis=0)
    phases = 2 * np.pi * (scaled - np.roll(scaled, 1, axis=1))
    points = (np.concatenate([np.cos(phases), np.sin(phases)], axis=1) / reciprocal).reshape(count, -1)
    # Near frames have near cells: a strain below half the limit, so g changes by as much at most.
    radius = 4 * np.pi * np.sqrt(3 * n_ions) * limit / max(1 - limit / 4, 1e-9)
    longest = np.linalg.norm(cells, ord=2, axis=(1, 2)).max()
    for first in range(0, count, _BLOCK):
        rows = slice(first, first + _BLOCK)
        near = _nearer(points, rows, radius) & _nearer(cells.reshape(count, 9), rows, longest * limit / STRAIN_LEVER)
        if flags is not None:
            near &= flags[rows, None] != flags
        for k, row in enumerate(near, start=first):
            others = np.flatnonzero(row[k + 1 :]) + k + 1
            if len(others):
                yield k, others


def _nearer(points: Array, rows: slice, radius: float) -> Flags:
    """Return which points are within a radius of those in ``rows``, ``shape=(rows, points)``, rounding allowed for."""
    squares = np.einsum("ij,ij->i", points, points)
    apart = squares[rows, None] + squares - 2 * points[rows] @ points.T
    near: Flags = apart <= radius**2 + 1e-12 * squares.max()
    return near


def _scaled(atoms: Atoms) -> Array:
    return np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T


def _rms_to_many(scaled: Array, cell: Array, others: Array, cells: Array) -> Array:
    """RMS displacement [Å] of one frame to several; scaled ``shape=(n, 3)``, others ``shape=(m, n, 3)``."""
    delta = others - scaled
    # The circular mean finds the translation although ions may sit in different images.
    shift = np.angle(np.exp(2j * np.pi * delta).mean(axis=1, keepdims=True)) / (2 * np.pi)
    delta = delta - shift
    delta -= np.rint(delta)
    delta -= delta.mean(axis=1, keepdims=True)
    displaced = np.einsum("mni,mij->mnj", delta, (cells + cell) / 2)
    strain = np.linalg.solve(np.broadcast_to(cell, cells.shape), cells) - np.eye(3)
    squared = (displaced**2).sum(axis=2).mean(axis=1) + STRAIN_LEVER**2 * (strain**2).sum(axis=(1, 2))
    return np.asarray(np.sqrt(squared))
