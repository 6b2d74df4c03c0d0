"""Means of values and of estimates, with the larger of the errors they state and show."""

import numpy as np
import pytest

from dopantfit.statistics import Estimate, mean_of, pooled, standard_error, standard_errors, weighted_sum


def test_the_standard_error_is_the_spread_over_the_root_of_the_number():
    assert standard_error([1.0, 2.0, 3.0, 4.0]) == pytest.approx((5 / 3) ** 0.5 / 2)
    np.testing.assert_allclose(standard_errors([[0.0, 1.0], [2.0, 1.0]]), [1.0, 0.0])


def test_a_mean_takes_the_larger_of_own_errors_and_spread():
    assert mean_of([], []) is None
    assert mean_of([1.0, 1.0], [0.2, 0.2]).error == pytest.approx(0.2 / np.sqrt(2))
    assert mean_of([0.0, 2.0], [0.2, 0.2]).error == pytest.approx(1.0)
    assert mean_of([3.0], [0.2]).error == pytest.approx(0.2)


def test_a_weighted_sum_adds_errors_in_quadrature():
    found = weighted_sum([1.0, 2.0], [0.3, 0.4], [1.0, 1.0])
    assert (found.value, found.error) == pytest.approx((3.0, 0.5))


def test_pooling_takes_the_larger_of_spread_and_own_error():
    agreeing = pooled([Estimate.symmetric(1.0, 0.1), Estimate.symmetric(1.0, 0.1)])
    assert agreeing.error == pytest.approx(0.1 / np.sqrt(2))
    scattered = pooled([Estimate.symmetric(1.0, 0.01), Estimate.symmetric(2.0, 0.01)])
    assert scattered.error == pytest.approx(0.5)
    # Two values: Student's quantile of one degree of freedom is 12.7, so that nothing is claimed.
    assert scattered.low == 0.0 and scattered.high == pytest.approx(1.5 + 12.706 * 0.5, rel=1e-4)


def test_pooling_keeps_bounds_bounds():
    one = Estimate.symmetric(1.0, 0.1)
    assert pooled([]) is None
    assert pooled([one]) == one
    assert pooled([one, Estimate.upper_bound(0.5)]).is_upper_bound
