"""Several looks with one error for all: boundaries, intervals, and what is saved, against oracles of their own."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from dopantfit.errors import ConfigError
from dopantfit.statistics import TWO_SIDED_95, Estimate, Interval, Looks

N_STUDIES = 400_000


def boundaries(looks):
    return [looks.boundary(k) for k in range(1, len(looks.fractions) + 1)]


def simulated(looks, distance, bounds, seed=5):
    """Whether each study excludes the limit at some look, and the information it stops at."""
    rng = np.random.default_rng(seed)
    fractions = np.array(looks.fractions)
    # Score √t z: a Brownian motion in information, which drifts by the distance in final standard errors.
    steps = np.diff(fractions, prepend=0.0)
    score = np.cumsum(rng.normal(distance * steps, np.sqrt(steps), (N_STUDIES, len(steps))), axis=1)
    crossed = np.abs(score / np.sqrt(fractions)) > bounds
    decided = crossed.any(axis=1)
    return decided, fractions[np.where(decided, crossed.argmax(axis=1), -1)]


def test_boundaries_are_the_published_ones():
    # Five equal looks by Lan and DeMets after O'Brien and Fleming, as in tables of group-sequential designs.
    equal = Looks([0.2, 0.4, 0.6, 0.8, 1.0])
    assert boundaries(equal) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=6e-4)
    assert Looks([1.0]).boundary(1) == pytest.approx(TWO_SIDED_95, abs=1e-9)


@pytest.mark.parametrize(("first", "alpha"), [(0.5, 0.05), (0.3, 0.2), (0.9, 0.01)])
def test_two_looks_agree_with_the_bivariate_normal_distribution(first, alpha):
    looks = Looks([first, 1.0], alpha)
    one, two = boundaries(looks)
    assert 2.0 * norm.sf(one) == pytest.approx(looks.spent(1), rel=1e-9)
    both = multivariate_normal([0.0, 0.0], [[1.0, sqrt(first)], [sqrt(first), 1.0]])
    inside = both.cdf([one, two], lower_limit=[-one, -two])
    assert 1.0 - inside == pytest.approx(alpha, abs=1e-8)  # that of the library's integration
    beyond = norm.sf(one - 2.0 * sqrt(first)) + norm.cdf(-one - 2.0 * sqrt(first))
    assert looks.undecided(1, 2.0) == pytest.approx(1.0 - beyond, abs=1e-10)
    assert looks.expected_information(2.0) == pytest.approx(1.0 - (1.0 - first) * beyond, abs=1e-10)


@pytest.mark.parametrize(
    "fractions", [[0.5**k for k in range(5, -1, -1)], [0.5, 0.505, 0.52, 0.53, 0.54, 1.0], [0.001, 1.0]]
)
def test_all_of_the_error_is_spent_at_the_end_whatever_the_fractions(fractions):
    looks = Looks(fractions)
    assert 1.0 - looks.undecided(len(fractions), 0.0) == pytest.approx(0.05, abs=1e-9)


def test_six_doubling_looks_give_false_answers_in_5_of_100_and_naive_ones_in_20():
    looks = Looks.doubling(6)
    error = sqrt(0.05 * 0.95 / N_STUDIES)  # 0.034 %
    false = simulated(looks, 0.0, boundaries(looks))[0].mean()
    assert false == pytest.approx(0.05, abs=3.0 * error)
    naive = simulated(looks, 0.0, TWO_SIDED_95)[0].mean()
    # 1.96 at every look: three standard errors of what 1.2 million other studies gave.
    assert naive == pytest.approx(0.197, abs=0.002)


def missed_with_student(looks, counts, freedom, n_studies=40_000):
    """Part of studies of normal values, looked at after some of them, that exclude their own truth."""
    rng = np.random.default_rng(8)
    values, missed = rng.normal(size=(n_studies, counts[-1])), np.zeros(n_studies, dtype=bool)
    for k, n in enumerate(counts, start=1):
        half = looks.interval(Estimate.symmetric(0.0, 1.0), k, freedom(n)).high
        missed |= np.abs(values[:, :n].mean(axis=1)) > half * values[:, :n].std(axis=1, ddof=1) / sqrt(n)
    return missed.mean()


def test_errors_from_few_values_keep_the_5_percent_with_students_quantile_only():
    looks, counts = Looks.doubling(4), (3, 6, 12, 24)
    # Binomial standard deviation 0.11 %; that the level of the normal is taken over costs a few tenths of a percent.
    assert missed_with_student(looks, counts, lambda n: n - 1) == pytest.approx(0.05, abs=0.005)
    assert missed_with_student(looks, counts, lambda n: inf) > 0.07


@pytest.mark.parametrize(("distance", "information", "answered"), [(2.0, 0.970, 0.514), (4.0, 0.774, 0.979)])
def test_far_from_the_limit_information_is_saved_and_no_answer_lost(distance, information, answered):
    looks = Looks.doubling(6)
    decided, stopped = simulated(looks, distance, boundaries(looks))
    # Three standard errors of 400,000 studies: 0.0024 for a share, less for the information.
    assert decided.mean() == pytest.approx(1.0 - looks.undecided(6, distance), abs=0.0024)
    assert stopped.mean() == pytest.approx(looks.expected_information(distance), abs=0.0015)
    assert looks.expected_information(distance) == pytest.approx(information, abs=6e-4)
    assert 1.0 - looks.undecided(6, distance) == pytest.approx(answered, abs=6e-4)
    single = norm.sf(TWO_SIDED_95 - distance) + norm.cdf(-TWO_SIDED_95 - distance)
    assert single - (1.0 - looks.undecided(6, distance)) < 0.002


def test_a_truth_far_beyond_a_boundary_is_answered_at_that_look():
    looks = Looks([0.0037, 0.02, 1.0])
    assert looks.boundary(1) == pytest.approx(36.8, abs=0.1)
    assert looks.expected_information(1000.0) == pytest.approx(0.0037, rel=1e-9)  # 61 errors at the first look
    assert looks.expected_information(200.0) == pytest.approx(0.02, rel=1e-9)  # 12 of 36.8, then 28 of 15.8


def test_boundaries_do_not_depend_on_looks_to_come():
    early, whole = Looks([0.1, 0.35]), Looks([0.1, 0.35, 0.6, 1.0])
    assert boundaries(early) == pytest.approx(boundaries(whole)[:2], abs=1e-9)


def test_a_look_too_early_decides_nothing():
    looks = Looks([0.001, 1.0])
    assert looks.boundary(1) == inf
    assert looks.undecided(1, 1500.0) == 1.0
    assert looks.expected_information(1500.0) == 1.0
    assert looks.interval(Estimate.symmetric(1.0, 0.1), 1) == Interval(-inf, inf, 1.0)


def test_intervals_are_as_wide_as_the_boundary():
    looks = Looks.doubling(6)
    z = looks.boundary(5)
    found = looks.interval(Estimate.symmetric(1.2, 0.05), 5)
    assert (found.low, found.high, found.value) == pytest.approx((1.2 - 0.05 * z, 1.2 + 0.05 * z, 1.2))


def test_a_bound_has_no_ends_at_another_level():
    looks = Looks.doubling(3)
    assert looks.interval(Estimate.upper_bound(2.0), 3) == Interval.unknown()


@pytest.mark.parametrize(
    ("fractions", "alpha", "words"),
    [
        ([], 0.05, "give one to 6"),
        ([k / 7 for k in range(1, 8)], 0.05, "give one to 6"),
        ([0.0, 1.0], 0.05, r"in \(0, 1\]"),
        ([0.5, 1.1], 0.05, r"in \(0, 1\]"),
        ([float("nan")], 0.05, r"in \(0, 1\]"),
        ([0.5, 0.5, 1.0], 0.05, "do not rise"),
        ([0.5, 0.25], 0.05, "do not rise"),
        ([1.0], 0.0, "alpha = 0 is outside"),
        ([1.0], float("nan"), "alpha = nan is outside"),
    ],
)
def test_what_are_no_looks_is_refused_in_one_line(fractions, alpha, words):
    with pytest.raises(ConfigError, match=words) as refused:
        Looks(fractions, alpha)
    assert "\n" not in str(refused.value)


def test_a_look_that_is_not_there_and_no_distance_are_refused():
    looks = Looks.doubling(3)
    for k in (0, 4):
        with pytest.raises(ConfigError, match="counted from 1 to 3"):
            looks.boundary(k)
    with pytest.raises(ConfigError, match="give a number"):
        looks.undecided(1, inf)
