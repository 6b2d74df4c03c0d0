"""How far two frames of one composition are apart, modulo rigid translation and periodic images."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms

Array = npt.NDArray[np.float64]

#: A strain counts as the displacement that it gives to a neighbour at this distance [Å], a cation–O bond.
STRAIN_LEVER = 2.0


def rms_displacement(a: Atoms, b: Atoms) -> float:
    """RMS displacement per ion [Å] between two frames; inf unless their ions are the same in the same order.

    Removed: rigid translation, lattice translations of single ions. A difference of cells adds in quadrature
    the Frobenius norm of the strain between them times `STRAIN_LEVER`.
    """
    if len(a) != len(b) or not np.array_equal(a.numbers, b.numbers):
        return float("inf")
    return float(_rms_to_many(_scaled(a), a.cell.array, _scaled(b)[None], b.cell.array[None])[0])


def near_pairs(frames: Sequence[Atoms], closer_than: float) -> list[tuple[int, int, float]]:
    """Return (i, j, distance [Å]), i < j, of all pairs of frames with an `rms_displacement` below a limit."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, frame in enumerate(frames):
        groups[frame.numbers.tobytes()].append(index)
    pairs = []
    for members in groups.values():
        scaled = np.array([_scaled(frames[index]) for index in members])
        cells = np.array([frames[index].cell.array for index in members])
        for k, index in enumerate(members[:-1]):
            distances = _rms_to_many(scaled[k], cells[k], scaled[k + 1 :], cells[k + 1 :])
            for offset in np.flatnonzero(distances < closer_than):
                pairs.append((index, members[k + 1 + int(offset)], float(distances[offset])))
    return pairs


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
