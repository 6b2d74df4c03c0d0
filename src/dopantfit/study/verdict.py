"""Should this dopant go into the boundary? Three requirements, each yes, no or undecided, by rules on numbers.

The one rule: a quantity is known as a 95 % interval. Where all of it lies on the good side of its number the answer is
yes, where all of it lies on the bad side it is no, and otherwise it is undecided. Upper bounds are intervals that begin
at zero; a missing result is an interval without ends. Answers are combined by Kleene's logic: no < undecided < yes,
"and" is the smallest, "or" the largest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, hypot, inf, isinf, log, sqrt
from typing import Any, Literal

from scipy.special import stdtrit

from dopantfit.transport.estimate import Estimate

Answer = Literal["yes", "no", "undecided"]
_ORDER: tuple[Answer, ...] = ("no", "undecided", "yes")
#: Half width of a 95 % interval in standard errors.
_TWO_SIDED_95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, with the best estimate where there is one. Ends may be infinite."""

    low: float
    high: float
    value: float | None = None

    @classmethod
    def of(cls, estimate: Estimate) -> "Interval":
        """Return the interval of an estimate; an upper bound begins at zero."""
        return cls(estimate.low, estimate.high, estimate.value)

    @classmethod
    def unknown(cls) -> "Interval":
        """Return the interval of what was not measured."""
        return cls(-inf, inf)

    def over(self, other: "Interval") -> "Interval":
        """Ratio of two independent positive quantities.

        Logarithms of the two intervals add in quadrature, which is what independent errors do; where one of them
        reaches zero or infinity, the interval reaches as far as any pair of values does.
        """
        if self.value and other.value and min(self.low, other.low) > 0.0 and not isinf(self.high + other.high):
            ratio = self.value / other.value
            down = hypot(log(self.value / self.low), log(other.high / other.value))
            up = hypot(log(self.high / self.value), log(other.value / other.low))
            return Interval(ratio * exp(-down), ratio * exp(up), ratio)
        if other.high <= 0.0 or isinf(other.low):
            return Interval.unknown()
        low = 0.0 if isinf(other.high) else max(self.low, 0.0) / other.high
        return Interval(low, self.high / other.low if other.low > 0.0 else inf)

    def as_dict(self) -> dict[str, float | None]:
        """Return value and ends; None for an end at infinity."""
        return {
            "value": self.value,
            "low": None if isinf(self.low) else self.low,
            "high": None if isinf(self.high) else self.high,
        }


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


def pooled(estimates: Sequence[Estimate]) -> Estimate | None:
    """Mean of independent structures or runs, its error from their spread and their own errors; None for none.

    The larger of the two errors counts, so that neither a lucky agreement nor one good run hides the other; with k
    values the interval is Student's of k - 1 degrees of freedom where the spread is what counts. One upper bound among
    them makes the mean of the limits an upper bound.
    """
    if not estimates:
        return None
    k = len(estimates)
    numbers = [(e.value, e.error) for e in estimates if e.value is not None and e.error is not None]
    if len(numbers) < k:
        return Estimate.upper_bound(sum(e.high for e in estimates) / k)
    if k == 1:
        return estimates[0]
    mean = sum(value for value, _ in numbers) / k
    spread = sqrt(sum((value - mean) ** 2 for value, _ in numbers) / (k - 1) / k)
    own = sqrt(sum(error**2 for _, error in numbers)) / k
    error, width = (spread, float(stdtrit(k - 1, 0.975))) if spread > own else (own, _TWO_SIDED_95)
    return Estimate(mean, error, max(0.0, mean - width * error), mean + width * error)


def estimate_from(content: Mapping[str, Any] | None) -> Estimate | None:
    """Read what `Estimate.as_dict` wrote; None stays None."""
    if content is None:
        return None
    if "upper_bound_95" in content:
        return Estimate.upper_bound(content["upper_bound_95"])
    low, high = content["interval_95"]
    return Estimate(content["value"], content["error"], low, high)


def interval_of(estimate: Estimate | None) -> Interval:
    """Return the interval of an estimate, without ends where there is none."""
    return Interval.unknown() if estimate is None else Interval.of(estimate)
