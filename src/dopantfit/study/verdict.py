"""Should this dopant go into the boundary? Three requirements, each yes, no or undecided, by rules on numbers.

The one rule: a quantity is known as a 95 % interval. Where all of it lies on the good side of its number the answer is
yes, where all of it lies on the bad side it is no, and otherwise it is undecided. Upper bounds are intervals that begin
at zero; a missing result is an interval without ends. Answers are combined by Kleene's logic: no < undecided < yes,
"and" is the smallest, "or" the largest.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isinf
from typing import Any, Literal

from dopantfit.statistics import Interval

Answer = Literal["yes", "no", "undecided"]
_ORDER: tuple[Answer, ...] = ("no", "undecided", "yes")


@dataclass(frozen=True)
class Check:
    """One quantity held against one number. reason: why there is no answer, or what must be known to read it."""

    quantity: str
    unit: str
    interval: Interval
    rule: str
    answer: Answer
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {**asdict(self), "interval": self.interval.as_dict()}


@dataclass(frozen=True)
class Requirement:
    """One of the three requirements for one composition; its answer is the "and" of its checks."""

    name: str
    checks: tuple[Check, ...]

    @property
    def answer(self) -> Answer:
        """Kleene's "and" of the checks."""
        return all_of(check.answer for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"name": self.name, "answer": self.answer, "checks": [check.as_dict() for check in self.checks]}


def all_of(answers: Iterable[Answer]) -> Answer:
    """Kleene's "and"; undecided for nothing."""
    found = [_ORDER.index(answer) for answer in answers]
    return _ORDER[min(found)] if found else "undecided"


def any_of(answers: Iterable[Answer]) -> Answer:
    """Kleene's "or"; undecided for nothing."""
    found = [_ORDER.index(answer) for answer in answers]
    return _ORDER[max(found)] if found else "undecided"


def at_most(quantity: str, unit: str, interval: Interval, limit: float) -> Check:
    """Check that a quantity is at most `limit`."""
    answer: Answer = "yes" if interval.high <= limit else "no" if interval.low > limit else "undecided"
    return Check(quantity, unit, interval, f"≤ {limit:g}", answer, _why(interval, answer))


def at_least(quantity: str, unit: str, interval: Interval, limit: float) -> Check:
    """Check that a quantity is at least `limit`."""
    answer: Answer = "yes" if interval.low >= limit else "no" if interval.high < limit else "undecided"
    return Check(quantity, unit, interval, f"≥ {limit:g}", answer, _why(interval, answer))


def only_if(check: Check, holds: bool, reason: str) -> Check:
    """Return the check, undecided for the reason given unless `holds`."""
    if holds:
        return check
    return Check(check.quantity, check.unit, check.interval, check.rule, "undecided", reason)


def _why(interval: Interval, answer: Answer) -> str:
    if answer != "undecided":
        return ""
    if isinf(interval.low) and isinf(interval.high):
        return "not measured"
    return "its interval holds the limit" if interval.value is not None else "only a bound is known"
