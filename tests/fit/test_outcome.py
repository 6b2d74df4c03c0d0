"""What a fit says of itself: errors by group, sensitivities, the levels of the budget, distances in a crystal."""

from dataclasses import replace

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.fit.budget import check_budget, level_spaces
from dopantfit.fit.config import Budget, BudgetLevel, parse_config
from dopantfit.fit.errors_by_group import FrameComparison, energy_errors
from dopantfit.fit.objective import Objective
from dopantfit.fit.sensitivity import row_kinds, sensitivity_at
from dopantfit.fit.uncertainty import uncertainty_at
from dopantfit.fit.variables import make_space

from .conftest import TEXT


def test_a_sensitivity_is_the_change_of_residuals_per_standard_deviation(config, host, targets):
    objective = Objective(make_space(config, host, "fit.toml"), targets[:2], config.guards)
    best = objective.candidate(objective.space.start)
    found = uncertainty_at(objective, best)
    sensitivity = sensitivity_at(objective, best, found)
    assert sensitivity.kinds == ("forces on Mg", "forces on O", "forces on P", "energies", "guards and priors")
    labels = np.array(row_kinds(objective, len(best.residuals)))
    assert [int((labels == kind).sum()) for kind in sensitivity.kinds[:4]] == [36, 96, 24, 2]
    for number, deviation in enumerate(np.sqrt(np.diag(found.covariance))):
        # A step of 1e-4 of the box: differences are good to about 1e-4 of themselves.
        shift = 1e-4 * np.eye(len(best.point))[number]
        ends = [objective.candidate(best.point + sign * shift).residuals for sign in (1, -1)]
        moved = (ends[0] - ends[1]) / 2e-4 * deviation
        norms = [np.linalg.norm(moved[labels == kind]) for kind in sensitivity.kinds]
        np.testing.assert_allclose(sensitivity.norms[number], norms, rtol=2e-3, atol=1e-5)


def _comparison(target, name, group, held_out, energy, dft):
    of, composition = group.split(":")
    changes = {"name": name, "set": of, "composition": composition, "held_out": held_out}
    target = replace(target, **changes, energy=dft * len(target.forces))
    return FrameComparison(target, energy * len(target.forces), target.forces)


def test_a_held_out_energy_is_held_against_the_training_frames_of_its_composition(targets):
    train = [_comparison(targets[0], "a", "s:X", False, 1.0, 5.0), _comparison(targets[0], "b", "s:X", False, 1.2, 5.2)]
    one = [_comparison(targets[0], "c", "s:X", True, 1.4, 5.1)]
    # The offset is -4 eV/atom; the held-out difference is 1.4 - 5.1 + 4 = 0.3.
    entries = energy_errors(one, train)
    assert [entry["kind"] for entry in entries] == ["all", "composition"]
    assert entries[0]["rms_error"] == pytest.approx(0.3, abs=1e-12)
    # A composition that was never trained on has an offset of its own, and one frame then says nothing.
    assert energy_errors(one, []) == []
    two = [*one, _comparison(targets[0], "d", "s:X", True, 1.0, 5.1)]
    assert energy_errors(two, [])[0]["rms_error"] == pytest.approx(0.2, abs=1e-12)


def test_levels_of_a_budget_hold_those_before_them(config, host):
    levels = (
        BudgetLevel(name="O-P", pairs=("P-O",)),
        BudgetLevel(name="charges", charges=True),
        BudgetLevel(name="all", pairs="all", shells=True),
    )
    spaces = [space for _, space in level_spaces(config, Budget(levels=levels), host, "fit.toml")]
    names = [{variable.name for variable in space.variables} for space in spaces]
    assert names[0] == {"A Mg-O", "rho Mg-O", "C Mg-O", "A Mg-Mg", "A O-P", "rho O-P", "C O-P"}
    assert names[1] == names[0] | {"charge_scale"}
    assert names[2] > names[1] and {"spring O", "shell_charge O", "rho Al-Ti"} <= names[2]
    # What the file bounds keeps its bounds, whatever a level says.
    assert {(v.low, v.high) for v in spaces[2].variables if v.name == "rho Mg-O"} == {(0.15, 0.21)}


def test_values_of_another_potential_are_found_where_charges_and_shells_mix(config, host):
    levels = (BudgetLevel(name="all", charges=True, shells=True),)
    ((_, space),) = level_spaces(config, Budget(levels=levels), host, "fit.toml")
    values = space.values(np.full(len(space.variables), 0.3))
    # The potential holds every value to the last digits, O's core charge being moved by two variables.
    np.testing.assert_allclose(space.values_in(space.potential(values)), values, rtol=1e-9)


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ('pairs = ["O-Q"]', r"fit.toml: budget: level 'x': 'O-Q' is no pair of the host latp-2021; it has Al-Al, "),
        ('pairs = ["Mg-O"]', r"fit.toml: budget: level 'x': 'Mg-O' is no pair of the host"),
        ('pears = "all"', r"fit.toml: budget.levels.0.pears is no known key"),
    ],
)
def test_a_level_that_makes_no_sense_is_refused_before_any_work(level, message, host):
    with pytest.raises(ConfigError, match=message) as caught:
        text = TEXT + f'[budget]\nlevels = [{{ name = "x", {level} }}]\n'
        check_budget(parse_config(text), host, "fit.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", 'reference = "frames" needs path and family'),
        ('path = "set"\nfamily = "f"\nreference = { prototype = "MgO", a = 1.0, b = 1.0, c = 1.0, source = "x" }',
         "path and family would not be read"),
        ('reference = { prototype = "MgO", a = 1.0, b = 1.0, c = 1.0 }', "source is missing"),
    ],
)  # fmt: skip
def test_a_reference_cell_is_either_given_or_found(table, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(TEXT + f'[preoptimisation]\nparameters = ["rho Mg-O"]\n{table}\n')
    assert message in str(caught.value) and "\n" not in str(caught.value)
