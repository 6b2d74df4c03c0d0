"""Slope of an MSD by generalised least squares, with what it would scatter by if the ions were Brownian walkers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg

from dopantfit.transport.brownian import msd_covariance
from dopantfit.transport.msd import MeanSquareDisplacement
from dopantfit.transport.trajectory import Floats

#: Rounds until the weights are found, which depend on rattle over step.
_ROUNDS = 3


@dataclass(frozen=True)
class Slope:
    """Line through an MSD at some lags.

    directional: slope/2 along x, y, z [Å²/ps], ``shape=(3,)``. rattle: of one direction, at lag zero [Å²].
    weights: of the MSD of one direction at the lags in its slope/2 [1/ps], ``shape=(n_lags,)``.
    relative: standard error of the slope/2 of one Brownian walker along one direction, over that of the model.
    error: the same [Å²/ps], for slopes that are lost in noise.
    """

    lags: tuple[int, ...]
    directional: Floats
    rattle: float
    weights: Floats = field(repr=False)
    relative: float
    error: float
    model: "Brownian"

    @property
    def value(self) -> float:
        """Slope/6 of the total [Å²/ps]."""
        return float(self.directional.mean())


@dataclass(frozen=True)
class Brownian:
    """A Brownian walker as seen every `stride` frames of `n_frames`.

    step: MSD of one direction per frame, rattle: that at lag zero [Å²]. From look to look it forgets where about its
    site it was; looks nearer to one another would count one rattle, or one hop to and fro, many times.
    """

    n_frames: int
    stride: int
    step: float
    rattle: float

    @property
    def unit(self) -> float:
        """MSD of one direction per stride [Å²]; in units of it squares neither overflow nor vanish."""
        return self.step * self.stride

    def covariance(self, lags: Sequence[int], origins: int | None = None) -> Floats:
        """Covariance of the MSD of one direction at multiples of the stride [unit²].

        origins: consecutive looks that all lags begin at; by default every look from which a lag ends within the run.
        """
        coarse = tuple(lag // self.stride for lag in lags)
        counts = tuple(self.n_frames // self.stride - lag if origins is None else origins for lag in coarse)
        return msd_covariance(coarse, counts, 1.0, self.rattle / self.unit)


def fit_slope(run: MeanSquareDisplacement, lags: Sequence[int], stride: int = 1) -> Slope:
    """Fit a line to the MSD at lags (at least two), weighted by the covariance of the walk that it finds."""
    chosen = list(lags)
    design = np.array([np.ones(len(chosen)), np.array(chosen, dtype=float)]).T
    observed = run.directional[chosen]
    mean = observed.mean(axis=1)
    rattle, step = np.linalg.lstsq(design, mean, rcond=None)[0]
    least = max(1e-3 * float(mean.max()) / chosen[-1], float(np.finfo(float).tiny))
    for _ in range(_ROUNDS):
        # Where nothing diffuses the step is lost in noise, and weights need some; the result is a bound anyhow.
        model = Brownian(run.n_frames, stride, max(float(step), least), max(float(rattle), 0.0))
        solution, variance = _solve(model.covariance(chosen), design)
        rattle, step = solution @ mean
    scale, relative = 2.0 * run.interval, float(np.sqrt(variance[1, 1])) * stride
    return Slope(
        lags=tuple(chosen),
        directional=(solution @ observed)[1] / scale,
        rattle=float(rattle),
        weights=solution[1] / scale,
        relative=relative,
        error=relative * model.step / scale,
        model=model,
    )


def _solve(covariance: Floats, design: Floats) -> tuple[Floats, Floats]:
    """Matrix that maps observations to parameters, and the covariance of these."""
    factor = scipy.linalg.cholesky(covariance, lower=True)
    left = scipy.linalg.solve_triangular(factor, design, lower=True)
    variance = np.linalg.inv(left.T @ left)
    half = scipy.linalg.solve_triangular(factor, np.eye(len(covariance)), lower=True)
    return variance @ left.T @ half, variance
