"""Tracer diffusion coefficient with an interval that means what it says.

The slope of the MSD over the window is fitted by generalised least squares with the covariance of Brownian motion
(`brownian`), which gives the value and its error. The error is then held against what the runs show: estimates from
time blocks, and from independent replicas, must scatter by their errors. Where replicas scatter more, or blocks more
than chance allows, the error grows by that factor (the scale factor of the Particle Data Group). Where ions have not
gone a hop, there is only a bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.linalg

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.statistics import ONE_SIDED_95, Estimate, chi_squared_tail, poisson_limit
from dopantfit.transport.brownian import msd_covariance
from dopantfit.transport.msd import MeanSquareDisplacement
from dopantfit.transport.trajectory import Floats

#: Part of the run used in the fit (He, Zhu & Mo, npj Comput. Mater. 4, 18 (2018)).
WINDOW = (0.10, 0.70)
#: Distance between neighbouring Li sites of the NASICON lattice, M1-M2 [Å].
HOP_LENGTH = 3.5
#: 1 Å²/ps in cm²/s.
CM2_PER_S = 1.0e-4
#: Fewest lags in the window that make a fit.
FEWEST_LAGS = 10
#: Lags taken out of the window, evenly on a log scale; more add nothing, so strongly are they correlated.
_FITTED_LAGS = 24
#: Blocks that disagree less than this in probability do so by chance; four of them often do a little.
_CHANCE = 0.05
#: A coefficient whose error is larger than itself [relative] is none: it is stated as a bound.
_LARGEST_ERROR = 1.0
#: Hop length of a charge centre [e Å], in place of none.
_ANY_HOP = 1e-6


@dataclass(frozen=True)
class Diffusion:
    """Tracer diffusion coefficient of a species, or of a charge centre [e² Å²/ps].

    coefficient: D* [Å²/ps].
    directional: slope/2 along x, y, z [Å²/ps], ``shape=(3,)``; meaningless for an upper bound.
    rattle: MSD that the fit finds at lag zero, the vibration about the sites [Å²].
    reached: MSD at the end of the window [Å²].
    n_ions, duration, n_replicas: ions per run, length of the first run [ps], number of runs.
    block_scatter, replica_scatter: scatter of the estimates over what their errors allow; 1 is as expected, None where
        there was nothing to compare.
    error_scale: what the Brownian error was multiplied by on their account, at least 1.
    """

    species: str
    coefficient: Estimate
    directional: Floats = field(repr=False)
    rattle: float
    reached: float
    n_ions: int
    duration: float
    n_replicas: int
    block_scatter: float | None
    replica_scatter: float | None
    error_scale: float

    @property
    def cm2_per_s(self) -> Estimate:
        """D* in cm²/s."""
        return self.coefficient.scaled(CM2_PER_S)


class _Fit(NamedTuple):
    """Slope/2 by direction [Å²/ps], MSD at lag zero [Å²]; error of one direction, relative and absolute [Å²/ps].

    The absolute one is for slopes lost in noise, where the ratio means nothing.
    """

    directional: Floats
    rattle: float
    relative: float
    absolute: float

    @property
    def value(self) -> float:
        return float(self.directional.mean())


def tracer_diffusion(
    runs: MeanSquareDisplacement | Sequence[MeanSquareDisplacement],
    window: tuple[float, float] = WINDOW,
    hop_length: float = HOP_LENGTH,
) -> Diffusion:
    """Tracer diffusion coefficient D* = slope/6 of one run or of independent replicas.

    runs: MSD of the same species in each.
    window: part of the run used in the fit.
    hop_length: distance between neighbouring sites [Å]; below its square the result is an upper bound, and where the
        error exceeds the value.
    Raises ConfigError for a window or hop length that cannot be, and for replicas of different species;
    ConvergenceError when the window of a run holds fewer than 10 lags.
    """
    replicas = [runs] if isinstance(runs, MeanSquareDisplacement) else list(runs)
    _check(replicas, window, hop_length)
    fits = [_fit(run, window) for run in replicas]
    weights = np.array([1.0 / fit.relative**2 for fit in fits])
    directional = np.average([fit.directional for fit in fits], axis=0, weights=weights)
    reached = float(np.average([_reached(run, window) for run in replicas], weights=weights))
    (blocks, by_chance), between = _block_scatter(replicas, window), _replica_scatter(fits)
    scale = max(1.0, 0.0 if by_chance else blocks or 0.0, between or 0.0)
    value = float(directional.mean())
    relative = scale * _relative_error(directional, weights)
    if value <= 0.0 or reached < hop_length**2 or relative > _LARGEST_ERROR:
        coefficient = Estimate.upper_bound(max(_slope_limit(fits, scale), _hop_limit(replicas, window, hop_length)))
    else:
        coefficient = Estimate.of_squares(value, relative)
    return Diffusion(
        species=replicas[0].species,
        coefficient=coefficient,
        directional=directional,
        rattle=float(np.average([fit.rattle for fit in fits], weights=weights)),
        reached=reached,
        n_ions=replicas[0].n_series,
        duration=(replicas[0].n_frames - 1) * replicas[0].interval,
        n_replicas=len(replicas),
        block_scatter=blocks,
        replica_scatter=between,
        error_scale=scale,
    )


def collective_diffusion(
    runs: MeanSquareDisplacement | Sequence[MeanSquareDisplacement], window: tuple[float, float] = WINDOW
) -> Diffusion:
    """Slope/6 of the MSD of a charge-weighted displacement [e² Å²/ps]; a hop of a unit charge is too small to see.

    Raises as `tracer_diffusion` does.
    """
    return tracer_diffusion(runs, window, hop_length=_ANY_HOP)


def _check(replicas: list[MeanSquareDisplacement], window: tuple[float, float], hop_length: float) -> None:
    if not replicas:
        raise ConfigError("diffusion: no mean square displacement was given; give one per run")
    if not 0.0 <= window[0] < window[1] < 1.0:
        raise ConfigError(f"diffusion: window = {window} must be two rising parts of the run, such as (0.10, 0.70)")
    if not 0.0 < hop_length < float("inf"):
        raise ConfigError(f"diffusion: hop length = {hop_length} Å must be positive; it is a distance between sites")
    names = {run.species for run in replicas}
    if len(names) > 1:
        raise ConfigError(f"diffusion: replicas of different species, {', '.join(sorted(names))}; fit each by itself")


def window_lags(n_frames: int, window: tuple[float, float]) -> tuple[int, ...]:
    """Lags of the fit: up to 24 of those in the window, evenly on a log scale.

    Raises ConvergenceError when the window holds fewer than 10 lags.
    """
    first, last = max(1, int(np.ceil(window[0] * n_frames))), int(window[1] * n_frames)
    if last - first + 1 < FEWEST_LAGS:
        raise ConvergenceError(
            f"diffusion: {n_frames} frames leave {max(0, last - first + 1)} lags between {window[0]:.0%} and "
            f"{window[1]:.0%} of the run, at least {FEWEST_LAGS} are needed; write frames more often or run longer"
        )
    return tuple(int(lag) for lag in np.unique(np.round(np.geomspace(first, last, _FITTED_LAGS)).astype(int)))


def _fit(run: MeanSquareDisplacement, window: tuple[float, float]) -> _Fit:
    """Generalised least squares; the weights depend on rattle/step, which two rounds settle."""
    lags = window_lags(run.n_frames, window)
    design = np.array([np.ones(len(lags)), np.array(lags, dtype=float)]).T
    observed = run.directional[list(lags)]
    mean = observed.mean(axis=1)
    rattle, step = np.linalg.lstsq(design, mean, rcond=None)[0]
    for _ in range(3):
        # Where nothing diffuses the step is lost in noise, and weights need some; the result is a bound anyhow.
        step = max(step, 1e-3 * float(mean.max()) / lags[-1], np.finfo(float).tiny)
        weighted_with = step
        # In units of the step, so that squares neither overflow nor vanish.
        covariance = msd_covariance(run.n_frames, lags, 1.0, max(rattle, 0.0) / step)
        whitened, variance = _solve(covariance, design)
        rattle, step = whitened @ mean
    directional = (whitened @ observed)[1] / (2.0 * run.interval)
    relative = float(np.sqrt(variance[1, 1] / run.n_series))
    return _Fit(directional, float(rattle), relative, relative * float(weighted_with) / (2.0 * run.interval))


def _solve(covariance: Floats, design: Floats) -> tuple[Floats, Floats]:
    """Matrix that maps observations to parameters, and the covariance of these."""
    factor = scipy.linalg.cholesky(covariance, lower=True)
    left = scipy.linalg.solve_triangular(factor, design, lower=True)
    variance = np.linalg.inv(left.T @ left)
    half = scipy.linalg.solve_triangular(factor, np.eye(len(covariance)), lower=True)
    return variance @ left.T @ half, variance


def _relative_error(directional: Floats, weights: Floats) -> float:
    """Relative error of the mean of three directions, from that of one: 1/√3 of it where they are alike.

    Squares of estimates exceed those of what they estimate by their variance; that is taken off again.
    """
    single = 1.0 / float(weights.sum())
    value = float(directional.mean())
    if value <= 0.0:
        return float(np.sqrt(single / 3.0))
    anisotropy = float(np.square(directional).sum()) / (3.0 * value) ** 2
    floor, ceiling = 1.0 / 3.0, 1.0
    unbiased = (anisotropy - floor) / (1.0 + single) + floor
    return float(np.sqrt(single * min(max(unbiased, floor), ceiling)))


def _block_scatter(replicas: list[MeanSquareDisplacement], window: tuple[float, float]) -> tuple[float | None, bool]:
    """Scatter of the estimates of time blocks about their run's mean, over their error, and whether chance explains it.

    None where runs are too short for blocks.
    """
    squares, freedom = 0.0, 0
    for run in replicas:
        try:
            fits = [_fit(block, window) for block in run.blocks]
        except ConvergenceError:
            continue
        if len(fits) > 1:
            squares += _squares(fits)
            freedom += len(fits) - 1
    if not freedom:
        return None, True
    return float(np.sqrt(squares / freedom)), chi_squared_tail(squares, freedom) > _CHANCE


def _replica_scatter(fits: list[_Fit]) -> float | None:
    return float(np.sqrt(_squares(fits) / (len(fits) - 1))) if len(fits) > 1 else None


def _squares(fits: list[_Fit]) -> float:
    """Sum of squared deviations from the common mean, each over its variance (chi squared if all is well)."""
    weights = np.array([1.0 / fit.relative**2 for fit in fits])
    common = np.average([fit.directional for fit in fits], axis=0, weights=weights)
    mean = float(common.mean())
    if mean <= 0.0:
        return 0.0
    relative = _relative_error(common, weights) * np.sqrt(weights.sum())
    deviations = np.array([fit.value for fit in fits]) / mean - 1.0
    return float((weights * deviations**2).sum() / relative**2)


def _reached(run: MeanSquareDisplacement, window: tuple[float, float]) -> float:
    return float(run.total[int(window[1] * run.n_frames)])


def _slope_limit(fits: list[_Fit], scale: float) -> float:
    """95 % limit of the fitted slope/2 [Å²/ps], mean of the directions."""
    value = max(0.0, float(np.mean([fit.value for fit in fits])))
    error = float(np.linalg.norm([fit.absolute for fit in fits])) / (len(fits) * float(np.sqrt(3.0)))
    return value + ONE_SIDED_95 * scale * error


def _hop_limit(replicas: list[MeanSquareDisplacement], window: tuple[float, float], hop_length: float) -> float:
    """95 % limit [Å²/ps] from the hops that ions made.

    All motion seen, vibration included, is counted as hops; with k of them in the ion-time watched, the limit on their
    true number is the Poisson one, 3.0 for k = 0.
    """
    ion_time, hops = 0.0, 0.0
    for run in replicas:
        seen = run.n_series * _reached(run, window) / hop_length**2
        hops += seen * (run.n_frames - 1) / int(window[1] * run.n_frames)
        ion_time += run.n_series * (run.n_frames - 1) * run.interval
    return poisson_limit(hops) * hop_length**2 / (6.0 * ion_time)
