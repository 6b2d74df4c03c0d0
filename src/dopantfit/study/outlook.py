"""What more of a study would be worth: how wide an interval will be, what would answer a check, and what that costs.

The logarithm of a ratio of two structures that belong together scatters by what structures differ by, and by the errors
of their runs, whose variance falls as runs grow longer. The mean over n of them has Student's interval:

    half width = t(n - 1) [(between + within / length) / n]^(1/2)

This one estimator serves the plan of a study, which puts rough numbers in, the words beside an open check, and the
rounds of a study that goes on until it can tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import Self

from dopantfit.statistics import half_width, poisson_interval, poisson_limit
from dopantfit.study.extent import CompositionExtent
from dopantfit.study.verdict import Answer, Basis, Criterion
from dopantfit.workflow.schema import Model

#: Structures, and segments of a run, beyond which nobody goes.
_MOST_STRUCTURES, _MOST_SEGMENTS = 64, 64


@dataclass(frozen=True)
class Prices:
    """Core-hours of one more structure without its production, and of one segment of production, both of a pair."""

    structure: float
    segment: float

    def between(self, now: "Size", then: "Size") -> float:
        """Core-hours from one size to another."""
        new = then.structures - now.structures
        segments = then.structures * then.segments - now.structures * now.segments
        return new * self.structure + segments * self.segment


@dataclass(frozen=True)
class Size:
    """Independent structures (quenches, or arrangements of a crystal), and segments of each run."""

    structures: int
    segments: int

    @classmethod
    def of(cls, extent: CompositionExtent, basis: Basis) -> "Size":
        """Return what a check rests on now."""
        if basis.is_of_crystals:
            return cls(extent.arrangements, extent.crystal_segments)
        return cls(extent.quenches, extent.glass_segments)

    def put_into(self, extent: CompositionExtent, basis: Basis) -> CompositionExtent:
        """Return the extent with at least this much of what a check rests on."""
        names = ("arrangements", "crystal_segments") if basis.is_of_crystals else ("quenches", "glass_segments")
        most = {name: max(new, getattr(extent, name)) for name, new in zip(names, self._numbers, strict=True)}
        return extent.model_copy(update=most)

    def part_way(self, start: "Size", part: float) -> "Size":
        """The size that is reached by so much of the way from another one."""
        ends = ((start.structures, self.structures), (start.segments, self.segments))
        structures, segments = (low + int(part * (high - low)) for low, high in ends)
        return Size(structures, segments)

    @property
    def _numbers(self) -> tuple[int, int]:
        return self.structures, self.segments


class Prospect(Model):
    """What it would take to answer an open check.

    leans: to which answer. core_hours: if the estimate stays where it is; optimistic: if it lies one standard error
    farther from its limit than it seems; None where nobody can tell. structures, segments: of each run, there will be.
    """

    leans: Answer
    core_hours: float | None
    optimistic: float | None
    structures: int
    segments: int
    words: str

    @classmethod
    def none(cls, leans: Answer, words: str) -> Self:
        """Return what is said where nobody can tell, or nothing would answer."""
        return cls(leans=leans, core_hours=None, optimistic=None, structures=0, segments=0, words=words)


def predicted_error(basis: Basis, now: Size, then: Size) -> float | None:
    """Standard error of a mean logarithm at another size; None where spreads are not known."""
    if basis.spread is None or basis.within is None or basis.count < 2:
        return None
    between = max(0.0, basis.spread - basis.within)
    # Runs of a volume do not grow with production.
    longer = then.segments / now.segments if basis.is_of_runs else 1.0
    return sqrt((between + basis.within / longer) / _counted(basis, now, then))


def _counted(basis: Basis, now: Size, then: Size) -> int:
    """Pairs, or walkers, that there will be."""
    return basis.count * then.structures // now.structures


def predicted_half_width(basis: Basis, now: Size, then: Size, tail: float) -> float | None:
    """Half width of the interval of a mean logarithm at another size; None where spreads are not known."""
    error = predicted_error(basis, now, then)
    return None if error is None else half_width(error, _counted(basis, now, then), tail)


def distance_of(check: Criterion) -> float | None:
    """How far the best estimate is from its limit, in logarithms; None where there is none."""
    basis, limit = check.basis, check.limit
    if basis is None or basis.mean is None or limit is None:
        return None
    if basis.source == "depths":
        return abs(basis.mean - limit)
    if basis.source == "crystals":  # the magnitude of a change
        return abs(log(1.0 + limit) - abs(basis.mean))
    return abs(basis.mean - log(limit))


def leaning(check: Criterion) -> Answer:
    """The answer that the best estimate stands for."""
    value = check.interval.value
    if value is None or check.limit is None:
        return "undecided"
    return "yes" if (value <= check.limit) == check.at_most else "no"


def sizes_from(now: Size, basis: Basis) -> Iterator[Size]:
    """Sizes to grow to: more structures, and longer runs where they narrow the interval."""
    segments = [now.segments * factor for factor in (1, 2, 4, 8, 16, 32, 64)] if basis.is_of_runs else [now.segments]
    for structures in range(now.structures, _MOST_STRUCTURES + 1):
        for count in segments:
            if count <= _MOST_SEGMENTS:
                yield Size(structures, count)


def cheapest(check: Criterion, now: Size, prices: Prices, tail: float, spare: float = 0.0) -> tuple[Size, float] | None:
    """Return the size at which a check is answered if its estimate stays, and the core-hours to it; None for none.

    spare: standard errors that the estimate is taken to be farther from its limit.
    """
    basis, best = check.basis, None
    if basis is None:
        return None
    for then in sizes_from(now, basis):
        cost = prices.between(now, then)
        if cost > 0.0 and (best is None or cost < best[1]) and _answers(check, basis, now, then, tail, spare):
            best = then, cost
    return best


def _answers(check: Criterion, basis: Basis, now: Size, then: Size, tail: float, spare: float) -> bool:
    if basis.source == "walkers":
        return _counts_answer(check, basis, then.structures / now.structures, tail, spare)
    distance, half = distance_of(check), predicted_half_width(basis, now, then, tail)
    if distance is None or half is None or basis.spread is None:
        return False
    return half <= distance + spare * sqrt(basis.spread / basis.count)


def _counts_answer(check: Criterion, basis: Basis, factor: float, tail: float, spare: float) -> bool:
    """Whether a share that is counted is on one side of its limit after so many times the walkers."""
    if basis.dopants is None or basis.exposure is None or check.limit is None:
        return False
    worth, count = basis.exposure / factor, basis.dopants * factor
    low, high = poisson_interval(count, tail) if basis.dopants else (0.0, poisson_limit(0, tail))
    room = spare * sqrt(count) * worth
    return bool(high * worth - room <= check.limit or low * worth + room > check.limit)


def prospect_of(check: Criterion, extent: CompositionExtent, prices: Prices, tail: float) -> Prospect:
    """Say what it would take to answer a check. tail: of the intervals that it will be answered with."""
    basis = check.basis
    if basis is None or check.limit is None:
        return Prospect.none("undecided", "not known")
    now, leans = Size.of(extent, basis), leaning(check)
    found, soonest = (cheapest(check, now, prices, tail, spare) for spare in (0.0, 1.0))
    best = found or soonest
    if best is None:
        words = "nobody can tell what would answer it" if distance_of(check) is None else "not within reach"
        return Prospect.none(leans, words)
    size, hours = best
    words = f"{hours:.2g} more core-hours would answer it" + (" if it stays there" if found else " at best")
    return Prospect(
        leans=leans,
        core_hours=hours if found else None,
        optimistic=soonest[1] if soonest else hours,
        structures=size.structures,
        segments=size.segments,
        words=words,
    )
