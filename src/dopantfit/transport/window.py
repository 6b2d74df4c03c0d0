"""The window of the fit, found from the MSD itself: from the onset of diffusion, over one octave of lags.

Below the onset an MSD is bent: ions rattle, and a hop is often followed by the hop back, so that its slope falls. The
fit may begin where the MSD has passed 1.4 squared hops and its slope no longer falls by more than its error. It need
not go far beyond: the lags of a run share their steps, and to a Brownian walker the octave above the onset m is worth
as much as all lags from m on (within 1 % of the error for any window from 1.5 m to 8 m, by `brownian.msd_covariance`).
"""

from collections.abc import Sequence

import numpy as np

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.transport.msd import MeanSquareDisplacement
from dopantfit.transport.resolved import lag_grid, octave, stride_of
from dopantfit.transport.scatter import scatter_of
from dopantfit.transport.slope import fit_slope

#: The window of the published study, and of most others (He, Zhu & Mo, npj Comput. Mater. 4, 18 (2018)).
PUBLISHED = (0.10, 0.70)
#: Longest lag that anything is read from, as a part of the run.
LONGEST = PUBLISHED[1]
#: Fewest lags in a window that make a fit.
FEWEST_LAGS = 10
#: Lags taken out of a long window, evenly on a log scale; more add nothing, so strongly are they correlated.
_FITTED_LAGS = 24
#: Hops (squared lengths of them) that an MSD has passed at the onset: an ion that has not moved on shows no diffusion.
_HOPS = 1.4
#: Largest ratio of two neighbouring octaves of a decay; slower ones are none that a run shows. Rounds to find it.
_SLOWEST, _ROUNDS = 0.6, 6


def window_lags(n_frames: int, window: tuple[float, float]) -> tuple[int, ...]:
    """Lags of a fit over a part of the run: up to 24 of those in the window, evenly on a log scale.

    Raises ConvergenceError when the window holds fewer than 10 lags.
    """
    first, last = max(1, int(np.ceil(window[0] * n_frames))), int(window[1] * n_frames)
    if last - first + 1 < FEWEST_LAGS:
        raise ConvergenceError(
            f"diffusion: {n_frames} frames leave {max(0, last - first + 1)} lags between {window[0]:.0%} and "
            f"{window[1]:.0%} of the run, at least {FEWEST_LAGS} are needed; write frames more often or run longer"
        )
    return tuple(int(lag) for lag in np.unique(np.round(np.geomspace(first, last, _FITTED_LAGS)).astype(int)))


def parse_window(text: str) -> tuple[float, float] | None:
    """Read ``onset`` (None: from the data), ``published``, or two parts of the run such as ``0.05:0.5``.

    Raises ConfigError for anything else.
    """
    if text == "onset":
        return None
    if text == "published":
        return PUBLISHED
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        raise ConfigError(
            f"--window {text}: is neither onset (found from the data) nor published (0.10:0.70) nor two parts of the "
            "run, such as 0.05:0.5"
        ) from None
    return first, last


def octave_lags(n_frames: int, onset: float) -> tuple[int, ...]:
    """Lags of a fit from the onset [frames] over one octave, within the run."""
    grid = np.array(lag_grid(0.5 * LONGEST * n_frames))
    return octave(int(grid[np.abs(np.log(grid / onset)).argmin()]))


def find_onset(runs: Sequence[MeanSquareDisplacement], hop_length: float) -> float | None:
    """Lag [ps] from which on the MSD of runs of one system is diffusive; None where ions have not gone a hop.

    It has passed 1.4 squared hops there (or half of what the run shows, if that is less), and the slope of the octave
    above is within a standard error of its limit, by how it has fallen before. To ask for less would move the onset of
    one straight line in five, to where its slope happens to be low. A falling slope moves the onset to a tenth of the
    run at most, where the published window begins.
    """
    mean = _mean(runs)
    end = int(LONGEST * mean.n_frames)
    reached = float(mean.total[end])
    if reached < hop_length**2:
        return None
    grid = lag_grid(0.5 * end)
    target = min(_HOPS * hop_length**2, 0.5 * reached)
    passed = [lag for lag in grid if mean.total[lag] >= target] or [grid[-1]]
    scatter = scatter_of(runs, passed[0] * mean.interval)
    scale = 1.0 if scatter is None else scatter.scale
    late = [
        lag for lag in passed if lag > PUBLISHED[0] * mean.n_frames or _excess(mean, lag) < scale * _error(mean, lag)
    ]
    return (late or [grid[-1]])[0] * mean.interval


def _excess(run: MeanSquareDisplacement, lag: int) -> float:
    """By how much the slope of the octave above a lag exceeds its limit, as an MSD per frame [Å²].

    The excess is taken to decay exponentially, as it does after hops that may go back. With x its decay over a quarter
    of the lag, its means over three octaves, up to the lag's half, the lag and twice it, are as 4 (x - x²), 2 (x² - x⁴)
    and x⁴ - x⁸; the differences of the slopes give x and the last of them.
    """
    points = np.interp(lag * np.array([0.25, 0.5, 1.0, 2.0]), np.arange(run.n_frames), run.total)
    early, middle, last = np.diff(points) / (lag * np.array([0.25, 0.5, 1.0]))
    excess = 0.0
    for _ in range(_ROUNDS):
        above, here = early - last + excess, middle - last + excess
        if min(above, here) <= 0.0:
            return 0.0
        x = 0.5 * (np.sqrt(1.0 + 8.0 * min(here / above, _SLOWEST)) - 1.0)
        excess = here * 0.5 * x**2 * (1.0 + x**2)
    return float(excess)


def _error(run: MeanSquareDisplacement, lag: int) -> float:
    """Standard error of the slope of the octave above a lag of as many Brownian walkers, as an MSD per frame [Å²]."""
    error = fit_slope(run, octave(lag), stride_of(lag)).error
    return 6.0 * run.interval * error / float(np.sqrt(3.0 * run.n_series))


def _mean(runs: Sequence[MeanSquareDisplacement]) -> MeanSquareDisplacement:
    """Mean MSD over the lags of the shortest run, at its interval, as that of one run with all walkers."""
    shortest = min(runs, key=lambda run: run.n_frames * run.interval)
    times = shortest.times
    weights = np.array([run.n_series * run.n_frames * run.interval for run in runs])
    resampled = [
        np.array([np.interp(times, run.times, run.directional[:, axis]) for axis in range(3)]).T for run in runs
    ]
    walkers = max(1, round(float(weights.sum()) / (shortest.n_frames * shortest.interval)))
    mean = np.average(resampled, axis=0, weights=weights)
    return MeanSquareDisplacement(shortest.species, walkers, shortest.interval, mean)
