"""Looking at a result several times, and stopping when it answers, with 95 % for the whole procedure.

An interval of 1.96 standard errors that is looked at six times, to stop as soon as it excludes a limit, excludes the
truth far more often than once in twenty. Group-sequential looks share the error out: before a fraction t of the final
information (inverse variance), no more than

    alpha(t) = 4 [1 - Φ(z(alpha/4) / √t)]

of it is spent, almost nothing early (Lan & DeMets, Biometrika 70, 659 (1983), in the form that is close to O'Brien &
Fleming, Biometrics 35, 549 (1979)); or, in their form close to Pocock's, no more than alpha ln(1 + (e - 1) t), about
alike at each of several doublings: better where the first look comes of few structures, of which an early boundary of
many standard errors would ask for the impossible. Looks need not be planned: a boundary depends on those before it
alone. The estimate less the truth, over its error, times √t, is a Brownian motion in t; the density of those that have
not crossed yet goes from look to look by integration (Armitage, McPherson & Rowe, J. R. Stat. Soc. A 132, 235 (1969)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import e, inf, isfinite, log, sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from dopantfit.errors import ConfigError
from dopantfit.statistics.estimate import Estimate, Interval
from dopantfit.statistics.quantiles import student_quantile

Floats = NDArray[np.float64]
#: How the error is shared out: hardly any early, or about alike at every doubling.
Spending = Literal["late", "even"]

#: Looks at most: more cost width at the last one, and save little.
MOST_LOOKS = 6
#: Least growth of the information from look to look; less is no news, and as many more nodes.
_LEAST_GROWTH = 1.01
#: Error too small to be spent, and the standard errors beyond which a normal tail is less than that.
_NOTHING, _FARTHEST = 1e-300, 38.0
#: Logarithm of an end over the value beyond which there is no end.
_LARGEST = 600.0
#: Nodes of a panel of two standard deviations of the narrower step; the density is exact to 1e-11 with them.
_NODES, _PANEL = 8, 2.0


class _Open(NamedTuple):
    """What has not crossed by a look: nodes of √t z, and their probabilities at no drift, ``shape=(n_nodes,)``."""

    nodes: Floats
    shares: Floats


@dataclass(frozen=True)
class Looks:
    """Looks at an estimate whose information grows; each may stop, and the 95 % hold for all together.

    fractions: information at each look (inverse variance of the estimate) over that at the planned last one, rising by
    at least 1 % each, in (0, 1]; at most six. Those of later looks need not be known: boundaries do not depend on them.
    alpha: two-sided error of the whole procedure. spending: late, as O'Brien and Fleming, or even, as Pocock.
    Raises ConfigError for anything else. Looks are counted from 1.
    """

    fractions: Sequence[float]
    alpha: float = 0.05
    spending: Spending = "late"

    def __post_init__(self) -> None:
        """Refuse what are no looks."""
        found = tuple(float(fraction) for fraction in self.fractions)
        shown = ", ".join(f"{fraction:.6g}" for fraction in found[: MOST_LOOKS + 1])
        if not 1 <= len(found) <= MOST_LOOKS:
            raise ConfigError(f"looks: {len(found)} fractions ({shown}); give one to {MOST_LOOKS}")
        if not all(0.0 < fraction <= 1.0 for fraction in found):
            raise ConfigError(f"looks: fractions {shown}; each is a part of the final information, in (0, 1]")
        if any(late < _LEAST_GROWTH * early for early, late in pairwise(found)):
            raise ConfigError(f"looks: fractions {shown} do not rise by at least 1 % each; look later, or less often")
        if not 0.0 < self.alpha <= 0.5:
            raise ConfigError(f"looks: alpha = {self.alpha:.6g} is outside (0, 0.5]; 0.05 is that of a 95 % interval")
        object.__setattr__(self, "fractions", found)

    @classmethod
    def doubling(cls, count: int = MOST_LOOKS, alpha: float = 0.05, spending: Spending = "late") -> "Looks":
        """Make `count` looks of which each has twice the information of the one before; the last one has it all."""
        return cls(tuple(0.5 ** (count - 1 - k) for k in range(count)), alpha, spending)

    def spent(self, k: int) -> float:
        """Return the error that may have been spent by look k."""
        return self._spending(self.fractions[self._at(k)])

    def tail(self, k: int) -> float:
        """Return the probability beyond each end of an interval at look k, if looks may hang together in any way.

        The errors of all looks add up to alpha at most, whatever the information, the distribution and the rule by
        which one stops. `boundary` is up to 5 % nearer, for one normal estimate that grows by independent pieces.
        """
        return 0.5 * (self.spent(k) - (self.spent(k - 1) if k > 1 else 0.0))

    def boundary(self, k: int) -> float:
        """Return z_k: standard errors of look k between the estimate and a limit that decide on its side.

        Infinite at a look too early to decide anything (less than 0.4 % of the information).
        """
        return self._solved[0][self._at(k)]

    def interval(self, estimate: Estimate, k: int, freedom: float = inf) -> Interval:
        """Return the repeated confidence interval of look k: the value, and `boundary(k)` errors to either side.

        All intervals of all looks hold the truth together with 95 % (Jennison & Turnbull, J. R. Stat. Soc. B 51, 305
        (1989)), whatever the rule by which one stops. A quantity whose logarithm is normal is handed in as that.
        freedom: degrees of freedom that the error is known with; Student's quantile at the level of z_k is taken then,
        which is an approximation. An upper bound says nothing at a level other than its own: its interval has no ends.
        """
        factor = self.boundary(k)
        if estimate.value is None or estimate.error is None or factor == inf:
            return Interval(-inf, inf, estimate.value)
        if freedom != inf:
            factor = -student_quantile(freedom, float(ndtr(-factor)))
        half = factor * estimate.error
        return Interval(estimate.value - half, estimate.value + half, estimate.value)

    def undecided(self, k: int, distance: float) -> float:
        """Return the probability that no look up to the k-th has excluded a limit.

        distance: of the truth from the limit, in standard errors of the full information.
        """
        if not isfinite(distance):
            raise ConfigError(f"looks: a distance of {distance} standard errors; give a number")
        if self.boundary(k) == inf:
            return 1.0
        nodes, shares = self._solved[1][k - 1]
        # Density with drift over that without it, of a Brownian motion (Cameron & Martin).
        drifted = distance * nodes - 0.5 * distance**2 * self.fractions[k - 1]
        return float(np.exp(np.log(np.maximum(shares, _NOTHING)) + drifted).sum())

    def expected_information(self, distance: float) -> float:
        """Return the information at the stop, or at the last look, over that of all: the mean over many studies.

        distance: of the truth from the limit, in standard errors of the full information.
        """
        steps = np.diff(self.fractions)
        still = [self.undecided(k, distance) for k in range(1, len(self.fractions))]
        return self.fractions[0] + float(sum(step * share for step, share in zip(steps, still, strict=True)))

    def _spending(self, time: float) -> float:
        """Error spent by a fraction `time` of the information."""
        if self.spending == "even":
            return self.alpha * log(1.0 + (e - 1.0) * time)
        return 4.0 * float(ndtr(ndtri(0.25 * self.alpha) / sqrt(time)))

    def _at(self, k: int) -> int:
        """Index of look k; raises ConfigError where there is none."""
        if not 1 <= k <= len(self.fractions):
            raise ConfigError(f"looks: no look {k}; they are counted from 1 to {len(self.fractions)}")
        return k - 1

    @cached_property
    def _solved(self) -> tuple[tuple[float, ...], tuple[_Open, ...]]:
        """Boundaries, and what is open after each look."""
        times = (0.0, *self.fractions)
        widths = [sqrt(late - early) for early, late in pairwise(times)]
        boundaries: list[float] = []
        states = [_Open(np.zeros(1), np.ones(1))]
        before = 0.0
        for k, (time, width) in enumerate(zip(times[1:], widths, strict=True)):
            spent = self._spending(time)
            boundaries.append(_crossing(states[-1], width, spent - before) / sqrt(time))
            end = min(boundaries[-1], _FARTHEST) * sqrt(time)
            states.append(_passed(states[-1], width, end, min(widths[k : k + 2])))
            before = spent
        return tuple(boundaries), tuple(states[1:])


def _crossing(state: _Open, width: float, error: float) -> float:
    """Value of √t z beyond which, on both sides, a step of standard deviation `width` ends with probability `error`."""
    if error < _NOTHING:
        return inf

    def excess(end: float) -> float:
        # Both sides are alike.
        beyond = 2.0 * float(state.shares @ ndtr((state.nodes - end) / width))
        return float(np.log(max(beyond, 1e-320) / error))

    return float(brentq(excess, 0.0, float(state.nodes[-1]) + _FARTHEST * width, xtol=1e-13))


def _passed(state: _Open, width: float, end: float, narrowest: float) -> _Open:
    """Return what is within ±`end` after a step of standard deviation `width`: Gauss and Legendre's rule in panels."""
    panels = max(1, int(np.ceil(2.0 * end / (_PANEL * narrowest))))
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    half = end / panels
    middles = half * (2.0 * np.arange(panels) - (panels - 1.0))
    nodes = (middles[:, None] + half * points).ravel()
    density = np.exp(-0.5 * ((nodes[:, None] - state.nodes) / width) ** 2) @ state.shares / (width * sqrt(2.0 * np.pi))
    return _Open(nodes, np.tile(half * weights, panels) * density)
