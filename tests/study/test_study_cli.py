"""The verbs of the study: what they print, and their exit status."""

import json
import os
import sys

import pytest

from dopantfit.cli import main
from dopantfit.study.config import load_study
from dopantfit.study.records import Record, write_record
from dopantfit.study.tasks import Planner

STUDY = """
preset = "quick"
seed = 1
dopant = "Mg"
potential = "latp-mg-2022"
validation = "none.json"
accept_failed_gates = "the published set, in a test"
[boundary]
build = "tiny"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["dopantfit", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (("quick", "fast"), [], "is not one of quick, desk, paper"),
        (("", ""), ["--preset", "huge"], "is not one of quick, desk, paper"),
        (('"Mg"', '"B"'), [], "B is not in potential"),
        (("latp-mg-2022", "none.toml"), [], "none.toml: no such file"),
        (("accept_failed_gates", "# accept"), [], "none.json: there is no validation"),
        (("tiny", "other.toml"), [], "other.toml"),
        (("seed = 1", "seed = -1"), [], "seed = -1"),
        (("", ""), ["--site", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, monkeypatch, capsys, change, words, message):
    path = folder / "study.toml"
    path.write_text(path.read_text().replace(*change))
    status, out, err = call(monkeypatch, capsys, "study", folder, "--run", folder / "run", *words)
    assert status == 2 and out == ""
    assert err.startswith("dopantfit: error: ") and message in err and err.count("\n") == 1


def test_a_run_folder_that_cannot_be_made_is_one_line_and_status_2(folder, monkeypatch, capsys):
    (folder / "file").write_text("")
    status, _, err = call(monkeypatch, capsys, "study", folder, "--run", folder / "file" / "run")
    assert status == 2 and "cannot be made" in err and err.count("\n") == 1


def test_plan_takes_rates_from_the_records_of_a_run(folder, monkeypatch, capsys):
    config, file = load_study(folder)
    graph = Planner(config, file.parent).graph()
    name = next(name for name, task in graph.tasks.items() if task.unit == "ps")
    # 36 ps/hour of 100 ions on one core: one second per ion and ps.
    measured = {"ps_per_hour": 36.0, "ions": 100.0, "ranks": 1.0}
    (folder / "run" / name).mkdir(parents=True)
    write_record(folder / "run" / name, Record(name, "", {}, {}, measured))
    status, out, _ = call(monkeypatch, capsys, "plan", folder, "--run", folder / "run", "--cores", 4, "--json")
    cost = json.loads(out)
    assert status == 0
    assert cost["seconds_per_ion_ps"] == pytest.approx(1.0) and cost["cores"] == 4
    assert cost["core_hours"] == pytest.approx(sum(stage["core_hours"] for stage in cost["stages"]))
    crystals = next(stage for stage in cost["stages"] if stage["stage"] == "crystals")
    quick = config.crystals
    ps = 3 * (quick.equilibration + quick.replicas * (quick.heating + quick.production))
    # 146 ions each; the rest of the stage are small tasks.
    assert crystals["core_hours"] == pytest.approx(146 * ps / 3600.0, rel=0.02)


def test_trace_without_a_fit_is_refused(folder, monkeypatch, capsys):
    status, _, err = call(monkeypatch, capsys, "trace", "rho Mg-O", folder)
    assert status == 2 and "no fitted potential" in err


def test_run_needs_a_fit_to_begin_with(folder, monkeypatch, capsys):
    status, _, err = call(monkeypatch, capsys, "run", folder)
    assert status == 2 and "fit.toml" in err
    assert os.listdir(folder) == ["study.toml"]
