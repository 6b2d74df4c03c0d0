"""Numbers with their errors: what a run gives, quantiles, counts, pooling, ratios. No physics, and no other statistics.

Every 1.96 and every Student's t of the project stands here.
"""

from dopantfit.statistics.counts import poisson_interval, poisson_limit, wilson_interval
from dopantfit.statistics.estimate import Estimate, Interval, interval_of
from dopantfit.statistics.paired import LogRatio, half_width, log_ratio, mean_logarithm, ratio_of, widened_to
from dopantfit.statistics.pooling import mean_of, pooled, standard_error, standard_errors
from dopantfit.statistics.propagation import carried, carried_positive
from dopantfit.statistics.quantiles import (
    ONE_SIDED_95,
    TAIL_95,
    TWO_SIDED_95,
    chi_squared_quantile,
    chi_squared_tail,
    f_tail,
    student_quantile,
)
from dopantfit.statistics.ratios import ratio_of_squares
from dopantfit.statistics.sequential import Looks
from dopantfit.statistics.twofold import TwofoldRatio, twofold_ratio

__all__ = [
    "ONE_SIDED_95",
    "TAIL_95",
    "TWO_SIDED_95",
    "Estimate",
    "Interval",
    "LogRatio",
    "Looks",
    "TwofoldRatio",
    "carried",
    "carried_positive",
    "chi_squared_quantile",
    "chi_squared_tail",
    "f_tail",
    "half_width",
    "interval_of",
    "log_ratio",
    "mean_logarithm",
    "mean_of",
    "poisson_interval",
    "poisson_limit",
    "pooled",
    "ratio_of",
    "ratio_of_squares",
    "standard_error",
    "standard_errors",
    "student_quantile",
    "twofold_ratio",
    "widened_to",
    "wilson_interval",
]
