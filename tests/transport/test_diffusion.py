"""A stated error is one: intervals cover the truth as often as they say."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.transport import (
    MeanSquareDisplacement,
    collective_displacement,
    mean_square_displacement,
    tracer_diffusion,
)
from dopantfit.transport.brownian import msd_covariance
from dopantfit.transport.diffusion import collective_diffusion
from dopantfit.transport.msd import msd_of_series
from dopantfit.transport.window import window_lags

from .conftest import random_walk, walkers


def msd_of(positions, interval=1.0):
    """MSD without a trajectory around it."""
    return msd_of_series("Li", positions, interval)


def coverage(make, truth, trials=400):
    """Return the parts of trials whose 1σ and whose 95 % interval hold the truth."""
    found = [make(np.random.default_rng([714, trial])).coefficient for trial in range(trials)]
    sigma = sum(abs(one.value - truth) <= one.error for one in found)
    interval = sum(one.low <= truth <= one.high for one in found)
    return sigma / trials, interval / trials


def test_intervals_of_400_random_walks_cover_the_true_coefficient():
    # Variance 1 Å² per direction and ps: D = 1/2 Å²/ps.
    one_sigma, interval = coverage(lambda rng: tracer_diffusion(msd_of(random_walk(rng, 400, 20))), 0.5)
    # The binomial error of 400 trials is 1.1 % at 95 % and 2.3 % at 68 %; blocks disagree by chance in one of 20.
    assert 0.92 <= interval <= 0.98
    assert 0.63 <= one_sigma <= 0.75


def test_intervals_cover_where_ions_rattle_and_move_along_two_axes_only():
    def make(rng):
        walk = random_walk(rng, 400, 20) * np.array([1.0, 1.0, 0.0])
        return tracer_diffusion(msd_of(walk + rng.normal(0.0, 2.0, walk.shape)))

    one_sigma, interval = coverage(make, 1.0 / 3.0, trials=200)
    # Binomial error 1.5 % and 3.3 % at 200 trials.
    assert 0.91 <= interval <= 0.99
    assert 0.62 <= one_sigma <= 0.78


def test_intervals_of_replicas_cover_and_are_narrower():
    def make(rng):
        return tracer_diffusion([msd_of(random_walk(rng, 200, 20)) for _ in range(3)])

    one_sigma, interval = coverage(make, 0.5, trials=200)
    # The larger of two scale factors is above 1 half of the time: a little wide, never narrow.
    assert 0.92 <= interval <= 1.0
    assert one_sigma >= 0.62
    rng = np.random.default_rng(3)
    runs = [msd_of(random_walk(rng, 400, 20)) for _ in range(16)]
    single, many = tracer_diffusion(runs[0]).coefficient, tracer_diffusion(runs).coefficient
    # Sixteen runs: a quarter of the error, scale factors between 1 and 1.6.
    assert 0.15 < many.error / single.error < 0.42


def test_covariance_is_that_of_the_walks_it_describes():
    n, lags, step, rattle = 60, (6, 11, 25, 42), 1.3, 4.0
    rng = np.random.default_rng(8)
    walk = random_walk(rng, n, 40_000, step, rattle)[:, :, 0]
    msd = np.array([np.square(walk[lag:] - walk[:-lag]).mean(axis=0) for lag in lags])
    np.testing.assert_allclose(msd.mean(axis=1), rattle + step * np.array(lags), rtol=0.02)
    expected = msd_covariance(lags, tuple(n - lag for lag in lags), step, rattle)
    # Sampling error of a covariance of skewed variables from 4e4 walks is about 2 %.
    np.testing.assert_allclose(np.cov(msd), expected, rtol=0.08)


def test_covariance_equals_the_fourfold_sum():
    n, step, rattle = 9, 0.7, 0.4
    # Covariance of positions: of a walk, and of a deviation of its own at every frame.
    time = np.arange(n)
    positions = step * np.minimum.outer(time, time) + 0.5 * rattle * np.eye(n)
    for a, b in ((1, 1), (1, 3), (2, 5), (4, 4), (3, 8)):
        # All origins of each lag, and those that both have.
        for origins in ((n - a, n - b), (n - b, n - b)):
            first = np.array([np.eye(n)[i + a] - np.eye(n)[i] for i in range(origins[0])])
            second = np.array([np.eye(n)[i + b] - np.eye(n)[i] for i in range(origins[1])])
            expected = 2.0 * np.square(first @ positions @ second.T).mean()
            assert msd_covariance((a, b), origins, step, rattle)[0, 1] == pytest.approx(expected, rel=1e-12)


def test_value_and_rattle_of_an_exact_line():
    times = np.arange(500) * 0.2
    directional = 0.4 + 2.0 * np.array([1.0, 2.0, 3.0]) * times[:, None]
    found = tracer_diffusion(MeanSquareDisplacement("Li", 10, 0.2, directional))
    assert found.coefficient.value == pytest.approx(2.0, rel=1e-9)
    np.testing.assert_allclose(found.directional, [1.0, 2.0, 3.0], rtol=1e-9)
    assert found.rattle == pytest.approx(0.4, rel=1e-6)
    assert found.cm2_per_s.value == pytest.approx(2.0e-4, rel=1e-9)
    assert found.scatter is None


def test_error_goes_with_the_root_of_the_number_of_ions(rng):
    directional = np.arange(500.0)[:, None] * np.ones(3)
    few, many = (
        tracer_diffusion(MeanSquareDisplacement("Li", n, 1.0, directional)).coefficient.error for n in (10, 1000)
    )
    assert few / many == pytest.approx(10.0, rel=1e-9)


def test_runs_that_disagree_widen_the_error(rng):
    alike = [msd_of(random_walk(rng, 300, 50)) for _ in range(4)]
    unlike = [msd_of(random_walk(rng, 300, 50, variance)) for variance in (1.0, 1.0, 3.0, 3.0)]
    one, other = tracer_diffusion(alike), tracer_diffusion(unlike)
    assert other.replica_scatter > 3.0
    relative = [found.coefficient.error / found.coefficient.value for found in (one, other)]
    assert relative[1] > 3.0 * relative[0]
    # The error of the mean of 0.5, 0.5, 1.5, 1.5 by their spread: 0.577/√4 = 0.29.
    assert 0.2 < other.coefficient.error < 0.4


def test_blocks_that_disagree_widen_the_error(rng):
    variance = np.repeat([1.0, 9.0], 400)[:, None, None]
    found = tracer_diffusion(msd_of(np.cumsum(rng.normal(size=(800, 30, 3)) * np.sqrt(variance), axis=0)))
    assert found.scatter.scale > 2.0
    # Half of the run at D = 0.5 and half at 4.5: anything between is inside what is stated.
    assert found.coefficient.error > 0.5


def hoppers(rng, n_frames, n_ions, probability, hop=3.5):
    """Walkers that hop along one axis to and fro, at random and rarely, and rattle."""
    hops = rng.random((n_frames, n_ions)) < probability
    axis = rng.integers(0, 3, hops.shape)
    steps = (hops * rng.choice([-hop, hop], hops.shape))[:, :, None] * np.eye(3)[axis]
    return np.cumsum(steps, axis=0) + rng.normal(0.0, 0.2, steps.shape)


@pytest.mark.parametrize("hops_per_run", [0.5, 2.0, 8.0])
def test_where_ions_have_not_gone_a_hop_the_result_is_a_bound_that_holds(hops_per_run):
    n_frames, n_ions, trials = 400, 12, 200
    probability = hops_per_run / (n_frames * n_ions)
    truth = probability * 3.5**2 / 6.0
    held = 0
    for trial in range(trials):
        found = tracer_diffusion(msd_of(hoppers(np.random.default_rng([5, trial]), n_frames, n_ions, probability)))
        # Eight hops among twelve ions stay below one hop length squared but for an ion that goes the same way often.
        assert found.coefficient.is_upper_bound or found.reached > 3.5**2
        held += truth <= found.coefficient.high
    # At least 95 %, less twice the binomial error of 200 trials.
    assert held / trials >= 0.92


def test_ions_at_rest_have_a_bound_and_no_number(rng):
    found = tracer_diffusion(msd_of(rng.normal(0.0, 0.1, (200, 10, 3))))
    assert found.coefficient.value is None
    assert found.coefficient.error is None
    assert str(found.coefficient).startswith("< ")
    # No more than three hops (Poisson, 95 %) and the little that rattling adds, in 10 ions × 199 ps.
    assert 3.0 <= found.coefficient.high * 6.0 * 1990.0 / 3.5**2 <= 3.3


def test_motionless_ions_are_no_crash():
    found = tracer_diffusion(msd_of(np.zeros((200, 10, 3))))
    assert found.coefficient.high == pytest.approx(-np.log(0.05) * 3.5**2 / (6.0 * 1990.0), rel=1e-6)


def test_scale_of_length_and_time_do_not_matter(rng):
    walk = random_walk(rng, 300, 10)
    base = tracer_diffusion(msd_of(walk), hop_length=1e-9).coefficient
    scaled = tracer_diffusion(msd_of(1e3 * walk, interval=1e-2), hop_length=1e-9).coefficient
    for name in ("value", "error", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(1e8 * getattr(base, name), rel=1e-7)


def test_a_collective_displacement_has_no_hop_length(rng):
    walk = 1e-3 * random_walk(rng, 300, 1)
    assert tracer_diffusion(msd_of(walk)).coefficient.is_upper_bound
    found = collective_diffusion(msd_of(walk)).coefficient
    assert not found.is_upper_bound
    assert found.low < 0.5e-6 < found.high
    # One walker: 95 % intervals of a factor of several, as lopsided as a χ² of few degrees of freedom.
    assert found.high - found.value > found.value - found.low


def test_too_few_lags_are_refused():
    with pytest.raises(ConvergenceError, match="15 frames leave 9 lags"):
        window_lags(15, (0.10, 0.70))
    assert len(window_lags(400, (0.10, 0.70))) == 24
    assert window_lags(400, (0.10, 0.70))[0] == 40
    assert window_lags(400, (0.10, 0.70))[-1] == 280


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"window": (0.7, 0.1)}, "two rising parts"),
        ({"window": (0.1, 1.0)}, "two rising parts"),
        ({"hop_length": 0.0}, "must be positive"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments, word, rng):
    with pytest.raises(ConfigError, match=word):
        tracer_diffusion(msd_of(random_walk(rng, 100, 2)), **arguments)


def test_replicas_of_different_species_are_refused(rng):
    trajectory = walkers(random_walk(rng, 100, 2))
    runs = [mean_square_displacement(trajectory, name, mobile=["Li"]) for name in ("Li", "Ti")]
    with pytest.raises(ConfigError, match="different species, Li, Ti"):
        tracer_diffusion(runs)
    with pytest.raises(ConfigError, match="no mean square displacement"):
        tracer_diffusion([])


def test_ions_that_jump_at_random_about_their_sites_give_bounds_and_no_numbers(rng):
    # No memory from frame to frame: nothing diffuses, however large the MSD is. Slopes may come out positive.
    for _ in range(20):
        trajectory = walkers(rng.random((60, 3, 3)) * 20.0, edge=1e3)
        tracer = tracer_diffusion(mean_square_displacement(trajectory, "Li")).coefficient
        collective = collective_diffusion(collective_displacement(trajectory, {"Li": 1.0})).coefficient
        for one in (tracer, collective):
            assert 0.0 < one.high < np.inf
            assert one.value is None or one.error <= one.value
