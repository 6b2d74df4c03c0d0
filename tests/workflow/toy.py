"""A small study without physics: what the driver must hold for whatever its tasks compute.

Run as a program it is a driver that a test can kill: ``python toy.py RUN_FOLDER WORKERS [parsl]``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dopantfit.errors import ConfigError, EngineError
from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.pool import local_pool, site_pool
from dopantfit.workflow.provenance import write_json_atomic, write_text_atomic
from dopantfit.workflow.site import Site
from dopantfit.workflow.work import Outcome, Resources, Work

#: Steps of a walk, each of which is a checkpoint.
STEPS = 8
#: Seconds between two steps of a driver that a test is to interrupt.
PAUSE = 0.05


def action(version):
    """Mark a function as the work of a task."""

    def mark(function):
        function.version = version
        return function

    return mark


@action(version=1)
def walk(work: Work) -> Outcome:
    """Add random numbers from a seed, going on from a checkpoint; each step is noted in ``steps.log``."""
    checkpoint = work.folder / "checkpoint.json"
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"step": 0, "sum": 0.0}
    start = sum(need.result["sum"] for need in work.needs.values())
    while state["step"] < STEPS:
        step = state["step"]
        rng = np.random.default_rng([work.settings["seed"], step])
        state = {"step": step + 1, "sum": state["sum"] + float(rng.random()) + start}
        write_json_atomic(checkpoint, state)
        with (work.folder / "steps.log").open("a") as log:
            log.write(f"{step}\n")
        work.report(step + 1, 100.0)
        time.sleep(work.settings.get("pause", 0.0))
    write_text_atomic(work.folder / "walk.csv", f"sum\n{state['sum']!r}\n")
    return Outcome({"sum": state["sum"]}, ("walk.csv",))


@action(version=1)
def burn(work):
    """Let a program use a third of a second of processor."""
    code = "import time\nwhile time.process_time() < 0.33: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    return Outcome({}, ())


@action(version=1)
def table(work: Work) -> Outcome:
    """Write the sums of all needs into one table."""
    rows = [f"{role},{need.result['sum']!r}" for role, need in sorted(work.needs.items())]
    write_text_atomic(work.folder / "table.csv", "\n".join(["task,sum", *rows]) + "\n")
    return Outcome({"rows": len(rows)}, ("table.csv",))


@action(version=1)
def fail(work: Work) -> Outcome:
    """Fail as often as told, counting in a file outside the folder."""
    tries = Path(work.settings["counter"])
    count = int(tries.read_text()) + 1 if tries.exists() else 1
    tries.write_text(str(count))
    if count <= work.settings["times"]:
        raise EngineError(f"try {count} failed")
    return Outcome({"sum": 1.0})


@action(version=1)
def die(work: Work) -> Outcome:
    """Kill the process that it runs in: once, or each time where told so."""
    marker = Path(work.settings["marker"])
    if work.settings.get("always") or not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome({"sum": 2.0})


@action(version=1)
def fill(work: Work) -> Outcome:
    """Write a file of a given size."""
    (work.folder / "big").write_bytes(bytes(work.settings["bytes"]))
    return Outcome({"sum": 3.0}, ("big",))


@action(version=1)
def coordinate(work: Work) -> Outcome:
    """Hand parts of the work to the executor."""
    futures = [work.executor.submit(_square, n) for n in range(4)]
    return Outcome({"sum": float(sum(future.result() for future in futures))})


@action(version=1)
def wait(work: Work) -> Outcome:
    """Hand a part that takes a minute to the executor, and wait for it."""
    work.executor.submit(_sleep, work.settings["marker"]).result()
    return Outcome({"sum": 4.0})


def die_once(marker: str | None, answer: int) -> int:
    """Answer, after the process was killed once where there is a marker to be left."""
    if marker is not None and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer


def die_always(_: int) -> None:
    """Kill the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def sleep_at(marker: str) -> None:
    """Write the id of the process, and sleep for a minute."""
    write_text_atomic(Path(marker), str(os.getpid()))
    time.sleep(60.0)


def refuse(reason: str) -> None:
    """Raise ConfigError."""
    raise ConfigError(reason)


def _sleep(marker: str) -> None:
    Path(marker).touch()
    time.sleep(60.0)


def _square(n: int) -> int:
    return n * n


def toy_graph(pause: float = 0.0) -> Graph:
    """Three stages: two walks, two walks on them, a table."""
    here = "toy" if __name__ == "__main__" else __name__
    first = [
        Task(f"first/{i}", "first", f"{here}:walk", {"seed": i, "pause": pause}, cost=STEPS, unit="steps")
        for i in range(2)
    ]
    second = [
        Task(f"second/{i}", "second", f"{here}:walk", {"seed": 10 + i, "pause": pause}, {}, {"start": f"first/{i}"})
        for i in range(2)
    ]
    names = {task.name.replace("/", "_"): task.name for task in (*first, *second)}
    return Graph([*first, *second, Task("table", "table", f"{here}:table", needs=names)])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    run_folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    pool = local_pool(workers)
    if sys.argv[3:] == ["parsl"]:
        from dopantfit.workflow import parsl_site

        parsl_site._HEARTBEATS_HERE = {"heartbeat_period": 1, "heartbeat_threshold": 5}
        pool = site_pool(Site(workers_per_node=workers), run_folder / "parsl")
    elif sys.argv[3:] == ["slurm"]:
        site = Site(provider="slurm", walltime="00:10:00", address="127.0.0.1", workers_per_node=workers)
        pool = site_pool(site, run_folder / "parsl")
    run_graph(toy_graph(PAUSE), run_folder, pool, Resources())
