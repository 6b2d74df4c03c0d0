"""What is shown while a study runs."""

import io
import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from dopantfit.study.config import load_study
from dopantfit.study.tables import verdict_lines
from dopantfit.study.verdict import Verdict
from dopantfit.workflow.driver import Event
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.overview import Overview
from dopantfit.workflow.provenance import write_json_atomic
from dopantfit.workflow.work import PROGRESS_FILE

FIT = Path(__file__).parents[2] / "fits/Mg"


@pytest.fixture
def graph():
    return Graph([Task(f"md/{i}", "crystals", "x:y", cost=10.0, unit="ps") for i in range(4)])


def shown(overview, console):
    console.print(overview.table())
    return console.file.getvalue()


def quiet():
    return Console(file=io.StringIO(), width=120, force_terminal=False, highlight=False)


def test_a_log_gets_one_line_for_each_task_that_ends_with_the_count(graph, tmp_path):
    console = quiet()
    with Overview(graph, tmp_path, console) as overview:
        overview.observe(Event("kept", graph.tasks["md/0"]))
        overview.observe(Event("started", graph.tasks["md/1"]))
        overview.observe(Event("done", graph.tasks["md/1"], "12 s"))
        overview.observe(Event("failed", graph.tasks["md/2"], "[bold]LAMMPS[/bold] stopped"))
    assert console.file.getvalue().splitlines() == [
        f"4 tasks in {tmp_path}",
        "[2/4]  done     md/1: 12 s",
        "[2/4]  failed   md/2: [bold]LAMMPS[/bold] stopped",
    ]


def test_a_log_says_from_time_to_time_what_runs_the_counts_the_rate_and_the_time_left(graph, tmp_path, monkeypatch):
    console, now = quiet(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    overview = Overview(graph, tmp_path, console)
    overview.observe(Event("started", graph.tasks["md/0"]))
    overview.observe(Event("failed", graph.tasks["md/3"], "LAMMPS stopped"))
    (tmp_path / "md/0").mkdir(parents=True)
    write_json_atomic(tmp_path / "md/0" / PROGRESS_FILE, {"done": 5.0, "per_hour": 60.0})
    for second in range(65):
        now[0] = float(second)
        overview.tick(("md/0",))
    lines = console.file.getvalue().splitlines()
    # Five of forty ps took 30 s, so thirty-five take 210 s.
    said = "[0/4]  running  md/0 50%; 0 done, 1 running, 1 failed; 60 ps/hour, about 4 min left"
    assert lines[2] == said and len(lines) == 4


def test_a_kind_of_work_that_was_not_begun_makes_the_time_left_a_lower_limit(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tasks = [Task("md/0", "a", "x:y", cost=10.0, unit="ps"), Task("md/1", "a", "x:y", cost=10.0, unit="ps")]
    overview = Overview(Graph([*tasks, Task("swaps", "b", "x:y", cost=5.0, unit="swaps")]), tmp_path, quiet())
    overview.observe(Event("started", tasks[0]))
    now[0] = 100.0
    overview.tick(("md/0",))
    overview.observe(Event("done", tasks[0]))
    assert overview.seconds_left() == (100.0, False) and overview.left() == "more than 2 min left"


def test_time_left_counts_what_running_tasks_have_done(graph, tmp_path):
    overview = Overview(graph, tmp_path, quiet())
    assert overview.seconds_left() is None
    overview.observe(Event("kept", graph.tasks["md/0"]))
    for name in ("md/1", "md/2"):
        overview.observe(Event("started", graph.tasks[name]))
        (tmp_path / name).mkdir(parents=True)
        write_json_atomic(tmp_path / name / PROGRESS_FILE, {"done": 5.0, "per_hour": 120.0})
    overview.tick(("md/1", "md/2"))
    time.sleep(0.2)
    assert overview.done_by_unit() == {"ps": 20.0}
    # Ten of the remaining thirty ps are done in this run: twice the time so far is left.
    elapsed = time.monotonic() - overview._begun
    assert overview.seconds_left() == (pytest.approx(2.0 * elapsed, rel=0.2), True)
    text = shown(overview, quiet())
    assert "240 ps/hour" in text and "crystals" in text


def test_stages_count_their_tasks(graph, tmp_path):
    overview = Overview(graph, tmp_path, quiet())
    for kind, name in (("done", "md/0"), ("failed", "md/1"), ("started", "md/2")):
        overview.observe(Event(kind, graph.tasks[name]))
    row = next(line for line in shown(overview, quiet()).splitlines() if "crystals" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")][1:] == ["1", "1", "1", "1"]


def test_nothing_is_left_when_all_is_done(graph, tmp_path):
    overview = Overview(graph, tmp_path, quiet())
    for name in graph.order:
        overview.observe(Event("done", graph.tasks[name]))
    assert not re.search(r"\bleft\b", shown(overview, quiet()))  # as a word: folders have names too


def test_a_study_without_a_verdict_says_so_and_what_failed():
    told = {"verdict": None, "failed": {"md/0": "LAMMPS stopped"}, "skipped": {"items/1": "md/0"}}
    record = SimpleNamespace(**told, prospects={}, rounds=None, conclusion="")
    lines = verdict_lines(record)
    assert "no verdict" in lines[0] and "md/0: LAMMPS stopped" in lines[1] and "for want of md/0" in lines[2]


def test_the_verdict_is_told_in_lines_that_a_log_can_hold():
    interval = {"value": 0.84, "low": 0.684, "high": 1.08}
    check = {
        "quantity": "Ti per volume of A_1 over A_ref",
        "unit": "",
        "interval": interval,
        "rule": "≤ 1",
        "answer": "undecided",
        "reason": "its interval holds the limit",
    }
    bound = check | {"quantity": "depth", "unit": "Å", "interval": {"value": None, "low": 0.0, "high": None}}
    three = [{"name": "less Ti", "answer": "undecided", "checks": [check, bound]}]
    verdict = {"answer": "no", "rule": "by rule", "compositions": {"GB_1": {"answer": "no", "requirements": three}}}
    config = load_study(FIT)[0]
    verdict |= {"requirements": {"less Ti": "undecided"}, "limits": config.rules.model_dump(mode="json")}
    told = Verdict.model_validate_json(json.dumps(verdict))
    crystals, glasses = (part.model_copy(update={"temperature": 800.0}) for part in (config.crystals, config.amorphous))
    config = config.model_copy(
        update={"crystals": crystals, "amorphous": glasses.model_copy(update={"temperature": 900.0})}
    )
    record = SimpleNamespace(
        verdict=told, config=config, failed={}, skipped={}, prospects={}, rounds=None, conclusion=""
    )
    lines = verdict_lines(record)
    assert lines[-2] == "σ: of crystals at 800 K, of glasses at 900 K"
    assert lines[0].startswith("GB_1: ") and lines[-1] == "verdict: [red]no[/] (by rule)"
    assert "Ti per volume of A_1 over A_ref: 0.84 (0.684 … 1.08), asked ≤ 1" in lines[2]
    assert "depth: not known Å" not in lines[3] and "depth: not known, asked" in lines[3]
