"""The verdict answers where an interval lies on one side of its number, and says undecided everywhere else."""

from math import exp, log

import pytest

from dopantfit.statistics import Interval
from dopantfit.study.verdict import Basis, all_of, any_of, at_least, at_most, only_if


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


def test_kleene_logic():
    assert all_of(["yes", "yes"]) == "yes"
    assert all_of(["yes", "undecided"]) == "undecided"
    assert all_of(["undecided", "no", "yes"]) == "no"
    assert any_of(["no", "undecided"]) == "undecided"
    assert any_of(["no", "yes", "undecided"]) == "yes"
    assert any_of(["no", "no"]) == "no"
    assert all_of([]) == any_of([]) == "undecided"


def test_a_pooled_ratio_rests_on_as_much_scatter_as_its_interval_shows():
    # exp(±0.49) about 0.5: one standard error is a quarter, of sixteen structures a spread of one.
    half = 1.96 * 0.25
    basis = Basis.of_pooled("crystal runs", 16, Interval(0.5 * exp(-half), 0.5 * exp(half), 0.5))
    assert (basis.mean, basis.spread) == pytest.approx((log(0.5), 1.0), rel=1e-3)
    assert basis.within == basis.spread
    assert Basis.of_pooled("crystal runs", 16, Interval(0.0, 0.7)).mean is None
