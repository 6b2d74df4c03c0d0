"""What bled: how much dopant the walkers of lowest energy have in their grain, how deep, and on which sites."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
from ase import Atoms

from dopantfit.boundary.swap.acceptance import Counts, Statistics
from dopantfit.boundary.swap.bleeding import acceptance, mean_profiles, occupied_sites
from dopantfit.boundary.swap.config import Layers
from dopantfit.boundary.swap.grain import ExploredGrain, explored_grain
from dopantfit.statistics import (
    TAIL_95,
    TWO_SIDED_95,
    Estimate,
    half_width,
    poisson_interval,
    poisson_limit,
    standard_error,
)
from dopantfit.structures import labels_of
from dopantfit.study.boundary_stage import BuiltBoundary, DomainSpans
from dopantfit.study.files import PROFILE, STRUCTURE, read_structure, walker_of_rank, write_structure
from dopantfit.study.swap_stage import Tempered, walker_file
from dopantfit.study.values import Number
from dopantfit.workflow.outputs import write_csv
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

#: Part of the dopant in the grain that the penetration depth leaves above it.
_ABOVE = 0.95


class PenetrationAnalysis(Model):
    """The end of a composition's walkers. lowest: how many of them, by energy. partners: of exchange."""

    lowest: int
    dopant: str
    partners: tuple[str, ...]
    boundary: TaskOutput[BuiltBoundary]
    swaps: TaskOutput[Tempered]


class Accepted(Model):
    """Exchanges with one partner: tried, taken, and the share that Metropolis would take."""

    attempts: int
    accepted: int
    share: Number


class WalkerGrain(Model):
    """The explored part of one walker's grain.

    dopants: in it. size: all its ions. elsewhere: dopant fraction of the amorphous domain. depth: below the interface
    that 95 % of these dopants stay above [Å]; 0 without any.
    """

    dopants: int
    size: int
    elsewhere: float
    depth: float


class GrainPenetration(Model):
    """How much dopant the walkers of lowest energy have in their grain, how deep, and on which sites.

    walkers: replicas. grain_fraction: of the dopant among all ions of the grain; grain_share: over that of the
    amorphous domain. penetration_A: depth that 95 % of it stays above [Å]; penetration_unknown: why there is none.
    explored_A: depth to which the grain was open. sites: how often the dopant sat on each kind.
    """

    walkers: tuple[int, ...]
    acceptance: dict[str, Accepted]
    acceptance_across: dict[str, Accepted]
    statistics: Statistics
    grain_fraction: float
    grain_share: Number | None
    penetration_A: Number | None
    penetration_unknown: str
    explored_A: float
    sites: dict[str, int]
    between_sites: int
    attempts_per_dopant: float
    #: Of every walker, those of one ladder after those of another.
    grains: tuple[WalkerGrain, ...]
    layers: Layers
    #: Each of a boundary of its own, with as many walkers.
    ladders: int = 1

    def share(self, tail: float = TAIL_95) -> Estimate | None:
        """The grain share, with so much probability beyond each end."""
        return self.grain_share if tail == TAIL_95 else share_of(self.grains, tail, self.ladders)

    def depth(self, tail: float = TAIL_95) -> Estimate | None:
        """The penetration depth, with so much probability beyond each end [Å]."""
        return self.penetration_A if tail == TAIL_95 else depth_of(self.grains, self.layers, tail, self.ladders)


@typed_action(PenetrationAnalysis, GrainPenetration, version=6)
def bleed(here: Here, want: PenetrationAnalysis) -> Product[GrainPenetration]:
    """Analyse the end of a composition's walkers.

    Those of lowest energy are ``walker-1.extxyz``, ``walker-2.extxyz``, ...; their mean profile is ``profile.csv``.
    """
    boundary, swaps = here.made(want.boundary), here.made(want.swaps)
    chosen, layers = swaps.result.lowest[: want.lowest], swaps.result.layers
    walkers = [read_structure(swaps.file(walker_file(replica))) for replica in chosen]
    reference = read_structure(boundary.file(STRUCTURE))
    ions = [grain_of(atoms, boundary.result.domains, layers, reference, want.dopant) for atoms in walkers]
    sites, found = _sites(walkers, ions, reference, want), [counted(one) for one in ions]
    counts = swaps.result.statistics
    dopants = [labels_of(atoms).count(want.dopant) for atoms in walkers]
    tried = counts.total.attempted / len(swaps.result.lowest)
    result = GrainPenetration(
        walkers=chosen,
        acceptance=_accepted(counts.pairs),
        acceptance_across=_accepted(counts.across),
        statistics=counts,
        grain_fraction=fraction_of(found),
        grain_share=share_of(found),
        penetration_A=depth_of(found, layers),
        penetration_unknown=why_no_depth(found, layers),
        explored_A=layers.count * layers.width,
        sites={label: sites[label] for label in want.partners},
        between_sites=sites["between"],
        attempts_per_dopant=tried / float(np.mean(dopants)),
        grains=tuple(found),
        layers=layers,
    )
    return Product(result, (*_write(here, walkers, want.dopant), PROFILE))


def _sites(
    walkers: Sequence[Atoms], found: Sequence[ExploredGrain], reference: Atoms, want: PenetrationAnalysis
) -> Counter[str]:
    """How often the dopant of the grains sits on each kind of site, or between them."""
    sites: Counter[str] = Counter()
    for atoms, one in zip(walkers, found, strict=True):
        taken = occupied_sites(atoms, reference, want.dopant, one.ions.tolist(), want.partners)
        sites.update(site.kind for site in taken)
    return sites


def merged(found: Sequence[GrainPenetration]) -> GrainPenetration | None:
    """What bled of several ladders together, each of its own boundary; None for none.

    Each was tried as often as the least of them. walkers: of the first ladder.
    """
    if len(found) < 2:
        return found[0] if found else None
    first, grains = found[0], [grain for one in found for grain in one.grains]
    counts = Statistics()
    for one in found:
        counts.add(one.statistics)
    return first.model_copy(
        update={
            "acceptance": _accepted(counts.pairs),
            "acceptance_across": _accepted(counts.across),
            "statistics": counts,
            "grain_fraction": fraction_of(grains),
            "grain_share": share_of(grains, ladders=len(found)),
            "penetration_A": depth_of(grains, first.layers, ladders=len(found)),
            "penetration_unknown": why_no_depth(grains, first.layers),
            "sites": {label: sum(one.sites[label] for one in found) for label in first.sites},
            "between_sites": sum(one.between_sites for one in found),
            "attempts_per_dopant": min(one.attempts_per_dopant for one in found),
            "grains": tuple(grains),
            "ladders": len(found),
        }
    )


def grain_of(atoms: Atoms, domains: DomainSpans, layers: Layers, reference: Atoms, dopant: str) -> ExploredGrain:
    """Return the explored part of a walker's grain; domains and layers are those of the undoped `reference`."""
    return explored_grain(atoms, domains.within(atoms), layers, float(reference.cell[2, 2]), dopant)


def counted(grain: ExploredGrain) -> WalkerGrain:
    """Return the numbers of a walker's grain."""
    depth = float(np.quantile(grain.depths, _ABOVE)) if len(grain.ions) else 0.0
    return WalkerGrain(dopants=len(grain.ions), size=grain.size, elsewhere=grain.elsewhere, depth=depth)


def fraction_of(grains: Sequence[WalkerGrain]) -> float:
    """Dopants among all ions of the explored grains."""
    return sum(one.dopants for one in grains) / max(1, sum(one.size for one in grains))


def elsewhere_of(grains: Sequence[WalkerGrain]) -> float:
    """Dopant fraction of the amorphous domains, mean of the walkers."""
    return float(np.mean([one.elsewhere for one in grains])) if grains else 0.0


def unit_share(grains: Sequence[WalkerGrain]) -> float | None:
    """Grain share that one dopant ion is worth; None where there is nothing to compare."""
    size, elsewhere = sum(one.size for one in grains), elsewhere_of(grains)
    return 1.0 / size / elsewhere if size and elsewhere else None


def share_of(grains: Sequence[WalkerGrain], tail: float = TAIL_95, ladders: int = 1) -> Estimate | None:
    """Dopant fraction of the grain over that of the amorphous domain, over walkers.

    The interval is the wider of Poisson's, for the number of ions counted, and Student's, for the spread of boundaries,
    or of the walkers of a single one; with no ion at all it is the limit that 3.0 of them would have passed in 5 of 100
    cases. None where there is nothing to compare. tail: probability beyond each end. ladders: of as many walkers each,
    one after another, each of a boundary of its own.
    """
    count, unit = sum(one.dopants for one in grains), unit_share(grains)
    if unit is None:
        return None
    if count == 0:
        return Estimate.upper_bound(poisson_limit(0, tail) * unit)
    low, high = (end * unit for end in poisson_interval(count, tail))
    value, error = count * unit, sqrt(count) * unit
    elsewhere = elsewhere_of(grains)
    shares = by_boundary([one.dopants / max(1, one.size) / elsewhere for one in grains], ladders)
    if len(shares) > 1:
        spread = standard_error(shares)
        half = half_width(spread, len(shares), tail)
        low, high, error = min(low, max(0.0, value - half)), max(high, value + half), max(error, spread)
    return Estimate(value, error, low, high)


def by_boundary(values: Sequence[float], ladders: int) -> list[float]:
    """Means of each ladder's walkers, which share a boundary; of a single ladder its walkers."""
    return np.reshape(values, (ladders, -1)).mean(axis=1).tolist() if ladders > 1 else list(values)


def depth_of(grains: Sequence[WalkerGrain], layers: Layers, tail: float = TAIL_95, ladders: int = 1) -> Estimate | None:
    """Mean penetration depth [Å], Student's interval by the spread as in `share_of`; None as `why_no_depth` says."""
    if why_no_depth(grains, layers):
        return None
    found = by_boundary([one.depth for one in grains], ladders)
    mean, error = float(np.mean(found)), standard_error(found)
    half = half_width(error, len(found), tail)
    return Estimate(mean, error, max(0.0, mean - half), mean + half)


def why_no_depth(grains: Sequence[WalkerGrain], layers: Layers) -> str:
    """Why the true depth may be anything; empty where the walkers give one."""
    open_to = layers.count * layers.width
    if not any(one.dopants for one in grains):
        return "no dopant in the grain whose depth could be measured"
    if max(one.depth for one in grains) > open_to - layers.width:
        return f"a walker's dopant reached the last layer that was open, which ends at {open_to:g} Å"
    return "one walker shows no spread" if len(grains) < 2 else ""


def _accepted(pairs: Mapping[str, Counts]) -> dict[str, Accepted]:
    found = {}
    for partner, one in acceptance(pairs).items():
        share = Estimate(one.share, (one.high - one.low) / (2.0 * TWO_SIDED_95), one.low, one.high)
        found[partner] = Accepted(attempts=one.attempted, accepted=one.accepted, share=share)
    return found


def _write(here: Here, walkers: Sequence[Atoms], dopant: str) -> tuple[str, ...]:
    names = tuple(walker_of_rank(rank) for rank in range(1, len(walkers) + 1))
    for name, atoms in zip(names, walkers, strict=True):
        write_structure(here.folder / name, atoms)
    mean = mean_profiles(walkers)
    spread = [None if np.isnan(value) else float(value) for value in mean.spread[dopant]]
    rows = [
        (float(height), float(value), error)
        for height, value, error in zip(mean.height, mean.mean[dopant], spread, strict=True)
    ]
    write_csv(here.folder / PROFILE, ("z_A", "mean_percent", "deviation_percent"), rows)
    return names
