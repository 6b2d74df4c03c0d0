"""Relaxed swaps of one cell: the physical model behind the Monte Carlo.

The estimate is the two-region idea of Mott and Littleton: ions within a radius of either site relax explicitly while
the rest stands still, and what the rest would still give (the dielectric and elastic response of the outer region) is
taken as its mean over fully relaxed swaps of the same pair of species, measured before the first round. What passes is
relaxed as a whole; on its way, after a few evaluations, it gives a second and better estimate of the same kind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import ase
import numpy as np

from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import Estimate, Relaxation, Swap
from dopantfit.energy import species_table
from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.frame import longest
from dopantfit.energy.mesh import make_mesh
from dopantfit.energy.minimiser import Progress, minimise
from dopantfit.energy.preconditioner import Steering, steering
from dopantfit.energy.region import ALPHA, SKIN, SPACING, Neighbourhood, Region, add_charge, find_neighbours
from dopantfit.energy.relaxation import COLLAPSE_DISTANCE
from dopantfit.errors import ConvergenceError
from dopantfit.potential import Potential
from dopantfit.potential.turnover import turn_overs
from dopantfit.structures import labels_of
from dopantfit.units import COULOMB

#: Spacing of the mesh for estimates [Å]: errors of 1e-3 eV are far below those of the estimate itself.
COARSE_SPACING = 1.1
#: A relaxation of the inner region ends when it expects to gain less than this [eV], or after so many evaluations.
INNER_TOLERANCE, INNER_CALLS = 5e-3, 40
#: Neighbour lists are made anew when a core has moved farther than this since [Å], so that relaxations have the rest.
WANDERED = 0.25 * SKIN
#: Least scatter of the outer response [eV]: a few swaps tell little of it.
LEAST_DEVIATION = 0.05


@dataclass(frozen=True, eq=False)
class CellState:
    """A relaxed configuration: species (n,), cores and shells (n, 3) [Å], energy [eV]. Its arrays cannot be written.

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
class OuterResponse:
    """What estimates leave out, by partner species: typical energy and its scatter [eV] (median, scaled MAD).

    mean, deviation: of the outer region, when the inner one has relaxed. late_mean, late_deviation: of what is left
    when the whole cell has relaxed for ``early_calls`` evaluations.
    """

    mean: Mapping[str, float] = field(default_factory=dict)
    deviation: Mapping[str, float] = field(default_factory=dict)
    late_mean: Mapping[str, float] = field(default_factory=dict)
    late_deviation: Mapping[str, float] = field(default_factory=dict)

    def of(self, partner: str, margin: float) -> float:
        """What is taken off the energy of the inner region [eV]; 0 for a partner that was not measured."""
        return self.mean.get(partner, 0.0) + margin * self.deviation.get(partner, 0.0)

    def late(self, partner: str, margin: float) -> float:
        """What is taken off the energy of the second estimate [eV]; 0 for a partner that was not measured."""
        return self.late_mean.get(partner, 0.0) + margin * self.late_deviation.get(partner, 0.0)


@dataclass(frozen=True)
class _Inner:
    """Guess for a complete relaxation: the sites of a region after its own relaxation, and which they are."""

    region: Region
    sites: Floats
    energy_change: float


class _Descent(NamedTuple):
    """The end of a relaxation of the whole cell: the state, lists that hold there, evaluations, stopped or not."""

    state: CellState
    near: Neighbourhood
    calls: int
    stopped: bool


class RelaxedCell:
    """Swaps of the ions of one cell with one potential (see ``SwapModel``).

    atoms: gives the cell, and the species that can occur. response: of the outer region to swaps with each partner.
    """

    def __init__(
        self, atoms: ase.Atoms, potential: Potential, settings: Burst, response: OuterResponse | None = None
    ) -> None:
        self.labels = tuple(sorted(set(labels_of(atoms))))
        self.table = species_table(self.labels, potential, COULOMB)
        self.cell = np.ascontiguousarray(atoms.cell.array, dtype=np.float64)
        self.settings = settings
        self.response = response or OuterResponse()
        self.mesh = make_mesh(self.cell, ALPHA, SPACING, COULOMB)
        self.coarse = make_mesh(self.cell, ALPHA, COARSE_SPACING, COULOMB)
        turn_over = {pair: found.radius for pair, found in turn_overs(potential).items() if found}
        self._turn_over = np.array(
            [[turn_over.get((min(a, b), max(a, b)), 0.0) for b in self.labels] for a in self.labels]
        )
        self._near: list[Neighbourhood] = []
        self._steering: Steering | None = None
        self._charged: tuple[CellState, Floats] | None = None

    def minimum(self, atoms: ase.Atoms, shells: Floats | None = None) -> CellState:
        """The relaxed state that a structure falls into; ConvergenceError when there is none near.

        shells: positions to start from (n, 3) [Å]; on their cores by default.
        """
        species = np.array([self.labels.index(label) for label in labels_of(atoms)], dtype=np.int64)
        cores = np.ascontiguousarray(atoms.get_positions(), dtype=np.float64)
        offsets = np.zeros_like(cores) if shells is None else np.nan_to_num(shells - cores)
        start = CellState(species, cores, cores + offsets, np.nan)
        self._near, self._steering = [], None
        region = self._whole(start)
        relaxed = self._down(start, region.start(), self.settings.most_calls * 5).state
        self._near, self._steering = [], None
        return self.summed(relaxed)

    def summed(self, state: CellState) -> CellState:
        """The same state with its energy summed up afresh, from neighbour lists made for it."""
        near = find_neighbours(state.cores, self.cell, self.table.cutoff + SKIN)
        region = Region(near, self.mesh, self.table, state.species, state.cores, state.shells)
        energy, _ = region.energy_and_forces(region.start())
        return replace(state, energy=energy)

    def rigid(self, state: CellState, swap: Swap) -> float:
        """See ``SwapModel.rigid``; shells go with their ions."""
        moved = self._swapped(state, swap)
        region = self._whole(moved)
        return region.energy_and_forces(region.start())[0] - state.energy

    def unrelaxed(self, state: CellState, swap: Swap, change: float) -> CellState:
        """See ``SwapModel.unrelaxed``."""
        return replace(self._swapped(state, swap), energy=state.energy + change)

    def estimate(self, state: CellState, swap: Swap) -> Estimate:
        """See ``SwapModel.estimate``."""
        inner = self.inner(state, swap, self.settings.inner_radius)
        partner = self.partner(state, swap)
        return Estimate(inner.energy_change - self.response.of(partner, self.settings.margin), inner)

    def partner(self, state: CellState, swap: Swap) -> str:
        """Label of the ion that a dopant changes places with, the same for the undoing."""
        first, second = (str(self.labels[int(state.species[site])]) for site in (swap.first, swap.second))
        return first if first in self.settings.partners else second

    def inner(self, state: CellState, swap: Swap, radius: float) -> _Inner:
        """Relaxes the ions within a radius [Å] of either site, the rest frozen."""
        near = self._neighbours(state.cores)
        ions = _within(state.cores, self.cell, swap, radius)
        still = self._mesh_charge(state).copy()
        add_charge(self.coarse, self.table, state.species, state.cores, state.shells, ions, -1.0, still)
        before, after = (
            Region(near, self.coarse, self.table, one.species, one.cores, one.shells, ions, still)
            for one in (state, self._swapped(state, swap))
        )
        energy, _ = before.energy_and_forces(before.start())
        steer = self._steer(state).of(ions)
        done = minimise(
            after.energy_and_forces, after.start(), steer, INNER_TOLERANCE, INNER_CALLS + 1,
            stop=lambda progress: progress.calls >= INNER_CALLS,
        )  # fmt: skip
        return _Inner(after, done.sites, done.energy - energy)

    def relax(self, state: CellState, swap: Swap, estimate: Estimate | None, ceiling: float) -> Relaxation[CellState]:
        """See ``SwapModel.relax``: from the relaxed inner region on, everything moves.

        A relaxation that ends in collapsed ions or in no minimum gives None, the latter with an infinite ``early``.
        """
        moved = self._swapped(state, swap)
        region = self._whole(moved)
        start = region.start()
        if estimate is not None and estimate.guess is not None:
            guess: _Inner = estimate.guess
            start = region.with_sites(start, guess.region, guess.sites)
        left = state.energy + self.response.late(self.partner(state, swap), self.settings.margin)
        seen: list[float] = []

        def unlikely(progress: Progress) -> bool:
            if seen or progress.calls < self.settings.early_calls:
                return False
            seen.append(progress.energy - left)
            return not seen[0] < ceiling

        try:
            down = self._down(moved, start, self.settings.most_calls, unlikely)
        except ConvergenceError:
            return Relaxation(None, self.settings.most_calls, np.inf)
        early = seen[0] if seen else down.state.energy - left
        stopped = down.stopped or not early < ceiling
        if stopped or self._collapsed(down.state, down.near):
            return Relaxation(None, down.calls, early, stopped)
        return Relaxation(down.state, down.calls, early)

    def _down(
        self, start: CellState, sites: Floats, most_calls: int, stop: Callable[[Progress], bool] | None = None
    ) -> _Descent:
        """Everything relaxed from these sites on."""
        whole = _Relisting(self, start)
        steer = self._steer(start).inverse
        done = minimise(whole, sites, steer, self.settings.tolerance, most_calls, stop)
        cores, shells = whole.region.split(done.sites)
        end = CellState(start.species.copy(), cores, shells, done.energy)
        return _Descent(end, whole.region.near, done.calls, done.stopped)

    def _collapsed(self, state: CellState, near: Neighbourhood) -> bool:
        """Whether a shell has left its core, or a pair of ions has crossed its turn-over radius."""
        owner = np.repeat(np.arange(len(state.species)), np.diff(near.start))
        # Half an overlap distance more than any turn-over radius: only near pairs are looked at.
        close = near.distance < self._turn_over.max() + SKIN
        owner, ghost = owner[close], near.ghost[close]
        other = near.ghosts.ion[ghost]
        distance = np.linalg.norm(state.cores[other] + near.ghosts.shift[ghost] - state.cores[owner], axis=1)
        fallen = distance < self._turn_over[state.species[owner], state.species[other]]
        return bool(fallen.any() or np.linalg.norm(state.shells - state.cores, axis=1).max() > COLLAPSE_DISTANCE)

    def _swapped(self, state: CellState, swap: Swap) -> CellState:
        return replace(state, species=swap.exchanged(state.species))

    def _whole(self, state: CellState) -> Region:
        near = self._neighbours(state.cores)
        return Region(near, self.mesh, self.table, state.species, state.cores, state.shells)

    def _neighbours(self, cores: Floats) -> Neighbourhood:
        """Lists that hold near these cores: the last two are kept, of a state and of the one a swap may lead to."""
        known = [near for near in self._near if longest(cores - near.positions) <= WANDERED]
        found = known[0] if known else find_neighbours(cores, self.cell, self.table.cutoff + SKIN)
        self._near = [found, *(near for near in self._near if near is not found)][:2]
        return found

    def _steer(self, state: CellState) -> Steering:
        """Steering of the first state that asks; it serves the whole burst, swaps hardly change it."""
        if self._steering is None:
            near = self._neighbours(state.cores)
            self._steering = steering(near, self.table, state.species, state.cores, state.shells)
        return self._steering

    def _mesh_charge(self, state: CellState) -> Floats:
        """Charge of all sites of a state on the coarse mesh; kept for the next estimate from the same state."""
        if self._charged is None or self._charged[0] is not state:
            charge, everything = np.zeros(self.coarse.shape), np.arange(len(state.species))
            add_charge(self.coarse, self.table, state.species, state.cores, state.shells, everything, 1.0, charge)
            self._charged = (state, charge)
        return self._charged[1]


class _Relisting:
    """Energy of the whole cell, with neighbour lists that are made anew when sites leave their reach."""

    def __init__(self, cell: RelaxedCell, start: CellState) -> None:
        self._cell, self._start = cell, start
        self.region = cell._whole(start)

    def __call__(self, sites: Floats) -> tuple[float, Floats]:
        cores, shells = self.region.split(sites)
        listed = self.region.near.positions
        if max(longest(cores - listed), longest(shells - listed)) > 0.5 * SKIN:
            near = find_neighbours(cores, self._cell.cell, self._cell.table.cutoff + SKIN)
            self.region = Region(near, self._cell.mesh, self._cell.table, self._start.species, cores, shells)
        return self.region.energy_and_forces(sites)


def _within(positions: Floats, cell: Floats, swap: Swap, radius: float) -> Integers:
    """Ions nearer than a radius [Å] to either site of a swap, nearest images, ascending."""
    inverse = np.linalg.inv(cell)
    near = np.zeros(len(positions), np.bool_)
    for site in (swap.first, swap.second):
        fractional = (positions - positions[site]) @ inverse
        away = (fractional - np.round(fractional)) @ cell
        near |= np.einsum("ij,ij->i", away, away) < radius**2
    return np.flatnonzero(near)


@dataclass(frozen=True)
class Sample:
    """A fully relaxed swap: the partner, and energy changes [eV] of the inner region, on the way, in the end."""

    partner: str
    inner: float
    early: float
    full: float


def measure_response(cell: RelaxedCell, state: CellState, swaps: Sequence[Swap]) -> tuple[OuterResponse, list[Sample]]:
    """What both estimates leave out, from fully relaxed swaps, and those.

    Median and scaled median deviation, as Li that moves to another site makes outliers; swaps without a minimum are
    left out.
    """
    found: list[Sample] = []
    for swap in swaps:
        inner, partner = cell.inner(state, swap, cell.settings.inner_radius), cell.partner(state, swap)
        end = cell.relax(state, swap, Estimate(0.0, inner), np.inf)
        if end.state is not None:
            early = end.early + cell.response.late(partner, cell.settings.margin)
            found.append(Sample(partner, inner.energy_change, early, end.state.energy - state.energy))
    mean, deviation = _typical((one.partner, one.inner - one.full) for one in found)
    return OuterResponse(mean, deviation, *_typical((one.partner, one.early - one.full) for one in found)), found


def _typical(excess: Iterable[tuple[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Median and scaled median deviation of energies [eV] by partner."""
    grouped: dict[str, list[float]] = {}
    for partner, energy in excess:
        grouped.setdefault(partner, []).append(energy)
    mean = {partner: float(np.median(grouped[partner])) for partner in sorted(grouped)}
    spread = {one: float(np.median(np.abs(np.array(grouped[one]) - mean[one]))) for one in mean}
    return mean, {one: max(LEAST_DEVIATION, 1.4826 * spread[one]) for one in mean}
