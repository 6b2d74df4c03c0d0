import numpy as np
import pytest

from dopantfit.design.front import expected_gain, front_of, hypervolume

REFERENCE = np.zeros(2)


def test_the_front_holds_what_no_other_is_better_than_in_both():
    points = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [1.0, 1.0], [2.0, 1.9]])
    assert front_of(points) == [0, 1, 2]


def test_equal_points_are_both_on_the_front():
    assert front_of(np.array([[1.0, 1.0], [1.0, 1.0]])) == [0, 1]


def test_the_hypervolume_is_the_area_of_the_steps():
    points = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [0.5, 0.5], [-1.0, 9.0]])
    assert hypervolume(points, REFERENCE) == pytest.approx(3.0 + 2.0 + 1.0, rel=1e-14)


def test_no_point_above_the_reference_has_no_hypervolume():
    assert hypervolume(np.array([[-1.0, 2.0]]), REFERENCE) == 0.0


def test_without_errors_the_expected_gain_is_the_difference_of_hypervolumes():
    rng = np.random.default_rng(2)
    for _ in range(20):
        points, new = rng.normal(size=(6, 2)), rng.normal(size=(9, 2))
        before = hypervolume(points, REFERENCE)
        after = [hypervolume(np.vstack([points, one]), REFERENCE) - before for one in new]
        assert expected_gain(new, np.zeros((9, 2)), points, REFERENCE) == pytest.approx(after, abs=1e-12)


def test_the_expected_gain_is_the_mean_over_draws():
    rng = np.random.default_rng(3)
    points = np.array([[1.0, 2.0], [2.0, 1.0]])
    mean, error = np.array([[1.8, 1.7]]), np.array([[0.4, 0.3]])
    draws = mean + error * rng.normal(size=(2_000, 2))
    before = hypervolume(points, REFERENCE)
    gains = np.array([hypervolume(np.vstack([points, one]), REFERENCE) - before for one in draws])
    found = float(expected_gain(mean, error, points, REFERENCE)[0])
    # Four standard errors of the mean.
    assert found == pytest.approx(gains.mean(), abs=4.0 * gains.std() / np.sqrt(len(draws)))
