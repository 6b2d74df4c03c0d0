"""A whole fit from a file: what it writes, that it repeats itself, and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.errors import ConfigError
from dopantfit.fit.errors_by_group import error_tables, near_dopant
from dopantfit.fit.record import write_fit
from dopantfit.fit.run import best_apart, plan_fit, run_fit

from .conftest import TEXT

SMALL = """
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


def test_a_fit_writes_a_potential_and_a_record_and_repeats_itself_on_more_processes(fit_file, published):
    plan = plan_fit(fit_file)
    result = run_fit(plan, fit_file.parent / "work")
    payload = write_fit(plan, result, fit_file.parent, 0.0)
    fitted = Potential.load(fit_file.parent / "potential.toml")
    assert fitted.pair("Ti", "O") == published.pair("Ti", "O")
    assert fitted.pair("Mg", "O").rho == pytest.approx(0.179, abs=0.003)
    assert json.loads((fit_file.parent / "fit.json").read_text()) == payload
    # The data are the published potential's, so held-out frames, too, are fitted to their noise of 0.02 eV/Å.
    held_out = {one["name"]: one for one in payload["errors"]["fitted"]["held_out"]["forces"]}
    assert held_out["all"]["rms_error"] == pytest.approx(0.02, rel=0.2)
    assert payload["search"]["evaluations"] == 15
    assert len(payload["local"]) == 2
    assert {path.name for path in (fit_file.parent / "figures").glob("*.png")} == {
        "convergence.png", "correlation.png", "species.png", "pairs.png",
    }  # fmt: skip
    again = run_fit(plan, fit_file.parent / "elsewhere", workers=2)
    # Not to the last bit: other processes round sums in another order, and flat directions amplify that to some 1e-8.
    for parameter in result.potential.parameters():
        assert again.potential.value(parameter) == pytest.approx(result.potential.value(parameter), rel=1e-4)


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
    command = [sys.executable, "-m", "dopantfit.cli", "fit", str(fit_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
