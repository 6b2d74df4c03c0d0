"""What the driver promises: nothing is lost, nothing is done twice, one failure is one failure."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.graph import Graph, Task, key_of
from dopantfit.workflow.pool import local_pool
from dopantfit.workflow.records import read_record
from dopantfit.workflow.work import Resources

TABLE = "table/table.csv"
STAGES = ("first/1", "second/1", "table")


def run(graph, folder, workers=2):
    folder.mkdir(exist_ok=True)
    events = []
    summary = run_graph(graph, folder, local_pool(workers), Resources(), events.append)
    return summary, [(event.kind, event.task.name) for event in events]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    import toy

    folder = tmp_path_factory.mktemp("undisturbed")
    summary, _ = run(toy.toy_graph(), folder)
    assert len(summary.done_now) == 5
    return folder


@pytest.fixture
def copy(undisturbed, tmp_path):
    import shutil

    return Path(shutil.copytree(undisturbed, tmp_path / "run"))


def test_a_second_run_does_nothing(undisturbed):
    import toy

    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("record.json")}
    summary, events = run(toy.toy_graph(), undisturbed)
    assert summary.done_now == ()
    assert {kind for kind, _ in events} == {"kept"}
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("record.json")} == before


def test_what_another_run_made_from_the_same_things_is_taken_and_the_table_is_the_same(tmp_path, undisturbed):
    import toy

    other = Path(shutil.copytree(undisturbed, tmp_path / "other"))
    (tmp_path / "run").mkdir()
    events: list = []
    summary = run_graph(
        toy.toy_graph(), tmp_path / "run", local_pool(2), Resources(), events.append, others=(tmp_path / "none", other)
    )
    assert summary.done_now == () and {event.text for event in events} == {f"from {other}"}
    assert (tmp_path / "run" / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()


def test_a_harmed_result_of_another_run_is_not_taken_nor_one_of_other_settings(tmp_path, undisturbed):
    import toy

    other = Path(shutil.copytree(undisturbed, tmp_path / "other"))
    (other / "first/1/record.json").write_text("{}", encoding="utf-8")
    (tmp_path / "run").mkdir()
    graph = toy.toy_graph()
    changed = Graph(
        replace(task, settings={**task.settings, "more": 1}) if task.name == "second/1" else task
        for task in graph.tasks.values()
    )
    summary = run_graph(changed, tmp_path / "run", local_pool(2), Resources(), others=(other,))
    assert set(summary.done_now) == {"first/1", "second/1"}


def test_what_cannot_be_copied_from_another_run_is_made_here(tmp_path, undisturbed, monkeypatch):
    import toy

    def full(source, target):
        Path(target).mkdir(parents=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dopantfit.workflow.driver.shutil.copytree", full)
    (tmp_path / "run").mkdir()
    summary = run_graph(toy.toy_graph(), tmp_path / "run", local_pool(2), Resources(), others=(undisturbed,))
    assert len(summary.done_now) == 5 and not list((tmp_path / "run").rglob("*.part"))
    assert (tmp_path / "run" / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()


def test_of_a_file_of_which_a_part_is_read_the_key_holds_that_part(tmp_path):
    path = tmp_path / "file"
    keys = set()
    for text in ("ab", "ac"):
        path.write_text(text, encoding="utf-8")
        task = Task("burn", "first", "toy:burn", {}, {"it": path})
        keys |= {key_of(task, {}), key_of(replace(task, digests={"it": text[0]}), {})}
    assert len(keys) == 3


def test_a_record_tells_the_processor_time_of_a_task_and_of_the_programs_that_it_ran(tmp_path):
    task = Task("burn", "first", "toy:burn", {})
    summary, _ = run(Graph([task]), tmp_path / "run")
    measured = summary.finished["burn"].record.measured
    assert 0.33 <= measured["processor_seconds"] < 10.0
    # Of one that went on with what an earlier try had begun nobody knows.
    (tmp_path / "run/burn/record.json").unlink()
    summary, _ = run(Graph([task]), tmp_path / "run")
    assert "processor_seconds" not in summary.finished["burn"].record.measured


def test_only_what_a_changed_setting_reaches_is_done_again(copy):
    import toy

    graph = toy.toy_graph()
    changed = replace(graph.tasks["first/1"], settings={"seed": 99, "pause": 0.0})
    summary, _ = run(Graph([*(changed if t.name == "first/1" else t for t in graph.tasks.values())]), copy)
    assert set(summary.done_now) == {"first/1", "second/1", "table"}


def test_needing_tasks_are_kept_when_the_redone_result_is_the_same(copy):
    import toy

    (copy / "first/1/walk.csv").write_text("sum\n7.0\n")
    summary, events = run(toy.toy_graph(), copy)
    assert summary.done_now == ("first/1",)
    assert ("redone", "first/1") in events


@pytest.mark.parametrize("damage", ["not json", '{"task": "first/0"}', "flipped"])
def test_a_damaged_record_is_found_and_redone(copy, undisturbed, damage):
    import toy

    path = copy / "second/0/record.json"
    if damage == "flipped":
        content = json.loads(path.read_text())
        content["result"]["sum"] += 1e-9
        damage = json.dumps(content)
    path.write_text(damage)
    assert read_record(path.parent) is None
    summary, _ = run(toy.toy_graph(), copy)
    assert summary.done_now == ("second/0",)
    assert (copy / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()


@pytest.mark.parametrize("stage", STAGES)
def test_a_driver_killed_in_any_stage_goes_on_to_the_same_tables(tmp_path, undisturbed, stage):
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("toy.py")), str(folder), "2"]
    driver = subprocess.Popen(command)
    try:
        # The table is quick: its stage is reached when the last walk has ended.
        awaited = "second/1/walk.csv" if stage == "table" else f"{stage}/checkpoint.json"
        wait_for(folder / awaited)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    subprocess.run(command, check=True, timeout=60)
    assert (folder / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()
    for log in folder.rglob("steps.log"):
        steps = [int(step) for step in log.read_text().split()]
        # A kill between a checkpoint and its note loses the note, never the step.
        assert steps == sorted(set(steps)), log


def wait_for(path, seconds=30.0):
    last = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < last, f"{path} did not appear"
        time.sleep(0.01)


def test_workers_of_a_killed_driver_end_with_it(tmp_path):
    (tmp_path / "run").mkdir()
    driver = subprocess.Popen([sys.executable, str(Path(__file__).with_name("toy.py")), str(tmp_path / "run"), "2"])
    wait_for(tmp_path / "run/first/0/checkpoint.json")
    workers = children_of(driver.pid)
    assert workers
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    wait_for_end(workers)


def wait_for_end(workers):
    last = time.monotonic() + 30.0  # they notice within two seconds on an idle machine
    while any(runs(pid) for pid in workers):
        assert time.monotonic() < last, "a worker outlived its driver by half a minute"
        time.sleep(0.1)


def runs(pid):
    """Whether a process does anything; one that waits for its exit status to be read does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_second_driver_is_refused_with_the_name_of_the_first_whose_tables_it_leaves_alone(tmp_path, undisturbed):
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("toy.py")), str(folder), "1"]
    driver = subprocess.Popen(command)
    try:
        wait_for(folder / "first/0/checkpoint.json")
        import toy

        with pytest.raises(ConfigError, match=f"process {driver.pid} on .* is working there"):
            run(toy.toy_graph(), folder)
        assert driver.wait(timeout=60.0) == 0
    finally:
        driver.kill()
        driver.wait()
    assert (folder / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()
    # With the first one gone, the second finds all there.
    summary, _ = run(toy.toy_graph(toy.PAUSE), folder)
    assert summary.done_now == ()


def test_a_lock_file_of_a_dead_process_means_nothing(copy):
    import toy

    (copy / ".lock").write_text(json.dumps({"pid": 1, "host": "here", "since": "2022-08-24"}))
    summary, _ = run(toy.toy_graph(), copy)
    assert not summary.failed


def test_a_task_that_fails_once_is_tried_again(tmp_path):
    counter = tmp_path / "counter"
    task = Task("flaky", "flaky", "toy:fail", {"times": 1, "counter": str(counter)})
    summary, events = run(Graph([task]), tmp_path / "run")
    assert counter.read_text() == "2"
    assert events == [("started", "flaky"), ("retried", "flaky"), ("started", "flaky"), ("done", "flaky")]
    assert "flaky" in summary.finished


def test_one_failure_stops_what_needs_it_and_nothing_else(tmp_path):
    counter = tmp_path / "counter"
    walk = {"seed": 1}
    graph = Graph(
        [
            Task("bad", "a", "toy:fail", {"times": 9, "counter": str(counter)}),
            Task("good", "a", "toy:walk", walk),
            Task("after-bad", "b", "toy:walk", walk, needs={"start": "bad"}),
            Task("after-good", "b", "toy:walk", walk, needs={"start": "good"}),
            Task("strict", "c", "toy:table", needs={"good": "after-good", "bad": "after-bad"}),
            Task("tolerant", "c", "toy:table", needs={"good": "after-good", "bad": "after-bad"}, tolerant=True),
        ]
    )
    summary, _ = run(graph, tmp_path / "run")
    assert counter.read_text() == "2"
    assert summary.failed == {"bad": "try 2 failed"}
    assert set(summary.skipped) == {"after-bad", "strict"}
    assert set(summary.finished) == {"good", "after-good", "tolerant"}
    assert summary.finished["tolerant"].result == {"rows": 1}


def test_a_killed_worker_costs_no_other_task(tmp_path):
    tasks = [Task("killer", "a", "toy:die", {"marker": str(tmp_path / "marker")})]
    tasks += [Task(f"walk{i}", "a", "toy:walk", {"seed": i, "pause": 0.02}) for i in range(3)]
    summary, events = run(Graph(tasks), tmp_path / "run")
    assert not summary.failed
    assert ("retried", "killer") in events


def test_a_coordinating_task_uses_the_executor_of_the_others(tmp_path):
    graph = Graph([Task("many", "a", "toy:coordinate", coordinates=True), Task("walk", "a", "toy:walk", {"seed": 1})])
    summary, _ = run(graph, tmp_path / "run", workers=1)
    assert summary.finished["many"].result == {"sum": 14.0}


def filling_graph(size):
    """A walk, a task that writes a file of this many bytes, and the table of both."""
    big = Task("big", "a", "toy:fill", {"bytes": size})
    walk = Task("walk", "a", "toy:walk", {"seed": 1, "pause": 0.05})
    return Graph([big, walk, Task("table", "b", "toy:table", needs={"big": "big", "walk": "walk"})])


def ends_as_undisturbed(graph, folder, calm):
    """Run again what a full disk stopped; whether its table is that of a run with room enough."""
    summary, _ = run(graph, folder)
    assert not summary.failed and set(summary.done_now) == {"big", "table"}
    run(graph, calm)
    return (folder / TABLE).read_bytes() == (calm / TABLE).read_bytes()


def test_a_full_disk_fails_in_one_line_and_the_next_run_ends_with_the_same_table(tmp_path):
    # A limit on the size of files stands for the disk: the same error of the same system call.
    graph = filling_graph(200_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        summary, _ = run(graph, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert set(summary.finished) == {"walk"} and set(summary.skipped) == {"table"}
    assert "File too large" in summary.failed["big"]
    assert "\n" not in summary.failed["big"]
    assert ends_as_undisturbed(graph, tmp_path / "run", tmp_path / "calm")


@contextmanager
def mounted(folder, options):
    """A small file system of its own at `folder`; the test is skipped where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def test_a_full_file_system_fails_in_one_line_and_the_next_run_ends_with_the_same_table(tmp_path):
    graph = filling_graph(900_000)
    with mounted(tmp_path / "run", "size=200k") as folder:
        summary, _ = run(graph, folder)
        assert "No space left" in summary.failed["big"] and "\n" not in summary.failed["big"]
        remount(folder, "size=4m")
        # How far the walk got beside a disk that was full for a moment is a matter of luck.
        run(Graph([graph.tasks["walk"]]), folder)
        assert ends_as_undisturbed(graph, folder, tmp_path / "calm")


@contextmanager
def read_only(folder):
    """A folder that nothing can be written to; what is yielded makes it writable."""
    if os.geteuid() != 0:
        folder.mkdir(mode=0o500)
        yield lambda: folder.chmod(0o700)
    else:  # who may write anywhere but where nothing can be written
        with mounted(folder, "ro,size=4m"):
            yield lambda: remount(folder, "rw")


def test_a_read_only_folder_is_refused_in_one_line_and_once_writable_gets_the_same_tables(tmp_path, undisturbed):
    import toy

    folder = tmp_path / "run"
    with read_only(folder) as make_writable:
        with pytest.raises(ConfigError, match="cannot be written to"):
            run(toy.toy_graph(), folder)
        make_writable()
        assert not list(folder.iterdir())
        run(toy.toy_graph(), folder)
        assert (folder / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([Task("a", "s", "toy:walk"), Task("a", "s", "toy:walk")], "appears twice"),
        ([Task("a", "s", "toy:walk", needs={"x": "b"})], "no task of this study"),
        ([Task("a", "s", "toy:walk", needs={"x": "b"}), Task("b", "s", "toy:walk", needs={"x": "a"})], "in a circle"),
        ([Task("../a", "s", "toy:walk")], "words of letters"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(tasks, message):
    with pytest.raises(ConfigError, match=message):
        Graph(tasks)


def test_an_action_that_does_not_exist_fails_its_task_only(tmp_path):
    graph = Graph([Task("a", "s", "toy:nothing"), Task("b", "s", "toy:walk", {"seed": 1})])
    summary, _ = run(graph, tmp_path / "run")
    assert set(summary.failed) == {"a"} and set(summary.finished) == {"b"}


def test_an_interrupt_ends_driver_and_workers_and_the_next_run_goes_on(tmp_path, undisturbed):
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("toy.py")), str(folder), "2"]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(folder / "first/0/checkpoint.json")
    workers = children_of(driver.pid)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30.0) != 0
    wait_for_end(workers)
    subprocess.run(command, check=True, timeout=60)
    assert (folder / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()
