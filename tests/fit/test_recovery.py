"""Frames that a known potential made give its parameters back, and say which of them they cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from dopantfit.fit.config import Local, parse_config
from dopantfit.fit.local import _boxed_step, refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.uncertainty import draw, strongest_correlation, uncertainty_at
from dopantfit.fit.variables import make_space

from .conftest import ENERGY_NOISE, FORCE_NOISE, TEXT


@pytest.fixture(scope="module")
def fitted(config, host, targets):
    objective = Objective(make_space(config, host, "fit.toml"), targets, config.guards)
    start = objective.space.start
    refined = refine(objective, start, Local(max_iterations=15))
    return objective, refined, uncertainty_at(objective, objective.candidate(refined.point))


def test_the_published_parameters_come_back_within_three_standard_errors(fitted, published):
    objective, refined, found = fitted
    assert refined.converged and refined.cost < 0.1 * refined.start_cost
    truth = objective.space.values_in(published)
    told = found.identified
    assert [v.name for v, yes in zip(objective.space.variables, told, strict=True) if yes] == [
        "A Mg-O",
        "rho Mg-O",
        "C Mg-O",
    ]
    # One draw of the noise; how far off a fit may be is the subject of the next test.
    assert (np.abs(found.values - truth)[told] < 3 * found.standard_error[told]).all()
    # 3 % of the value or less: an error bar so wide that it holds anything would prove nothing.
    assert (found.standard_error[:2] < 0.03 * truth[:2]).all()


def test_errors_of_many_fits_are_distributed_as_the_fits_say(config, host, published, targets):
    """Eight times new noise on the same frames: χ² of the errors, and of the cost's rise from the fit to the truth."""
    space = make_space(config, host, "fit.toml")
    truth = space.values_in(published)
    clean = Objective(space, targets, config.guards).candidate(space.point(truth)).evaluations
    deviations, rises = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        noisy = [_with_noise(target, one, rng) for target, one in zip(targets, clean, strict=True)]
        objective = Objective(space, noisy, config.guards)
        refined = refine(objective, space.start, Local(max_iterations=1))
        found = uncertainty_at(objective, objective.candidate(refined.point))
        deviations.append(((found.values - truth) / found.standard_error)[found.identified])
        rises.append(2 * (objective.cost(space.point(truth)) - refined.cost))
    assert {len(one) for one in deviations} == {3}
    # A, ρ and C of one pair are so correlated that eight fits hold little more than eight numbers: their mean square
    # lies between 0.11 and 3.3 in 99.8 % of all cases. Errors that are wrong by a factor of two would leave that.
    square = np.mean(np.square(deviations), axis=0)
    assert (square > chi2.ppf(0.001, 8) / 8).all() and (square < chi2.ppf(0.999, 8) / 8).all()
    # Wilks: three parameters are told, the fourth by its bounds only, so between 24 and 32 degrees of freedom.
    assert chi2.ppf(0.001, 24) < sum(rises) < chi2.ppf(0.999, 32)


def _with_noise(target, evaluation, rng):
    forces = evaluation.forces + rng.normal(0, FORCE_NOISE, evaluation.forces.shape)
    energy = evaluation.energy + rng.normal(0, ENERGY_NOISE * len(forces))
    return replace(target, forces=forces, energy=energy)


def test_what_the_data_cannot_tell_is_flagged(fitted):
    objective, _, found = fitted
    names = [variable.name for variable in objective.space.variables]
    assert not found.identified[names.index("A Mg-Mg")]


def test_the_noise_is_found_as_the_reduced_chi2(fitted):
    found = fitted[2]
    # 632 numbers and two guards, less one offset and four parameters: 1 ± sqrt(2/629).
    assert found.degrees_of_freedom == 632 + 2 - 1 - 4
    assert found.reduced_chi2 == pytest.approx(1.0, abs=4 * np.sqrt(2 / 629))


def test_a_and_rho_of_one_pair_are_anticorrelated(fitted):
    found = fitted[2]
    # A larger A is undone by a smaller ρ: both raise the repulsion.
    other, correlation = strongest_correlation(found, 0)
    assert other == 1 and correlation < -0.9


def test_gauss_newton_and_lbfgs_end_in_the_same_minimum(fitted):
    objective, refined, found = fitted
    start = objective.space.values(refined.point) * np.array([1.02, 1.0, 1.05, 1.0])
    again = refine(objective, objective.space.point(start), Local(max_iterations=1))
    assert again.cost == pytest.approx(refined.cost, rel=1e-6)
    told = found.identified
    distance = np.abs(objective.space.values(again.point) - found.values)[told]
    assert (distance < 0.05 * found.standard_error[told]).all()


def test_draws_have_the_covariance_of_the_fit(fitted, rng):
    _, refined, found = fitted
    drawn = draw(found, refined.point, 4000, rng)
    assert drawn.min() >= 0.0 and drawn.max() <= 1.0
    # 4000 draws tell a standard deviation to 1/sqrt(8000) = 1.1 %; the first three are far from their bounds.
    np.testing.assert_allclose(drawn[:, :3].std(axis=0), np.sqrt(np.diag(found.covariance))[:3], rtol=0.06)


def test_a_step_that_meets_the_edge_of_the_box_is_the_best_one_inside(rng):
    root = rng.normal(size=(6, 6))
    curvature, gradient = root @ root.T + 0.1 * np.eye(6), 5 * rng.normal(size=6)
    point = np.array([0.0, 0.1, 0.5, 0.9, 1.0, 0.5])
    step = _boxed_step(curvature, gradient, point)
    assert (point + step).min() >= -1e-15 and (point + step).max() <= 1 + 1e-15
    inside = (point + step > 1e-12) & (point + step < 1 - 1e-12)
    # Where no edge stops it, the quadratic is stationary.
    assert inside.any() and not inside.all()
    np.testing.assert_allclose((gradient + curvature @ step)[inside], 0.0, atol=1e-9)


def test_a_parameter_that_no_datum_feels_does_not_stop_the_refinement(config, host, targets):
    text = TEXT.replace("A = { start = 12947.27 }", "A = { start = 12947.27, bounds = [1.0, 200000.0] }")
    space = make_space(parse_config(text), host, "fit.toml")
    objective = Objective(space, targets[:3], config.guards)
    refined = refine(objective, space.start, Local(max_iterations=1))
    # No frame holds Ti, so its coordinate stays where it was and the rest goes to the minimum.
    assert refined.point[-1] == space.start[-1]
    assert refined.gradient < 1e-3 * refined.cost
    assert refined.cost < 0.1 * refined.start_cost
