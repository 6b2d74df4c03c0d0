"""What is shown while a study runs."""

import io
import re
import time

import pytest
from rich.console import Console

from dopantfit.provenance import write_json_atomic
from dopantfit.study.driver import Event
from dopantfit.study.graph import Graph, Task
from dopantfit.study.overview import Overview
from dopantfit.study.tables import verdict_tables
from dopantfit.study.work import PROGRESS_FILE


@pytest.fixture
def graph():
    return Graph([Task(f"md/{i}", "crystals", "x:y", cost=10.0, unit="ps") for i in range(4)])


def shown(overview, console):
    console.print(overview.table())
    return console.file.getvalue()


def quiet():
    return Console(file=io.StringIO(), width=120, force_terminal=False, highlight=False)


def test_a_log_gets_one_line_per_event(graph, tmp_path):
    console = quiet()
    with Overview(graph, tmp_path, console) as overview:
        overview.observe(Event("started", graph.tasks["md/0"]))
        overview.observe(Event("failed", graph.tasks["md/0"], "[bold]LAMMPS[/bold] stopped"))
    assert console.file.getvalue().splitlines() == ["started  md/0", "failed   md/0: [bold]LAMMPS[/bold] stopped"]


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
    assert overview.seconds_left() == pytest.approx(2.0 * elapsed, rel=0.2)
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
    record = {"verdict": None, "failed": {"md/0": "LAMMPS stopped"}, "skipped": {"items/1": "md/0"}}
    lines = verdict_tables(record)
    assert "no verdict" in lines[0] and "md/0: LAMMPS stopped" in lines[1] and "for want of md/0" in lines[2]
