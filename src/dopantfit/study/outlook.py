"""What more of a study would be worth: how wide an interval will be, what would answer a check, and what that costs.

The logarithm of a ratio of two structures that belong together scatters by what structures differ by, and by the errors
of their runs, whose variance falls as runs grow longer. The mean over n of them has Student's interval:

    half width = t(n - 1) [(between + within / length) / n]^(1/2)

What went into a grain is counted, with Poisson's interval, which narrows with the number of boundaries. What crystals
lose by their dopant counts for the grain by so many parts as went into it (`dopantfit.study.uptake`): both intervals
enter there, and either may be the one to narrow.

This one estimator serves the plan of a study, which puts rough numbers in, the words beside an open check, and the
rounds of a study that goes on until it can tell.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import log, log1p, sqrt
from typing import Self

from dopantfit.statistics import Interval, half_width, poisson_interval, poisson_limit
from dopantfit.study.extent import CompositionExtent
from dopantfit.study.verdict import Answer, Basis, Criterion
from dopantfit.workflow.schema import Model

#: Structures, and segments of a run, beyond which nobody goes.
_MOST_STRUCTURES, _MOST_SEGMENTS = 64, 64
#: By what runs, and boundaries beside more crystals, are multiplied.
_FACTORS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Price:
    """Core-hours of one more structure without its production, and of one segment of production, both of a pair."""

    structure: float
    segment: float

    def between(self, structures: tuple[int, int], segments: tuple[int, int]) -> float:
        """Core-hours from one number of structures, and of segments of each, to another."""
        (few, many), (short, long) = structures, segments
        return (many - few) * self.structure + (many * long - few * short) * self.segment


@dataclass(frozen=True)
class Prices:
    """What boundaries with their walkers and glasses cost, and crystals."""

    glasses: Price
    crystals: Price

    def between(self, now: CompositionExtent, then: CompositionExtent) -> float:
        """Core-hours from one extent to another."""
        glasses = self.glasses.between((now.quenches, then.quenches), (now.glass_segments, then.glass_segments))
        arrangements, segments = (now.arrangements, then.arrangements), (now.crystal_segments, then.crystal_segments)
        return glasses + self.crystals.between(arrangements, segments)


class Prospect(Model):
    """What it would take to answer an open check.

    leans: to which answer. core_hours: if the estimate stays where it is; optimistic: if it lies one standard error
    farther from its limit than it seems; None where nobody can tell. structures, segments: of each run, there will be;
    quenches: boundaries, where crystals are not all that it takes.
    """

    leans: Answer
    core_hours: float | None
    optimistic: float | None
    structures: int
    segments: int
    words: str
    quenches: int = 0

    @classmethod
    def none(cls, leans: Answer, words: str) -> Self:
        """Return what is said where nobody can tell, or nothing would answer."""
        return cls(leans=leans, core_hours=None, optimistic=None, structures=0, segments=0, words=words)


@dataclass(frozen=True)
class AnswerPath:
    """A prospect, and the extents in it: the one that answers if the estimate stays, and the optimistic one."""

    prospect: Prospect
    stays: CompositionExtent | None = None
    soonest: CompositionExtent | None = None


def structures_in(extent: CompositionExtent, basis: Basis) -> int:
    """Independent structures that a check rests on: quenches, or arrangements of a crystal."""
    return int(getattr(extent, _names(basis.is_of_crystals)[0]))


def segments_in(extent: CompositionExtent, basis: Basis) -> int:
    """Segments of each run that a check rests on."""
    return int(getattr(extent, _names(basis.is_of_crystals)[1]))


def resized(extent: CompositionExtent, basis: Basis, structures: int, segments: int) -> CompositionExtent:
    """Return the extent with another size of what a check rests on."""
    names = _names(basis.is_of_crystals)
    return extent.model_copy(update=dict(zip(names, (structures, segments), strict=True)))


def _names(of_crystals: bool) -> tuple[str, str]:
    """What structures and segments are called in an extent."""
    return ("arrangements", "crystal_segments") if of_crystals else ("quenches", "glass_segments")


def predicted_error(basis: Basis, now: CompositionExtent, then: CompositionExtent) -> float | None:
    """Standard error of what is held against a limit, at another extent; None where spreads are not known.

    It is that of a mean logarithm, or depth; of crystals that count in parts, of the logarithm times the part.
    """
    error = _own_error(basis, now, then)
    if error is None or basis.mean is None or not basis.is_in_parts:
        return error
    dopants, exposure = basis.dopants or 0, basis.exposure or 0.0
    factor = then.quenches / now.quenches
    of_part = exposure / factor * sqrt(max(1.0, dopants * factor))
    return sqrt((dopants * exposure * error) ** 2 + (basis.mean * of_part) ** 2)


def _own_error(basis: Basis, now: CompositionExtent, then: CompositionExtent) -> float | None:
    """Standard error of the mean of structures alone."""
    if basis.spread is None or basis.within is None or basis.count < 2:
        return None
    between = max(0.0, basis.spread - basis.within)
    # Runs of a volume do not grow with production.
    longer = segments_in(then, basis) / segments_in(now, basis) if basis.is_of_runs else 1.0
    return sqrt((between + basis.within / longer) / _counted(basis, now, then))


def _counted(basis: Basis, now: CompositionExtent, then: CompositionExtent) -> int:
    """Pairs, or walkers, that there will be."""
    return basis.count * structures_in(then, basis) // structures_in(now, basis)


def predicted_half_width(basis: Basis, now: CompositionExtent, then: CompositionExtent, tail: float) -> float | None:
    """Half width of the interval of a mean logarithm at another extent; None where spreads are not known."""
    found = predicted_interval(basis, now, then, tail)
    return None if found is None else 0.5 * (found.high - found.low)


def predicted_interval(basis: Basis, now: CompositionExtent, then: CompositionExtent, tail: float) -> Interval | None:
    """Interval of a mean logarithm, a depth or a share at another extent if it stays; None where it is not known.

    Of crystals that count in parts, of that part of the logarithm.
    """
    factor = then.quenches / now.quenches
    if basis.source == "walkers":
        return None if basis.exposure is None else counted(basis, factor, tail)
    error = _own_error(basis, now, then)
    if error is None or basis.mean is None:
        return None
    half = half_width(error, _counted(basis, now, then), tail)
    own = Interval(basis.mean - half, basis.mean + half, basis.mean)
    return own.times(counted(basis, factor, tail)) if basis.is_in_parts else own


def counted(basis: Basis, factor: float, tail: float) -> Interval:
    """Interval of what is counted in the grains after so many times the walkers, if it stays."""
    dopants, exposure = basis.dopants or 0, basis.exposure or 0.0
    low, high = _poisson(dopants * factor, tail)
    return Interval(low * exposure / factor, high * exposure / factor, dopants * exposure)


@lru_cache(maxsize=1024)
def _poisson(count: float, tail: float) -> tuple[float, float]:
    return poisson_interval(count, tail) if count else (0.0, poisson_limit(0, tail))


def leaning(check: Criterion) -> Answer:
    """The answer that the best estimate stands for."""
    value = check.interval.value
    if value is None or check.limit is None:
        return "undecided"
    return "yes" if (value <= check.limit) == check.at_most else "no"


def extents_from(now: CompositionExtent, basis: Basis) -> tuple[CompositionExtent, ...]:
    """Extents to grow to: more structures, longer runs where they narrow the interval, boundaries where parts count."""
    return _extents_from(now, basis.is_of_crystals, basis.is_of_runs, basis.is_in_parts)


@lru_cache(maxsize=64)
def _extents_from(
    now: CompositionExtent, of_crystals: bool, of_runs: bool, in_parts: bool
) -> tuple[CompositionExtent, ...]:
    structures, segments = _names(of_crystals)
    lengths = [getattr(now, segments) * one for one in (_FACTORS if of_runs else (1,))]
    boundaries = [now.quenches * one for one in (_FACTORS if in_parts else (1,))]
    many = range(getattr(now, structures), _MOST_STRUCTURES + 1)
    found = product(
        [one for one in boundaries if one <= max(now.quenches, _MOST_STRUCTURES)],
        many,
        [one for one in lengths if one <= _MOST_SEGMENTS],
    )
    return tuple(
        now.model_copy(update={"quenches": quenches, structures: count, segments: length})
        for quenches, count, length in found
    )


def cheapest(
    check: Criterion, now: CompositionExtent, prices: Prices, tail: float, spare: float = 0.0
) -> tuple[CompositionExtent, float] | None:
    """Return the extent at which a check is answered if its estimate stays, and the core-hours to it; None for none.

    spare: standard errors that the estimate is taken to be farther from its limit.
    """
    basis, best = check.basis, None
    if basis is None:
        return None
    for then in extents_from(now, basis):
        cost = prices.between(now, then)
        if cost > 0.0 and (best is None or cost < best[1]) and _answers(check, basis, now, then, tail, spare):
            best = then, cost
    return best


def _answers(
    check: Criterion,
    basis: Basis,
    now: CompositionExtent,
    then: CompositionExtent,
    tail: float,
    spare: float,
) -> bool:
    """Whether all of the interval will be on one side of the limit."""
    found = predicted_interval(basis, now, then, tail)
    if found is None or check.limit is None:
        return False
    limit, room = _held_against(check.limit, basis), spare * (_error_now(basis, now) or 0.0)
    if basis.source == "crystals":
        found = found.magnitude()
    return found.high - room <= limit or found.low + room > limit


def _held_against(limit: float, basis: Basis) -> float:
    """The limit as what is predicted has it: a depth, a share, or a logarithm."""
    if basis.source in ("depths", "walkers"):
        return limit
    return log1p(limit) if basis.source == "crystals" else log(limit)


def _error_now(basis: Basis, now: CompositionExtent) -> float | None:
    if basis.source == "walkers":
        return (basis.exposure or 0.0) * sqrt(basis.dopants or 0)
    return predicted_error(basis, now, now)


def path_to_answer(check: Criterion, now: CompositionExtent, prices: Prices, tail: float) -> AnswerPath:
    """Say what it would take to answer a check. tail: of the intervals that it will be answered with."""
    basis = check.basis
    if basis is None or check.limit is None:
        return AnswerPath(Prospect.none("undecided", "not known"))
    leans = leaning(check)
    found, soonest = (cheapest(check, now, prices, tail, spare) for spare in (0.0, 1.0))
    best = found or soonest
    if best is None:
        unknown = predicted_interval(basis, now, now, tail) is None
        return AnswerPath(
            Prospect.none(leans, "nobody can tell what would answer it" if unknown else "not within reach")
        )
    size, hours = best
    words = f"{hours:.2g} more core-hours would answer it" + (" if it stays there" if found else " at best")
    prospect = Prospect(
        leans=leans,
        core_hours=hours if found else None,
        optimistic=soonest[1] if soonest else hours,
        structures=structures_in(size, basis),
        segments=segments_in(size, basis),
        quenches=size.quenches if size.quenches > now.quenches else 0,
        words=words,
    )
    return AnswerPath(prospect, found and found[0], (soonest or best)[0])


def largest(extents: Iterable[CompositionExtent]) -> CompositionExtent:
    """Return the extent that has the most of everything that any of some has."""
    found = list(extents)
    names = CompositionExtent.model_fields
    return CompositionExtent(**{name: max(getattr(one, name) for one in found) for name in names})
