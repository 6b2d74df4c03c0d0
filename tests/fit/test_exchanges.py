"""Exchange energies as a target: exact slopes, known parameters that come back, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from command_line import dopantfit
from dopantfit import Potential
from dopantfit.errors import DopantFitError
from dopantfit.fit.config import Local, parse_config
from dopantfit.fit.exchanges import DifferenceModel, load_exchanges
from dopantfit.fit.local import refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.record import write_fit
from dopantfit.fit.run import plan_fit, run_fit
from dopantfit.fit.sensitivity import row_kinds
from dopantfit.fit.uncertainty import uncertainty_at
from dopantfit.fit.variables import make_space
from dopantfit.project.check_project import check
from dopantfit.reference.exchange_ends import exchange_ends
from dopantfit.reference.frames import load_set, write_set
from made_up_exchanges import labelled, manifest, write_exchange_set

from .conftest import TEXT, frames_of, save_set

TABLE = '\n[[exchanges]]\npath = "exchanged"\nenergy_error = 0.01\nheld_out = ["judged"]\n'
#: Free: what a Mg in the host feels, and all charges in one proportion.
FREE = TEXT.replace(
    "A = { start = 56162.41 }\nrho = { start = 0.13 }",
    "A = { start = 56162.41 }\nrho = { start = 0.13, bounds = [0.10, 0.20] }",
).replace("one_composition = true", "one_composition = true\ncharge_scale = { bounds = [0.50, 0.60] }")


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory, published):
    """A set of four exchanges, of two items, labelled by the published potential."""
    folder = tmp_path_factory.mktemp("exchanges") / "exchanged"
    return write_exchange_set(folder, published, {"fitted": (["Ti", "Li"], 1), "judged": (["Ti", "Li"], 1)})


@pytest.fixture(scope="module")
def exchanges(exchanged, published):
    config = parse_config(FREE + TABLE)
    return load_exchanges(config, published, exchanged.parent, "fit.toml")


def test_every_exchange_is_the_difference_of_two_relaxed_ends(exchanges, exchanged, published):
    energies = {str(one.info["frame_id"]): one.get_potential_energy() for one in load_set(exchanged).frames}
    assert [one.name for one in exchanges] == [
        "exchanged/fitted-Ti0", "exchanged/fitted-Li0", "exchanged/judged-Ti0", "exchanged/judged-Li0",
    ]  # fmt: skip
    assert [one.held_out for one in exchanges] == [False, False, True, True]
    assert exchanges[1].reference == energies["fitted-Li0-012"] - energies["fitted-start-012"]
    model = DifferenceModel(exchanges, published)
    assert len(model.models) == 6  # two starts, four ends
    # The labels hold the steps of the Buckingham terms at their cutoff, of some 1e-4 eV a pair.
    for one in model.compare(published):
        assert one.difference == pytest.approx(0.0, abs=5e-3) and one.farthest < 0.01
    assert max(abs(one.reference) for one in exchanges) > 0.1


def test_the_gradient_is_that_of_differences_charges_included(exchanges, host, targets):
    space = make_space(parse_config(FREE), host, "fit.toml")
    objective = Objective(space, targets[:1], exchanges=exchanges)
    names = [variable.name for variable in space.variables]
    assert "charge_scale" in names and "rho Mg-P" in names
    # Bounds are wide: a step of 1e-4 of the box moves a relaxed energy by 1e-3 eV and more.
    point = space.start + 0.01
    candidate = objective.candidate(point)
    jacobian = objective.jacobian(candidate)
    rows = [n for n, kind in enumerate(row_kinds(objective, len(jacobian))) if kind == "exchanges"]
    assert len(rows) == 4 == objective.exchange_count
    for column in range(len(names)):
        step = 1e-4 * np.eye(len(names))[column]
        ends = [objective.candidate(point + sign * step).residuals[rows] for sign in (1, -1)]
        # Ions at rest to 1e-4 eV/Å leave 1e-8 eV, in units of the error 1e-6, over the step 1e-2.
        np.testing.assert_allclose((ends[0] - ends[1]) / 2e-4, jacobian[rows, column], rtol=1e-3, atol=2e-2)
    cost, gradient = objective.cost_and_gradient(point)
    assert cost == pytest.approx(sum(objective.parts(candidate)), rel=1e-12)
    assert objective.parts(candidate)[-1] > 1.0
    np.testing.assert_allclose(gradient, jacobian.T @ candidate.residuals)


def test_exchanges_give_the_known_parameters_back(exchanges, host, published, config, targets):
    """Two of them, and one frame of a phosphate, whose forces say nothing of Mg and P: its weight is all but taken."""
    text = TEXT.replace("A = { start = 48000.0, bounds = [20000.0, 120000.0] }", "A = { start = 55835.77 }")
    text = text.replace("C = { start = 8.0, bounds = [0.0, 60.0] }", "C = { start = 12.62 }")
    text = text.replace("A = { start = 20671.12, bounds = [1000.0, 60000.0] }", "A = { start = 20671.12 }")
    space = make_space(parse_config(text), host, "fit.toml")
    assert [variable.name for variable in space.variables] == ["rho Mg-O"]
    (nothing,) = (replace(one, force_weight=1e-6 * one.force_weight, energy_weight=0.0) for one in targets[:1])
    objective = Objective(space, [nothing], exchanges=[one for one in exchanges if not one.held_out])
    found = refine(objective, space.start, Local(max_iterations=5, gauss_newton_steps=10))
    best = objective.candidate(found.point)
    error = uncertainty_at(objective, best).standard_error[0]
    # Steps at the cutoff make 2e-3 eV, which is what is left of 3 eV at the start.
    assert best.values[0] == pytest.approx(0.179, abs=2e-4) and found.start_cost > 1e3 * found.cost
    assert error < 1e-3


def test_an_end_that_collapses_rejects_the_candidate_and_not_the_fit(exchanges, host, targets):
    space = make_space(parse_config(FREE.replace("[20000.0, 120000.0]", "[30.0, 120000.0]")), host, "fit.toml")
    names = [variable.name for variable in space.variables]
    objective = Objective(space, targets[:1], exchanges=exchanges)
    point = space.start.copy()
    point[names.index("A Mg-O")] = 0.0
    bad = objective.candidate(point)
    assert bad.rejection is not None and bad.cost >= objective.penalty > objective.cost(space.start)
    assert objective.rejected.total() == 1
    weak = space.potential(space.values(point))
    assert any(one.energy is None for one in DifferenceModel(exchanges, space.base).compare(weak))


SMALL = """
[ensemble]
draws = 1
[swarm]
particles = 3
generations = 1
[local]
starts = 1
max_iterations = 2
gauss_newton_steps = 4
[budget]
max_iterations = 1
gauss_newton_steps = 1
levels = [{ name = "+ shells", shells = true }]
"""


@pytest.fixture
def project(tmp_path, exchanged, published):
    """A folder with a fit of frames and exchanges."""
    save_set(tmp_path / "set", frames_of(published, 3, seed=4, family="one") + frames_of(published, 1, 5, "two"))
    (tmp_path / "exchanged").symlink_to(exchanged)
    text = TEXT.replace('path = "set"', 'path = "set"\nheld_out_families = ["two"]')
    (tmp_path / "fit.toml").write_text(text + TABLE + SMALL, encoding="utf-8")
    return tmp_path


def test_a_fit_with_exchanges_says_what_it_makes_of_them_and_repeats_itself(project):
    plan = plan_fit(project)
    result = run_fit(plan, project / "work")
    record = write_fit(plan, result, project, 0.0)
    payload = json.loads((project / "fit.json").read_text())
    assert payload == json.loads(json.dumps(record.as_dict()))
    assert payload["exchanges"]["entered"] == "local"
    by_name = {one["name"]: one for one in payload["exchanges"]["energies"]}
    assert list(by_name) == [one.name for one in plan.exchanges]
    assert by_name["exchanged/judged-Li0"]["held_out"]
    fitted = Potential.load(project / "potential.toml")
    (expected,) = DifferenceModel(plan.exchanges[1:2], plan.space.base).compare(fitted)
    assert by_name["exchanged/fitted-Li0"]["energies"]["fitted"] == pytest.approx(expected.energy, abs=1e-6)
    errors = {(one["side"], one["partner"]): one for one in payload["exchanges"]["errors"]}
    assert set(errors) == {(side, of) for side in ("train", "held_out") for of in ("all", "Ti", "Li")}
    # The labels are the published potential's, but for steps at the cutoff.
    assert errors["train", "all"]["rms_error"]["published"] < 5e-3
    assert errors["held_out", "all"]["rms_error"]["fitted"] < 0.05
    assert [level["exchanges"].keys() for level in payload["budget"]] == [{"train", "held_out"}] * 3
    assert set(record.record.inputs) >= {"exchanged/plan.toml", "exchanged/frames.extxyz"}
    assert [one["set"] for one in payload["labels"]] == ["synthetic", "exchanged"]
    again = run_fit(replace(plan, config=plan.config.model_copy(update={"budget": None})), project / "two", workers=2)
    assert again.potential.dumps() == result.potential.dumps()


def test_the_command_line_shows_exchanges_before_and_nothing_of_them_without(project):
    shown = json.loads(dopantfit("fit", project, "--dry-run", "--json").stdout)
    assert shown["exchanges"] == {"train": 2, "held_out": 2}
    assert "2 exchanges to fit, 2 held out" in dopantfit("fit", project, "--dry-run").stdout
    plain = parse_config(TEXT)
    assert "exchanges" not in plain.model_dump() and "exchanges" not in plain.model_dump_json()
    assert not any(one.severity == "error" and "exchange" in one.what for one in check(project))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('held_out = ["judged"]', 'held_out = ["juged"]', "held_out names 'juged', and the set has fitted"),
        ('held_out = ["judged"]', 'left_out = ["nobody"]', "left_out names 'nobody', which is no exchange"),
        ('held_out = ["judged"]', 'left_out = ["judged", "fitted"]', "left_out leaves no exchange"),
        ('path = "exchanged"', 'path = "set"', "has no plan.toml"),
        ("energy_error = 0.01", "energy_error = 0.0", "energy_error = 0.0: Input should be greater than 0"),
    ],
)
def test_names_that_nothing_has_and_sets_without_exchanges_are_refused(project, before, after, words):
    file = project / "fit.toml"
    file.write_text(file.read_text().replace(before, after), encoding="utf-8")
    with pytest.raises(DopantFitError, match=words):
        plan_fit(project)
    assert any(words.split(",")[0].split(":")[0] in one.what for one in check(project) if one.severity == "error")


def _other_composition(frames, potential):
    frames[1].symbols[list(frames[1].symbols).index("Li")] = "Al"
    return frames, "the ends are .* energies of two compositions cannot be compared"


def _other_cell(frames, potential):
    frames[1].set_cell(1.001 * frames[1].cell.array, scale_atoms=True)
    return frames, "the ends have two cells"


def _not_there(frames, potential):
    return [frames[0], *frames[2:]], "no relaxed end and energy of fitted-Ti0; run `dopantfit reference run"


def _on_the_way(frames, potential):
    frames[1].rattle(0.1)
    return [frames[0], labelled(frames[1], "fitted-Ti0-004", "fitted", potential), *frames[2:]], "is not relaxed, its"


@pytest.mark.parametrize("damage", [_other_composition, _other_cell, _not_there, _on_the_way])
def test_ends_that_mean_nothing_are_refused(tmp_path, exchanged, published, damage):
    frames, words = damage([_copy(one) for one in load_set(exchanged).frames], published)
    folder = tmp_path / "exchanged"
    folder.mkdir()
    (folder / "plan.toml").write_text((exchanged / "plan.toml").read_text())
    for one in frames:
        one.info.pop("composition", None)
    write_set(folder, frames, manifest())
    with pytest.raises(DopantFitError, match=words):
        exchange_ends(folder)
    assert len(exchange_ends(folder, ["fitted-Ti0"])[1]) == 3


def _copy(atoms):
    frame = atoms.copy()
    frame.calc = atoms.calc
    return frame


def test_a_set_whose_plan_exchanges_nothing_is_refused(tmp_path, exchanged):
    folder = tmp_path / "exchanged"
    folder.mkdir()
    write_set(folder, [_copy(one) for one in load_set(exchanged).frames], manifest())
    text = (exchanged / "plan.toml").read_text().split("[[configurations]]")[0]
    (folder / "plan.toml").write_text(
        text + '[[configurations]]\nkind = "recompute"\nname = "a"\nstart = { prototype = "LiTi2P3O12" }\n'
    )
    with pytest.raises(DopantFitError, match='has no item of kind "exchange"'):
        exchange_ends(folder)
