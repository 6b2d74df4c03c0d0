"""Intervals of what is computed from several independent quantities."""

from collections.abc import Callable, Sequence
from math import exp, hypot, inf, isfinite, isnan, log

from dopantfit.statistics.estimate import Interval


def carried(function: Callable[..., float], quantities: Sequence[Interval]) -> Interval:
    """Return the 95 % interval of a function of independent quantities, monotone in each.

    Each quantity goes to its two ends while the others keep their values, and the shifts of the function add in
    quadrature, those down and those up apart (method of variance estimates recovery: Zou & Donner, Stat. Med. 27, 1693
    (2008)): lopsided intervals stay lopsided. Where a quantity has no value but a bound, the interval reaches as far as
    any values within the intervals do, and has no value.
    """
    if any(one.value is None for one in quantities):
        ends = [function(*corner) for corner in _corners(function, quantities)]
        known = [end for end in ends if not isnan(end)]
        return Interval(min(known, default=-inf), max(known, default=inf))
    values = [one.value for one in quantities]
    middle = function(*values)
    down, up = [0.0], [0.0]
    for place, one in enumerate(quantities):
        ends = [function(*values[:place], end, *values[place + 1 :]) for end in (one.low, one.high)]
        down.append(max(0.0, middle - min(ends)))
        up.append(max(0.0, max(ends) - middle))
    return Interval(middle - hypot(*down), middle + hypot(*up), middle)


def carried_positive(function: Callable[..., float], quantities: Sequence[Interval]) -> Interval:
    """Do the same for a positive function, on the scale of its logarithm, on which errors of rates are alike."""
    found = carried(lambda *values: _log(function(*values)), quantities)
    return Interval(_exp(found.low), _exp(found.high), None if found.value is None else _exp(found.value))


def _corners(function: Callable[..., float], quantities: Sequence[Interval]) -> tuple[list[float], list[float]]:
    """The ends of the quantities at which a function that is monotone in each is least, and largest."""
    start = [_inside(one) for one in quantities]
    least, largest = list(start), list(start)
    for place, one in enumerate(quantities):
        ends = [(function(*start[:place], end, *start[place + 1 :]), end) for end in (one.low, one.high)]
        least[place], largest[place] = min(ends)[1], max(ends)[1]
    return least, largest


def _inside(one: Interval) -> float:
    """A value between the ends, at which others are tried."""
    if one.value is not None:
        return one.value
    if isfinite(one.low) and isfinite(one.high):
        return 0.5 * (one.low + one.high)
    return one.low + 1.0 if isfinite(one.low) else one.high - 1.0 if isfinite(one.high) else 1.0


def _log(value: float) -> float:
    return log(value) if value > 0.0 else -inf


def _exp(value: float) -> float:
    return exp(value) if value < 700.0 else inf
