"""The minimiser, on functions whose minimum is known."""

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from dopantfit.energy.cell_model import METHOD, ROUGH_SITES, ROUGHNESS
from dopantfit.energy.minimiser import minimise


class Found(NamedTuple):
    """What the minimiser asks for."""

    energy: float
    force: np.ndarray


class Scaled:
    """A preconditioner that is a number."""

    def __init__(self, inverse, shifted=False):
        self.inverse, self.shifted = inverse, shifted

    def step(self, force):
        """A step along the force."""
        return self.inverse * force


def quadratic(stiffness):
    return lambda x: Found(0.5 * float(np.sum(stiffness * x**2)), -stiffness * x)


@pytest.mark.parametrize(
    ("function", "ended"),
    [
        (lambda x: Found(float(np.sum(x)), -np.ones_like(x)), "most calls"),
        (lambda x: Found(0.0, np.full_like(x, np.nan)), "not finite"),
        (lambda x: Found(float(np.sum(x)), np.ones_like(x)), "no way down"),
    ],
)
def test_a_minimisation_that_cannot_end_says_why(function, ended):
    method = replace(METHOD, energy_tolerance=1e-9, most_calls=3 if ended == "most calls" else 100)
    assert minimise(function, np.ones((1, 3)), method, Scaled(1.0)).ended == ended


def test_steps_of_many_pairs_at_the_cutoff_do_not_end_a_large_relaxation():
    rng = np.random.default_rng(0)
    sites = rng.normal(0.0, 2e-4, (12 * ROUGH_SITES, 3))
    # Every evaluation lies a little higher than the last, by less than so many sites may.
    steps = itertools.count()

    def rough(x):
        return Found(float(np.sum(x**2)) + 5 * ROUGHNESS * next(steps), -2 * x)

    # Short steps: many of them, each gaining less than the energy is rough by.
    method = replace(METHOD, energy_tolerance=1e-5, most_calls=200)
    assert minimise(rough, sites, method, Scaled(0.05)).expected <= 1e-5
    method = replace(METHOD, energy_tolerance=1e-9, most_calls=200)
    assert minimise(rough, sites[:ROUGH_SITES], method, Scaled(0.6)).ended == "no way down"


def test_the_minimum_of_a_quadratic_form_is_found_in_about_as_many_steps_as_it_has_stiffnesses():
    stiffness = np.array([[1.0, 7.0, 40.0], [2.0, 15.0, 90.0]])
    method = replace(METHOD, force_tolerance=1e-9, longest_step=np.inf)
    end = minimise(quadratic(stiffness), np.full((2, 3), 0.1), method, Scaled(1 / 40))
    assert end.ended == "converged" and np.abs(end.sites).max() < 1e-9
    assert end.calls <= 25  # Steepest descent takes some thousand for a ratio of 90.


def test_a_preconditioner_that_does_badly_is_renewed():
    made = []

    def renew(sites, found):
        made.append(len(made))
        return Scaled(1 / 50)

    method = replace(METHOD, force_tolerance=1e-9, slow=0.25)
    end = minimise(quadratic(np.full((1, 3), 50.0)), np.full((1, 3), 0.1), method, Scaled(1e-3), renew)
    assert end.ended == "converged" and len(made) == 1 and end.calls == 3


def test_no_site_goes_where_it_may_not():
    method = replace(METHOD, force_tolerance=1e-9, longest_step=1.0)
    seen = []

    def allowed(sites):
        seen.append(float(sites[0, 0]))
        return sites[0, 0] >= 0.0

    def pulled(x):
        assert x[0, 0] >= 0.0
        return Found(float(x[0, 0]), np.array([[-1.0, 0.0, 0.0]]))

    end = minimise(pulled, np.array([[0.5, 0.0, 0.0]]), method, Scaled(1.0), allowed=allowed)
    assert end.ended == "no way down" and end.forbidden[0, 0] < 0.0 and min(seen) < 0.0
