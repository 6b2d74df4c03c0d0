"""Means of several values, and of several estimates: runs, structures, blocks of time."""

from collections.abc import Sequence
from math import hypot, inf, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dopantfit.statistics.estimate import Estimate


def standard_error(values: ArrayLike) -> float:
    """Standard error of the mean of at least two independent values."""
    return float(standard_errors(values))


def standard_errors(values: ArrayLike) -> NDArray[np.float64]:
    """Standard errors of the means over the first axis, which has at least two independent rows."""
    found = np.asarray(values, dtype=np.float64)
    return np.asarray(found.std(axis=0, ddof=1) / np.sqrt(len(found)))


def mean_of(values: Sequence[float], errors: Sequence[float]) -> Estimate | None:
    """Mean of values whose own errors hold all that is unknown of them; None for none.

    The larger of the error that they give together and of that from their spread counts, as a normal one: the errors
    were made wide enough for the few runs behind them.
    """
    if not values:
        return None
    count, mean = len(values), sum(values) / len(values)
    own = sqrt(sum(error**2 for error in errors)) / count
    spread = sqrt(sum((value - mean) ** 2 for value in values) / max(1, count - 1) / count)
    return Estimate.symmetric(mean, max(own, spread))


def weighted_sum(values: Sequence[float], errors: Sequence[float], weights: Sequence[float]) -> Estimate:
    """Sum of independent values times exact weights, errors in quadrature."""
    parts = [weight * value for weight, value in zip(weights, values, strict=True)]
    return Estimate.symmetric(sum(parts), hypot(*(w * e for w, e in zip(weights, errors, strict=True))))


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
    error, freedom = (spread, k - 1) if spread > own else (own, inf)
    return Estimate.symmetric(mean, error, freedom, least=0.0)
