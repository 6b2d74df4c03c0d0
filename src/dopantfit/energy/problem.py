"""The energy of a cell as a function of where some of its cores and shells are: the one model of the engine.

Whatever relaxes is a set of sites that move while the others stand still: the shells of a frame, all cores and shells
of a cell, or those of the ions of a region. Electrostatics is Ewald's sum or a particle mesh.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.energy.electrostatics import Electrostatics, Ewald, background_energy, self_energy
from dopantfit.energy.frame import Frame, longest
from dopantfit.energy.neighbours import Ghosts, Lists, Neighbourhood, find_neighbours, neighbour_runs, place_ghosts
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.real_space import ActiveSites, SpeciesTable, add_buckingham, add_coulomb, add_pair_terms
from dopantfit.energy.stiffness import Placement
from dopantfit.errors import ConfigError

#: How far the neighbour lists of a region reach beyond the cutoffs [Å].
SKIN = 1.2


class SiteForces(NamedTuple):
    """Energy [eV], forces on the sites that move (n, 3) [eV/Å], virial (6,) [eV]; density and field of all charges."""

    energy: float
    force: Floats
    virial: Floats
    density: Floats
    field: Floats


class PairSums(NamedTuple):
    """Neighbours of the sites that move, and what part of a pair's energy counts: with a core, with a shell."""

    lists: Lists
    core_share: float
    shell_share: float


class FixedSites(NamedTuple):
    """What stands still: images of cores and of Buckingham sites (3, n_ghosts) [Å], and the density of its charge.

    Images of sites that move are in both, too, anywhere.
    """

    ghost_cores: Floats
    ghost_sites: Floats
    density: Floats


class Moving(NamedTuple):
    """Which sites move: the cores of ``n_cores`` of some ions (all or none), then the shells of those that have one.

    ions: these, (n,). polarised: which of them have a shell. owners: which of them each site belongs to, acting: the
    sites that Buckingham terms act on. core_number, site_number: of every ion of the cell, which core and which acting
    site is its own, -1 for none.
    """

    ions: Integers
    n_cores: int
    polarised: Integers
    owners: Integers
    acting: Integers
    core_number: Integers
    site_number: Integers


def moving_sites(has_shell: Flags, ions: Integers, cores_move: bool) -> Moving:
    """The shells of some ions, with their cores or without. has_shell: of every ion of the cell."""
    polarised, n_cores = np.flatnonzero(has_shell[ions]), len(ions) if cores_move else 0
    owners = np.concatenate([np.arange(n_cores), polarised])
    acting = np.arange(len(ions))
    acting[polarised] = n_cores + np.arange(len(polarised))
    if not cores_move:
        acting = acting[polarised]
    core_number, site_number = np.full((2, len(has_shell)), -1, np.int64)
    core_number[ions[:n_cores]] = np.arange(n_cores)
    site_number[ions[owners[acting]]] = np.arange(len(acting))
    return Moving(ions, n_cores, polarised, owners, acting, core_number, site_number)


class SiteProblem:
    """Sites that move in a cell whose others stand still.

    species: index into the table of every ion, ``shape=(n_ions,)``. moving: the neighbour lists have a row for each of
    its ions. origin: what coordinates of sites are measured from [Å].

    A configuration is one array of coordinates (n_sites, 3) [Å]: of the cores that move, then of the shells, which are
    displacements from their cores where these stand still.
    """

    def __init__(
        self,
        electrostatics: Electrostatics,
        table: SpeciesTable,
        species: Integers,
        moving: Moving,
        origin: Floats | float,
        sums: list[PairSums],
        still: FixedSites,
    ) -> None:
        self.electrostatics, self.table, self.species, self.moving = electrostatics, table, species, moving
        self._origin, self._sums, self._still, self._constant = origin, sums, still, 0.0
        mine = species[moving.ions]
        self._shell_species = mine[moving.polarised]
        charges = [table.core_charge[mine[: moving.n_cores]], table.shell_charge[self._shell_species]]
        self._active = ActiveSites(np.concatenate(charges), moving.owners, moving.acting, mine)

    def evaluate(self, coordinates: Floats, with_virial: bool = False) -> SiteForces:
        """Energy and forces; the virial, if it is asked for, is that of all sites where all move.

        Pairs of sites that stand still are left out: the energy has a constant of its own.
        """
        table, smooth, n, polarised = self.table, self.electrostatics, self.moving.n_cores, self.moving.polarised
        sites, virial, energy = self._origin + coordinates, np.zeros(6), 0.0
        displacement = coordinates[n:] - coordinates[polarised] if n else coordinates
        ghost_cores, ghost_sites = self._images(sites)
        force, bond_force = np.zeros_like(sites), np.zeros_like(displacement)
        for lists, core_share, shell_share in self._sums:
            energy += add_pair_terms(
                sites, self._active, ghost_cores, ghost_sites, lists, table, smooth.alpha, smooth.cutoff,
                core_share, shell_share, force, virial,
            )  # fmt: skip
        energy += add_bonds(displacement, self._shell_species, table, smooth.alpha, bond_force, virial)
        force[n:] += bond_force
        if n:
            force[polarised] -= bond_force
        waves, density, field = smooth.energy(
            sites, self._active.charges, self._still.density, force, virial if with_virial else virial[:0]
        )
        return SiteForces(energy + waves + self._constant, force, virial, density, field)

    def _images(self, sites: Floats) -> tuple[Floats, Floats]:
        """Images of all cores and Buckingham sites, ``shape=(3, n_ghosts)`` [Å]."""
        moving, ghosts, ghost_cores = self.moving, self._sums[0].lists.ghosts, self._still.ghost_cores
        if moving.n_cores:
            ghost_cores = ghost_cores.copy()
            place_ghosts(sites[: moving.n_cores], moving.core_number, ghosts, ghost_cores)
        ghost_sites = self._still.ghost_sites.copy()
        place_ghosts(sites[moving.acting], moving.site_number, ghosts, ghost_sites)
        return ghost_cores, ghost_sites


class Region(SiteProblem):
    """Cores and shells of some ions (all by default) that move; coordinates are positions.

    near: lists that reach ``SKIN`` beyond the cutoffs. cores, shells: positions of all ions and of their shells
    (n_ions, 3) [Å]; rows of ions without a shell are not read. still: density of charge of all ions that stand still,
    if it is known.
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
        self.near, self._cores, self._shells = near, cores, shells
        every = np.arange(len(species))
        moving = moving_sites(table.has_shell[species], every if ions is None else ions, cores_move=True)
        moves = moving.core_number >= 0

        def listed(among: Flags, share: float) -> PairSums:
            runs = (
                neighbour_runs(near, species, len(table.spring), cutoff + SKIN, moving.ions, among)
                for cutoff in (electrostatics.cutoff, table.cutoff)
            )
            return PairSums(Lists(near.ghosts, *runs), share, share)

        # Pairs within the region are met from both of their ends.
        sums = [listed(moves, 0.5)] if ions is None else [listed(moves, 0.5), listed(~moves, 1.0)]
        if still is None:
            still = electrostatics.nothing()
            add_charge(electrostatics, table, species, cores, shells, np.flatnonzero(~moves), 1.0, still)
        sites = np.where(table.has_shell[species][:, None], shells, cores)
        unmoved = FixedSites(images(cores, near.ghosts), images(sites, near.ghosts), still)
        super().__init__(electrostatics, table, species, moving, 0.0, sums, unmoved)
        squares = float(np.sum(self._active.charges**2))
        self._constant = self_energy(squares, electrostatics.alpha, table.coulomb)

    def holding(self, coordinates: Floats) -> "Region":
        """The same problem of a whole cell with neighbour lists that hold for these sites."""
        cores, shells = self.split(coordinates)
        near, smooth = self.near, self.electrostatics
        if max(longest(cores - near.positions), longest(shells - near.positions)) <= 0.5 * SKIN:
            return self
        near = find_neighbours(cores, near.cell, max(smooth.cutoff, self.table.cutoff) + SKIN)
        return Region(near, smooth, self.table, self.species, cores, shells)

    def split(self, coordinates: Floats) -> tuple[Floats, Floats]:
        """Cores and shells of all ions (n_ions, 3) [Å] with the region's sites there; a core for a missing shell."""
        ions, n_cores = self.moving.ions, self.moving.n_cores
        cores, shells = self._cores.copy(), self._shells.copy()
        cores[ions] = shells[ions] = coordinates[:n_cores]
        shells[ions[self.moving.polarised]] = coordinates[n_cores:]
        return cores, shells

    def with_sites(self, coordinates: Floats, inner: "Region", moved: Floats) -> Floats:
        """These sites with those of a smaller region where it has moved them."""
        (cores, shells), mine, result = inner.split(moved), self.moving, coordinates.copy()
        inside = inner.moving.core_number[mine.ions] >= 0
        result[: mine.n_cores][inside] = cores[mine.ions[inside]]
        polarised = mine.polarised[inside[mine.polarised]]
        result[mine.acting[polarised]] = shells[mine.ions[polarised]]
        return result

    def start(self) -> Floats:
        """The sites of the region as they were given (n_sites, 3) [Å]."""
        ions = self.moving.ions
        return np.concatenate([self._cores[ions], self._shells[ions[self.moving.polarised]]])


class ShellProblem(SiteProblem):
    """The shells of one frame with one set of parameters; coordinates are displacements from their cores [Å].

    Cores stand still while shells relax, so an evaluation comes in two passes. The *shell pass* sums all that changes
    when a shell moves and is repeated until the shells are at rest; the *core pass* adds the rest, once, at the end.

    cores: what cores do in another problem of the same frame, if there is one.
    """

    waves: Ewald

    def __init__(self, frame: Frame, table: SpeciesTable, cores: "ShellProblem | None" = None) -> None:
        if frame.cutoff != table.cutoff or len(frame.labels) != len(table.core_charge):
            raise ConfigError(
                f"{frame.name}: the frame was made for {len(frame.labels)} species and cutoff {frame.cutoff} Å, the "
                f"table has {len(table.core_charge)} and {table.cutoff} Å; make both from one potential"
            )
        self.frame = frame
        self.shell_species = frame.species[frame.shell_ions]
        self.core_charges = table.core_charge[frame.species]
        self.shell_charges = table.shell_charge[self.shell_species]
        if cores is not None and cores.table.coulomb == table.coulomb:
            self.waves, placed = cores.waves, cores._still.ghost_cores
        else:
            self.waves = Ewald(frame.cell, frame.plan, frame.strain, table.coulomb)
            placed = images(frame.positions, frame.lists.ghosts)
        if cores is not None and np.array_equal(cores.core_charges, self.core_charges):
            density = cores._still.density
        else:
            density = self.waves.nothing()
            self.waves.add_charge(frame.positions, self.core_charges, density)
        if cores is None:
            moving = moving_sites(table.has_shell[frame.species], np.arange(len(frame.species)), cores_move=False)
        else:
            moving = cores.moving
        sums, still = [PairSums(frame.lists, 1.0, 0.5)], FixedSites(placed, placed, density)
        super().__init__(self.waves, table, frame.species, moving, frame.positions[frame.shell_ions], sums, still)

    def holding(self, coordinates: Floats) -> "ShellProblem":
        """The same problem with neighbour lists that hold for these shells."""
        if self.frame.covers(coordinates):
            return self
        return ShellProblem(self.frame.relisted(coordinates), self.table)

    def with_table(self, table: SpeciesTable) -> "ShellProblem":
        """The same frame with other parameters; what these leave as it is is not computed again."""
        return ShellProblem(self.frame, table, cores=self)

    def placement(self, displacement: Floats) -> Placement:
        """Where all sites and their images are for these shells."""
        frame = self.frame
        sites = frame.positions.copy()
        sites[frame.shell_ions] += displacement
        placed = self._images(sites[frame.shell_ions])
        return Placement(frame.species, frame.shell_ions, frame.positions, sites, *placed, frame.lists)

    def shell_pass(self, displacement: Floats) -> SiteForces:
        """Energy of everything that sees a shell (and of all waves), and the force on every shell."""
        return self.evaluate(displacement, with_virial=True)

    def core_pass(self, displacement: Floats, shells: SiteForces) -> SiteForces:
        """The terms between cores, the self-energies, and the force on every core, after a shell pass there.

        A charged cell is made neutral by a uniform background, which pulls on nothing.

        The two energies and virials add up to the frame's.
        """
        frame, table, waves, placement = self.frame, self.table, self.waves, self.placement(displacement)
        force, virial, every = np.zeros_like(frame.positions), np.zeros(6), np.arange(len(frame.positions))
        energy = add_coulomb(
            frame.positions, self.core_charges, every, placement.ghost_cores, placement.ghost_sites, frame.lists, table,
            waves.alpha, waves.cutoff, 0.5, 0.0, force, virial,
        )  # fmt: skip
        bare = np.flatnonzero(~table.has_shell[frame.species])
        bare_force = np.zeros_like(force)
        energy += add_buckingham(
            frame.positions, bare, every, frame.species, placement.ghost_sites, frame.lists, table, 0.5, 0.0,
            bare_force, virial,
        )  # fmt: skip
        force += bare_force
        bond_force = np.zeros_like(displacement)
        add_bonds(displacement, self.shell_species, table, waves.alpha, bond_force, np.zeros(6))
        force[frame.shell_ions] -= bond_force
        waves.add_forces(frame.positions, self.core_charges, shells.field, force)
        squares = float(np.sum(self.core_charges**2) + np.sum(self.shell_charges**2))
        charge = float(np.sum(self.core_charges) + np.sum(self.shell_charges))
        balancing = background_energy(charge, waves.alpha, frame.volume, table.coulomb)
        energy += self_energy(squares, waves.alpha, table.coulomb) + balancing
        virial[:3] += balancing  # It goes as 1/V.
        return SiteForces(energy, force, virial, shells.density, shells.field)


AnyProblem = TypeVar("AnyProblem", Region, ShellProblem)


class ProblemForces(NamedTuple, Generic[AnyProblem]):
    """What was found at a configuration, and the problem whose neighbour lists hold there."""

    problem: AnyProblem
    at: SiteForces

    @property
    def energy(self) -> float:
        """Energy [eV]."""
        return self.at.energy

    @property
    def force(self) -> Floats:
        """Forces on the sites that move (n, 3) [eV/Å]."""
        return self.at.force


def energy_of(problem: AnyProblem, with_virial: bool = False) -> Callable[[Floats], ProblemForces[AnyProblem]]:
    """The problem as a function of coordinates, for the minimiser: lists are made anew where they do not hold."""

    def evaluate(coordinates: Floats) -> ProblemForces[AnyProblem]:
        nonlocal problem
        problem = problem.holding(coordinates)
        return ProblemForces(problem, problem.evaluate(coordinates, with_virial))

    return evaluate


def images(positions: Floats, ghosts: Ghosts) -> Floats:
    """Positions of the images of all ions, ``shape=(3, n_ghosts)`` [Å]."""
    placed = np.empty((3, len(ghosts.ion)))
    place_ghosts(positions, np.arange(len(positions)), ghosts, placed)
    return placed


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
