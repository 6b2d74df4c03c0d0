"""Nothing is lost and nothing is left behind when a driver, a worker or a block of workers of Parsl dies."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.lock import held
from dopantfit.workflow.pool import local_pool, site_pool
from dopantfit.workflow.records import read_record
from dopantfit.workflow.site import Site
from dopantfit.workflow.work import Resources, execute

pytest.importorskip("parsl", reason="Parsl is not installed")
# Parsl forks and leaves sockets to the collector; neither is ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TABLE = "table/table.csv"


def run(graph, folder, pool):
    folder.mkdir(exist_ok=True)
    events = []
    summary = run_graph(graph, folder, pool, Resources(), events.append)
    return summary, [(event.kind, event.task.name) for event in events]


def with_parsl(graph, folder):
    return run(graph, folder, site_pool(Site(workers_per_node=1), folder / "parsl"))


def wait_until(holds, seconds, what):
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, what
        time.sleep(0.02)


def processes():
    """Parent and state of every process."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(entry.parent.name)] = (int(parent), state)
    return found


def living(pids):
    """Those that do anything; one that waits for its exit status to be read does not."""
    now = processes()
    return {pid for pid in pids if pid in now and now[pid][1] != "Z"}


def started_by(pid):
    """All that a process started, directly or not, while it lives."""
    parents = {one: parent for one, (parent, _) in processes().items()}
    family = {pid}
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    return family - {pid}


def named(pids, words):
    """Those of the processes whose command line holds all the words."""
    return {pid for pid in living(pids) if all(word in Path(f"/proc/{pid}/cmdline").read_text() for word in words)}


def using(folder):
    """Processes with this folder in their command line, whoever their parent is."""
    return named([pid for pid in processes() if pid != os.getpid()], [str(folder)])


def kill(pids):
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


#: What stands for Slurm: a job is a session of its own, known by its process.
SLURM = {
    "sbatch": 'setsid bash "$1" >/dev/null 2>&1 </dev/null &\necho "Submitted batch job $!"',
    "squeue": "for job in $(echo $4 | tr , ' '); do kill -0 $job 2>/dev/null && echo $job R || echo $job CD; done",
    "scancel": "for job in $*; do /bin/kill -TERM -- -$job; done",
    "sacct": "exit 1",
}


@pytest.mark.slow
@pytest.mark.parametrize("site", ["parsl", "slurm"])
def test_a_killed_driver_of_parsl_goes_on_to_the_same_table_and_leaves_no_process(tmp_path, monkeypatch, site):
    import toy

    (tmp_path / "bin").mkdir()
    for name, text in SLURM.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)

    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("toy.py")), str(folder), "1", site]
    driver = subprocess.Popen(command)
    try:
        wait_until((folder / "first/0/checkpoint.json").exists, 60.0, "the first walk did not begin")
        first = started_by(driver.pid) | using(folder)
    finally:
        driver.kill()
        driver.wait()
    first |= {one for pid in list(first) for one in started_by(pid)}
    assert len(first) > 3  # interchange, manager and worker, and what Python starts for them
    subprocess.run(command, check=True, timeout=60)
    run(toy.toy_graph(), tmp_path / "calm", local_pool(1))
    assert (folder / TABLE).read_bytes() == (tmp_path / "calm" / TABLE).read_bytes()
    # All look at their driver's lock every two seconds; the second run took longer than that already.
    wait_until(lambda: not living(first), 20.0, "a process of the killed driver lives on")


def test_an_interrupt_ends_a_task_that_waits_for_its_parts(tmp_path):
    marker, folder = tmp_path / "marker", tmp_path / "run"
    folder.mkdir()
    seen = []

    def interrupt(_running):
        if marker.exists():
            seen.append(time.monotonic())
            raise KeyboardInterrupt

    task = Task("ladder", "a", "toy:wait", {"marker": str(marker)}, coordinates=True)
    pool = site_pool(Site(workers_per_node=1), folder / "parsl")
    with pytest.raises(KeyboardInterrupt):
        run_graph(Graph([task]), folder, pool, Resources(), tick=interrupt)
    assert time.monotonic() - seen[0] < 20.0


def test_a_worker_that_dies_once_costs_no_attempt(tmp_path):
    killer = Task("killer", "a", "toy:die", {"marker": str(tmp_path / "marker")})
    _, events = with_parsl(Graph([killer]), tmp_path / "run")
    assert events == [("started", "killer"), ("done", "killer")]


def test_a_task_that_kills_every_worker_fails_with_the_reason_and_no_other_does(tmp_path, monkeypatch):
    from dopantfit.workflow import parsl_site

    monkeypatch.setattr(parsl_site, "LOSSES", 2)
    killer = Task("killer", "a", "toy:die", {"marker": str(tmp_path / "marker"), "always": True})
    walk = Task("walk", "a", "toy:walk", {"seed": 1})
    summary, _ = with_parsl(Graph([killer, walk]), tmp_path / "run")
    assert "lost again and again" in summary.failed["killer"] and "\n" not in summary.failed["killer"]
    assert set(summary.finished) == {"walk"}


def test_a_lost_block_costs_a_tenth_of_a_lost_worker_and_an_error_all():
    from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

    from dopantfit.workflow.parsl_site import LOSSES, _loss

    # 24-hour blocks: a task may take months; one that kills each worker has ten tries.
    assert (_loss(ManagerLost(b"m", "n"), None), _loss(WorkerLost(0, "n"), None)) == (0.1, 1.0)
    assert _loss(ValueError(), None) >= LOSSES


@pytest.mark.slow
def test_a_block_that_is_killed_costs_no_attempt(tmp_path, monkeypatch):
    beats = "dopantfit.workflow.parsl_site._HEARTBEATS_HERE"
    monkeypatch.setattr(beats, {"heartbeat_period": 1, "heartbeat_threshold": 5})
    walk = Task("walk", "a", "toy:walk", {"seed": 1, "pause": 1.0})
    folder = tmp_path / "run"
    killed, family, at = set(), set(), []

    def kill_once(_running):
        if not killed and (folder / "walk/checkpoint.json").exists():
            killed.update(named(using(folder), ["parsl_manager"]))
            for pid in killed:
                family.update(started_by(pid))
            kill(killed)  # the manager: its worker must end by itself, for it holds the task's folder
            at.append(datetime.now(UTC).isoformat())

    folder.mkdir()
    events = []
    pool = site_pool(Site(workers_per_node=1), folder / "parsl")
    try:
        run_graph(Graph([walk]), folder, pool, Resources(), events.append, kill_once)
    finally:
        kill(living(family))  # Parsl's manager has a helper that stays where the manager is killed
    assert killed and [event.kind for event in events] == ["started", "done"]
    assert read_record(folder / "walk").started > at[0]
    steps = [int(step) for step in (folder / "walk/steps.log").read_text().split()]
    assert steps == sorted(set(steps))


def test_a_task_that_another_worker_finished_meanwhile_is_not_done_again(tmp_path):
    task = Task("walk", "a", "toy:walk", {"seed": 1})
    execute(task, "key", tmp_path, {}, Resources())
    first = read_record(tmp_path)
    execute(task, "key", tmp_path, {}, Resources())
    assert read_record(tmp_path) == first
    (tmp_path / "walk.csv").write_text("damaged")
    execute(task, "key", tmp_path, {}, Resources())
    assert read_record(tmp_path).files == first.files
    assert read_record(tmp_path).started > first.started
    execute(task, "another key", tmp_path, {}, Resources())
    assert read_record(tmp_path).key == "another key"


CALL = (
    "import sys, time, pathlib; from dopantfit.workflow.workers import call_for_driver; "
    "call_for_driver(pathlib.Path(sys.argv[1]), time.sleep, 8)"
)


def test_a_call_ends_with_its_driver_unless_the_lock_was_never_seen(tmp_path):
    (tmp_path / "held").mkdir()
    (tmp_path / "unseen").mkdir()
    (tmp_path / "unseen/.lock").touch()
    with held(tmp_path / "held"):
        calls = [subprocess.Popen([sys.executable, "-c", CALL, str(tmp_path / name)]) for name in ("held", "unseen")]
        time.sleep(3.0)  # longer than from one look to the next
        assert [call.poll() for call in calls] == [None, None]
    assert [call.wait(30.0) for call in calls] == [1, 0]
