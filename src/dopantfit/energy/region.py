"""The energy of all cores and shells of a cell as a function of where some of them are.

The relaxation of a swap moves ions and shells together, everything or only what is near. Both are one problem here: a
*region* of ions that move while the rest stands still; the region of all ions is the whole cell.
"""

from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import Flags, Floats, GhostIndices, Integers
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.mesh import Mesh, add_mesh_forces, mesh_potential, spread
from dopantfit.energy.neighbours import (
    RUN_LENGTH,
    Ghosts,
    Lists,
    NeighbourRuns,
    find_pairs,
    neighbour_runs,
)
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.real_space import SpeciesTable, add_buckingham, add_coulomb

#: Where the real-space Coulomb sum ends [Å], its screening [1/Å] and the spacing of the mesh [Å].
COULOMB_CUTOFF, ALPHA, SPACING = 8.0, 0.42, 0.8
#: How far the neighbour lists reach beyond the cutoffs [Å].
SKIN = 1.2


class Neighbourhood(NamedTuple):
    """Who is near whom at one configuration, whatever species they are.

    positions: of the cores then (n_ions, 3) [Å]. The neighbours of ion i are the ghosts (periodic images of ions)
    ``ghost[start[i]:start[i + 1]]``, at ``distance`` [Å].
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
    one = np.zeros(len(positions), np.int64)
    ghosts, (runs,) = neighbour_runs(pairs, one, 1, cell, (reach,))
    return Neighbourhood(positions, cell, ghosts, *_unpadded(positions, ghosts, runs))


class Region:
    """Some ions (all by default) that may move, in a cell whose other sites stand still.

    species: index into the table, ``shape=(n_ions,)``. cores, shells: positions of all ions and of their shells
    (n_ions, 3) [Å]; rows of ions without a shell are not read. ions: indices of those that move.
    still: charge on the mesh of all ions that stand still [e], if it is known.

    A configuration of the region is one array of sites (n_sites, 3): the cores of ``ions``, then the shells of those
    that have one.
    """

    def __init__(
        self,
        near: Neighbourhood,
        mesh: Mesh,
        table: SpeciesTable,
        species: Integers,
        cores: Floats,
        shells: Floats,
        ions: Integers | None = None,
        still: Floats | None = None,
    ) -> None:
        self.near, self.mesh, self.table, self.species = near, mesh, table, species
        self.ions = np.arange(len(species)) if ions is None else ions
        self._cores, self._shells = cores, shells
        mine = species[self.ions]
        self._species = mine
        self.polarised = np.flatnonzero(table.has_shell[mine])
        self.charges = np.concatenate([table.core_charge[mine], table.shell_charge[mine[self.polarised]]])
        moves = np.zeros(len(species), np.bool_)
        moves[self.ions] = True
        self._number = np.full(len(species), -1, np.int64)
        self._number[self.ions] = np.arange(len(self.ions))
        cutoffs = (COULOMB_CUTOFF + SKIN, table.cutoff + SKIN)
        count = len(table.core_charge)
        self._lists = [
            Lists(near.ghosts, *(self._runs(moves, inner, count, cutoff) for cutoff in cutoffs))
            for inner in ((True,) if ions is None else (True, False))
        ]
        everywhere = np.where(table.has_shell[species][:, None], shells, cores)
        self._ghost_cores, self._ghost_sites = _placed(cores, near.ghosts), _placed(everywhere, near.ghosts)
        if still is None:
            still = np.zeros(mesh.shape)
            add_charge(mesh, table, species, cores, shells, np.flatnonzero(~moves), 1.0, still)
        self._still = still

    def _runs(self, moves: Flags, inner: bool, n_species: int, cutoff: float) -> NeighbourRuns:
        """Neighbours within the cutoff [Å] that move too (inner), or those that stand still."""
        near = self.near
        runs = _runs(
            self.ions, near.ghosts, near.start, near.ghost, near.distance, self.species, moves, inner, n_species, cutoff
        )
        return NeighbourRuns(*runs)

    def split(self, sites: Floats) -> tuple[Floats, Floats]:
        """Cores and shells of all ions (n_ions, 3) [Å] with the region's sites there; a core for a missing shell."""
        cores, shells = self._cores.copy(), self._shells.copy()
        cores[self.ions] = sites[: len(self.ions)]
        shells[self.ions] = sites[: len(self.ions)]
        shells[self.ions[self.polarised]] = sites[len(self.ions) :]
        return cores, shells

    def with_sites(self, sites: Floats, inner: "Region", moved: Floats) -> Floats:
        """These sites with those of a smaller region where it has moved them."""
        cores, shells = inner.split(moved)
        result = sites.copy()
        inside = np.zeros(len(self.species), np.bool_)
        inside[inner.ions] = True
        mine = inside[self.ions]
        result[: len(self.ions)][mine] = cores[self.ions[mine]]
        polarised = self.polarised[mine[self.polarised]]
        result[self.acting[polarised]] = shells[self.ions[polarised]]
        return result

    def start(self) -> Floats:
        """The sites of the region as they were given (n_sites, 3) [Å]."""
        return np.concatenate([self._cores[self.ions], self._shells[self.ions[self.polarised]]])

    def energy_and_forces(self, sites: Floats) -> tuple[float, Floats]:
        """Energy [eV] and forces on the sites (n_sites, 3) [eV/Å].

        Pairs of sites that stand still are left out: the energy has a constant that regions do not share.
        """
        table, n = self.table, len(self.ions)
        cores, shells = sites[:n], sites[n:]
        everywhere = cores.copy()
        everywhere[self.polarised] = shells
        _place_moved(cores, everywhere, self._number, self.near.ghosts, self._ghost_cores, self._ghost_sites)
        force, virial = np.zeros_like(sites), np.zeros(6)
        local = np.concatenate([np.arange(n), self.polarised])
        pair_force = np.zeros_like(cores)
        energy = 0.0
        for lists, share in zip(self._lists, (0.5, 1.0), strict=False):
            energy += add_coulomb(
                sites, self.charges, local, self._ghost_cores, self._ghost_sites, lists, table, ALPHA, COULOMB_CUTOFF,
                share, share, force, virial,
            )  # fmt: skip
            energy += add_buckingham(
                np.arange(n), self._species, everywhere, self._ghost_sites, lists, table, share, share, pair_force,
                virial,
            )  # fmt: skip
        force[self.acting] += pair_force
        displacement = shells - cores[self.polarised]
        bond_force = np.zeros_like(displacement)
        energy += add_bonds(displacement, self._species[self.polarised], table, ALPHA, bond_force, virial)
        force[n:] += bond_force
        force[self.polarised] -= bond_force
        charge = self._still.copy()
        spread(sites, self.charges, self.mesh.to_mesh, charge)
        potential = mesh_potential(self.mesh, charge)
        energy += 0.5 * float(np.vdot(charge, potential))
        add_mesh_forces(sites, self.charges, self.mesh.to_mesh, potential, force)
        return energy + self._self_energy(), force

    @property
    def acting(self) -> Integers:
        """The site on which the Buckingham term of each ion acts, ``shape=(n_ions,)``."""
        acting = np.arange(len(self.ions))
        acting[self.polarised] = len(self.ions) + np.arange(len(self.polarised))
        return acting

    def _self_energy(self) -> float:
        return float(-self.table.coulomb * ALPHA / np.sqrt(np.pi) * np.sum(self.charges**2))


def add_charge(
    mesh: Mesh,
    table: SpeciesTable,
    species: Integers,
    cores: Floats,
    shells: Floats,
    ions: Integers,
    sign: float,
    charge: Floats,
) -> None:
    """Adds ``sign`` times the charge of some ions, with their shells, to a mesh [e]; arguments as in ``Region``."""
    spread(cores[ions], sign * table.core_charge[species[ions]], mesh.to_mesh, charge)
    polarised = ions[table.has_shell[species[ions]]]
    spread(shells[polarised], sign * table.shell_charge[species[polarised]], mesh.to_mesh, charge)


@kernel
def _unpadded(positions: Floats, ghosts: Ghosts, runs: NeighbourRuns) -> tuple[Integers, GhostIndices, Floats]:
    """Runs of one species without their padding, and distances: start, ghost, distance of ``Neighbourhood``."""
    padding, n = len(ghosts.ion) - 1, len(positions)
    start = np.zeros(n + 1, np.int64)
    ghost = np.empty(len(runs.ghost), np.uint32)
    distance = np.empty(len(runs.ghost))
    count = 0
    for i in range(n):
        for p in range(runs.start[i, 0], runs.start[i, 1]):
            g = runs.ghost[p]
            if g == padding:
                break  # padding comes last
            square = 0.0
            for c in range(3):
                square += (positions[ghosts.ion[g], c] + ghosts.shift[g, c] - positions[i, c]) ** 2
            ghost[count], distance[count] = g, np.sqrt(square)
            count += 1
        start[i + 1] = count
    return start, ghost[:count].copy(), distance[:count].copy()


@kernel
def _placed(sites: Floats, ghosts: Ghosts) -> Floats:
    """Positions of all ghosts, ``shape=(3, n_ghosts)`` [Å]; the last one is padding."""
    placed = np.empty((3, len(ghosts.ion)))
    for g in range(len(ghosts.ion)):
        for c in range(3):
            placed[c, g] = sites[ghosts.ion[g], c] + ghosts.shift[g, c]
    return placed


@kernel
def _place_moved(
    cores: Floats, sites: Floats, number: Integers, ghosts: Ghosts, ghost_cores: Floats, ghost_sites: Floats
) -> None:
    """Moves the ghosts of the ions of a region; number: of each ion in the region, -1 outside."""
    for g in range(len(ghosts.ion) - 1):
        i = number[ghosts.ion[g]]
        if i >= 0:
            for c in range(3):
                ghost_cores[c, g] = cores[i, c] + ghosts.shift[g, c]
                ghost_sites[c, g] = sites[i, c] + ghosts.shift[g, c]


@kernel
def _runs(
    ions: Integers,
    ghosts: Ghosts,
    begin: Integers,
    ghost: GhostIndices,
    distance: Floats,
    species: Integers,
    moves: Flags,
    inner: bool,
    n_species: int,
    cutoff: float,
) -> tuple[GhostIndices, Integers]:
    """Runs of neighbours per species of the ions of a region: those that move (inner) or those that do not."""
    ghost_ion, padding = ghosts.ion, len(ghosts.ion) - 1
    start = np.zeros((len(ions), n_species + 1), np.int64)
    count = np.zeros(n_species, np.int64)
    position = 0
    for n in range(len(ions)):
        count[:] = 0
        for p in range(begin[ions[n]], begin[ions[n] + 1]):
            other = ghost_ion[ghost[p]]
            if distance[p] < cutoff and moves[other] == inner:
                count[species[other]] += 1
        for s in range(n_species):
            start[n, s] = position
            position += (count[s] + RUN_LENGTH - 1) // RUN_LENGTH * RUN_LENGTH
        start[n, n_species] = position
    result = np.full(position, padding, np.uint32)
    fill = np.zeros(n_species, np.int64)
    for n in range(len(ions)):
        fill[:] = start[n, :n_species]
        for p in range(begin[ions[n]], begin[ions[n] + 1]):
            other = ghost_ion[ghost[p]]
            if distance[p] < cutoff and moves[other] == inner:
                s = species[other]
                result[fill[s]] = ghost[p]
                fill[s] += 1
    return result, start
