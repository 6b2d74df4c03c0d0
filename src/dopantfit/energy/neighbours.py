"""Neighbour lists in the layout that the pair sums want.

vesin finds the pairs. Here they become, for every ion, one run of neighbours per species (so that pair parameters are
constants of the innermost loop), each run padded to whole vector registers with a ghost that is too far away to count.
A ghost is one periodic image of an ion; the last ghost is the padding.
"""

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from vesin import NeighborList

from dopantfit.energy.arrays import Floats, GhostIndices, Integers
from dopantfit.energy.kernel_cache import kernel

#: Neighbour runs are multiples of this many entries: one 512-bit register of float64.
RUN_LENGTH = 8
#: Where the padding ghost sits [Å]; beyond any cutoff, and its square is still far from overflow.
PADDING_COORDINATE = 1.0e6


class Ghosts(NamedTuple):
    """Periodic images of ions within reach; the last one is padding.

    ion: index of the ion each ghost is an image of, ``shape=(n_ghosts,)``.
    shift: lattice translation from that ion to the ghost [Å], ``shape=(n_ghosts, 3)``.
    """

    ion: Integers
    shift: Floats


class NeighbourRuns(NamedTuple):
    """Every ion's neighbours, species by species.

    ghost: indices into the ghosts, ``shape=(n_entries,)``, unsigned so that the compiled loop need not test the sign.
    start: ``shape=(n_ions, n_species + 1)``; the run of species s around ion i is ``ghost[start[i, s]:start[i, s+1]]``.
    """

    ghost: GhostIndices
    start: Integers


class Lists(NamedTuple):
    """Everything that pair sums need to know of who is near whom: the ghosts, and the runs within the two cutoffs."""

    ghosts: Ghosts
    coulomb: NeighbourRuns
    buckingham: NeighbourRuns


class Pairs(NamedTuple):
    """Half list from the library: every pair once. ions (n, 2), shift (n, 3) in cells, distance (n,) [Å]."""

    ions: npt.NDArray[np.uint64]
    shift: npt.NDArray[np.int32]
    distance: Floats


class _Finders(threading.local):
    """One finder per cutoff and thread: reusing its memory makes it several times faster than a new one."""

    def __init__(self) -> None:
        self.by_cutoff: dict[float, NeighborList] = {}


_FINDERS = _Finders()


def find_pairs(positions: Floats, cell: Floats, cutoff: float) -> Pairs:
    """All pairs of ions, images included, closer than ``cutoff`` [Å] in a fully periodic cell, each once.

    The arrays belong to the finder and hold until the next call.
    """
    if cutoff not in _FINDERS.by_cutoff:
        _FINDERS.by_cutoff.clear()
        _FINDERS.by_cutoff[cutoff] = NeighborList(cutoff=cutoff, full_list=False, n_threads=1)
    index, shift, distance = _FINDERS.by_cutoff[cutoff].compute(positions, cell, True, "PSd", copy=False)
    return Pairs(index, shift, distance)


def neighbour_runs(
    pairs: Pairs, species: Integers, n_species: int, cell: Floats, cutoffs: tuple[float, ...]
) -> tuple[Ghosts, tuple[NeighbourRuns, ...]]:
    """Ghosts and, for each cutoff [Å], the runs of neighbours whose ions are closer than it."""
    ion, cells, ends = _ghosts(pairs.ions, pairs.shift, len(species))
    shift = np.vstack([cells @ cell, np.full((1, 3), PADDING_COORDINATE)])
    padding = len(ion)
    runs = tuple(
        NeighbourRuns(*_runs(pairs.ions, ends, pairs.distance, species, n_species, cutoff, padding))
        for cutoff in cutoffs
    )
    return Ghosts(np.append(ion, 0), shift), runs


@kernel
def _ghosts(
    index: npt.NDArray[np.uint64], shift: npt.NDArray[np.int32], n_ions: int
) -> tuple[Integers, Floats, GhostIndices]:
    """Numbers the distinct (ion, shift) that occur, in both directions of every pair.

    Returns ion (n_ghosts,), shift in cells (n_ghosts, 3) and the ghosts seen by the two ends of each pair (n_pairs, 2).
    """
    reach = np.zeros(3, np.int64)
    for p in range(len(shift)):
        for c in range(3):
            reach[c] = max(reach[c], abs(shift[p, c]))
    width_y, width_z = 2 * reach[1] + 1, 2 * reach[2] + 1
    n_cells = (2 * reach[0] + 1) * width_y * width_z
    number = np.full(n_cells * n_ions, -1, np.int64)
    ion = np.empty(n_cells * n_ions, np.int64)
    cells = np.empty((n_cells * n_ions, 3), np.float64)
    ends = np.empty((len(index), 2), np.uint32)
    count = 0
    for p in range(len(index)):
        for end in range(2):
            sign = 1 - 2 * end
            x, y, z = sign * shift[p, 0], sign * shift[p, 1], sign * shift[p, 2]
            other = np.int64(index[p, 1 - end])
            key = (((x + reach[0]) * width_y + y + reach[1]) * width_z + z + reach[2]) * n_ions + other
            if number[key] < 0:
                number[key] = count
                ion[count] = other
                cells[count, 0], cells[count, 1], cells[count, 2] = x, y, z
                count += 1
            ends[p, end] = number[key]
    return ion[:count].copy(), cells[:count].copy(), ends


@kernel
def _runs(
    index: npt.NDArray[np.uint64],
    ends: GhostIndices,
    distance: Floats,
    species: Integers,
    n_species: int,
    cutoff: float,
    padding: int,
) -> tuple[GhostIndices, Integers]:
    """Sorts the neighbours of every ion into padded runs; returns (ghost, start) of NeighbourRuns."""
    n_ions = len(species)
    count = np.zeros((n_ions, n_species), np.int64)
    for p in range(len(index)):
        if distance[p] < cutoff:
            for end in range(2):
                count[np.int64(index[p, end]), species[np.int64(index[p, 1 - end])]] += 1
    start = np.zeros((n_ions, n_species + 1), np.int64)
    position = 0
    for i in range(n_ions):
        for s in range(n_species):
            start[i, s] = position
            position += (count[i, s] + RUN_LENGTH - 1) // RUN_LENGTH * RUN_LENGTH
        start[i, n_species] = position
    ghost = np.full(position, padding, np.uint32)
    fill = start.copy()
    for p in range(len(index)):
        if distance[p] < cutoff:
            for end in range(2):
                centre, kind = np.int64(index[p, end]), species[np.int64(index[p, 1 - end])]
                ghost[fill[centre, kind]] = ends[p, end]
                fill[centre, kind] += 1
    return ghost, start


@kernel
def run_buffer(lists: Lists) -> Floats:
    """A buffer ``terms`` that holds any run of these lists, ``shape=(5, longest run)``."""
    longest = 0
    for runs in (lists.coulomb, lists.buckingham):
        for i in range(runs.start.shape[0]):
            for s in range(runs.start.shape[1] - 1):
                longest = max(longest, runs.start[i, s + 1] - runs.start[i, s])
    return np.empty((5, longest))
