"""Relaxed swaps of the ions of one cell: the physical model behind the Monte Carlo.

The estimate is the two-region idea of Mott and Littleton: ions within a radius of either site relax explicitly while
the rest stands still, and what the rest would still give (the dielectric and elastic response of the outer region) is
taken as its mean over fully relaxed swaps of the same pair of species, measured before the first round. What passes is
relaxed as a whole; on its way, after a few evaluations, it gives a second and better estimate of the same kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import ase
import numpy as np

from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import Swap, SwapEstimate, SwapRelaxation
from dopantfit.energy.cell_model import CellModel, CellState, LocalRelaxation, ions_within
from dopantfit.energy.minimiser import MinimisationProgress
from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.potential import Potential

#: Least scatter of the outer response [eV]: a few swaps tell little of it.
LEAST_DEVIATION = 0.05


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


class RelaxedSwaps:
    """Swaps of the ions of one cell with one potential (see ``SwapModel``).

    atoms: gives the cell, and the species that can occur. response: of the outer region to swaps with each partner.
    """

    def __init__(
        self, atoms: ase.Atoms, potential: Potential, settings: Burst, response: OuterResponse | None = None
    ) -> None:
        if not settings.partners:
            raise ConfigError("burst.partners names no cation; what an estimate leaves out is known by partner")
        self.cell = CellModel(atoms, potential, settings.tolerance, settings.most_calls)
        self.settings = settings
        self.response = response or OuterResponse()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the species."""
        return self.cell.labels

    def rigid(self, state: CellState, swap: Swap) -> float:
        """See ``SwapModel.rigid``; shells go with their ions."""
        return self.cell.energy(_swapped(state, swap)) - state.energy

    def unrelaxed(self, state: CellState, swap: Swap, change: float) -> CellState:
        """See ``SwapModel.unrelaxed``."""
        return replace(_swapped(state, swap), energy=state.energy + change)

    def estimate(self, state: CellState, swap: Swap) -> SwapEstimate[LocalRelaxation]:
        """See ``SwapModel.estimate``."""
        inner = self.inner(state, swap)
        partner = self.partner(state, swap)
        return SwapEstimate(inner.energy_change - self.response.of(partner, self.settings.margin), inner)

    def partner(self, state: CellState, swap: Swap) -> str:
        """Label of the ion that a dopant changes places with, the same for the undoing."""
        first, second = (str(self.labels[int(state.species[site])]) for site in (swap.first, swap.second))
        return first if first in self.settings.partners else second

    def inner(self, state: CellState, swap: Swap) -> LocalRelaxation:
        """Relaxes the ions within the inner radius of either site, the rest frozen."""
        sites = state.cores[[swap.first, swap.second]]
        ions = ions_within(self.settings.inner_radius, sites, state.cores, self.cell.cell)
        return self.cell.relax_region(state, _swapped(state, swap), ions)

    def relax(
        self, state: CellState, swap: Swap, estimate: SwapEstimate[LocalRelaxation] | None, ceiling: float
    ) -> SwapRelaxation[CellState]:
        """See ``SwapModel.relax``: from the relaxed inner region on, everything moves.

        A relaxation that ends in collapsed ions or in no minimum gives None, the latter with an infinite ``early``.
        """
        late = self.response.late(self.partner(state, swap), self.settings.margin)
        return self._relaxed(_swapped(state, swap), estimate.guess if estimate else None, state.energy + late, ceiling)

    def exchange(self, state: CellState, swap: Swap, moved: Mapping[int, Sequence[float]]) -> SwapRelaxation[CellState]:
        """A swap relaxed to its end, from the inner region on, after some ions were put elsewhere.

        moved: their places [Å]. What it ends in depends on the state alone, whatever was relaxed before. A relaxation
        that ends in collapsed ions or in no minimum gives None, the latter with an infinite ``early``.
        """
        self.cell.restart_at(state)
        if not moved:
            return self.relax(state, swap, SwapEstimate(0.0, self.inner(state, swap)), np.inf)
        cores, shells = state.cores.copy(), state.shells.copy()
        for ion, place in moved.items():
            shells[ion] += place - cores[ion]
            cores[ion] = place
        before = replace(state, cores=cores, shells=shells)
        centres = np.concatenate([state.cores[[swap.first, swap.second]], cores[list(moved)]])
        ions = ions_within(self.settings.inner_radius, centres, cores, self.cell.cell)
        after = _swapped(before, swap)
        return self._relaxed(after, self.cell.relax_region(before, after, ions), state.energy, np.inf)

    def _relaxed(
        self, start: CellState, guess: LocalRelaxation | None, left: float, ceiling: float
    ) -> SwapRelaxation[CellState]:
        """Everything relaxed; ``early`` is counted from the energy ``left`` [eV], see ``SwapModel.relax``."""
        seen: list[float] = []

        def unlikely(progress: MinimisationProgress) -> bool:
            if seen or progress.calls < self.settings.early_calls:
                return False
            seen.append(progress.energy - left)
            return not seen[0] < ceiling

        try:
            end = self.cell.relax(start, guess, unlikely)
        except ConvergenceError:
            return SwapRelaxation(None, self.settings.most_calls, np.inf)
        early = seen[0] if seen else end.state.energy - left
        stopped = end.stopped or not early < ceiling
        if stopped or self.cell.collapsed(end):
            return SwapRelaxation(None, end.calls, early, stopped)
        return SwapRelaxation(end.state, end.calls, early)


def _swapped(state: CellState, swap: Swap) -> CellState:
    return replace(state, species=swap.exchanged(state.species))


@dataclass(frozen=True)
class Sample:
    """A fully relaxed swap: partner, both sites, energy changes [eV] of the inner region, on the way, in the end."""

    partner: str
    first: int
    second: int
    inner: float
    early: float
    full: float


def measure_response(
    model: RelaxedSwaps, state: CellState, swaps: Sequence[Swap]
) -> tuple[OuterResponse, list[Sample]]:
    """What both estimates leave out, from fully relaxed swaps, and those.

    Median and scaled median deviation, as Li that moves to another site makes outliers; swaps without a minimum are
    left out.
    """
    found: list[Sample] = []
    for swap in swaps:
        inner, partner = model.inner(state, swap), model.partner(state, swap)
        end = model.relax(state, swap, SwapEstimate(0.0, inner), np.inf)
        if end.state is not None:
            early = end.early + model.response.late(partner, model.settings.margin)
            found.append(
                Sample(partner, swap.first, swap.second, inner.energy_change, early, end.state.energy - state.energy)
            )
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
