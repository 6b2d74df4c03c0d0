"""What the glasses of a composition show, and how they compare with those of another, boundary by boundary."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import e, inf
from typing import TypeAlias

from dopantfit.design.choice import Measured
from dopantfit.design.glasses import DesignTasks
from dopantfit.statistics import Estimate, Interval, LogRatio, ratio_of
from dopantfit.study.conduction import Transported
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.glass_items import density_of, number_density
from dopantfit.study.planned import GlassTasks
from dopantfit.study.transport_items import conductivity
from dopantfit.workflow.driver import GraphSummary
from dopantfit.workflow.typed import Made

#: A ratio, and what it comes from where pairs tell it.
PairedRatio: TypeAlias = tuple[Interval, LogRatio | None]
#: Glasses, of different boundaries, that a composition is known by at least.
FEWEST = 2


@dataclass(frozen=True)
class GlassCell:
    """One glass: its volume and ions, its transport, and ions of every label whose places the dopant took."""

    volume: Equilibrated
    transport: Transported
    replaced: Mapping[str, int]


@dataclass(frozen=True)
class CompositionGlasses:
    """The glasses of one composition. cells: by boundary. lost: why others are not there, in words.

    mobile, reducible: labels of the ions that the objectives are about.
    """

    cells: Mapping[int, GlassCell]
    mobile: str
    reducible: str
    lost: tuple[str, ...] = field(default=())

    @property
    def is_known(self) -> bool:
        """Whether there are enough of them."""
        return len(self.cells) >= FEWEST

    @property
    def sigma(self) -> Estimate | None:
        """Tracer conductivity of the mobile ion, pooled over the glasses [S/cm]."""
        return conductivity([one.transport for one in self.cells.values()], self.mobile)

    @property
    def density(self) -> Estimate | None:
        """Number density of the reducible ion, pooled likewise [1/Å³]."""
        return number_density([one.volume for one in self.cells.values()], self.reducible)

    def over(self, other: "CompositionGlasses") -> tuple[Interval, Interval]:
        """Ratios of conductivity and density to those of another composition, from pairs of one boundary.

        What a boundary has of its own drops out of them.
        """
        (sigma, _), (density, _) = self._ratios(other)
        return sigma, density

    def _ratios(
        self, other: "CompositionGlasses"
    ) -> tuple[tuple[Interval, LogRatio | None], tuple[Interval, LogRatio | None]]:
        shared = sorted(set(self.cells) & set(other.cells))
        mine, theirs = ([one.cells[quench] for quench in shared] for one in (self, other))
        sigmas = [[_sigma(cell, self.mobile) for cell in side] for side in (mine, theirs)]
        densities = [[_density(cell, self.reducible) for cell in side] for side in (mine, theirs)]
        return ratio_of(sigmas[0], sigmas[1]), ratio_of(densities[0], densities[1])

    def measured(self, undoped: "CompositionGlasses") -> Measured | None:
        """Return both objectives; None where there are too few glasses, or nothing is known of one.

        Errors are those of the ratios to the undoped glasses where pairs tell them. A bound counts as a number a factor
        e below it, with an error as large; no reducible ion at all as half a one.
        """
        sigma, density = self.sigma, self.density
        if not self.is_known or sigma is None or density is None or not 0.0 < sigma.high < inf:
            return None
        of_sigma, of_density = (
            _relative(one, found) for one, found in zip((sigma, density), self._ratios(undoped), strict=True)
        )
        return Measured(sigma.value or sigma.high / e, density.value or self._half_an_ion, of_sigma, of_density)

    @property
    def _half_an_ion(self) -> float:
        """Density that stands for none in all glasses together [1/Å³]: it has a logarithm."""
        return 0.5 / sum(one.volume.volume_A3.value or inf for one in self.cells.values())

    def surely_dominates(self, other: "CompositionGlasses") -> bool:
        """Whether it conducts at least as well, with as few reducible ions at most, with all of both intervals."""
        sigma, density = self.over(other)
        return sigma.low >= 1.0 and density.high <= 1.0

    @property
    def counts(self) -> dict[str, int]:
        """Ions of all glasses together, by label."""
        return _summed(cell.volume.counts for cell in self.cells.values())

    @property
    def replaced(self) -> dict[str, int]:
        """Ions of all glasses together whose places the dopant took, by label."""
        return _summed(cell.replaced for cell in self.cells.values())


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for label, count in one.items():
            found[label] = found.get(label, 0) + count
    return found


def _sigma(cell: GlassCell, mobile: str) -> Estimate:
    found = conductivity([cell.transport], mobile)
    return Estimate.upper_bound(inf) if found is None else found


def _relative(found: Estimate, paired: PairedRatio) -> float:
    """Relative standard error: that of the pairs, else the quantity's own; 1 for a bound."""
    if not found.value or found.error is None:
        return 1.0
    return found.error / found.value if paired[1] is None else paired[1].error


def _density(cell: GlassCell, reducible: str) -> Estimate:
    return density_of(cell.volume.counts.get(reducible, 0), cell.volume.volume_A3)


def glasses_of(tasks: DesignTasks, summary: GraphSummary) -> tuple[CompositionGlasses, dict[int, CompositionGlasses]]:
    """Return the undoped glasses, and those of every trial by its number, as far as their tasks came to an end."""
    return _glass(tasks, tasks.undoped, summary), {
        number: _glass(tasks, cells, summary) for number, cells in tasks.doped.items()
    }


def _glass(tasks: DesignTasks, cells: Mapping[int, GlassTasks], summary: GraphSummary) -> CompositionGlasses:
    host, found, lost = tasks.design.host, {}, []
    for quench, cell in cells.items():
        volume, transport = (summary.finished.get(job.name) for job in (cell.runs.equilibrated, cell.runs.transport))
        if volume is None or transport is None:
            lost.append(_why(cell, summary))
        else:
            replaced = summary.finished[cell.built.name].result.get("replaced", {})
            found[quench] = GlassCell(Made(volume, Equilibrated).result, Made(transport, Transported).result, replaced)
    return CompositionGlasses(found, host.mobile, host.reducible, tuple(lost))


def _why(cell: GlassTasks, summary: GraphSummary) -> str:
    """Why a glass is not there: the task of it that failed, or what that waits for."""
    for job in (cell.built, *cell.runs):
        if job.name in summary.failed:
            return f"{job.name}: {summary.failed[job.name]}"
        if job.name in summary.skipped:
            return f"{job.name}: for want of {summary.skipped[job.name]}"
    return cell.built.name
