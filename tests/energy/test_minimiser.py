"""The minimiser, on functions whose minimum is known."""

import itertools

import numpy as np
import pytest
import scipy.sparse

from dopantfit.energy.minimiser import ROUGH_SITES, ROUGHNESS, minimise
from dopantfit.errors import ConvergenceError


def test_a_relaxation_that_cannot_end_says_so():
    steering = scipy.sparse.eye(3, format="csr")
    with pytest.raises(ConvergenceError, match="after 3 evaluations"):
        minimise(lambda x: (float(np.sum(x)), -np.ones_like(x)), np.zeros((1, 3)), steering, 1e-9, 3)
    with pytest.raises(ConvergenceError, match="no numbers"):
        minimise(lambda x: (0.0, np.full_like(x, np.nan)), np.zeros((1, 3)), steering, 1e-9, 3)


def test_steps_of_many_pairs_at_the_cutoff_do_not_end_a_large_relaxation():
    rng = np.random.default_rng(0)
    sites = rng.normal(0.0, 2e-4, (12 * ROUGH_SITES, 3))
    # Every evaluation lies a little higher than the last, by less than so many sites may.
    steps = itertools.count()

    def rough(x):
        return float(np.sum(x**2)) + 5 * ROUGHNESS * next(steps), -2 * x

    # Slow steering: many steps, each gaining less than the energy is rough by.
    steering = 0.05 * scipy.sparse.eye(sites.size, format="csr")
    assert minimise(rough, sites, steering, 1e-5, 200).expected <= 1e-5
    with pytest.raises(ConvergenceError, match="no way down"):
        minimise(rough, sites[:ROUGH_SITES], 12 * steering[: 3 * ROUGH_SITES, : 3 * ROUGH_SITES], 1e-9, 200)
