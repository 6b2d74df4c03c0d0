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

from dopantfit.energy.arrays import Flags, Floats, GhostIndices, Integers
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


class Neighbourhood(NamedTuple):
    """Who is near whom at one configuration, whatever species they are.

    positions: of the cores then (n_ions, 3) [Å]. The neighbours of ion i are ``ghost[start[i]:start[i + 1]]``, at
    ``distance`` [Å].
    """

    positions: Floats
    cell: Floats
    ghosts: Ghosts
    start: Integers
    ghost: GhostIndices
    distance: Floats


def find_neighbours(positions: Floats, cell: Floats, reach: float) -> Neighbourhood:
    """All neighbours of all ions within ``reach`` [Å]."""
    pairs = find_pairs(positions, cell, reach)
    ion, cells, ends = _ghosts(pairs.ions, pairs.shift, len(positions))
    shift = np.vstack([cells @ cell, np.full((1, 3), PADDING_COORDINATE)])
    both_ways = _both_ways(pairs.ions, ends, pairs.distance, len(positions))
    return Neighbourhood(positions, cell, Ghosts(np.append(ion, 0), shift), *both_ways)


def neighbour_runs(
    near: Neighbourhood,
    species: Integers,
    n_species: int,
    cutoff: float,
    ions: Integers | None = None,
    among: Flags | None = None,
) -> NeighbourRuns:
    """Runs of the neighbours that were closer than a cutoff [Å].

    ions: whose neighbours, all by default; ``start`` has a row for each. among: which ions count as neighbours
    (n_ions,), all by default.
    """
    ions = np.arange(len(species)) if ions is None else ions
    among = np.ones(len(species), np.bool_) if among is None else among
    return NeighbourRuns(
        *_runs(ions, near.ghosts.ion, near.start, near.ghost, near.distance, species, n_species, among, cutoff)
    )


@kernel
def place_ghosts(sites: Floats, number: Integers, ghosts: Ghosts, placed: Floats) -> None:
    """Puts the ghosts of some ions in their places (3, n_ghosts) [Å], with the padding if it is one of them.

    sites: of these ions (n, 3) [Å]. number: row of each ion in it, -1 for those whose ghosts stay, ``shape=(n_ions,)``.
    """
    for g in range(len(ghosts.ion)):
        i = number[ghosts.ion[g]]
        if i >= 0:
            for c in range(3):
                placed[c, g] = sites[i, c] + ghosts.shift[g, c]


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
def _both_ways(
    index: npt.NDArray[np.uint64], ends: GhostIndices, distance: Floats, n_ions: int
) -> tuple[Integers, GhostIndices, Floats]:
    """Neighbours of every ion from pairs that are listed once: start, ghost and distance of ``Neighbourhood``."""
    start = np.zeros(n_ions + 1, np.int64)
    for p in range(len(index)):
        for end in range(2):
            start[np.int64(index[p, end]) + 1] += 1
    for i in range(n_ions):
        start[i + 1] += start[i]
    fill = start.copy()
    ghost, found = np.empty(2 * len(index), np.uint32), np.empty(2 * len(index))
    for p in range(len(index)):
        for end in range(2):
            centre = np.int64(index[p, end])
            ghost[fill[centre]], found[fill[centre]] = ends[p, end], distance[p]
            fill[centre] += 1
    return start, ghost, found


@kernel
def _runs(
    ions: Integers,
    ghost_ion: Integers,
    begin: Integers,
    ghost: GhostIndices,
    distance: Floats,
    species: Integers,
    n_species: int,
    among: Flags,
    cutoff: float,
) -> tuple[GhostIndices, Integers]:
    """Sorts the neighbours of some ions into padded runs; returns (ghost, start) of ``NeighbourRuns``."""
    padding, longest, total = len(ghost_ion) - 1, 0, 0
    for i in ions:
        longest = max(longest, begin[i + 1] - begin[i])
        total += begin[i + 1] - begin[i]
    found, count = np.empty((n_species, longest), np.uint32), np.zeros(n_species, np.int64)
    result = np.empty(total + len(ions) * n_species * (RUN_LENGTH - 1), np.uint32)
    start = np.zeros((len(ions), n_species + 1), np.int64)
    kind = np.empty(len(ghost_ion), np.int64)
    for g in range(len(ghost_ion)):
        kind[g] = species[ghost_ion[g]] if among[ghost_ion[g]] else -1
    position = 0
    for n in range(len(ions)):
        count[:] = 0
        for p in range(begin[ions[n]], begin[ions[n] + 1]):
            s = kind[ghost[p]]
            if distance[p] < cutoff and s >= 0:
                found[s, count[s]] = ghost[p]
                count[s] += 1
        for s in range(n_species):
            start[n, s] = position
            end = position + (count[s] + RUN_LENGTH - 1) // RUN_LENGTH * RUN_LENGTH
            for p in range(count[s]):
                result[position + p] = found[s, p]
            result[position + count[s] : end] = padding
            position = end
        start[n, n_species] = position
    return result[:position].copy(), start


@kernel
def run_buffer(lists: Lists) -> Floats:
    """A buffer ``terms`` that holds any run of these lists, ``shape=(5, longest run)``."""
    longest = 0
    for runs in (lists.coulomb, lists.buckingham):
        for i in range(runs.start.shape[0]):
            for s in range(runs.start.shape[1] - 1):
                longest = max(longest, runs.start[i, s + 1] - runs.start[i, s])
    return np.empty((5, longest))
