"""A result with its error: a number with an interval, or an upper bound where there is no number yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, hypot, inf, isinf, log
from typing import Any

from dopantfit.statistics.quantiles import TWO_SIDED_95, chi_squared_quantile, student_quantile

#: Logarithm beyond which a number has none.
_LARGEST = 600.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quantity as a run gives it.

    value: best estimate; None where the run shows no more than an upper bound.
    error: standard error (1σ) of `value`; None with it.
    low, high: 95 % interval. For an upper bound `low` is 0 and `high` the one-sided 95 % limit.
    """

    value: float | None
    error: float | None
    low: float
    high: float

    @property
    def is_upper_bound(self) -> bool:
        """Whether only `high` means anything."""
        return self.value is None

    @classmethod
    def upper_bound(cls, limit: float) -> "Estimate":
        """Make the statement that the quantity is below `limit` with 95 % confidence."""
        return cls(None, None, 0.0, float(limit))

    @classmethod
    def symmetric(cls, value: float, error: float, freedom: float = inf, least: float = -inf) -> "Estimate":
        """Make an estimate with Student's interval, the normal one for infinitely many degrees of freedom.

        least: below which the quantity cannot be.
        """
        half = student_quantile(freedom) * error
        return cls(value, error, max(least, value - half), value + half)

    @classmethod
    def of_squares(cls, value: float, relative: float, freedom: float = inf) -> "Estimate":
        """Make an estimate of what scatters as a sum of squares does: chi squared over its degrees of freedom.

        relative: standard error over value; the interval is lopsided where it is large. freedom: degrees of freedom
        that the error itself is known with; the interval is Student's then, on the scale of the cube root, on which
        chi squared is normal (Wilson & Hilferty, PNAS 17, 684 (1931)).
        """
        own = 2.0 / relative**2
        if freedom == inf:
            low, high = (own / chi_squared_quantile(q, own) for q in (0.975, 0.025))
        else:
            spread, width = 2.0 / (9.0 * own), student_quantile(freedom)
            low, high = (max(1.0 - spread + sign * width * spread**0.5, 0.0) ** -3 for sign in (1.0, -1.0))
        return cls(value, value * float(relative), value * low, value * high)

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate of `factor` (positive, exact) times the quantity."""
        if self.value is None or self.error is None:
            return Estimate.upper_bound(self.high * factor)
        return Estimate(self.value * factor, self.error * factor, self.low * factor, self.high * factor)

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON: value, error and interval, or the upper bound alone."""
        if self.is_upper_bound:
            return {"upper_bound_95": self.high}
        return {"value": self.value, "error": self.error, "interval_95": [self.low, self.high]}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Estimate":
        """Read what `as_dict` gave; raises KeyError for anything else."""
        if "upper_bound_95" in entry:
            return cls.upper_bound(entry["upper_bound_95"])
        low, high = entry["interval_95"]
        return cls(entry["value"], entry["error"], low, high)

    def __str__(self) -> str:
        if self.value is None or self.error is None:
            return f"< {self.high:.2g}"
        return f"{self.value:.3g} ± {self.error:.1g}"


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
    def of_logarithm(cls, value: float, error: float) -> "Interval":
        """Return the interval of a positive quantity whose logarithm has the normal error ``error / value``."""
        factor = exp(TWO_SIDED_95 * error / value) if error else 1.0
        return cls(value / factor, value * factor, value)

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
            return Interval(ratio * exp(-down), ratio * exp(up) if up < _LARGEST else inf, ratio)
        if other.high <= 0.0 or isinf(other.low):
            return Interval.unknown()
        low = 0.0 if isinf(other.high) else max(self.low, 0.0) / other.high
        return Interval(low, self.high / other.low if other.low > 0.0 else inf)

    def times(self, factor: "Interval") -> "Interval":
        """Product with an independent quantity that is not negative.

        To each side three steps add in quadrature, which is what independent errors do: that to the farthest product
        with the best estimate of one, that with the best estimate of the other, and what both together reach beyond.
        Without a best estimate, or with an end at infinity, it goes from the smallest product of ends to the largest.
        """
        ends = [_product(mine, other) for mine in (self.low, self.high) for other in (factor.low, factor.high)]
        low, high = min(ends), max(ends)
        if self.value is None or factor.value is None:
            return Interval(low, high)
        value = _product(self.value, factor.value)
        if isinf(low) or isinf(high):
            return Interval(low, high, value)
        mine = [self.low * factor.value, self.high * factor.value]
        other = [self.value * factor.low, self.value * factor.high]
        down = _step(value - low, value - min(mine), value - min(other))
        up = _step(high - value, max(mine) - value, max(other) - value)
        return Interval(value - down, value + up, value)

    def magnitude(self) -> "Interval":
        """Return the interval of the absolute value."""
        ends = abs(self.low), abs(self.high)
        low = 0.0 if self.low <= 0.0 <= self.high else min(ends)
        return Interval(low, max(ends), None if self.value is None else abs(self.value))

    def as_dict(self) -> dict[str, float | None]:
        """Return value and ends; None for an end at infinity."""
        return {
            "value": self.value,
            "low": None if isinf(self.low) else self.low,
            "high": None if isinf(self.high) else self.high,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> "Interval":
        """Read what `as_dict` gave; without ends for None."""
        if content is None:
            return cls.unknown()
        low, high = content["low"], content["high"]
        return cls(-inf if low is None else low, inf if high is None else high, content["value"])


def interval_of(estimate: Estimate | None) -> Interval:
    """Return the interval of an estimate, without ends where there is none."""
    return Interval.unknown() if estimate is None else Interval.of(estimate)


def _step(both: float, one: float, other: float) -> float:
    """Step to an end of a product by errors of either factor alone, and by what both together add to these."""
    one, other = max(one, 0.0), max(other, 0.0)
    return min(both, hypot(one, other, max(0.0, both - one - other)))


def _product(one: float, other: float) -> float:
    """Product in which nothing of what has no end is nothing."""
    return one * other if one and other else 0.0
