"""Two conditions say more of one ratio than one does, and no more than the spread between pairs allows."""

import numpy as np
import pytest

from dopantfit.statistics import Estimate, log_ratio, twofold_ratio


def estimates(logarithms, error):
    """Positive numbers with these logarithms and relative error."""
    return [Estimate.symmetric(value, error * value) for value in np.exp(logarithms)]


def sides(logarithms, error):
    """Pairs whose ratios have these logarithms; the error is shared between the two."""
    return estimates(logarithms, error / np.sqrt(2.0)), estimates(np.zeros(len(logarithms)), error / np.sqrt(2.0))


def test_of_equal_errors_both_is_the_mean_of_the_two_logarithms():
    found = twofold_ratio(sides([0.1, 0.3, 0.2], 0.1), sides([0.2, 0.2, 0.2], 0.1))
    assert found.both.mean == pytest.approx(0.2) and found.difference.mean == pytest.approx(0.0)
    assert found.agree
    # Two independent errors, averaged.
    assert found.both.within == pytest.approx(0.5 * found.first.within)


@pytest.mark.parametrize(("error", "weight"), [(0.001, 0.5), (0.2, 0.2)])
def test_the_second_condition_counts_by_its_error_and_never_more_than_the_first(error, weight):
    found = twofold_ratio(sides([0.0, 0.0], 0.1), sides([1.0, 1.0], error))
    # A logarithm is corrected by half its variance, in both sides alike.
    assert found.both.mean == pytest.approx(weight, rel=1e-9)


def test_another_mechanism_is_seen_where_it_is_beyond_the_errors():
    noise = np.array([0.02, -0.03, 0.01, 0.0])
    assert twofold_ratio(sides(noise, 0.03), sides(-noise, 0.03)).agree
    assert not twofold_ratio(sides(noise, 0.03), sides(0.3 - noise, 0.03)).agree


def test_a_bound_or_a_pair_that_lacks_joins_nothing():
    pair = sides([0.1, 0.2], 0.1)
    assert twofold_ratio(pair, ([pair[0][0], Estimate.upper_bound(1.0)], pair[1])) is None
    assert twofold_ratio(pair, sides([0.1, 0.2, 0.3], 0.1)) is None
    assert twofold_ratio(sides([0.1], 0.1), sides([0.1], 0.1)) is None


def test_structures_that_differ_are_no_better_known_by_looking_twice():
    rng = np.random.default_rng(4)
    held, widths = 0, []
    trials, pairs, structure, error = 600, 6, 0.2, 0.1
    for _ in range(trials):
        own = rng.normal(0.0, structure, pairs)
        looks = [sides(own + rng.normal(0.0, error, pairs), error) for _ in range(2)]
        found = twofold_ratio(*looks).both.interval()
        held += found.low <= 1.0 <= found.high
        widths.append(np.log(found.high / found.low) / np.log(np.divide(*reversed(ends(log_ratio(*looks[0]))))))
    # The binomial error is 0.9 %. Of the variance, structures have 0.04 and errors 0.01, half of which remains.
    assert held / trials == pytest.approx(0.95, abs=0.027)
    assert np.sqrt(np.mean(np.square(widths))) == pytest.approx(np.sqrt(0.045 / 0.05), abs=0.05)


def ends(ratio):
    interval = ratio.interval()
    return interval.low, interval.high
