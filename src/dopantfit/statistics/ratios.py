"""Ratios of independent quantities."""

from dopantfit.statistics.estimate import Estimate
from dopantfit.statistics.quantiles import f_quantile


def ratio_of_squares(above: Estimate, below: Estimate) -> Estimate | None:
    """Ratio of two estimates that scatter as sums of squares do, with the interval of F; None where one is a bound."""
    if above.value is None or above.error is None or below.value is None or below.error is None:
        return None
    ratio = above.value / below.value
    errors = above.error / above.value, below.error / below.value
    freedom = [2.0 / error**2 for error in errors]
    low, high = (ratio / f_quantile(q, *freedom) for q in (0.975, 0.025))
    return Estimate(ratio, ratio * float(sum(error**2 for error in errors)) ** 0.5, low, high)
