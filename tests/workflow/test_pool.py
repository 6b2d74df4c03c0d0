"""Pools: what a dying worker took is done again, nothing outlives who asked, and a trial comes before everything."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError, EngineError
from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.pool import local_pool
from dopantfit.workflow.resources import Resources


def test_answers_come_in_order_and_what_a_dying_worker_took_is_asked_again(tmp_path):
    import toy

    with local_pool(2) as pool:
        assert pool.map(toy.die_once, [None, str(tmp_path / "marker"), None], [1, 2, 3]) == [1, 2, 3]
        with pytest.raises(EngineError, match="killed again and again"):
            pool.map(toy.die_always, [0])


def test_workers_have_one_thread_whatever_this_process_was_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with local_pool(1) as pool:
        assert pool.map(os.getenv, ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_trial_that_fails_is_said_before_any_task_is_begun(tmp_path):
    import toy

    events = []
    pool = local_pool(1)
    pool.trial = partial(toy.refuse, "no such program")
    with pytest.raises(ConfigError, match="no such program"):
        run_graph(Graph([Task("walk", "a", "toy:walk", {"seed": 1})]), tmp_path, pool, Resources(), events.append)
    assert events == [] and not (tmp_path / "walk").exists()


DRIVER = "import sys, toy; from dopantfit.workflow.pool import local_pool\nwith local_pool(2) as pool: "


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_driver_not_even_a_stopped_one(tmp_path, how):
    command = DRIVER + "pool.map(toy.sleep_at, sys.argv[1:])"
    marks = [tmp_path / name for name in ("one", "two")]
    with (tmp_path / "said").open("w") as said:
        driver = subprocess.Popen([sys.executable, "-c", command, *map(str, marks)], stderr=said)
    pids = [wait_for_text(mark) for mark in marks]
    os.kill(pids[0], signal.SIGSTOP)
    driver.send_signal(how)
    assert driver.wait(timeout=20) != 0
    last = time.monotonic() + 10.0
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < last, "a worker outlived its driver"
        time.sleep(0.05)
    time.sleep(0.5)  # for Python's keeper of semaphores, which ends behind the last of them
    assert "leaked semaphore" not in (tmp_path / "said").read_text()


def wait_for_text(path: Path) -> int:
    last = time.monotonic() + 60.0
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < last, f"{path} did not appear"
        time.sleep(0.02)
    return int(path.read_text())


def runs(pid):
    """Whether a process is there; one that waits for its exit status to be read is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
