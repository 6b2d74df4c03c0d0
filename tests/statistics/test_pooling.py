"""Means of values and of estimates, with the larger of the errors they state and show."""

import numpy as np
import pytest

from dopantfit.statistics import Estimate, mean_of, pooled, standard_error, standard_errors


def test_the_standard_error_is_the_spread_over_the_root_of_the_number():
    assert standard_error([1.0, 2.0, 3.0, 4.0]) == pytest.approx((5 / 3) ** 0.5 / 2)
    np.testing.assert_allclose(standard_errors([[0.0, 1.0], [2.0, 1.0]]), [1.0, 0.0])


def test_a_mean_takes_the_larger_of_own_errors_and_spread():
    assert mean_of([], []) is None
    assert mean_of([1.0, 1.0], [0.2, 0.2]).error == pytest.approx(0.2 / np.sqrt(2))
    assert mean_of([0.0, 2.0], [0.2, 0.2]).error == pytest.approx(1.0)
    assert mean_of([3.0], [0.2]).error == pytest.approx(0.2)


def number(value, relative):
    return Estimate.symmetric(value, relative * value)


def test_pooling_is_students_interval_of_the_logarithms():
    found = pooled([number(1.0, 0.01), number(2.0, 0.01)])
    assert found.value == pytest.approx(np.sqrt(2.0), rel=1e-3)
    # Two values: a spread of ln 2 / 2 about their mean, and Student's quantile of one degree of freedom, 12.7.
    assert np.log(found.high / found.value) == pytest.approx(12.706 * 0.5 * np.log(2.0), rel=1e-3)
    assert found.low * found.high == pytest.approx(found.value**2)
    four = pooled([number(value, 0.01) for value in (1.0, 1.1, 0.9, 1.0)])
    spread = np.log([1.0, 1.1, 0.9, 1.0]).std(ddof=1) / 2
    assert four.error == pytest.approx(spread, rel=0.02)
    assert np.log(four.high / four.value) == pytest.approx(3.182 * spread, rel=0.01)


def test_pooling_weighs_a_poor_run_less():
    found = pooled([number(1.0, 0.01), number(1.02, 0.01), number(0.98, 0.01), number(3.0, 1.0)])
    assert found.value == pytest.approx(1.0, abs=0.02)


def test_a_bound_among_numbers_leaves_a_number():
    numbers = [number(1.0, 0.1), number(1.1, 0.1), number(0.9, 0.1)]
    alone = pooled(numbers)
    with_high, with_low = (pooled([*numbers, Estimate.upper_bound(limit)]) for limit in (20.0, 0.8))
    # A bound far above says nothing; one below the numbers pulls their mean down and widens it.
    assert with_high.value == pytest.approx(alone.value, rel=0.01)
    assert with_low.value < alone.value
    assert with_low.low < alone.low


def test_less_than_two_numbers_show_no_spread_and_give_a_bound():
    one = number(1.0, 0.1)
    assert pooled([]) is None
    assert pooled([one]) == one
    assert pooled([one, Estimate.upper_bound(0.5)]) == Estimate.upper_bound(0.5 * (one.high + 0.5))
    absent = Estimate.symmetric(0.0, 0.0)
    assert pooled([absent, absent]) == absent


def coverage(count, between, own, cut, trials, rng):
    """Part of the trials whose interval holds the true mean 1, and of those that give a bound, whose bound does.

    between, own: standard deviations of logarithms. Below `cut` (of the logarithm) a run gives a bound.
    """
    inside = 0
    for _ in range(trials):
        found = rng.normal(0.0, np.hypot(between, own), count)
        estimates = [
            Estimate.upper_bound(np.exp(max(cut, one + 1.645 * own))) if one < cut else number(np.exp(one), own)
            for one in found - 0.5 * own**2
        ]
        mean = pooled(estimates)
        inside += mean.low <= 1.0 <= mean.high
    return inside / trials


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("between", [0.0, 0.1, 0.4])
def test_pooled_intervals_cover_the_mean_of_structures(count, between):
    rng = np.random.default_rng([count, int(10 * between)])
    # Binomial standard deviation of 1000 trials 0.7 %: 93 to 97 % is three of them.
    assert 0.93 <= coverage(count, between, 0.1, -np.inf, 1000, rng) <= 0.97


@pytest.mark.parametrize(("count", "between"), [(2, 0.1), (4, 0.1), (8, 0.1), (4, 0.4), (8, 0.4)])
def test_pooled_intervals_cover_where_a_sixth_of_the_structures_give_bounds(count, between):
    rng = np.random.default_rng([count, int(10 * between), 1])
    cut = -float(np.hypot(between, 0.1))
    # Binomial standard deviation of 400 trials 1.1 %, two of them beyond 93 to 97 %.
    assert 0.91 <= coverage(count, between, 0.1, cut, 400, rng) <= 0.99
