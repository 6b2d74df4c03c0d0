"""One cell, whose ions may be exchanged: energies of configurations, and the minima that they fall into.

Energies come from a particle mesh and from neighbour lists that serve all configurations nearby. A relaxation moves
everything, or the ions of an active region while the rest stands still.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import ase
import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.cell_preconditioner import UnitPreconditioner, unit_preconditioner
from dopantfit.energy.electrostatics import ParticleMesh
from dopantfit.energy.evaluation import COLLAPSE_DISTANCE
from dopantfit.energy.frame import longest, species_of
from dopantfit.energy.mesh import mesh_shape
from dopantfit.energy.minimiser import E, EnergyAndForces, MinimisationMethod, MinimisationProgress, Minimum, minimise
from dopantfit.energy.neighbours import Neighbourhood, find_neighbours
from dopantfit.energy.problem import SKIN, Region, add_charge, energy_of
from dopantfit.energy.real_space import species_table
from dopantfit.energy.structure_checks import check_geometry, check_memory
from dopantfit.errors import ConvergenceError
from dopantfit.potential import Potential
from dopantfit.potential.turnover import turn_overs
from dopantfit.structures import labels_of, with_labels
from dopantfit.units import COULOMB

#: Where the real-space Coulomb sum ends [Å], its screening [1/Å] and the spacing of the mesh [Å].
COULOMB_CUTOFF, ALPHA, SPACING = 8.0, 0.42, 0.8
#: Spacing of the mesh for active regions [Å]: errors of 1e-3 eV are far below what the frozen rest would give.
COARSE_SPACING = 1.1
#: A relaxation of an active region ends when it expects to gain less than this [eV], or after so many evaluations.
REGION_TOLERANCE, REGION_CALLS = 5e-3, 40
#: Neighbour lists are made anew when a core has moved farther than this since [Å], so that relaxations have the rest.
WANDERED = 0.25 * SKIN
#: A cell as it comes may need so many times the evaluations of one that was relaxed before.
FIRST_CALLS = 5
#: Energies of one configuration differ by this much [eV] when a pair crosses the cutoff of the Buckingham terms, which
#: end there by a small step: an increase below it does not shorten a step. In a large cell as many more pairs cross at
#: once as it has more than ROUGH_SITES sites.
ROUGHNESS, ROUGH_SITES = 2e-4, 2000
#: Where no way leads down and no more than this is to gain [eV], larger steps or those of several pairs bar the way: it
#: is as near to a minimum as an energy with steps has one, to a hundredth of kT at 1000 K.
BARRED_BY_STEPS = 1e-3


def low_enough(before: EnergyAndForces, after: EnergyAndForces, decrease: float) -> bool:
    """Whether a step does what was expected of it (Armijo), to the roughness of the energy."""
    roughness = ROUGHNESS * max(1.0, len(before.force) / ROUGH_SITES)
    return after.energy <= before.energy - 1e-4 * decrease + roughness


METHOD = MinimisationMethod(
    accepts=low_enough, longest_step=0.25, shortening=0.4, shortenings=10, memory=20, most_calls=600
)


@dataclass(frozen=True, eq=False)
class CellState:
    """A configuration: species (n,), cores and shells (n, 3) [Å], energy [eV]. Its arrays cannot be written.

    Rows of ``shells`` of ions without one are those of the core.
    """

    species: Integers
    cores: Floats
    shells: Floats
    energy: float

    def __post_init__(self) -> None:
        for array in (self.species, self.cores, self.shells):
            array.setflags(write=False)


@dataclass(frozen=True)
class LocalRelaxation:
    """An active region relaxed in a frozen rest: its sites then, and the energy change [eV] from another state."""

    region: Region
    sites: Floats
    energy_change: float


class RelaxedState(NamedTuple):
    """The end of a relaxation of the whole cell: the state, lists that hold there, evaluations, stopped or not."""

    state: CellState
    near: Neighbourhood
    calls: int
    stopped: bool


class CellModel:
    """Energies and relaxations of the ions of one cell with one potential.

    atoms: gives the cell, and the species that can occur. tolerance: a relaxation ends when it expects to gain less
    than this [eV]. most_calls: evaluations of one relaxation.
    """

    def __init__(self, atoms: ase.Atoms, potential: Potential, tolerance: float, most_calls: int) -> None:
        check_geometry(atoms, "the cell")
        self.labels, _ = species_of(atoms, potential, "the cell")
        self.table = species_table(self.labels, potential, COULOMB)
        self.cell = np.ascontiguousarray(atoms.cell.array, dtype=np.float64)
        self.tolerance, self.most_calls = tolerance, most_calls
        self._reach = max(COULOMB_CUTOFF, self.table.cutoff) + SKIN
        check_memory("the cell", len(atoms), self.cell, self._reach, math.prod(mesh_shape(self.cell, SPACING)))
        self.mesh = ParticleMesh(self.cell, ALPHA, COULOMB_CUTOFF, SPACING, COULOMB)
        self.coarse = ParticleMesh(self.cell, ALPHA, COULOMB_CUTOFF, COARSE_SPACING, COULOMB)
        turn_over = {pair: found.radius for pair, found in turn_overs(potential).items() if found}
        self._turn_over = np.array(
            [[turn_over.get((min(a, b), max(a, b)), 0.0) for b in self.labels] for a in self.labels]
        )
        self._near: list[Neighbourhood] = []
        self._preconditioner: UnitPreconditioner | None = None
        self._charged: tuple[CellState, Floats] | None = None
        self._restart: tuple[CellState, Neighbourhood, UnitPreconditioner] | None = None

    def atoms(self, state: CellState) -> ase.Atoms:
        """The ions of a state as an ase.Atoms, in the order of the sites."""
        atoms = ase.Atoms(numbers=[1] * len(state.species), positions=state.cores, cell=self.cell, pbc=True)
        return with_labels(atoms, [self.labels[one] for one in state.species])

    def minimum(self, atoms: ase.Atoms, shells: Floats | None = None) -> CellState:
        """The relaxed state that a structure falls into; ConvergenceError when there is none near.

        shells: positions to start from (n, 3) [Å]; on their cores by default.
        """
        species = np.array([self.labels.index(label) for label in labels_of(atoms)], dtype=np.int64)
        cores = np.ascontiguousarray(atoms.get_positions(), dtype=np.float64)
        offsets = np.zeros_like(cores) if shells is None else np.nan_to_num(shells - cores)
        start = CellState(species, cores, cores + offsets, np.nan)
        self._near, self._preconditioner = [], None
        relaxed = self._relax(start, self.region(start).start(), self.most_calls * FIRST_CALLS).state
        self._near, self._preconditioner = [], None
        return self.summed(relaxed)

    def restart_at(self, state: CellState) -> None:
        """Forget all lists and preconditioners but those of a state: what comes next depends on no other one."""
        if self._restart is None or self._restart[0] is not state:
            near = find_neighbours(state.cores, self.cell, self._reach)
            made = unit_preconditioner(near, self.table, state.species, state.cores, state.shells)
            self._restart = (state, near, made)
        self._near, self._preconditioner = [self._restart[1]], self._restart[2]

    def summed(self, state: CellState) -> CellState:
        """The same state with its energy summed up afresh, from neighbour lists made for it."""
        near = find_neighbours(state.cores, self.cell, self._reach)
        region = Region(near, self.mesh, self.table, state.species, state.cores, state.shells)
        return replace(state, energy=region.evaluate(region.start()).energy)

    def energy(self, state: CellState) -> float:
        """Energy [eV] of a configuration as it stands, relaxed or not."""
        region = self.region(state)
        return region.evaluate(region.start()).energy

    def region(self, state: CellState) -> Region:
        """All sites of a state."""
        near = self._neighbours(state.cores)
        return Region(near, self.mesh, self.table, state.species, state.cores, state.shells)

    def relax_region(self, before: CellState, after: CellState, ions: Integers) -> LocalRelaxation:
        """Some ions of a state relaxed, the rest frozen, and what that costs from the one before.

        The two states differ in the species of these ions only; ``before`` is relaxed.
        """
        near = self._neighbours(before.cores)
        still = self._mesh_charge(before).copy()
        add_charge(self.coarse, self.table, before.species, before.cores, before.shells, ions, -1.0, still)
        start, end = (
            Region(near, self.coarse, self.table, one.species, one.cores, one.shells, ions, still)
            for one in (before, after)
        )
        energy = start.evaluate(start.start()).energy
        method = replace(METHOD, energy_tolerance=REGION_TOLERANCE, most_calls=REGION_CALLS + 1)
        done = reached(
            minimise(
                end.evaluate, end.start(), method, self._preconditioned(before).of(ions),
                stop=lambda progress: progress.calls >= REGION_CALLS,
            )
        )  # fmt: skip
        return LocalRelaxation(end, done.sites, done.found.energy - energy)

    def relax(
        self,
        start: CellState,
        guess: LocalRelaxation | None = None,
        stop: Callable[[MinimisationProgress], bool] | None = None,
    ) -> RelaxedState:
        """Everything relaxed. guess: a region of the same state relaxed before; stop: see ``minimise``.

        Raises ConvergenceError when there is no minimum near.
        """
        region = self.region(start)
        sites = region.start()
        if guess is not None:
            sites = region.with_sites(sites, guess.region, guess.sites)
        return self._relax(start, sites, self.most_calls, stop)

    def _relax(
        self,
        start: CellState,
        sites: Floats,
        most_calls: int,
        stop: Callable[[MinimisationProgress], bool] | None = None,
    ) -> RelaxedState:
        method = replace(METHOD, energy_tolerance=self.tolerance, most_calls=most_calls)
        preconditioner = self._preconditioned(start)
        done = reached(minimise(energy_of(self.region(start)), sites, method, preconditioner, stop=stop))
        whole: Region = done.found.problem
        end = CellState(start.species.copy(), *whole.split(done.sites), done.found.energy)
        return RelaxedState(end, whole.near, done.calls, done.ended == "stopped")

    def collapsed(self, relaxed: RelaxedState) -> bool:
        """Whether a shell has left its core, or a pair of ions has crossed its turn-over radius."""
        state, near = relaxed.state, relaxed.near
        owner = np.repeat(np.arange(len(state.species)), np.diff(near.start))
        # Half an overlap distance more than any turn-over radius: only near pairs are looked at.
        close = near.distance < self._turn_over.max() + SKIN
        owner, ghost = owner[close], near.ghost[close]
        other = near.ghosts.ion[ghost]
        distance = np.linalg.norm(state.cores[other] + near.ghosts.shift[ghost] - state.cores[owner], axis=1)
        fallen = distance < self._turn_over[state.species[owner], state.species[other]]
        return bool(fallen.any() or np.linalg.norm(state.shells - state.cores, axis=1).max() > COLLAPSE_DISTANCE)

    def _neighbours(self, cores: Floats) -> Neighbourhood:
        """Lists that hold near these cores: the last two are kept, of a state and of what an exchange leads to."""
        known = [near for near in self._near if longest(cores - near.positions) <= WANDERED]
        found = known[0] if known else find_neighbours(cores, self.cell, self._reach)
        self._near = [found, *(near for near in self._near if near is not found)][:2]
        return found

    def _preconditioned(self, state: CellState) -> UnitPreconditioner:
        """The preconditioner of the first state that asks; it serves all that come from it by exchanges."""
        if self._preconditioner is None:
            near = self._neighbours(state.cores)
            self._preconditioner = unit_preconditioner(near, self.table, state.species, state.cores, state.shells)
        return self._preconditioner

    def _mesh_charge(self, state: CellState) -> Floats:
        """Charge of all sites of a state on the coarse mesh; kept for the next estimate from the same state."""
        if self._charged is None or self._charged[0] is not state:
            charge, everything = self.coarse.nothing(), np.arange(len(state.species))
            add_charge(self.coarse, self.table, state.species, state.cores, state.shells, everything, 1.0, charge)
            self._charged = (state, charge)
        return self._charged[1]


def reached(end: Minimum[E]) -> Minimum[E]:
    """The end of a relaxation; ConvergenceError where it is none."""
    if end.ended in ("converged", "stopped") or (end.ended == "no way down" and end.expected <= BARRED_BY_STEPS):
        return end
    reason = {
        "not finite": "met forces that are no numbers; check the structure for ions too close",
        "most calls": f"still expects to gain {end.expected:.3g} eV after {end.calls} evaluations; start from a "
        "structure nearer to equilibrium or allow more evaluations",
        "no way down": f"finds no way down in {end.calls} evaluations, {end.expected:.3g} eV from its minimum; check "
        "the structure for ions too close",
    }[end.ended]
    raise ConvergenceError(f"a relaxation of the cell {reason}")


def ions_within(radius: float, centres: Floats, positions: Floats, cell: Floats) -> Integers:
    """Ions nearer than a radius [Å] to any of the centres (m, 3) [Å], nearest images, ascending."""
    inverse = np.linalg.inv(cell)
    near = np.zeros(len(positions), np.bool_)
    for centre in centres:
        fractional = (positions - centre) @ inverse
        away = (fractional - np.round(fractional)) @ cell
        near |= np.einsum("ij,ij->i", away, away) < radius**2
    return np.flatnonzero(near)
