"""The onset of diffusion is found where it is; errors from it cover: hops that go back, ions that are not alike."""

import numpy as np
import pytest

from dopantfit.statistics import standard_errors
from dopantfit.transport import MeanSquareDisplacement, tracer_diffusion
from dopantfit.transport.msd import msd_of_series
from dopantfit.transport.scatter import scatter_of
from dopantfit.transport.window import LONGEST, find_onset

from .conftest import random_walk

N_FRAMES, N_IONS, N_RUNS = 250, 12, 120
HOP, RATE, BACK = 3.5, 0.15, 0.52  # Å, per ps and ion, probability that a hop is undone by the next
INTERVAL = 1.0


def line(slope, n_frames=1000, n_ions=30, excess=0.0, time=1.0):
    """MSD [Å²] of an exact line, and of what decays on top of it within `time` [ps]."""
    times = np.arange(n_frames) * INTERVAL
    total = slope * times + excess * (1.0 - np.exp(-times / time))
    return MeanSquareDisplacement("Li", n_ions, INTERVAL, total[:, None] * np.ones(3) / 3.0)


def back_hoppers(seed, n_frames, n_walkers, axes=3):
    """Walkers that hop along some axes, and undo their last hop more often than not; rattle 0.3 Å."""
    rng = np.random.default_rng(seed)
    ways = np.concatenate([np.eye(3)[:axes], -np.eye(3)[:axes]])
    last, steps = rng.integers(0, 2 * axes, n_walkers), np.zeros((n_frames, n_walkers, 3))
    for step in steps:
        hops, undone = rng.random((2, n_walkers)) < [[RATE * INTERVAL], [BACK]]
        back = (last + axes) % (2 * axes)
        onwards = (back + rng.integers(1, 2 * axes, n_walkers)) % (2 * axes)
        last = np.where(hops, np.where(undone, back, onwards), last)
        step[hops] = HOP * ways[last[hops]]
    return np.cumsum(steps, axis=0) + rng.normal(0.0, 0.3, steps.shape)


def true_diffusion(axes=3):
    """D* [Å²/ps]: free hops times (1 + c)/(1 - c), c the mean cosine of neighbouring hops (Manning's series)."""
    cosine = -BACK + (1.0 - BACK) / (2 * axes - 1)
    return RATE * HOP**2 / 6.0 * (1.0 + cosine) / (1.0 - cosine)


def results(walkers):
    """Diffusion of runs of `N_IONS` walkers each."""
    runs = np.split(walkers.reshape(N_FRAMES, -1, 3), N_RUNS, axis=1)
    return [tracer_diffusion(msd_of_series("Li", run, INTERVAL)).coefficient for run in runs]


def held(found, truth):
    """Part of the intervals that hold the truth."""
    return np.mean([one.low <= truth <= one.high for one in found])


def test_the_onset_of_a_straight_line_is_where_it_has_passed_seven_fifths_of_a_squared_hop():
    # 7/5 × 3.5² = 17.2 Å² at 0.6 Å²/ps: 28.6 ps, and 32 is the next lag of the grid.
    assert find_onset([line(0.6)], HOP) == 32.0
    assert find_onset([line(0.6), line(0.6, n_frames=2000)], HOP) == 32.0


def test_a_slope_that_falls_by_more_than_its_error_moves_the_onset_beyond_its_decay():
    slow = {"excess": 20.0, "time": 15.0}
    rough, exact = (find_onset([line(0.6, n_ions=n, **slow)], HOP) for n in (1, 3_000_000))
    # 7/5 of a squared hop are passed at 12 ps. One ion shows less of a fall than very many do, for whom the mean slope
    # of an octave must be the limit within 1e-4 of it.
    assert 12.0 <= rough < exact <= 112.0
    assert 20.0 / exact * (np.exp(-exact / 15.0) - np.exp(-2.0 * exact / 15.0)) < 0.01 * 0.6


def test_the_onset_is_no_later_than_the_first_lag_past_a_tenth_of_the_run():
    bent = line(0.6, n_frames=2000, n_ions=3_000_000, excess=300.0, time=500.0)
    # Grid: 192, 224; a tenth is 200.
    assert find_onset([bent], HOP) == 224.0


def test_there_is_no_onset_where_ions_have_not_gone_a_hop():
    end = int(LONGEST * 1000)
    assert find_onset([line(0.99 * HOP**2 / end)], HOP) is None
    assert find_onset([line(1.01 * HOP**2 / end)], HOP) is not None


@pytest.mark.parametrize("axes", [3, 2])
def test_hops_that_go_back_leave_no_bias_and_a_true_error(axes):
    truth = true_diffusion(axes)
    found = results(back_hoppers([3, axes], N_FRAMES, N_IONS * N_RUNS, axes))
    values, errors = np.array([(one.value, one.error) for one in found]).T
    scatter = values.std() / truth
    # Three errors of the mean of the runs; free hops would be more than twice as fast.
    assert values.mean() / truth == pytest.approx(1.0, abs=3.0 * scatter / np.sqrt(N_RUNS))
    # The scatter of 120 runs is known to 6.5 %; windows chosen from the data scatter by a tenth more than is stated.
    assert 0.7 <= np.sqrt(np.square(errors).mean()) / values.std() <= 1.2
    # 93 % (what many more runs give) less twice the binomial error of 2.3 %.
    assert held(found, truth) >= 0.88


def test_intervals_cover_where_half_of_the_ions_stay_on_their_sites():
    runs = back_hoppers(5, N_FRAMES, N_IONS * N_RUNS)
    runs[:, ::2] = np.random.default_rng(6).normal(0.0, 0.3, runs[:, ::2].shape)
    # 95 % less twice the binomial error of 2 %; so short runs are given more than they need.
    assert held(results(runs), 0.5 * true_diffusion()) >= 0.91


@pytest.mark.parametrize("rattle", [0.0, 2.0])
def test_brownian_walkers_scatter_as_brownian_walkers_at_every_lag(rattle):
    rng = np.random.default_rng([12, int(rattle)])
    lags = (1, 3, 4, 7, 10, 14, 20, 24)
    runs = [msd_of_series("Li", random_walk(rng, 200, 32, 1.0, rattle), INTERVAL) for _ in range(50)]
    apart, together = np.array([[scatter_of([run], lag)[:2] for lag in lags] for run in runs]).transpose(2, 0, 1)
    # A percent beyond three errors of the mean: the square of a fitted slope is larger than that of the true one.
    assert (np.abs(apart.mean(axis=0) - 1.0) <= 0.01 + 3.0 * standard_errors(apart)).all()
    assert (np.abs(together.mean(axis=0) - 1.0) <= 0.01 + 3.0 * standard_errors(together)).all()


def test_a_run_too_short_for_batches_tells_no_scatter():
    short = np.cumsum(np.random.default_rng(9).normal(size=(12, 16, 3)), axis=0)
    assert scatter_of([msd_of_series("Li", short, INTERVAL)], 2.0) is None
