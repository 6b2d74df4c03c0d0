"""The expansion around an anchor: exact there, of second order away from it, and never the last word."""

import numpy as np
import pytest

from dopantfit.energy import expansion as expansion_module
from dopantfit.energy import species_table
from dopantfit.energy.expansion import of_species, stacked
from dopantfit.fit.config import Local, parse_config
from dopantfit.fit.local import refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.surrogate import Evaluated, Surrogate, expansion_errors
from dopantfit.fit.variables import make_space
from dopantfit.fit.workers import evaluate_all, worker_pool

from .conftest import TEXT

#: Pairs of the host and a spring are free too, so that every kind of term that an expansion can take is in it.
MORE = (
    '[pairs."O-P"]\nA = { bounds = [20000.0, 50000.0] }\n'
    '[pairs."O-O"]\nC = { bounds = [0.0, 60.0] }\n'
    "[species.O]\nspring = { bounds = [60.0, 120.0] }\n"
)


@pytest.fixture(scope="module")
def space(host):
    return make_space(parse_config(TEXT + MORE), host, "fit.toml")


@pytest.fixture(scope="module")
def surrogate(space, targets, config):
    made = Surrogate(Objective(space, targets[:3], config.guards))
    made.anchor(space.start)
    return made


def _compared(surrogate, point):
    """Exact evaluation and expansion of the first frame, with the stress."""
    potential = surrogate.objective.space.potential(surrogate.objective.space.values(point))
    model = surrogate.objective.models[0]
    expansion = model.expansion(surrogate.changing)
    return model.evaluate(potential), expansion.evaluate(
        stacked([species_table(model.target.frame.labels, potential)]), True
    )


def test_at_the_anchor_the_expansion_is_the_exact_evaluation(surrogate, space):
    exact, expanded = _compared(surrogate, space.start)
    # Shells of the anchor rest to 1e-7 eV/Å, which the expansion takes for zero.
    assert expanded.relaxed.all() and expanded.energy[0] == pytest.approx(exact.energy, abs=1e-9)
    np.testing.assert_allclose(expanded.forces[0], exact.forces, atol=1e-6)
    np.testing.assert_allclose(expanded.stress[0], exact.stress, atol=1e-9)


def test_tables_of_some_species_take_the_kernels_of_all(host):
    tables = stacked([species_table(tuple(host.species), host)] * 3)
    some = of_species(tables, [2, 0])
    np.testing.assert_array_equal(some.A[1], tables.A[1][np.ix_([2, 0], [2, 0])])
    # A kernel is compiled anew for another order in memory.
    assert all(one.flags.c_contiguous for one in (some.spring, some.A, some.inverse_rho, some.C))


def test_the_error_of_the_expansion_is_of_second_order(surrogate, space, rng, monkeypatch):
    monkeypatch.setattr(expansion_module, "TOLERANCE", 1e-9)
    direction = 0.02 * rng.normal(size=len(space.start))
    errors, changes = [], []
    at_anchor, _ = _compared(surrogate, space.start)
    for part in (1.0, 0.5):
        exact, expanded = _compared(surrogate, np.clip(space.start + part * direction, 0, 1))
        # The median: a pair that crosses the cutoff changes the forces on two ions by its dispersion, 4e-5 eV/Å.
        wrong = expanded.forces[0] - exact.forces, expanded.stress[0] - exact.stress
        errors.append([np.median(np.abs(one)) for one in wrong])
        changes.append(np.abs(exact.forces - at_anchor.forces).max())
    # The forces change by 0.1 eV/Å or more, and the expansion gets that right to a percent.
    assert changes[0] > 0.1 and errors[0][0] < 0.01 * changes[0]
    # Second order: a quarter at half the way; 3 leaves room for the orders after it.
    assert (np.array(errors[0]) > 3 * np.array(errors[1])).all()


def test_near_the_anchor_the_cost_is_that_of_the_exact_objective(surrogate, space, rng):
    for shift in rng.normal(0, 0.02, (4, len(space.start))):
        point = np.clip(space.start + shift, 0, 1)
        estimate, exact = surrogate.estimates(point[None])[0], surrogate.exact(point)
        assert not estimate.exact and exact.exact
        # Errors of forces of 1e-4 eV/Å beside residuals of 0.02 eV/Å and more.
        assert estimate.cost == pytest.approx(exact.cost, rel=5e-3)


def test_where_charges_are_free_every_candidate_is_exact(host, targets, config):
    space = make_space(parse_config(TEXT + "[charge_scale]\nbounds = [0.4, 0.7]\n"), host, "fit.toml")
    surrogate = Surrogate(Objective(space, targets[:2], config.guards))
    surrogate.anchor(space.start)
    point = space.start + 0.01
    assert surrogate.estimates(point[None])[0] == surrogate.exact(point)


def test_a_collapse_is_found_by_the_exact_objective(targets, host):
    text = TEXT.replace("bounds = [20000.0, 120000.0]", "bounds = [1e-3, 120000.0]").replace(
        "[0.0, 60.0]", "[0.0, 3000.0]"
    )
    config = parse_config(text)
    space = make_space(config, host, "fit.toml")
    surrogate = Surrogate(Objective(space, targets[:2], config.guards))
    surrogate.anchor(space.start)
    point = space.start.copy()
    point[[0, 2]] = 0.0, 1.0
    found = surrogate.estimates(point[None])[0]
    assert found.exact and found.rejected is not None and found.cost >= surrogate.objective.penalty


def test_an_anchor_that_collapses_leaves_the_expansion_at_the_start(targets, host):
    text = TEXT.replace("bounds = [20000.0, 120000.0]", "bounds = [1e-3, 120000.0]").replace(
        "[0.0, 60.0]", "[0.0, 3000.0]"
    )
    config = parse_config(text)
    space = make_space(config, host, "fit.toml")
    surrogate, other = (Surrogate(Objective(space, targets[:2], config.guards)) for _ in range(2))
    collapsed, point = space.start.copy(), space.start + 0.001
    collapsed[[0, 2]] = 0.0, 1.0
    surrogate.anchor(collapsed)
    other.anchor(space.start)
    assert surrogate.estimates(point[None])[0] == other.estimates(point[None])[0]


def test_an_estimate_does_not_depend_on_who_else_is_asked_about(surrogate, space, rng):
    points = np.clip(space.start + rng.normal(0, 0.05, (5, len(space.start))), 0, 1)
    alone = [surrogate.estimates(point[None])[0].cost for point in points]
    # Only the order of sums in matrix products differs.
    np.testing.assert_allclose([one.cost for one in surrogate.estimates(points)], alone, rtol=1e-12)


def test_frames_where_the_expansion_does_not_hold_are_evaluated_exactly(surrogate, space, monkeypatch):
    point = np.clip(space.start + 0.02, 0, 1)
    assert surrogate.estimates(point[None])[0].cost != surrogate.exact(point).cost
    monkeypatch.setattr(expansion_module, "FARTHEST", 1e-6)
    # The same numbers, summed in another order.
    assert surrogate.estimates(point[None])[0].cost == pytest.approx(surrogate.exact(point).cost, rel=1e-12)


def test_the_best_of_a_generation_is_exact(surrogate, space, rng):
    points = np.clip(space.start + rng.normal(0, 0.05, (12, len(space.start))), 0, 1)
    with worker_pool(surrogate.objective, 1) as pool:
        results = evaluate_all(pool, points, space.start)
    best = min(results, key=lambda one: one.cost)
    assert best.exact and best.estimate is not None
    assert sum(one.exact for one in results) < len(results)
    assert best.cost == surrogate.exact(points[results.index(best)]).cost
    with worker_pool(surrogate.objective, 1) as pool:
        assert not any(one.exact for one in evaluate_all(pool, points, space.start, lowest=0.9 * best.cost))


def test_errors_are_counted_where_both_costs_are_known():
    results = [
        Evaluated(2.0, None, 2.0, exact=False),
        Evaluated(2.0, None, 2.2),
        Evaluated(4.0, None, 3.9),
        Evaluated(900.0, "CollapseError", 1.0),
        Evaluated(5.0),
    ]
    found = expansion_errors(results)
    assert (found["candidates"], found["expanded"], found["checked"], found["rejected_when_checked"]) == (5, 4, 3, 1)
    assert found["largest_error"] == pytest.approx(0.1) and found["median_error"] == pytest.approx(0.0625)
    assert expansion_errors([Evaluated(5.0)])["largest_error"] is None


def test_converged_is_judged_at_the_point_and_not_by_how_the_search_ended(targets, host, config):
    space = make_space(config, host, "fit.toml")
    objective = Objective(space, targets[:2], config.guards)
    unfinished = refine(objective, space.start, Local(max_iterations=1, gauss_newton_steps=0))
    assert not unfinished.converged and unfinished.expected_gain > 1e-3
    finished = refine(objective, space.start, Local(max_iterations=10))
    # No tolerance of the gradient can be met below the noise, and line searches fail there: still a minimum.
    again = refine(objective, finished.point, Local(max_iterations=5, gradient_tolerance=1e-14, gauss_newton_steps=0))
    assert finished.converged and again.converged
    assert again.gradient > 1e-14 and again.expected_gain < 1e-7
