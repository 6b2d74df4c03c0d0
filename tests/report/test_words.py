import math

import pytest

from dopantfit.report.words import direction, equal_to, percent_change, ranged, rounded
from dopantfit.statistics import Interval
from dopantfit.study.readings import interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.8890892, "4.89"),
        (-0.00051, "−0.000510"),
        (14030.0, "14,030"),
        (1.234e-7, "1.23·10⁻⁷"),
        (0.0, "0"),
        (math.inf, "∞"),
    ],
)
def test_numbers_are_rounded_to_three_digits(value, text):
    assert rounded(value) == text


def test_an_interval_shows_its_ends_and_a_bound_only_its_limit():
    assert ranged(Interval(4.76, 5.02, 4.89), "Å") == "4.89 (4.76 to 5.02) Å"
    assert ranged(Interval(0.0, 0.71), "Å") == "< 0.71 Å"
    assert ranged(Interval.unknown(), "Å") == "not measured"
    assert ranged(Interval(0.0, math.inf)) == "unknown"
    assert ranged(Interval(1.37, math.inf)) == "> 1.4"
    # Counted without a spread: an interval of no width would claim certainty.
    assert ranged(Interval(0.0, 0.0, 0.0), "Å") == "0 Å"


def test_a_bound_is_not_said_to_be_equal():
    assert equal_to("σ", Interval(4.76, 5.02, 4.89), "S/cm") == "σ = 4.89 (4.76 to 5.02) S/cm"
    assert equal_to("σ", Interval(0.0, 1.6), "S/cm") == "σ < 1.6 S/cm"
    assert equal_to("σ", Interval.unknown(), "S/cm") == "σ not measured"
    assert equal_to("ΔE", Interval(-2.0, -1.0, -1.5), "eV") == "ΔE = −1.50 (−2.00 to −1.00) eV"


def test_a_direction_is_stated_only_where_the_whole_interval_agrees():
    assert direction(Interval(1.01, 1.2, 1.1)) == "higher"
    assert direction(Interval(0.8, 0.99, 0.9)) == "lower"
    assert direction(Interval(0.99, 1.5, 1.2)) == "undecided"
    # A bound below 1 is an answer: the quantity is lower, whatever it is.
    assert direction(Interval(0.0, 0.9)) == "lower"
    assert direction(Interval.unknown()) == "undecided"


def test_changes_are_in_percent_and_orders_of_magnitude_are_ratios():
    assert percent_change(Interval(1.05, 1.38, 1.22)) == "+22 % (+5 to +38 %)"
    assert percent_change(Interval(0.002, 0.01, 0.005)) == "0.0050 times (0.0020 to 0.010)"
    assert percent_change(Interval(1.37, math.inf)) == "at least 1.4 times"


def test_a_row_without_a_value_is_a_bound_and_an_empty_one_is_unknown():
    assert interval({"x_value": None, "x_low": None, "x_high": 3.0}, "x") == Interval(0.0, 3.0)
    assert interval({"x": -0.1, "x_low": -0.2, "x_high": 0.1}, "x") == Interval(-0.2, 0.1, -0.1)
    assert math.isinf(interval({"x_value": None, "x_low": None, "x_high": None}, "x").high)
