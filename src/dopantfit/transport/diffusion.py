"""Tracer diffusion coefficient with an interval that means what it says.

The slope of the MSD over the window (`window`) is fitted by generalised least squares with the covariance of Brownian
motion (`slope`, `brownian`). How far ions are from Brownian walkers that move alone is read from the run itself
(`scatter`), which scales the error; how well it can be read is known, and widens the interval. Replicas are averaged;
where they differ by more than their errors, their spread is the error. Where ions have not gone a hop, there is only a
bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, sqrt

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.statistics import ONE_SIDED_95, Estimate, f_tail, poisson_limit
from dopantfit.transport.msd import MeanSquareDisplacement
from dopantfit.transport.resolved import stride_of
from dopantfit.transport.scatter import Scatter, scatter_of
from dopantfit.transport.slope import Slope, fit_slope
from dopantfit.transport.trajectory import Floats
from dopantfit.transport.window import LONGEST, PUBLISHED, find_onset, octave_lags, window_lags

#: Distance between neighbouring Li sites of the NASICON lattice, M1-M2 [Å].
HOP_LENGTH = 3.5
#: 1 Å²/ps in cm²/s.
CM2_PER_S = 1.0e-4
#: Replicas that disagree less than this in probability do so by chance.
_CHANCE = 0.01
#: A coefficient whose error is larger than itself [relative] is none: it is stated as a bound.
_LARGEST_ERROR = 1.0
#: Hop length of a charge centre [e Å], in place of none.
_ANY_HOP = 1e-6


@dataclass(frozen=True)
class Diffusion:
    """Tracer diffusion coefficient of a species, or of a charge centre [e² Å²/ps].

    coefficient: D* [Å²/ps].
    directional: slope/2 along x, y, z [Å²/ps], ``shape=(3,)``; meaningless for an upper bound.
    rattle: MSD that the fit finds at lag zero, along one direction [Å²].
    window: first and last lag of the fit to the first run [ps].
    reached: MSD at 70 % of the run [Å²].
    n_ions, duration, n_replicas: ions per run, length of the first run [ps], number of runs.
    scatter: of the runs, over that of Brownian walkers; None where they are too short to tell.
    replica_scatter: spread of the replicas over what their errors allow; 1 is as expected, None for a single run.
    """

    species: str
    coefficient: Estimate
    directional: Floats = field(repr=False)
    rattle: float
    window: tuple[float, float]
    reached: float
    n_ions: int
    duration: float
    n_replicas: int
    scatter: Scatter | None
    replica_scatter: float | None

    @property
    def cm2_per_s(self) -> Estimate:
        """D* in cm²/s."""
        return self.coefficient.scaled(CM2_PER_S)


def tracer_diffusion(
    runs: MeanSquareDisplacement | Sequence[MeanSquareDisplacement],
    window: tuple[float, float] | None = None,
    hop_length: float = HOP_LENGTH,
    onset: float | None = None,
) -> Diffusion:
    """Tracer diffusion coefficient D* = slope/6 of one run or of independent replicas.

    runs: MSD of the same species in each.
    window: part of the run used in the fit, such as `PUBLISHED`; None for the octave above the onset of diffusion.
    hop_length: distance between neighbouring sites [Å]; below its square the result is an upper bound, and where the
        error exceeds the value.
    onset: of diffusion [ps] where it is known, from other species of the same runs; found from the MSD by default.
    Raises ConfigError for a window or hop length that cannot be, and for replicas of different species;
    ConvergenceError when 10-70 % of a run, or the window given, hold fewer than 10 lags.
    """
    replicas = [runs] if isinstance(runs, MeanSquareDisplacement) else list(runs)
    _check(replicas, window, hop_length)
    slopes = _slopes(replicas, window, hop_length, onset)
    first, last = (replicas[0].interval * slopes[0].lags[end] for end in (0, -1))
    scatter = scatter_of(replicas, first)
    weights = np.array([run.n_series / slope.relative**2 for run, slope in zip(replicas, slopes, strict=True)])
    directional = np.average([slope.directional for slope in slopes], axis=0, weights=weights)
    value = float(directional.mean())
    scale, freedom = (_anisotropy(directional), inf) if scatter is None else (scatter.scale, scatter.freedom)
    between = _replica_scatter(slopes, weights, value, scale)
    scale, freedom = _with_replicas(scale, freedom, between, len(replicas))
    relative = scale / sqrt(3.0 * float(weights.sum()))
    reached = float(np.average([run.total[int(LONGEST * run.n_frames)] for run in replicas], weights=weights))
    if value <= 0.0 or reached < hop_length**2 or relative > _LARGEST_ERROR:
        coefficient = Estimate.upper_bound(max(_slope_limit(replicas, slopes, scale), _hop_limit(replicas, hop_length)))
    else:
        coefficient = Estimate.of_squares(value, relative, freedom)
    return Diffusion(
        species=replicas[0].species,
        coefficient=coefficient,
        directional=directional,
        rattle=float(np.average([slope.rattle for slope in slopes], weights=weights)),
        window=(first, last),
        reached=reached,
        n_ions=replicas[0].n_series,
        duration=(replicas[0].n_frames - 1) * replicas[0].interval,
        n_replicas=len(replicas),
        scatter=scatter,
        replica_scatter=between,
    )


def collective_diffusion(
    runs: MeanSquareDisplacement | Sequence[MeanSquareDisplacement],
    window: tuple[float, float] | None = None,
    onset: float | None = None,
) -> Diffusion:
    """Slope/6 of the MSD of a charge-weighted displacement [e² Å²/ps]; a hop of a unit charge is too small to see.

    onset: of the diffusion of the ions whose charge it is [ps]; give it, for one walker shows its own poorly.
    Raises as `tracer_diffusion` does.
    """
    return tracer_diffusion(runs, window, _ANY_HOP, onset)


def _check(replicas: list[MeanSquareDisplacement], window: tuple[float, float] | None, hop_length: float) -> None:
    if not replicas:
        raise ConfigError("diffusion: no mean square displacement was given; give one per run")
    if window is not None and not 0.0 <= window[0] < window[1] < 1.0:
        raise ConfigError(f"diffusion: window = {window} must be two rising parts of the run, such as (0.10, 0.70)")
    if not 0.0 < hop_length < inf:
        raise ConfigError(f"diffusion: hop length = {hop_length} Å must be positive; it is a distance between sites")
    names = {run.species for run in replicas}
    if len(names) > 1:
        raise ConfigError(f"diffusion: replicas of different species, {', '.join(sorted(names))}; fit each by itself")


def _slopes(
    replicas: list[MeanSquareDisplacement], window: tuple[float, float] | None, hop_length: float, onset: float | None
) -> list[Slope]:
    """Fit every run over the window, or over the octave above the onset; a bound has the published window."""
    fixed = [window_lags(run.n_frames, window or PUBLISHED) for run in replicas]
    if window is None and onset is None:
        onset = find_onset(replicas, hop_length)
    if window is not None or onset is None:
        return [fit_slope(run, lags) for run, lags in zip(replicas, fixed, strict=True)]
    octaves = [octave_lags(run.n_frames, onset / run.interval) for run in replicas]
    return [fit_slope(run, lags, stride_of(lags[0])) for run, lags in zip(replicas, octaves, strict=True)]


def _anisotropy(directional: Floats) -> float:
    """Error of the mean of three directions over that where they are alike: 1, up to √3 for motion along a line."""
    value = float(directional.mean())
    if value <= 0.0:
        return 1.0
    return float(np.sqrt(min(max(np.square(directional).sum() / (3.0 * value**2), 1.0), 3.0)))


def _replica_scatter(slopes: list[Slope], weights: Floats, value: float, scale: float) -> float | None:
    """Root of chi squared of the replicas about their mean, per degree of freedom."""
    if len(slopes) < 2 or value <= 0.0:
        return None
    deviations = np.array([slope.value for slope in slopes]) / value - 1.0
    return float(np.sqrt(3.0 * weights @ deviations**2 / (len(slopes) - 1))) / scale


def _with_replicas(scale: float, freedom: float, between: float | None, number: int) -> tuple[float, float]:
    """Scale of the error and its degrees of freedom, with what replicas say.

    Their spread is one more look at the scale; where it is beyond chance they differ, and it is the only one.
    """
    if between is None:
        return scale, freedom
    if f_tail(between**2, number - 1, freedom) < _CHANCE:
        return scale * between, number - 1
    if freedom == inf:
        return scale, inf
    together = freedom + number - 1
    return scale * sqrt((freedom + (number - 1) * between**2) / together), together


def _slope_limit(replicas: list[MeanSquareDisplacement], slopes: list[Slope], scale: float) -> float:
    """95 % limit of the fitted slope/2 [Å²/ps], mean of the directions."""
    value = max(0.0, float(np.mean([slope.value for slope in slopes])))
    errors = [slope.error / sqrt(3.0 * run.n_series) for run, slope in zip(replicas, slopes, strict=True)]
    return value + ONE_SIDED_95 * scale * float(np.linalg.norm(errors)) / len(slopes)


def _hop_limit(replicas: list[MeanSquareDisplacement], hop_length: float) -> float:
    """95 % limit [Å²/ps] from the hops that ions made.

    All motion seen, vibration included, is counted as hops; with k of them in the ion-time watched, the limit on their
    true number is the Poisson one, 3.0 for k = 0.
    """
    ion_time, hops = 0.0, 0.0
    for run in replicas:
        last = int(LONGEST * run.n_frames)
        hops += run.n_series * float(run.total[last]) / hop_length**2 * (run.n_frames - 1) / last
        ion_time += run.n_series * (run.n_frames - 1) * run.interval
    return poisson_limit(hops) * hop_length**2 / (6.0 * ion_time)
