"""Should this dopant go into the boundary? Three requirements, each yes, no or undecided, by rules on numbers.

The one rule: a quantity is known as a 95 % interval. Where all of it lies on the good side of its number the answer is
yes, where all of it lies on the bad side it is no, and otherwise it is undecided. Upper bounds are intervals that begin
at zero; a missing result is an interval without ends. Answers are combined by Kleene's logic: no < undecided < yes,
"and" is the smallest, "or" the largest.
"""

from collections.abc import Iterable
from math import inf, isinf, log
from typing import Literal, Self

from pydantic import Field

from dopantfit.statistics import TAIL_95, TWO_SIDED_95, Interval, LogRatio
from dopantfit.study.config import Rules
from dopantfit.study.values import Range
from dopantfit.workflow.schema import Model

Answer = Literal["yes", "no", "undecided"]
#: What an interval narrows with.
Source = Literal["walkers", "spectra", "share", "depths", "crystals", "crystal runs", "glasses", "glass runs"]
_ORDER: tuple[Answer, ...] = ("no", "undecided", "yes")


class Basis(Model):
    """What an interval comes from, for what more of it would be worth.

    source: what the interval narrows with; "share": it has none of its own, and is answered with the dopant's share.
    count: independent pairs of structures, or walkers. mean: of the logarithms of their ratios, spread: variance of
    one, within: the part of it that is of single runs and falls with their length; None where a ratio is not known from
    pairs; of depths [Å], not of logarithms. dopants, exposure: counted in the grains, and what one of them is worth: of
    the share, or, of crystals, of the dopant that they hold.
    """

    source: Source
    count: int
    mean: float | None = None
    spread: float | None = None
    within: float | None = None
    dopants: int | None = None
    exposure: float | None = None

    @classmethod
    def of_ratio(cls, source: Source, count: int, found: LogRatio | None) -> Self:
        """What a ratio of so many pairs comes from; found: None where it is not known from pairs."""
        if found is None:
            return cls(source=source, count=count)
        return cls(source=source, count=count, mean=found.mean, spread=found.spread, within=found.within)

    @classmethod
    def of_pooled(cls, source: Source, count: int, ratio: Interval) -> Self:
        """What a ratio comes from whose sides were pooled, as where some runs give bounds: errors of runs, and no more.

        Nothing is known of it without a value between two ends.
        """
        if ratio.value is None or not 0.0 < ratio.low < ratio.high < inf:
            return cls(source=source, count=count)
        variance = count * (log(ratio.high / ratio.low) / (2.0 * TWO_SIDED_95)) ** 2
        return cls(source=source, count=count, mean=log(ratio.value), spread=variance, within=variance)

    @property
    def is_of_crystals(self) -> bool:
        """Whether it takes more arrangements of a crystal, not more quenches."""
        return self.source in ("crystals", "crystal runs")

    @property
    def is_in_parts(self) -> bool:
        """Whether crystals count for the grain by as much of their dopant as went into it."""
        return self.is_of_crystals and self.exposure is not None

    @property
    def is_of_runs(self) -> bool:
        """Whether longer production narrows it too."""
        return self.source in ("crystal runs", "glass runs")


class Hotter(Model):
    """A ratio at the second temperature of a study, beside the one at its own.

    ratio: there. alone: at the own temperature, from nothing else. energy_eV: activation energy of the composition less
    that of the reference; None where it is not known from pairs. joined: whether both temperatures are in the answer.
    """

    temperature_K: float
    ratio: Range
    alone: Range
    energy_eV: Range | None
    joined: bool


class KnownError(Model):
    """Error of the potential's exchange energies, one standard deviation [eV], and where it is known from."""

    energy_eV: float
    source: str


class ExchangeAccuracy(Model):
    """How exact exchange energies are, and the temperature at which they place the dopant [K]."""

    temperature_K: float
    error: KnownError | None = None


class FieldError(Model):
    """What an error of the potential's exchange energies does to a check that answers, beside its statistical error.

    bears_eV: by how much energies of the grain may err against the boundary's, all alike, before the answer goes.
    known, interval, answer: the error as it is known, and what it makes of the check; None where nothing is known.
    """

    bears_eV: float
    known: KnownError | None = None
    interval: Range | None = None
    answer: Answer | None = None

    @property
    def words(self) -> str:
        """The same in a clause."""
        bears = f"bears an error of {self.bears_eV:.2g} eV between the energies of grain and boundary"
        if self.known is None or self.interval is None:
            return bears
        ends = f"{self.interval.low:.2g} to {self.interval.high:.2g}"
        known = f"{self.known.energy_eV:.2g} eV as one standard deviation ({self.known.source})"
        return f"{bears}; with {known} it would be {self.answer} ({ends})"


class Criterion(Model):
    """One quantity held against one number. reason: why there is no answer, or what must be known to read it.

    limit: that number; at_most: whether the quantity must stay below it. compared: of a quantity that is known in two
    ways, the interval of each. hotter: what the second temperature of the study says of it. field: what an error of the
    potential would.
    """

    quantity: str
    unit: str
    interval: Range
    rule: str
    answer: Answer
    reason: str = ""
    limit: float | None = None
    at_most: bool = True
    basis: Basis | None = None
    hotter: Hotter | None = None
    field: FieldError | None = None
    compared: dict[str, Range] = Field(default_factory=dict)

    def beside(self, hotter: Hotter | None, remark: str) -> Self:
        """The same with what a second temperature says, and a remark on it added to the reason."""
        reason = "; ".join(part for part in (self.reason, remark) if part)
        return self.model_copy(update={"hotter": hotter, "reason": reason})

    def comparing(self, intervals: dict[str, Interval]) -> Self:
        """The same with the intervals of both ways in which the quantity is known."""
        return self.model_copy(update={"compared": intervals})

    def resting_on(self, basis: Basis) -> Self:
        """The same with what its interval comes from."""
        return self.model_copy(update={"basis": basis})

    def bearing(self, field: FieldError | None) -> Self:
        """The same with what an error of the potential does, and a remark on it added to the reason."""
        reason = "; ".join(part for part in (self.reason, "" if field is None else field.words) if part)
        return self.model_copy(update={"field": field, "reason": reason})

    def answering(self, answer: Answer, reason: str) -> Self:
        """The same with another answer and reason."""
        return self.model_copy(update={"answer": answer, "reason": reason})


class Answered(Model):
    """A check that an earlier look has answered: which look, and the interval that it had then."""

    composition: str
    quantity: str
    answer: Answer
    interval: Range
    look: int

    def applied(self, check: Criterion) -> Criterion:
        """The check as it was answered: what is looked at again and again is answered once."""
        reason = f"answered at look {self.look}"
        return check.model_copy(update={"answer": self.answer, "interval": self.interval, "reason": reason})


class Look(Model):
    """How a study is looked at. tail: probability beyond each end of its intervals; answered: by looks before."""

    tail: float = TAIL_95
    answered: tuple[Answered, ...] = ()


#: The only look at a study of fixed size.
ONE_LOOK = Look()


class Requirement(Model):
    """One of the three requirements for one composition; its answer is the "and" of its checks."""

    name: str
    answer: Answer
    checks: tuple[Criterion, ...]

    @classmethod
    def of(cls, name: str, checks: tuple[Criterion, ...]) -> Self:
        """Return the requirement that some checks make."""
        return cls(name=name, answer=all_of(check.answer for check in checks), checks=checks)


class CompositionAnswer(Model):
    """The answer for one composition: the "and" of its requirements."""

    answer: Answer
    requirements: tuple[Requirement, ...]

    @property
    def checks(self) -> tuple[Criterion, ...]:
        """The checks of all requirements, in their order."""
        return tuple(check for one in self.requirements for check in one.checks)


class Verdict(Model):
    """The answer to the study's question.

    requirements: the "and" over compositions, by name. compositions: by system. limits: the numbers behind it.
    """

    answer: Answer
    rule: str
    requirements: dict[str, Answer]
    compositions: dict[str, CompositionAnswer]
    limits: Rules
    #: Probability beyond each end of the intervals: 0.025 of a study that is looked at once.
    tail: float = TAIL_95


def all_of(answers: Iterable[Answer]) -> Answer:
    """Kleene's "and"; undecided for nothing."""
    found = [_ORDER.index(answer) for answer in answers]
    return _ORDER[min(found)] if found else "undecided"


def any_of(answers: Iterable[Answer]) -> Answer:
    """Kleene's "or"; undecided for nothing."""
    found = [_ORDER.index(answer) for answer in answers]
    return _ORDER[max(found)] if found else "undecided"


def at_most(quantity: str, unit: str, interval: Interval, limit: float) -> Criterion:
    """Check that a quantity is at most `limit`."""
    answer: Answer = "yes" if interval.high <= limit else "no" if interval.low > limit else "undecided"
    return _criterion(quantity, unit, interval, f"≤ {limit:g}", answer, limit, True)


def at_least(quantity: str, unit: str, interval: Interval, limit: float) -> Criterion:
    """Check that a quantity is at least `limit`."""
    answer: Answer = "yes" if interval.low >= limit else "no" if interval.high < limit else "undecided"
    return _criterion(quantity, unit, interval, f"≥ {limit:g}", answer, limit, False)


def only_if(check: Criterion, holds: bool, reason: str) -> Criterion:
    """Return the check, undecided for the reason given unless `holds`."""
    return check if holds else check.answering("undecided", reason)


def _criterion(
    quantity: str, unit: str, interval: Interval, rule: str, answer: Answer, limit: float, below: bool
) -> Criterion:
    return Criterion(
        quantity=quantity,
        unit=unit,
        interval=interval,
        rule=rule,
        answer=answer,
        reason=_why(interval, answer),
        limit=limit,
        at_most=below,
    )


def _why(interval: Interval, answer: Answer) -> str:
    if answer != "undecided":
        return ""
    if isinf(interval.low) and isinf(interval.high):
        return "not measured"
    return "its interval holds the limit" if interval.value is not None else "only a bound is known"
