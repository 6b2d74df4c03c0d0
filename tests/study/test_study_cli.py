"""The verbs of the study: what they print, and their exit status."""

import json
import os
import subprocess
import sys

import pytest
import typer

from dopantfit import cli
from dopantfit.cli import main
from dopantfit.pipeline import steps
from dopantfit.study import run as study_run
from dopantfit.study.config import load_study
from dopantfit.study.tasks import Planner
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.records import Record, write_record

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


@pytest.fixture
def one_table(monkeypatch):
    """Let every study be one task, which writes a file of 300 kB that a report needs."""
    graph = Graph([Task("items/big", "items", "toy:fill", {"bytes": 300_000})])
    monkeypatch.setattr(study_run, "plan_study", lambda config, file: study_run.Study(config, file, graph, {}))


def test_a_summary_that_cannot_be_put_together_is_one_line_and_status_2(folder, one_table, monkeypatch, capsys):
    words = ("study", folder, "--run", folder / "run", "--workers", 1, "--json")
    assert call(monkeypatch, capsys, *words)[0] == 0
    before = (folder / "run/summary/study.json").read_bytes()
    # What is in the way stands for a file system that refuses: the same error, and root meets it too.
    (folder / "run/.summary.new").write_text("")
    status, out, err = call(monkeypatch, capsys, *words)
    assert (status, out) == (2, "")
    (line,) = [line for line in err.splitlines() if not line.startswith("1 tasks in")]
    assert line.startswith("dopantfit: error: ") and ".summary.new: File exists" in line
    assert (folder / "run/summary/study.json").read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full_when_the_summary_is_made_leaves_the_older_one(folder, one_table, monkeypatch, capsys):
    run = folder / "run"
    run.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(run)]
    mounted = subprocess.run(mount, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {mounted.stderr.decode().strip()}")
    try:
        words = ("study", folder, "--run", run, "--workers", 1)
        assert call(monkeypatch, capsys, *words)[0] == 0
        before = {path: path.read_bytes() for path in (run / "summary").rglob("*") if path.is_file()}
        (run / "ballast").write_bytes(bytes(200_000))
        status, _, err = call(monkeypatch, capsys, *words)
        assert status == 2 and "No space left" in err.splitlines()[-1] and "Traceback" not in err
        assert {path: path.read_bytes() for path in (run / "summary").rglob("*") if path.is_file()} == before
        assert not (run / ".summary.new").exists()
        (run / "ballast").unlink()
        assert call(monkeypatch, capsys, *words)[0] == 0
    finally:
        subprocess.run(["umount", str(run)], check=True)


@pytest.fixture
def quick_steps(monkeypatch):
    """Let the steps of `run` be said and noted rather than made; the study and its command are real."""
    asked = []

    def say(name, status=0):
        def step(*words, **options):
            asked.append((name, options))
            print(f"{name} says what people read")
            if status:
                raise typer.Exit(status)

        return step

    monkeypatch.setattr(cli, "fit", say("fit"))
    monkeypatch.setattr(cli, "validate", say("validate", 1))
    monkeypatch.setattr(cli, "report", say("report"))
    monkeypatch.setattr(steps, "why_fit", lambda folder: "")
    monkeypatch.setattr(steps, "why_validate", lambda folder, level: "the potential has changed since")
    return asked


def test_run_as_json_is_one_object_and_nothing_else(folder, one_table, quick_steps, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    run = f"runs/study-{folder.name}-quick"
    told = {"steps": {"fit": "kept", "validate": "done", "study": "done", "report": "done"}, "verdict": None}
    status, out, err = call(monkeypatch, capsys, "run", folder, "--workers", 1, "--json")
    assert status == 0 and json.loads(out) == {**told, "report": f"{run}/report/report.html"}
    assert "validate says what people read" in err and [name for name, _ in quick_steps] == ["validate", "report"]
    # Nothing is left to do, and the verdict is that of the record.
    record = folder / run / "study.json"
    kept = study_run.run_study

    def with_verdict(*words):
        content = kept(*words)
        content["verdict"] = {"answer": "no", "rule": "", "compositions": {}}
        record.write_text(json.dumps(content))
        return content

    monkeypatch.setattr(study_run, "run_study", with_verdict)
    status, out, _ = call(monkeypatch, capsys, "run", folder, "--workers", 1, "--json")
    assert status == 1
    assert (json.loads(out)["steps"]["study"], json.loads(out)["verdict"]) == ("kept", "no")
    status, out, _ = call(monkeypatch, capsys, "run", folder, "--workers", 1)
    assert "report says what people read" in out


def test_run_gives_workers_and_site_to_the_study(folder, quick_steps, monkeypatch, capsys):
    given = {}
    monkeypatch.setattr(cli, "study", lambda folder, **options: given.update(options))
    (folder / "site.toml").write_text('provider = "local"\n')
    call(monkeypatch, capsys, "run", folder, "--workers", 3, "--site", folder / "site.toml")
    assert given == {"preset": None, "workers": 3, "site": folder / "site.toml"}
    quick_steps.clear()
    status, _, err = call(monkeypatch, capsys, "run", folder, "--site", "none.toml")
    # Before anything that takes hours.
    assert status == 2 and "none.toml: cannot be read" in err and quick_steps == []
