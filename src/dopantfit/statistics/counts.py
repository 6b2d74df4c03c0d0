"""Intervals of what was counted: events, and shares of trials."""

from math import sqrt

from dopantfit.statistics.quantiles import TAIL_95, TWO_SIDED_95, chi_squared_quantile


def poisson_interval(count: float, tail: float = TAIL_95) -> tuple[float, float]:
    """Exact interval of the expectation of a count (Garwood, Biometrika 28, 437 (1936)), a 95 % one by default.

    count: at least 1; `poisson_limit` says what no event says. tail: probability beyond each end.
    """
    return 0.5 * chi_squared_quantile(tail, 2.0 * count), 0.5 * chi_squared_quantile(1.0 - tail, 2.0 * count + 2.0)


def poisson_limit(count: float, tail: float = TAIL_95) -> float:
    """One-sided limit of the expectation of a count, at twice the tail of an interval: 3.0 where nothing was seen."""
    return 0.5 * chi_squared_quantile(1.0 - 2.0 * tail, 2.0 * count + 2.0)


def wilson_interval(share: float, trials: float) -> tuple[float, float]:
    """95 % interval of a share of independent trials (Wilson, J. Am. Stat. Assoc. 22, 209 (1927))."""
    z = TWO_SIDED_95
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return max(0.0, middle - half), min(1.0, middle + half)
