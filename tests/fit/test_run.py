"""A whole fit from a file: what it writes, that it repeats itself, and what it refuses."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from command_line import dopantfit
from dopantfit import Potential
from dopantfit.errors import ConfigError
from dopantfit.fit.errors_by_group import error_tables, near_dopant
from dopantfit.fit.objective import Objective
from dopantfit.fit.record import write_fit
from dopantfit.fit.run import plan_fit, run_fit
from dopantfit.fit.starts import best_apart
from dopantfit.workflow.lock import held, run_folder

from .conftest import TEXT

SMALL = """
[preoptimisation]
reference = { prototype = "Mg3P2O8", a = 5.0775, b = 8.2305, c = 8.8333, beta = 120.93, source = "Nord 1968" }
parameters = ["rho Mg-O"]

[ensemble]
draws = 3

[budget]
max_iterations = 1
gauss_newton_steps = 2
levels = [{ name = "+ O-P", pairs = ["P-O"] }, { name = "everything", pairs = "all", shells = true, charges = true }]

[swarm]
particles = 5
generations = 2

[local]
starts = 2
max_iterations = 10
"""


@pytest.fixture
def fit_file(written_set):
    file = written_set.parent / "fit.toml"
    text = TEXT.replace('path = "set"', 'path = "set"\nheld_out_families = ["two"]')
    file.write_text(text + SMALL, encoding="utf-8")
    return file


def test_a_fit_writes_a_potential_and_a_record_and_repeats_itself_on_more_processes(fit_file, published, capfd):
    plan = plan_fit(fit_file)
    result = run_fit(plan, fit_file.parent / "work")
    record = write_fit(plan, result, fit_file.parent, 0.0)
    assert capfd.readouterr() == ("", "")
    payload = json.loads((fit_file.parent / "fit.json").read_text())
    fitted = Potential.load(fit_file.parent / "potential.toml")
    assert fitted.pair("Ti", "O") == published.pair("Ti", "O")
    assert fitted.pair("Mg", "O").rho == pytest.approx(0.179, abs=0.003)
    assert payload == json.loads(json.dumps(record.as_dict()))
    # The data are the published potential's, so held-out frames, too, are fitted to their noise of 0.02 eV/Å.
    held_out = {one["name"]: one for one in payload["errors"]["fitted"]["held_out"]["forces"]}
    assert held_out["all"]["rms_error"] == pytest.approx(0.02, rel=0.2)
    assert payload["search"]["evaluations"] == 15
    assert set(payload["sensitivity"]["norms"]) == {"A Mg-O", "rho Mg-O", "C Mg-O", "A Mg-Mg"}
    assert len(payload["local"]) == 2
    for kind in ("png", "pdf"):
        assert {path.stem for path in (fit_file.parent / "figures").glob(f"*.{kind}")} == {
            "convergence", "correlation", "species", "pairs", "ellipses", "sensitivities", "budget", "rdf",
        }  # fmt: skip
    _check_budget(payload, fit_file.parent)
    _check_ensemble(payload, plan, fit_file.parent)
    _check_cell_table(payload, fit_file.parent)
    searched = replace(plan, config=plan.config.model_copy(update={"budget": None}))
    again = run_fit(searched, fit_file.parent / "elsewhere", workers=2)
    assert again.potential.dumps() == result.potential.dumps()
    assert [one.cost for one in again.starts] == [one.cost for one in result.starts]
    # The best costs of every generation are exact, so some candidates were costed both ways.
    assert 0 < payload["search"]["expansion"]["checked"] <= payload["search"]["expansion"]["expanded"] <= 15


def _check_budget(payload, folder):
    names = [level["name"] for level in payload["budget"]]
    assert names == ["published", "fitted", "+ O-P", "everything"]
    assert [level["free"] for level in payload["budget"]] == [0, 4, 7, 4 + 3 * 15 + 2 + 1]
    # Every level holds the one before, so that its cost is no higher.
    costs = [level["cost"] for level in payload["budget"]][1:]
    assert costs == sorted(costs, reverse=True)
    level = Potential.load(folder / "budget" / "level-2.toml")
    # Charges that moved in one proportion leave every balanced cell neutral.
    assert 3 * level.species["Mg"].total_charge == pytest.approx(
        -(2 * level.species["P"].total_charge + 8 * level.species["O"].total_charge), abs=1e-9
    )
    assert level.species["O"].shell.spring != 88.6


def _check_ensemble(payload, plan, folder):
    files = sorted((folder / "ensemble").glob("*.toml"))
    assert [path.stem for path in files] == sorted(one["name"] for one in payload["ensemble"])
    assert sum(one["kind"] == "draw" for one in payload["ensemble"]) == 3
    objective = Objective(plan.space, plan.training, plan.config.guards)
    for one in payload["ensemble"]:
        member = Potential.load(folder / "ensemble" / f"{one['name']}.toml")
        # The cost of the file's potential, computed anew; shells relaxed from another start agree to about 1e-9.
        assert objective.cost(plan.space.point(plan.space.values_in(member))) == pytest.approx(one["cost"], rel=1e-6)


def _check_cell_table(payload, folder):
    table = {one["quantity"]: one for one in payload["preoptimisation"]["cell"]}
    volume = table["volume (Å³)"]
    assert volume["reference"] == pytest.approx(316.65, abs=0.01)
    # Pre-optimised to 0.2 %, and the start, ρ too long, is larger.
    assert volume["preoptimised"] == pytest.approx(volume["reference"], rel=0.004) and volume["start"] > 340
    assert table["rho Mg-O (Å)"]["preoptimised"] < table["rho Mg-O (Å)"]["start"]
    assert "Nord" in (folder / "figures" / "preoptimisation.md").read_text()


def test_two_fits_of_one_folder_do_not_run_side_by_side(fit_file):
    plan = plan_fit(fit_file)
    with held(fit_file.parent), pytest.raises(ConfigError, match="is working there"):
        run_fit(plan, fit_file.parent / "work")
    # Nor do two of other folders and one name take each other's journal.
    with run_folder(fit_file.parent / "work", fit_file.parent / "set" / "frames.extxyz"):
        pass
    with pytest.raises(ConfigError, match="holds the work of"):
        run_fit(plan, fit_file.parent / "work")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('name = "../../elsewhere"', "is no name of a folder"),
        (f'name = "{"a" * 300}"', "longer than 100 bytes"),
        ('compare_with = "published-long-ago"', "no library potential"),
    ],
)
def test_what_would_end_a_long_fit_is_refused_before_it(fit_file, line, words):
    key = line.split()[0]
    text = "\n".join(line if one.startswith(f"{key} =") else one for one in fit_file.read_text().splitlines())
    fit_file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        plan_fit(fit_file)


def test_the_plan_says_what_informs_each_parameter(fit_file):
    command = [sys.executable, "-m", "dopantfit.cli", "fit", str(fit_file), "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shown = json.loads(done.stdout)
    assert [one["name"] for one in shown["parameters"]] == ["A Mg-O", "rho Mg-O", "C Mg-O", "A Mg-Mg"]
    assert shown["frames"] == {"train": 4, "held_out": 2}
    assert shown["parameters"][0]["frames"] == 4


def test_a_free_parameter_that_no_frame_can_tell_is_refused_unless_frozen(fit_file):
    text = fit_file.read_text()
    free = text.replace("start = 24050.7", "start = 24050.7, bounds = [1.0, 1e5]")
    fit_file.write_text(free)
    with pytest.raises(ConfigError, match=r"'A Li-Mg' is free, and no training frame has Li and Mg within 9 Å"):
        plan_fit(fit_file)
    fit_file.write_text(free.replace("bounds = [1.0, 1e5]", "bounds = [1.0, 1e5], frozen = true"))
    assert len(plan_fit(fit_file).space.variables) == 4


def test_bad_input_is_one_line_and_status_2(fit_file):
    fit_file.write_text(fit_file.read_text().replace("start = 0.182", "start = 0.9"))
    done = dopantfit("fit", fit_file)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "pairs.Mg-O.rho = 0.9 Å is outside its bounds" in done.stderr


def test_the_neighbourhood_of_a_dopant_is_its_oxygen_polyhedron(targets, published):
    charges = {label: ion.total_charge for label, ion in published.species.items()}
    near = near_dopant(targets[0], "Mg", charges)
    labels = np.array(targets[0].ion_labels)
    assert near[labels == "Mg"].all()
    assert not near[labels == "P"].any()
    # In farringtonite every O is bound to some Mg.
    assert near[labels == "O"].mean() > 0.8


def test_errors_of_the_potential_that_made_the_frames_are_the_noise(targets, published):
    tables, comparisons = error_tables(published, targets, "Mg")
    entry = tables["train"]["forces"][0]
    # 624 components: the rms of a normal distribution is known to 1/sqrt(1248) = 3 %.
    assert entry["rms_error"] == pytest.approx(0.02, rel=0.12)
    assert tables["train"]["energies"][0]["rms_error"] < 0.0015
    assert len(comparisons) == 8


def test_starts_are_apart_and_the_best_comes_first():
    points = np.array([[0.5, 0.5], [0.501, 0.5], [0.9, 0.1], [0.2, 0.2]])
    chosen = best_apart(points, np.array([2.0, 1.0, 3.0, 4.0]), 2)
    assert [point.tolist() for point in chosen] == [[0.501, 0.5], [0.9, 0.1]]
