"""Counted events have Garwood's interval, shares Wilson's."""

import numpy as np
import pytest
from scipy.special import pdtr

from dopantfit.statistics import poisson_interval, poisson_limit, wilson_interval


@pytest.mark.parametrize("count", [1, 4, 30])
def test_at_the_ends_of_the_interval_counts_so_large_or_small_have_a_probability_of_one_in_forty(count):
    low, high = poisson_interval(count)
    assert 1.0 - pdtr(count - 1, low) == pytest.approx(0.025, rel=1e-6)
    assert pdtr(count, high) == pytest.approx(0.025, rel=1e-6)


def test_no_event_at_all_bounds_the_expectation_by_three():
    assert poisson_limit(0) == pytest.approx(-np.log(0.05))
    assert pdtr(5, poisson_limit(5)) == pytest.approx(0.05)


def test_wilson_covers_a_rare_share():
    rng = np.random.default_rng(9)
    ends = [wilson_interval(count / 60, 60) for count in rng.binomial(60, 0.08, 2000)]
    # Wilson's coverage moves by a few per cent with the share, for counts are whole.
    assert 0.92 <= np.mean([low <= 0.08 <= high for low, high in ends]) <= 0.98
    assert wilson_interval(0.0, 10)[0] == 0.0
    assert wilson_interval(1.0, 10)[1] == pytest.approx(1.0)
