"""How much more a diffusion coefficient scatters than that of as many Brownian walkers, by what the run itself shows.

A slope is a mean over time origins. Its value over batches of them, each longer than the longest lag, scatters by its
error times the root of the number of batches (batch means: Flegal & Jones, Ann. Stat. 38, 1034 (2010)); that of
Brownian walkers over the same batches is known, overlap of neighbours included, and the ratio of the two carries over
to the whole run. It is taken twice: walkers and directions each for itself, which has many degrees of freedom and sees
sites of two kinds, motion in a plane and the grain of hops; and all together, which has few, and sees ions that hop
together. The second enters as the ratio to the first, with a prior that they move apart.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dopantfit.transport.msd import MeanSquareDisplacement
from dopantfit.transport.resolved import octave, stride_of
from dopantfit.transport.slope import fit_slope

#: Batches of a run at most; longer ones see slower changes.
_MOST_BATCHES = 12
#: Latest lag at which the scatter is looked at, as a part of the run: an octave above it leaves eight batches.
_LATEST = 1.0 / 8.0
#: Degrees of freedom that the belief counts for that ions move apart.
_PRIOR = 2.0


class Scatter(NamedTuple):
    """Variance of D* over that of as many Brownian walkers.

    apart: walkers and directions each for itself. together: of all over that. freedom: of `together`, prior included.
    """

    apart: float
    together: float
    freedom: float

    @property
    def scale(self) -> float:
        """Error over that of Brownian walkers."""
        return float(np.sqrt(self.apart * self.together))


def scatter_of(runs: Sequence[MeanSquareDisplacement], onset: float) -> Scatter | None:
    """Scatter of D* from runs of one system, about the onset of diffusion [ps]; None where they are too short."""
    found = [one for run in runs if (one := _batches(run, onset / run.interval)) is not None]
    if not found:
        return None
    apart, together, freedom = np.array(found).T
    weights = freedom / freedom.sum()
    alone = float(weights @ apart)
    if alone <= 0.0:
        return None
    whole = _PRIOR + float(freedom.sum())
    return Scatter(alone, (_PRIOR + float(freedom @ together) / alone) / whole, whole)


def _batches(run: MeanSquareDisplacement, onset: float) -> tuple[float, float, float] | None:
    """Variance of a run over the Brownian one, walkers apart and together, and degrees of freedom."""
    if run.resolved is None:
        return None
    grid = np.array(run.resolved.lags)
    first = max(0, int(np.searchsorted(grid, min(onset, _LATEST * run.n_frames), side="right")) - 1)
    lags = octave(int(grid[first]))
    slope = fit_slope(run, lags, stride_of(lags[0]))
    # Parts that add up to D* in units of the model, ``shape=(n_groups, n_stretches, 3)``.
    parts = (
        run.resolved.shares[:, :, first : first + len(lags)].transpose(0, 1, 3, 2)
        @ slope.weights
        / (3.0 * slope.model.unit)
    )
    number = min(_MOST_BATCHES, run.n_frames // lags[-1], parts.shape[1])
    batches = np.array([part.mean(axis=1) for part in np.array_split(parts, number, axis=1)])
    whole, batch = (slope.weights @ slope.model.covariance(lags, part) @ slope.weights for part in (1.0, 1.0 / number))
    expected = (batch - whole) / (3.0 * run.n_series)
    apart = float(batches.var(axis=0).sum() / expected)
    together = float(batches.sum(axis=(1, 2)).var() / expected)
    return apart, together, number - 1.0
