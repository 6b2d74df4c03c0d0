"""A whole design, as small as it can be: killed and taken up again, planned, drawn; and what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STUDY = """
preset = "quick"
seed = 3
dopant = "Mg"
potential = "potential.toml"
validation = "validation.json"
accept_failed_gates = "a test of the machinery, not of the dopant"
[engine]
frame_interval = 0.02
[boundary]
build = "tiny"
"""
DESIGN = """
preset = "quick"
trials = 3
batch = 2
startup = 2
quenches = 2
segments = 2
candidates = 32
dose = [2.0, 6.0]
[glass]
equilibration = 0.2
equilibration_temperature = 1000.0
heating = 0.02
production = 0.4
temperature = 1000.0
"""


def fit(folder):
    folder.mkdir()
    (folder / "study.toml").write_text(STUDY)
    (folder / "design.toml").write_text(DESIGN)
    library = Path(__file__).parents[2] / "src/dopantfit/potential/library"
    shutil.copy(library / "latp-mg-2022.toml", folder / "potential.toml")
    return folder


@pytest.fixture
def folder(tmp_path):
    return fit(tmp_path / "Mg")


def design(folder, *options):
    command = [sys.executable, "-m", "dopantfit.cli", "design", str(folder), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, cwd=folder)


def refused(done):
    """What was said, in one line, with status 2."""
    assert done.returncode == 2, done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("dopantfit: error: ")]
    assert len(said) == 1 and "Traceback" not in done.stderr
    return said[0]


@pytest.mark.slow
def test_a_design_is_made_drawn_kept_and_gone_on_with(folder, tmp_path):
    done = design(folder, "--run", tmp_path / "run", "--workers", 2, "--keep", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [one["number"] for one in record["trials"]] == [1, 2, 3]
    assert all(one["glass"]["glasses"] == 2 for one in record["trials"])
    assert {one["status"] for one in record["trials"]} <= {"front", "possible", "dominated"}
    # The first is the middle of the space; whole ions are as near to it as there are ions: half a one in 100.
    first = record["trials"][0]
    assert first["dose"] == 4.0 and first["share"] == 0.5
    assert first["glass"]["percent"] == pytest.approx(4.0, abs=1.0)
    assert record["following"]["dopant"] == "Mg"
    kept = folder / "design"
    assert {one.name for one in kept.iterdir()} == {"design.html", "design.json", "figures"}
    assert {one.suffix for one in (kept / "figures").iterdir()} == {".png", ".pdf", ".svg", ".csv"}
    assert "Worth making next" in (kept / "design.html").read_text(encoding="utf-8")
    before = (tmp_path / "run/glasses/amorphous/A_1/1/run1/record.json").stat().st_mtime
    again = design(folder, "--run", tmp_path / "run", "--json")
    assert json.loads(again.stdout)["trials"] == record["trials"]
    assert (tmp_path / "run/glasses/amorphous/A_1/1/run1/record.json").stat().st_mtime == before
    (folder / "design.toml").write_text(DESIGN.replace("[2.0, 6.0]", "[2.0, 5.0]"))
    assert "holds 3 trials of a design with other settings" in refused(design(folder, "--run", tmp_path / "run"))


def test_a_plan_says_what_the_least_and_the_most_costs(folder):
    from dopantfit.design.cost import design_cost
    from dopantfit.design.inputs import design_inputs
    from dopantfit.study.cost import MODEL

    cost = design_cost(design_inputs([folder], None), folder, 2, lambda: None, MODEL)
    # Two boundaries; four compositions (one undoped) of two glasses each, at constant pressure and in one segment.
    boundaries = cost.picoseconds.least - 8 * (0.2 + 0.02 + 0.4)
    assert boundaries > 0.0
    assert cost.picoseconds.most == pytest.approx(cost.picoseconds.least + 8 * 0.4)
    assert cost.core_hours.least < cost.core_hours.most
    assert cost.glasses == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("dose = [2.0, 6.0]", "dose = [6.0, 2.0]"), r"design.toml: dose = [6, 2] is no span"),
        (("quenches = 2", "quenches = 1"), "quenches = 1: Input should be greater than or equal to 2"),
        (("trials = 3", "trails = 3"), "trails is no known key"),
        (('"quick"', '"swift"'), "preset = 'swift' is not one of quick, night, desk, paper"),
    ],
)
def test_a_design_that_cannot_be_is_refused_in_one_line(folder, change, said):
    (folder / "design.toml").write_text(DESIGN.replace(*change))
    assert said in refused(design(folder, "--plan"))


def test_a_fit_without_a_potential_is_refused(folder):
    (folder / "potential.toml").unlink()
    assert "potential.toml" in refused(design(folder, "--plan"))


def test_two_fits_of_one_dopant_are_refused(folder):
    other = fit(folder.parent / "other")
    assert "two fits of one dopant" in refused(design(folder, other, "--plan"))


def test_a_dopant_that_takes_no_places_of_the_framework_is_refused(folder):
    (folder / "study.toml").write_text(STUDY.replace("[engine]", 'replaces = ["Li"]\n[engine]'))
    assert "a design exchanges Ti" in refused(design(folder, "--plan"))


def test_a_folder_of_another_design_is_refused(folder, tmp_path):
    run, other = tmp_path / "run", fit(tmp_path / "other") / "design.toml"
    run.mkdir()
    (run / ".owner").write_text(json.dumps({"of": str(other)}))
    assert str(other) in refused(design(folder, "--run", run))


def test_trials_of_another_study_are_refused_before_any_work(folder, tmp_path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    run = tmp_path / "run"
    run.mkdir()
    storage = JournalStorage(JournalFileBackend(str(run / "trials.journal")))
    optuna.create_study(storage=storage, study_name="somebody's")
    assert "holds trials of another study" in refused(design(folder, "--run", run))
    assert not (run / "glasses").exists()


def test_a_result_is_not_put_in_the_place_of_something_else(folder, tmp_path):
    (folder / "design").mkdir()
    (folder / "design" / "mine.txt").write_text("mine")
    assert "is no result of a design" in refused(design(folder, "--run", tmp_path / "run", "--keep"))
    assert not (tmp_path / "run" / "glasses").exists()
