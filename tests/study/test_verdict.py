"""The verdict answers where an interval lies on one side of its number, and says undecided everywhere else."""

from math import inf

import numpy as np
import pytest

from dopantfit.study.verdict import Interval, all_of, any_of, at_least, at_most, only_if, pooled
from dopantfit.transport.estimate import Estimate


def number(value, error):
    return Estimate(value, error, value - 1.96 * error, value + 1.96 * error)


@pytest.mark.parametrize(
    ("interval", "least", "most"),
    [
        (Interval(1.1, 1.3, 1.2), "yes", "no"),
        (Interval(0.7, 0.9, 0.8), "no", "yes"),
        (Interval(0.9, 1.1, 1.0), "undecided", "undecided"),
        (Interval(0.0, 0.9), "no", "yes"),  # an upper bound below the limit does tell
        (Interval(0.0, 1.1), "undecided", "undecided"),  # one above it does not
        (Interval.unknown(), "undecided", "undecided"),
        (Interval(1.0, 1.0, 1.0), "yes", "yes"),  # the limit itself is allowed
    ],
)
def test_an_answer_needs_the_whole_interval_on_one_side(interval, least, most):
    assert at_least("q", "", interval, 1.0).answer == least
    assert at_most("q", "", interval, 1.0).answer == most


def test_undecided_checks_say_why():
    assert at_least("q", "", Interval(0.9, 1.1, 1.0), 1.0).reason == "its interval holds the limit"
    assert at_least("q", "", Interval(0.0, 1.1), 1.0).reason == "only a bound is known"
    assert at_least("q", "", Interval.unknown(), 1.0).reason == "not measured"
    check = only_if(at_least("q", "", Interval(1.1, 1.3, 1.2), 1.0), False, "one structure only")
    assert (check.answer, check.reason) == ("undecided", "one structure only")


def test_a_ratio_of_numbers_has_the_error_of_both():
    ratio = Interval.of(number(1.3, 0.05)).over(Interval.of(number(1.0, 0.05)))
    # Relative errors 3.8 and 5 % in quadrature: 6.3 %, 1.96 of them to each side.
    assert ratio.value == pytest.approx(1.3)
    assert ratio.low == pytest.approx(1.3 * (1 - 1.96 * 0.063), rel=0.01)  # logarithms are not quite relative errors
    assert ratio.high == pytest.approx(1.3 * (1 + 1.96 * 0.063), rel=0.02)


def test_the_interval_of_a_ratio_covers_the_true_ratio_95_times_in_100():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(2000):
        above, below = number(rng.normal(2.0, 0.2), 0.2), number(rng.normal(1.0, 0.08), 0.08)
        ratio = Interval.of(above).over(Interval.of(below))
        hits += ratio.low <= 2.0 <= ratio.high
    # Binomial standard deviation of 2000 draws is 0.5 %; three of them.
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("above", "below", "ratio"),
    [
        (Interval(0.0, 0.5), Interval(1.0, 2.0, 1.5), Interval(0.0, 0.5)),
        (Interval(1.0, 2.0, 1.5), Interval(0.0, 0.5), Interval(2.0, inf)),
        (Interval(0.0, 1.0), Interval(0.0, 1.0), Interval(0.0, inf)),
        (Interval.unknown(), Interval(1.0, 2.0, 1.5), Interval(0.0, inf)),
        (Interval(1.0, 2.0, 1.5), Interval.unknown(), Interval(-inf, inf)),
    ],
)
def test_ratios_of_bounds_reach_as_far_as_any_pair_of_values(above, below, ratio):
    assert above.over(below) == ratio


def test_kleene_logic():
    assert all_of(["yes", "yes"]) == "yes"
    assert all_of(["yes", "undecided"]) == "undecided"
    assert all_of(["undecided", "no", "yes"]) == "no"
    assert any_of(["no", "undecided"]) == "undecided"
    assert any_of(["no", "yes", "undecided"]) == "yes"
    assert any_of(["no", "no"]) == "no"
    assert all_of([]) == any_of([]) == "undecided"


def test_pooling_takes_the_larger_of_spread_and_own_error():
    agreeing = pooled([number(1.0, 0.1), number(1.0, 0.1)])
    assert agreeing.error == pytest.approx(0.1 / np.sqrt(2))
    scattered = pooled([number(1.0, 0.01), number(2.0, 0.01)])
    assert scattered.error == pytest.approx(0.5)
    # Two values: Student's quantile of one degree of freedom is 12.7, so that nothing is claimed.
    assert scattered.low == 0.0 and scattered.high == pytest.approx(1.5 + 12.706 * 0.5, rel=1e-4)


def test_pooling_keeps_bounds_bounds():
    assert pooled([]) is None
    assert pooled([number(1.0, 0.1)]) == number(1.0, 0.1)
    assert pooled([number(1.0, 0.1), Estimate.upper_bound(0.5)]).is_upper_bound
