"""An estimate is a number with an interval, or a bound; it survives JSON; ratios carry the error of both."""

from math import inf

import numpy as np
import pytest

from dopantfit.statistics import Estimate, Interval, interval_of, poisson_interval, poisson_limit, student_quantile


def test_the_normal_interval_is_that_of_infinitely_many_degrees_of_freedom():
    normal, student = Estimate.symmetric(1.0, 0.1), Estimate.symmetric(1.0, 0.1, 2)
    assert (normal.low, normal.high) == pytest.approx((0.804, 1.196), abs=1e-4)
    assert (student.low, student.high) == pytest.approx((0.5697, 1.4303), abs=1e-4)
    assert Estimate.symmetric(1.0, 1.0, least=0.0).low == 0.0


def test_a_sum_of_squares_is_inside_its_interval_95_times_in_100():
    rng = np.random.default_rng(3)
    found = [Estimate.of_squares(value, np.sqrt(2 / 8)) for value in rng.chisquare(8, 4000) / 8]
    # Exact for a known number of degrees of freedom; binomial standard deviation of 4000 draws 0.35 %.
    assert np.mean([one.low <= 1.0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.011)


@pytest.mark.parametrize("one", [Estimate.symmetric(2.0, 0.3), Estimate.upper_bound(0.7)])
def test_an_estimate_comes_back_from_its_json(one):
    assert Estimate.from_dict(one.as_dict()) == one
    assert interval_of(one) == Interval(one.low, one.high, one.value)


def test_nothing_measured_stays_nothing():
    assert interval_of(None) == Interval.from_dict(None) == Interval(-inf, inf)


@pytest.mark.parametrize("one", [Interval(0.5, 2.0, 1.0), Interval(0.5, inf), Interval.unknown()])
def test_an_interval_comes_back_from_its_json(one):
    assert Interval.from_dict(one.as_dict()) == one


def test_scaling_keeps_a_bound_a_bound():
    assert Estimate.upper_bound(2.0).scaled(3.0) == Estimate.upper_bound(6.0)
    assert Estimate(2.0, 0.5, 1.0, 3.0).scaled(2.0) == Estimate(4.0, 1.0, 2.0, 6.0)


def test_a_ratio_of_numbers_has_the_error_of_both():
    ratio = interval_of(Estimate.symmetric(1.3, 0.05)).over(interval_of(Estimate.symmetric(1.0, 0.05)))
    # Relative errors 3.8 and 5 % in quadrature: 6.3 %, 1.96 of them to each side.
    assert ratio.value == pytest.approx(1.3)
    assert ratio.low == pytest.approx(1.3 * (1 - 1.96 * 0.063), rel=0.01)  # logarithms are not quite relative errors
    assert ratio.high == pytest.approx(1.3 * (1 + 1.96 * 0.063), rel=0.02)


def test_the_interval_of_a_ratio_covers_the_true_ratio_95_times_in_100():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(2000):
        above, below = Estimate.symmetric(rng.normal(2.0, 0.2), 0.2), Estimate.symmetric(rng.normal(1.0, 0.08), 0.08)
        ratio = interval_of(above).over(interval_of(below))
        hits += ratio.low <= 2.0 <= ratio.high
    # Binomial standard deviation of 2000 draws is 0.5 %; three of them.
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_independent_errors_of_a_product_add_in_quadrature_and_both_together_beyond():
    # 3 ± 0.3 times 2 ± 0.2: 0.6 by each alone, 0.06 beyond by both.
    up = np.sqrt(0.6**2 + 0.6**2 + 0.06**2)
    product = Interval(2.7, 3.3, 3.0).times(Interval(1.8, 2.2, 2.0))
    assert (product.low, product.value, product.high) == pytest.approx((6.0 - np.hypot(0.6, 0.6), 6.0, 6.0 + up))
    exact = Interval(-0.3, 0.5, 0.1).times(Interval(0.5, 0.5, 0.5))
    assert (exact.low, exact.value, exact.high) == pytest.approx((-0.15, 0.05, 0.25))


@pytest.mark.parametrize(
    ("one", "factor", "product"),
    [
        # Nothing was found of the factor, and the other's sign is not known: as far as both reach.
        (Interval(-0.6, 0.4, 0.0), Interval(0.0, 0.5, 0.0), Interval(-0.3, 0.2, 0.0)),
        (Interval(-0.6, 0.4), Interval(0.0, 0.5, 0.1), Interval(-0.3, 0.2)),
        (Interval(-inf, 0.4, 0.1), Interval(0.0, 0.5, 0.1), Interval(-inf, 0.2, 0.01)),
        (Interval.unknown(), Interval(0.0, 0.0, 0.0), Interval(0.0, 0.0)),
    ],
)
def test_products_of_bounds_reach_as_far_as_any_pair_of_ends(one, factor, product):
    found = one.times(factor)
    assert (found.low, found.high) == pytest.approx((product.low, product.high))
    assert found.value == pytest.approx(product.value)


@pytest.mark.parametrize("effect", [-1.0, -0.1, 0.1])
@pytest.mark.parametrize("expected", [1.0, 4.0, 20.0])
def test_the_interval_of_a_product_misses_it_5_times_in_100_at_most(effect, expected):
    """What crystals lose, with Student's interval, times what is counted in grains, with Poisson's."""
    rng, missed = np.random.default_rng([7, int(expected)]), 0
    for count, runs in zip(rng.poisson(expected, 2000), rng.normal(effect, 0.5, (2000, 8)), strict=True):
        half = student_quantile(7) * runs.std(ddof=1) / np.sqrt(8)
        loss = Interval(runs.mean() - half, runs.mean() + half, runs.mean())
        low, high = poisson_interval(count) if count else (0.0, poisson_limit(0))
        product = loss.times(Interval(low, high, float(count)))
        missed += not product.low <= effect * expected <= product.high
    assert missed / 2000 <= 0.05


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
