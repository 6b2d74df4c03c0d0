"""The verbs of the study: what they print, and their exit status."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dopantfit.cli import main
from dopantfit.errors import ConfigError
from dopantfit.pipeline import run as pipeline_run
from dopantfit.potential.files import locate
from dopantfit.report.record import ReportRecord
from dopantfit.structures import load_host
from dopantfit.study import verb
from dopantfit.study.config import load_study
from dopantfit.study.cost import rates_of
from dopantfit.study.run import CheckedStudy
from dopantfit.study.tasks import Planner
from dopantfit.study.verdict import Verdict
from dopantfit.validate.record_schema import ValidationRecord, ValidationStatus
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.records import Record, write_record
from dopantfit.workflow.schema import parse_content
from made_up_records import GATE, RECORD

FITS = Path(__file__).parents[2] / "fits"
MADE = {"record": RECORD}
VALIDATION = {
    "name": "Mg",
    "level": "quick",
    "potential": {"name": "Mg", "sha256": "", "source": ""},
    "compared_with": None,
    "thresholds": "",
    "gates": [GATE],
    **MADE,
}
RULES = load_study(FITS / "Mg")[0].rules
NO = Verdict(answer="no", rule="", requirements={}, compositions={}, limits=RULES)
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
        (("quick", "fast"), [], "is not one of quick, night, desk, paper"),
        (("", ""), ["--preset", "huge"], "is not one of quick, night, desk, paper"),
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


def test_a_launcher_that_is_not_here_is_told_before_any_worker_is_started(folder, monkeypatch, capsys):
    (folder / "site.toml").write_text('launcher = "nosuchprogram -n {ranks}"\n')
    monkeypatch.setattr(verb, "site_pool", lambda *_: pytest.fail("workers were asked for"))
    status, _, err = call(monkeypatch, capsys, "study", folder, "--run", folder / "run", "--site", folder / "site.toml")
    assert status == 2 and "'nosuchprogram' of the LAMMPS launcher is neither" in err and err.count("\n") == 1
    assert not (folder / "run").exists()


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
    runs = 2 * quick.arrangements
    ps = runs * (quick.equilibration + quick.replicas * (quick.heating + quick.production))
    # 146 ions each; the rest of the stage are small tasks.
    assert crystals["core_hours"] == pytest.approx(146 * ps / 3600.0, rel=0.02)


def test_a_busy_machine_makes_no_plan_dearer(folder):
    config, file = load_study(folder)
    graph = Planner(config, file.parent).graph()
    task = next(task for task in graph.tasks.values() if task.unit == "ps")
    # A thousand times as long as its processors worked: 0.5 s per ion and ps.
    busy = {"ps_per_hour": 0.036, "ions": 100.0, "ranks": 1.0, "processor_seconds": 0.5 * 100.0 * task.cost}
    (folder / "run" / task.name).mkdir(parents=True)
    write_record(folder / "run" / task.name, Record(task.name, "", {}, {}, busy))
    assert rates_of(folder / "run", graph).dynamics == pytest.approx(0.5)


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
    status, potential = ValidationStatus(potential_sha256="", level=None, passed=False), locate("latp-mg-2022")
    rest = (graph, status, Path(str(potential)), {})
    monkeypatch.setattr(verb, "plan_study", lambda config, file, *grown: CheckedStudy(config, load_host(), file, *rest))


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
    """Let the steps of `run` be noted rather than made; the study and its command are real."""
    asked = []

    def ask(step, made):
        def do(*words, **options):
            asked.append((step, words, options))
            return made

        return do

    gates = parse_content(ValidationRecord, {**VALIDATION, "passed": False})
    page = {"page": "", "bytes": 1, "answer": None, "figures": [], "missing": ["fit"], **MADE}
    monkeypatch.setattr(pipeline_run.validating, "validate", ask("validate", gates))
    monkeypatch.setattr(pipeline_run.reporting, "report", ask("report", parse_content(ReportRecord, page)))
    monkeypatch.setattr(pipeline_run, "why_fit", lambda folder: "")
    monkeypatch.setattr(pipeline_run, "why_validate", lambda folder, preset: "the potential has changed since")
    return asked


def test_run_as_json_is_one_object_and_nothing_else(folder, one_table, quick_steps, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    run = f"runs/study-{folder.name}-quick"
    told = {"steps": {"fit": "kept", "validate": "done", "study": "done", "report": "done"}, "verdict": None}
    status, out, err = call(monkeypatch, capsys, "run", folder, "--workers", 1, "--json")
    assert status == 0 and json.loads(out) == {**told, "report": f"{run}/report/report.html"}
    assert "fit: up to date" in err and "validate: the potential has changed since" in err
    assert [name for name, *_ in quick_steps] == ["validate", "report"]
    # Nothing is left to do, and the verdict is that of the record.
    made = verb.run_study
    monkeypatch.setattr(verb, "run_study", lambda *words: made(*words).model_copy(update={"verdict": NO}))
    status, out, _ = call(monkeypatch, capsys, "run", folder, "--workers", 1, "--json")
    assert status == 1
    assert (json.loads(out)["steps"]["study"], json.loads(out)["verdict"]) == ("kept", "no")
    status, out, _ = call(monkeypatch, capsys, "run", folder, "--workers", 1)
    assert "verdict: no" in out and "missing  fit" in out and "parity" in out


def test_run_gives_workers_and_site_to_the_study(folder, quick_steps, monkeypatch, capsys):
    given = {}

    def study(folder, **options):
        given.update(options)
        raise ConfigError("far enough")

    monkeypatch.setattr(pipeline_run.studying, "study", study)
    (folder / "site.toml").write_text('provider = "local"\n')
    call(monkeypatch, capsys, "run", folder, "--workers", 3, "--site", folder / "site.toml")
    assert (given["preset"], given["workers"], given["site"]) == (None, 3, folder / "site.toml")
    quick_steps.clear()
    status, _, err = call(monkeypatch, capsys, "run", folder, "--site", "none.toml")
    # Before anything that takes hours.
    assert status == 2 and "none.toml: cannot be read" in err and quick_steps == []
    status, _, err = call(monkeypatch, capsys, "run", folder, "--gates", "endless")
    assert (
        status == 2
        and "the preset of the gates = 'endless' is not one of quick" in err
        and "fit: up to date" not in err
    )


@pytest.mark.parametrize("text", ["", "null", "[1]", '{"format": 1}', '{"format": 9, "name": ""}', "{" * 5000])
@pytest.mark.parametrize("record", ["fit.json", "validation.json"])
def test_a_damaged_record_ends_run_before_any_work(folder, monkeypatch, capsys, record, text):
    shutil.copytree(FITS / "Mg", folder / "Mg")
    (folder / "Mg" / record).write_text(text)
    if record == "validation.json":
        monkeypatch.setattr(pipeline_run, "why_fit", lambda folder: "")
    status, out, err = call(monkeypatch, capsys, "run", folder / "Mg")
    (line,) = [line for line in err.splitlines() if line.startswith("dopantfit: error: ")]
    assert (status, out) == (2, "") and f"{record}: " in line and "again" in line


@pytest.mark.parametrize("dopant", ["Ti", "O", "Xx"])
@pytest.mark.parametrize("verb_name", ["plan", "study"])
def test_a_dopant_that_is_none_is_one_line_and_status_2(folder, monkeypatch, capsys, dopant, verb_name):
    path = folder / "study.toml"
    path.write_text(path.read_text().replace('"Mg"', f'"{dopant}"'))
    status, out, err = call(monkeypatch, capsys, verb_name, folder, "--run", folder / "nowhere")
    assert (status, out) == (2, "") and err.count("\n") == 1 and dopant in err
    assert not (folder / "nowhere").exists()


def test_words_beyond_the_basic_plane_reach_the_record_as_they_are(folder):
    path = folder / "study.toml"
    path.write_text(path.read_text().replace("the published set, in a test", "a joke 😀 in a test"), encoding="utf-8")
    assert load_study(folder)[0].accept_failed_gates == "a joke 😀 in a test"
