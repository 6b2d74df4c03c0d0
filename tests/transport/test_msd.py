"""The mean square displacement is what its definition says."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.transport import Trajectory, collective_displacement, mean_square_displacement
from dopantfit.transport.msd import msd_sum
from dopantfit.transport.resolved import batches_of

from .conftest import random_walk, walkers


def direct(series):
    """Return the double sum over lags and origins, ions averaged, by direction."""
    n = len(series)
    result = np.zeros((n, 3))
    for lag in range(1, n):
        result[lag] = np.square(series[lag:] - series[:-lag]).mean(axis=(0, 1))
    return result


@pytest.mark.parametrize(("n_frames", "offset"), [(2, 0.0), (3, 0.0), (100, 0.0), (257, 1e3)])
def test_fft_equals_the_direct_double_sum(n_frames, offset, rng):
    # Offsets and unequal directions: what a cancellation would betray.
    series = random_walk(rng, n_frames, 6) * np.array([1.0, 0.01, 3.0]) + offset
    trajectory = walkers(series, edge=1e6)
    expected = direct(series)
    # 1e-10 relative to the value, and for the smallest directions to rounding of positions of 1e3 Å.
    np.testing.assert_allclose(mean_square_displacement(trajectory, "Li").directional, expected, rtol=1e-10, atol=1e-12)


def test_every_batch_of_ions_is_counted_once(rng, monkeypatch):
    series = random_walk(rng, 50, 11)
    monkeypatch.setattr("dopantfit.transport.msd._BATCH", 3 * 50 * 4)
    monkeypatch.setattr("dopantfit.transport.msd._GROUP", 3 * 100 * 2)
    trajectory = walkers(series)
    np.testing.assert_allclose(mean_square_displacement(trajectory, "Li").directional, direct(series), rtol=1e-10)


def test_batches_and_groups_add_up_to_the_rise_of_the_msd(rng):
    series = random_walk(rng, 240, 11)
    found = mean_square_displacement(walkers(series), "Li")
    lags = list(found.resolved.lags)
    together = found.resolved.rises.sum(axis=(1, 2)) / [[batches_of(240, lag)[0]] for lag in lags]
    # The first lag has origins that the second has not, and the end of the run is in no batch.
    np.testing.assert_allclose(together, np.diff(found.directional[np.outer(lags, [1, 2])], axis=1)[:, 0], rtol=0.1)
    # Lag 12 is counted in twos, ten times twice it are the run; walkers 2 and 10 are the third group.
    row, origins = lags.index(12), np.arange(10, 20) * 2
    assert batches_of(240, 12) == (10, 10)
    rise = np.square(series[origins + 24] - series[origins]) - np.square(series[origins + 12] - series[origins])
    expected = rise[:, [2, 10]].sum(axis=1).mean(axis=0) / 11
    np.testing.assert_allclose(found.resolved.rises[row, 2, 1], expected, rtol=1e-10)
    assert not found.resolved.rises[row, :, 10:].any()


def test_ballistic_motion_goes_with_the_square_of_time():
    velocity = np.array([1.0, -2.0, 0.5])
    times = np.arange(40) * 0.1
    trajectory = walkers(times[:, None, None] * np.array([velocity, -velocity]), interval=0.1)
    msd = mean_square_displacement(trajectory, "Li")
    np.testing.assert_allclose(msd.times, times, rtol=1e-15)
    np.testing.assert_allclose(msd.directional, (times[:, None] * velocity) ** 2, rtol=1e-10, atol=1e-12)


def test_drift_of_the_framework_is_no_diffusion(rng):
    series = random_walk(rng, 60, 5)
    drift = np.cumsum(rng.normal(0, 2.0, (60, 1, 3)), axis=0)
    trajectory = walkers(series)
    drifting = Trajectory.from_arrays(trajectory.positions + drift, trajectory.species, np.eye(3) * 1e4, 1.0)
    for species in ("Li", "Ti"):
        one, other = (mean_square_displacement(t, species, mobile=["Li"]) for t in (trajectory, drifting))
        np.testing.assert_allclose(one.directional, other.directional, rtol=1e-9, atol=1e-9)


def test_framework_is_what_is_not_mobile(rng):
    # Mg moves too: were it framework, Li would seem to move the other way.
    moving = random_walk(rng, 40, 2)
    positions = np.concatenate([np.zeros((40, 1, 3)), moving, np.zeros((40, 3, 3))], axis=1)
    labels = ["Li", "Mg", "Mg", "Ti", "Ti", "Ti"]
    trajectory = Trajectory.from_arrays(positions, labels, np.eye(3) * 1e4, 1.0)
    assert mean_square_displacement(trajectory, "Li", mobile=["Li", "Mg"]).total.max() < 1e-20
    assert mean_square_displacement(trajectory, "Li").total.max() > 0.1


def test_collective_displacement_adds_charges_before_squaring(rng):
    series = random_walk(rng, 80, 3)
    labels = ["Li", "Mg", "Mg", "Ti"]
    positions = np.concatenate([series, np.zeros((80, 1, 3))], axis=1)
    trajectory = Trajectory.from_arrays(positions, labels, np.eye(3) * 1e4, 1.0)
    moment = series[:, 0] + 2.0 * series[:, 1] + 2.0 * series[:, 2]
    found = collective_displacement(trajectory, {"Li": 1.0, "Mg": 2.0})
    np.testing.assert_allclose(found.directional, direct(moment[:, None]), rtol=1e-10)
    assert found.n_series == 1
    with pytest.raises(ConfigError, match="no charges"):
        collective_displacement(trajectory, {})


def test_lag_zero_is_zero_and_nothing_is_negative(rng):
    found = msd_sum(np.full((50, 2, 3), 1e5) + 1e-9 * rng.random((50, 2, 3)))
    assert (found[0] == 0.0).all()
    assert (found >= 0.0).all()
