"""Means of several values, and of several estimates: runs, structures, blocks of time."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr

from dopantfit.statistics.estimate import Estimate
from dopantfit.statistics.quantiles import student_quantile

Floats = NDArray[np.float64]

#: Relative error of what is exact, in place of none.
EXACT = 1e-12


def standard_error(values: ArrayLike) -> float:
    """Standard error of the mean of at least two independent values."""
    return float(standard_errors(values))


def standard_errors(values: ArrayLike) -> Floats:
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


def pooled(estimates: Sequence[Estimate]) -> Estimate | None:
    """Geometric mean of a positive quantity over independent structures or runs; None for none, a single one as it is.

    Logarithms scatter about their mean by the errors of the runs and by what structures differ by (DerSimonian & Laird,
    Control. Clin. Trials 7, 177 (1986)). The interval is Student's, from the weighted spread of what was found (Hartung
    & Knapp, Stat. Med. 20, 3875 (2001)): it needs no error of a run to be right. Upper bounds are values of which only
    that is known, and enter the same likelihood as such. With less than two numbers there is no spread, and the mean of
    the limits is an upper bound.
    """
    if len(estimates) < 2:
        return estimates[0] if estimates else None
    numbers = [(e.value, e.error) for e in estimates if e.value is not None and e.error is not None and e.value > 0.0]
    limits = [e.high for e in estimates if e.value is None or e.value <= 0.0]
    if not any(e.high for e in estimates):
        return estimates[0]  # an ion that is not there, in any of them
    if len(numbers) < 2 or not all(limits):
        return Estimate.upper_bound(sum(e.high for e in estimates) / len(estimates))
    values, errors = np.array(numbers).T
    relative = errors / values
    # A logarithm is lower on average than that of the mean, by half the variance.
    logarithms = np.log(values) + 0.5 * relative**2
    variances = relative**2 + between(logarithms, relative**2) + EXACT**2
    if limits:
        middle, low, high = _censored(logarithms, variances, np.log(limits))
    else:
        middle, error = weighted_mean(logarithms, variances)
        half = student_quantile(len(values) - 1) * error
        low, high = middle - half, middle + half
    value = exp(middle)
    return Estimate(value, value * 0.5 * (high - low) / student_quantile(len(estimates) - 1), exp(low), exp(high))


def between(values: Floats, variances: Floats) -> float:
    """Variance between structures by the method of moments of DerSimonian and Laird; 0 where errors explain all."""
    weights = 1.0 / (variances + EXACT**2)
    whole = weights.sum()
    excess = float(weights @ (values - weights @ values / whole) ** 2) - (len(values) - 1)
    scale = float(whole - np.square(weights).sum() / whole)
    if scale <= EXACT * whole:  # one value is exact, and its weight is all there is: the plain spread of all
        return max(0.0, float(values.var(ddof=1) - variances.mean()))
    return max(0.0, excess / scale)


def weighted_mean(values: Floats, variances: Floats) -> tuple[float, float]:
    """Mean of two or more values by their variances, and its error by their weighted spread (Hartung & Knapp)."""
    weights = 1.0 / variances
    mean = float(weights @ values / weights.sum())
    return mean, sqrt(float(weights @ (values - mean) ** 2) / (len(values) - 1) / float(weights.sum()))


def _censored(values: Floats, variances: Floats, limits: Floats) -> tuple[float, float, float]:
    """Median and 95 % interval of the mean where some values are only known to lie below limits.

    The posterior of the mean m and of a common factor f of the variances, flat in m and ln f: without limits that of m
    is the interval of Hartung and Knapp. A limit brings the probability of a value below it, with the variance of a
    typical one of the others.
    """
    weights = 1.0 / variances
    mean = float(weights @ values / weights.sum())
    squares = float(weights @ (values - mean) ** 2) + EXACT
    factors = squares * np.exp(np.linspace(log(1e-2), log(1e7), 181))[:, None]
    shifts = np.linspace(-14.0, 7.0, 301)
    means = mean + shifts * np.sqrt(factors / weights.sum())
    logs = -0.5 * (len(values) - 1) * np.log(factors) - 0.5 * squares / factors - 0.5 * shifts**2
    typical = float(np.median(variances))
    for limit in limits:
        logs = logs + log_ndtr((limit - means) / np.sqrt(factors * typical))
    order = np.argsort(means, axis=None)
    below = np.cumsum(np.exp(logs - logs.max()).ravel()[order])
    found = means.ravel()[order][np.searchsorted(below, np.array([0.5, 0.025, 0.975]) * below[-1])]
    return float(found[0]), float(found[1]), float(found[2])
