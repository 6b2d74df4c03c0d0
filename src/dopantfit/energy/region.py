"""The energy of all cores and shells of a cell as a function of where some of them are.

The relaxation of a cell moves ions and shells together, everything or only what is near. Both are one problem here: a
*region* of ions that move while the rest stands still; the region of all ions is the whole cell.
"""

from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.energy.electrostatics import Electrostatics, self_energy
from dopantfit.energy.neighbours import Lists, Neighbourhood, neighbour_runs, place_ghosts
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.real_space import ActiveSites, SpeciesTable, add_pair_terms

#: How far the neighbour lists reach beyond the cutoffs [Å].
SKIN = 1.2


class SiteForces(NamedTuple):
    """Energy [eV] and forces on the sites of a region (n_sites, 3) [eV/Å]."""

    energy: float
    force: Floats


class Region:
    """Some ions (all by default) that may move, in a cell whose other sites stand still.

    near: lists that reach ``SKIN`` beyond the cutoffs. species: index into the table, ``shape=(n_ions,)``. cores,
    shells: positions of all ions and of their shells (n_ions, 3) [Å]; rows of ions without a shell are not read. ions:
    indices of those that move. still: density of charge of all ions that stand still, if it is known.

    A configuration of the region is one array of sites (n_sites, 3): the cores of ``ions``, then the shells of those
    that have one.
    """

    def __init__(
        self,
        near: Neighbourhood,
        electrostatics: Electrostatics,
        table: SpeciesTable,
        species: Integers,
        cores: Floats,
        shells: Floats,
        ions: Integers | None = None,
        still: Floats | None = None,
    ) -> None:
        self.near, self.electrostatics, self.table, self.species = near, electrostatics, table, species
        self.ions = every = np.arange(len(species))
        if ions is not None:
            self.ions = ions
        self._cores, self._shells = cores, shells
        mine = species[self.ions]
        self.polarised = np.flatnonzero(table.has_shell[mine])
        self.acting = np.arange(len(self.ions))
        self.acting[self.polarised] = len(self.ions) + np.arange(len(self.polarised))
        self._active = ActiveSites(
            charges=np.concatenate([table.core_charge[mine], table.shell_charge[mine[self.polarised]]]),
            ions=np.concatenate([np.arange(len(self.ions)), self.polarised]),
            acting=self.acting,
            species=mine,
        )
        self._number = np.full(len(species), -1, np.int64)
        self._number[self.ions] = np.arange(len(self.ions))
        moves = self._number >= 0
        # Pairs within the region are met from both of their ends.
        self._lists = [(self._listed(moves), 0.5)]
        if ions is not None:
            self._lists.append((self._listed(~moves), 1.0))
        self._ghost_cores, self._ghost_sites = np.empty((2, 3, len(near.ghosts.ion)))
        place_ghosts(cores, every, near.ghosts, self._ghost_cores)
        place_ghosts(np.where(table.has_shell[species][:, None], shells, cores), every, near.ghosts, self._ghost_sites)
        if still is None:
            still = electrostatics.nothing()
            add_charge(electrostatics, table, species, cores, shells, np.flatnonzero(~moves), 1.0, still)
        self._still = still

    def _listed(self, among: Flags) -> Lists:
        coulomb, buckingham = (
            neighbour_runs(self.near, self.species, len(self.table.spring), cutoff + SKIN, self.ions, among)
            for cutoff in (self.electrostatics.cutoff, self.table.cutoff)
        )
        return Lists(self.near.ghosts, coulomb, buckingham)

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

    def evaluate(self, sites: Floats, virial: Floats | None = None) -> SiteForces:
        """Energy and forces; adds to the virial (6,) [eV] if there is one, that of all sites where all move.

        Pairs of sites that stand still are left out: the energy has a constant that regions do not share.
        """
        table, smooth, n = self.table, self.electrostatics, len(self.ions)
        cores, shells = sites[:n], sites[n:]
        place_ghosts(cores, self._number, self.near.ghosts, self._ghost_cores)
        place_ghosts(sites[self.acting], self._number, self.near.ghosts, self._ghost_sites)
        force, energy, asked = np.zeros_like(sites), 0.0, virial is not None
        virial = np.zeros(6) if virial is None else virial
        for lists, share in self._lists:
            energy += add_pair_terms(
                sites, self._active, self._ghost_cores, self._ghost_sites, lists, table, smooth.alpha, smooth.cutoff,
                share, share, force, virial,
            )  # fmt: skip
        bond_force = np.zeros_like(shells)
        displacement = shells - cores[self.polarised]
        species = self._active.species[self.polarised]
        energy += add_bonds(displacement, species, table, smooth.alpha, bond_force, virial)
        force[n:] += bond_force
        force[self.polarised] -= bond_force
        charges = self._active.charges
        energy += smooth.energy(sites, charges, self._still, force, virial if asked else np.zeros(0))[0]
        return SiteForces(energy + self_energy(float(np.sum(charges**2)), smooth.alpha, table.coulomb), force)


def add_charge(
    electrostatics: Electrostatics,
    table: SpeciesTable,
    species: Integers,
    cores: Floats,
    shells: Floats,
    ions: Integers,
    sign: float,
    density: Floats,
) -> None:
    """Adds ``sign`` times the charge of some ions, with their shells, to a density; arguments as in ``Region``."""
    polarised = ions[table.has_shell[species[ions]]]
    for positions, charges in (
        (cores[ions], table.core_charge[species[ions]]),
        (shells[polarised], table.shell_charge[species[polarised]]),
    ):
        electrostatics.add_charge(positions, sign * charges, density)
