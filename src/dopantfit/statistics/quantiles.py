"""Quantiles of the distributions that intervals come from."""

from functools import lru_cache
from math import inf

from scipy.special import fdtrc, fdtri, gammaincc, gammainccinv, gammaincinv, ndtri, stdtrit

#: Half width of a 95 % interval in standard errors.
TWO_SIDED_95 = 1.959963984540054
#: One-sided 95 % limit in standard errors.
ONE_SIDED_95 = 1.6448536269514722
#: Probability beyond each end of a 95 % interval.
TAIL_95 = 0.025


@lru_cache(maxsize=4096)
def student_quantile(freedom: float, probability: float = 0.975) -> float:
    """Return t that Student's t of `freedom` degrees stays below with `probability`; normal for infinitely many."""
    if freedom == inf and probability == 0.975:
        return TWO_SIDED_95
    return float(ndtri(probability) if freedom == inf else stdtrit(freedom, probability))


def normal_widening(tail: float) -> float:
    """Half width of a normal interval with probability `tail` beyond each end, over that of a 95 % one."""
    return -float(ndtri(tail)) / TWO_SIDED_95


def chi_squared_quantile(probability: float, freedom: float) -> float:
    """Return x that chi squared of `freedom` degrees stays below with `probability`."""
    if probability > 0.5:
        return 2.0 * float(gammainccinv(0.5 * freedom, 1.0 - probability))
    return 2.0 * float(gammaincinv(0.5 * freedom, probability))


def chi_squared_tail(value: float, freedom: float) -> float:
    """Return the probability that chi squared of `freedom` degrees exceeds `value`."""
    return float(gammaincc(0.5 * freedom, 0.5 * value))


def f_quantile(probability: float, above: float, below: float) -> float:
    """Return x that the ratio of two mean squares of `above` and `below` degrees of freedom stays below."""
    return float(fdtri(above, below, probability))


def f_tail(value: float, above: float, below: float) -> float:
    """Return the probability that the ratio of two mean squares exceeds `value`; `below` may be infinite."""
    return chi_squared_tail(value * above, above) if below == inf else float(fdtrc(above, below, value))
