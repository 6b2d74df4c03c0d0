"""How much more a diffusion coefficient scatters than that of as many Brownian walkers, by what the run itself shows.

The rise of an MSD from a lag to twice it is a mean over time origins. Its value over batches of them, each longer than
both lags, scatters by its error times the root of the number of batches (batch means: Flegal & Jones, Ann. Stat. 38,
1034 (2010)); that of Brownian walkers over the same batches is known, overlap of neighbours included, and the ratio of
the two carries over to the slope of the whole run. It is taken twice: walkers and directions each for itself, which has
many degrees of freedom and sees sites of two kinds, motion in a plane and the grain of hops; and all together, which
has few, and sees ions that hop together. The second enters as the ratio to the first, with a prior that they move
apart.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dopantfit.transport.msd import MeanSquareDisplacement
from dopantfit.transport.resolved import batches_of, stride_of
from dopantfit.transport.slope import Brownian, fit_slope

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
    row = max(0, int(np.searchsorted(run.resolved.lags, onset, side="right")) - 1)
    lag = run.resolved.lags[row]
    number, origins = batches_of(run.n_frames, lag)
    model = fit_slope(run, (lag, 2 * lag), stride_of(lag)).model
    rises = run.resolved.rises[row, :, :number] / model.unit
    batch, whole = (_rise_variance(model, lag, count) for count in (origins, number * origins))
    # About the mean of the batches, of which the whole is one more average; three directions of every walker.
    expected = (batch - whole) * 3.0 / run.n_series
    return float(rises.var(axis=1).sum() / expected), float(rises.sum(axis=(0, 2)).var() / expected), number - 1.0


def _rise_variance(model: Brownian, lag: int, origins: int) -> float:
    """Variance of the rise of the MSD of one direction from a lag to twice it [unit²], over consecutive origins."""
    covariance = model.covariance((lag, 2 * lag), origins)
    return float(covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])
