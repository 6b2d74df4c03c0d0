"""Ratios of the same pairs under two conditions, and what both say of the ratio under the first.

A structure that conducts better than others does so at both temperatures: the two ratios of a pair are one look at that
pair, not two. They are joined pair by pair, and the spread between pairs gives the interval, as for single ratios.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dopantfit.statistics.estimate import Estimate
from dopantfit.statistics.paired import LogRatio, logarithms, mean_logarithm

#: Two sides of pairs: what is above, and what is below.
Sides = tuple[Sequence[Estimate], Sequence[Estimate]]
#: Largest weight of the second condition. Were it more, a difference too small to be seen could shift the answer by
#: more than its error.
_MOST = 0.5


@dataclass(frozen=True)
class TwofoldRatio:
    """Mean logarithms of the ratios of the same pairs under two conditions.

    difference: of the second from the first, pair by pair. both: of the two together, pair by pair.
    """

    first: LogRatio
    second: LogRatio
    difference: LogRatio
    both: LogRatio

    @property
    def agree(self) -> bool:
        """Whether the 95 % interval of the difference holds none."""
        interval = self.difference.interval()
        return interval.low <= 1.0 <= interval.high


def twofold_ratio(first: Sides, second: Sides) -> TwofoldRatio | None:
    """Ratios of pairs under two conditions, in the same order; None without two pairs of numbers under both.

    In a pair the second ratio has the weight of its own error against that of the first, a half at most.
    """
    one, other = logarithms(*first), logarithms(*second)
    if one is None or other is None or len(one[0]) != len(other[0]):
        return None
    (ratios, errors), (again, later) = one, other
    weights = np.minimum(_MOST, errors / np.maximum(errors + later, np.finfo(float).tiny))
    return TwofoldRatio(
        first=mean_logarithm(ratios, errors),
        second=mean_logarithm(again, later),
        difference=mean_logarithm(again - ratios, errors + later),
        both=mean_logarithm(
            (1.0 - weights) * ratios + weights * again, np.square(1.0 - weights) * errors + np.square(weights) * later
        ),
    )
