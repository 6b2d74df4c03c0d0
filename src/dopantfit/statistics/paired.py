"""Ratios of positive quantities, measured in pairs that have something in common: a structure, a quench.

What a pair has in common drops out of its ratio. The logarithms of the ratios scatter about their mean, and Student's
interval comes from that scatter; it holds whatever the errors of the single values are worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log

import numpy as np

from dopantfit.statistics.estimate import Estimate, Interval, interval_of
from dopantfit.statistics.pooling import EXACT, Floats, between, pooled, weighted_mean
from dopantfit.statistics.quantiles import TAIL_95, normal_widening, student_quantile

#: Logarithm of a ratio beyond which it is none.
_LARGEST = 600.0


@dataclass(frozen=True)
class LogRatio:
    """Mean of the logarithms of `count` independent ratios.

    error: standard error of `mean`, from their scatter, with count - 1 degrees of freedom. within: variance of one
    logarithm by the errors of its two values, the mean over pairs. spread: variance of one logarithm, by all that there
    is; at least `within`.
    """

    mean: float
    error: float
    count: int
    within: float
    spread: float

    def interval(self, tail: float = TAIL_95) -> Interval:
        """Interval of the ratio with so much probability beyond each end."""
        half = half_width(self.error, self.count, tail)
        low, high = self.mean - half, self.mean + half
        return Interval(exp(low) if low > -_LARGEST else 0.0, exp(high) if high < _LARGEST else inf, self.value)

    @property
    def value(self) -> float:
        """The ratio."""
        return exp(self.mean)


def half_width(error: float, count: int, tail: float = TAIL_95) -> float:
    """Half width of Student's interval of a mean of `count` values with so much probability beyond each end."""
    return student_quantile(count - 1, 1.0 - tail) * error if count > 1 else inf


def log_ratio(above: Sequence[Estimate], below: Sequence[Estimate]) -> LogRatio | None:
    """Mean logarithm of the ratios of pairs, which stand at the same place; None without two pairs of numbers.

    Weights are those of errors and the spread beyond them, the error that of Hartung & Knapp; see `pooled`.
    """
    found = logarithms(above, below)
    return None if found is None else mean_logarithm(*found)


def logarithms(above: Sequence[Estimate], below: Sequence[Estimate]) -> tuple[Floats, Floats] | None:
    """Logarithms of the ratios of pairs, and their variances by the errors; None without two pairs of numbers."""
    if len(above) != len(below) or len(above) < 2:
        return None
    numbers = [(e.value, e.error) for e in (*above, *below) if e.value and e.error is not None and e.value > 0.0]
    if len(numbers) < 2 * len(above):
        return None
    values, known = np.array(numbers).T
    # A logarithm is lower on average than that of the mean, by half the variance.
    squares = np.square(known / values)
    corrected = (np.log(values) + 0.5 * squares).reshape(2, -1)
    return corrected[0] - corrected[1], squares.reshape(2, -1).sum(axis=0)


def mean_logarithm(ratios: Floats, errors: Floats) -> LogRatio:
    """Mean of two or more logarithms with these variances, by errors and the spread beyond them; see `log_ratio`."""
    mean, error = weighted_mean(ratios, errors + between(ratios, errors) + EXACT**2)
    count, within = len(ratios), float(errors.mean())
    return LogRatio(mean, error, count, within, max(within, count * error**2))


def ratio_of(
    above: Sequence[Estimate], below: Sequence[Estimate], tail: float = TAIL_95
) -> tuple[Interval, LogRatio | None]:
    """Ratio of two quantities known from pairs, as an interval, and what it comes from.

    Where some values are bounds, or there is one pair, or not the same number of both, the two sides are pooled by
    themselves; there is nothing that the interval comes from then, and it is widened as if it were normal.
    """
    found = log_ratio(above, below)
    if found is not None:
        return found.interval(tail), found
    over, under = (interval_of(pooled(side)) for side in (above, below))
    return widened_to(over.over(under), tail), None


def widened_to(interval: Interval, tail: float) -> Interval:
    """Return a 95 % interval as wide as a smaller tail asks for; what is only a bound has no end but zero then.

    Logarithms are widened where all of it is positive.
    """
    if tail >= TAIL_95:
        return interval
    value, factor = interval.value, normal_widening(tail)
    if value is None:
        return Interval(0.0 if interval.low >= 0.0 else -inf, inf)
    if interval.low > 0.0 and interval.high < inf:
        low, high = (log(end / value) * factor for end in (interval.low, interval.high))
        return Interval(value * exp(low), value * exp(min(high, _LARGEST)), value)
    return Interval(value - factor * (value - interval.low), value + factor * (interval.high - value), value)
