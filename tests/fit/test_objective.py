"""The objective: exact gradients, free energy offsets, a function of the parameters alone, finite on collapse."""

from dataclasses import replace

import numpy as np
import pytest

from dopantfit.errors import CollapseError
from dopantfit.fit.config import Guards, parse_config
from dopantfit.fit.data import information
from dopantfit.fit.guard import guard_jacobian, guard_residuals
from dopantfit.fit.objective import KINDS, FrameModel, Objective
from dopantfit.fit.variables import make_space
from dopantfit.potential import Parameter
from dopantfit.potential.turnover import turn_over

from .conftest import TEXT


@pytest.fixture(scope="module")
def space(config, host):
    return make_space(config, host, "fit.toml")


@pytest.fixture(scope="module")
def objective(space, targets, config):
    return Objective(space, targets[:3], config.guards)


def _central_difference(function, point, step):
    return np.array(
        [(function(point + step * e) - function(point - step * e)) / (2 * step) for e in np.eye(len(point))]
    )


def test_coordinates_and_values_are_inverse_and_bounds_come_out_exactly(space, rng):
    for point in rng.uniform(0, 1, (20, len(space.variables))):
        np.testing.assert_allclose(space.point(space.values(point)), point, rtol=0, atol=1e-12)
    assert list(space.values(np.zeros(4))) == [variable.low for variable in space.variables]
    assert list(space.values(np.ones(4))) == [variable.high for variable in space.variables]


def test_the_gradient_is_the_derivative_of_the_cost(objective, space):
    cost, gradient = objective.cost_and_gradient(space.start)
    assert cost == objective.cost(space.start)
    # Shells at rest to 1e-7 eV/Å leave about 1e-7 of the cost as noise, and a step of 1e-4 divides it.
    np.testing.assert_allclose(
        gradient, _central_difference(objective.cost, space.start, 1e-4), rtol=1e-4, atol=1e-4 * np.abs(gradient).max()
    )


def test_the_jacobian_of_every_kind_of_residual_is_its_derivative(targets, host):
    text = TEXT.replace("energy_error = 0.0005", "energy_error = 0.0005\nstress_error = 0.1")
    text = text.replace(
        "bounds = [0.15, 0.21]", 'bounds = [0.15, 0.21], prior = { value = 0.2, error = 0.01, source = "a guess" }'
    )
    text = text.replace("C = { start = 120.0 }", "C = { start = 120.0, bounds = [60.0, 140.0] }")
    text += "[species.O]\nspring = { bounds = [60.0, 120.0] }\nshell_charge = { bounds = [-2.0, -1.0] }\n"
    text += "[charge_scale]\nbounds = [0.4, 0.7]\n"
    config = parse_config(text)
    space = make_space(config, host, "fit.toml")
    target = replace(targets[0], stress_weight=1602.0, stress=np.zeros(6))
    objective = Objective(space, [target, targets[1]], config.guards)
    found = objective.jacobian(objective.candidate(space.start))
    expected = _central_difference(lambda p: objective.candidate(p).residuals, space.start, 1e-4).T
    # 78 forces and 6 stresses, 78 forces, 2 energies, 3 guarded pairs, 1 prior.
    assert found.shape == (78 + 6 + 78 + 2 + 3 + 1, 8)
    # 1e-4 of a column's largest: noise as above, and the third derivative over a step of 1e-4 of the box.
    np.testing.assert_allclose(found / np.abs(found).max(axis=0), expected / np.abs(found).max(axis=0), atol=1e-4)


def test_the_parts_of_a_cost_are_its_kinds(targets, space, config):
    def parts(stress_weight, others):
        frames = [replace(targets[0], stress_weight=stress_weight, stress=np.ones(6)), *others]
        objective = Objective(space, frames, config.guards)
        candidate = objective.candidate(space.start + 0.01)
        found = objective.parts(candidate)
        assert sum(found) == pytest.approx(candidate.cost, rel=1e-12)
        # Exchanges, the last kind, are among them where there are any.
        return dict(zip(KINDS[:-1], found, strict=True))

    once, twice, alone = parts(10.0, targets[1:2]), parts(20.0, targets[1:2]), parts(10.0, [])
    assert twice.pop("stresses") == pytest.approx(4 * once.pop("stresses"))
    assert twice == pytest.approx(once)
    assert once["energies"] > 0.0 and alone["energies"] == 0.0 and alone["forces"] < once["forces"]


def test_a_constant_in_the_energies_of_a_composition_changes_nothing(objective, space, targets, config):
    shifted = [replace(target, energy=target.energy + 123.0) for target in targets[:3]]
    other = Objective(space, shifted, config.guards)
    # 123 eV in 7 digits of double precision, divided by an error of 0.013 eV.
    assert other.cost(space.start) == pytest.approx(objective.cost(space.start), rel=1e-9)


def test_an_energy_that_is_alone_in_its_composition_says_nothing(objective, space, targets, config):
    alone = [*targets[:3], replace(targets[3], composition="other", force_weight=0 * targets[3].force_weight)]
    assert Objective(space, alone, config.guards).cost(space.start) == objective.cost(space.start)


def test_the_cost_depends_on_nothing_that_was_evaluated_before(space, targets, config, rng):
    one, other = (Objective(space, targets[:2], config.guards) for _ in range(2))
    points = np.clip(space.start + rng.normal(0, 0.1, (5, len(space.start))), 0, 1)
    forward = [one.cost(point) for point in points]
    assert [other.cost(point) for point in points[::-1]][::-1] == forward


def test_at_the_truth_the_residuals_are_the_noise(objective, space, published):
    truth = objective.candidate(space.point(space.values_in(published)))
    squares = truth.residuals @ truth.residuals / objective.data_count
    # 237 residuals of unit variance: their mean square is 1 ± sqrt(2/237) = 0.09.
    assert squares == pytest.approx(1.0, abs=4 * 0.09)


def test_a_collapse_is_a_finite_penalty_that_leads_back(targets, host):
    # Almost no repulsion, much dispersion: oxygen shells fall into Mg.
    text = TEXT.replace("bounds = [20000.0, 120000.0]", "bounds = [1e-3, 120000.0]").replace(
        "[0.0, 60.0]", "[0.0, 3000.0]"
    )
    config = parse_config(text)
    space = make_space(config, host, "fit.toml")
    objective = Objective(space, targets[:2], config.guards)
    point = space.start.copy()
    point[[0, 2]] = 0.0, 1.0
    collapsed = objective.candidate(point)
    assert collapsed.rejection is not None and collapsed.residuals is None
    assert objective.rejected == {collapsed.rejection.reason: 1}
    assert objective.cost(space.start) < collapsed.cost < np.inf
    cost, gradient = objective.cost_and_gradient(point)
    nearer = objective.cost(point - 1e-3 * gradient / np.linalg.norm(gradient))
    assert nearer < cost


def test_the_guard_is_the_excess_of_the_turn_over_radius_and_smooth(published):
    guards, pairs = Guards(turn_over_radius=1.5, turn_over_error=0.1), (("Mg", "O"), ("Mg", "P"))
    excess = turn_over(published, "Mg", "P").radius - 1.5
    np.testing.assert_allclose(guard_residuals(published, pairs, guards), [0.0, excess / 0.1])
    parameters = tuple(Parameter.parse(name) for name in ("A Mg-P", "rho Mg-P", "C Mg-P", "charge Mg", "charge P"))
    slopes = guard_jacobian(published, pairs, guards, parameters)
    assert not slopes[0].any()
    for column, parameter in enumerate(parameters[:3]):
        value = published.value(parameter)
        ends = [published.with_values({parameter: value * (1 + s * 1e-5)}) for s in (1, -1)]
        differences = [guard_residuals(end, pairs, guards)[1] for end in ends]
        # Truncation of the difference, relative (1e-5)².
        assert slopes[1, column] == pytest.approx((differences[0] - differences[1]) / (2e-5 * value), rel=1e-6)


def test_information_counts_the_frames_that_feel_a_pair(targets):
    about = information(("Mg", "O"), 9.0, targets)
    assert (about.frames, about.components) == (8, 8 * 79)
    assert 1.6 < about.closest < 2.0  # Mg-O bonds are 1.9 to 2.1 Å; the shortest of all frames is some 0.3 below
    assert information(("Li", "Mg"), 9.0, targets).frames == 0


def test_a_collapsed_candidate_is_rejected_wherever_its_shells_start(targets, published):
    """Mg and P have no shells: these are at rest whatever pulls the two ions together."""
    collapsed = published.with_values({Parameter.parse("C Mg-P"): 20000.0})
    anchored, fresh = FrameModel(targets[0], 1e-7), FrameModel(targets[0], 1e-7)
    anchored.anchor(published)
    for model in (fresh, anchored):
        with pytest.raises(CollapseError, match="inside the turn-over radius"):
            model.evaluate(collapsed)


def test_a_frame_under_other_charges_is_that_of_a_model_made_for_them(targets, published):
    """What a model keeps between candidates must not hold the charges of an earlier one."""
    kept = FrameModel(targets[0], 1e-9)
    kept.evaluate(published)
    changes = {Parameter.parse("charge O"): 0.02, Parameter.parse("shell_charge O"): -0.02}
    changed = published.with_values({one: published.value(one) + change for one, change in changes.items()})
    for potential in (changed, published):
        again, afresh = kept.evaluate(potential), FrameModel(targets[0], 1e-9).evaluate(potential)
        assert again.energy == afresh.energy
        np.testing.assert_array_equal(again.forces, afresh.forces)
