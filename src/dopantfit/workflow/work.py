"""What happens where a task is worked on: its folder is held, its function is called, its record is written."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError, DopantFitError, EngineError
from dopantfit.workflow.graph import Task, find_action
from dopantfit.workflow.lock import held, is_free
from dopantfit.workflow.provenance import installed_versions, write_json_atomic
from dopantfit.workflow.records import RECORD_FILE, Record, damage, hashes, read_record, write_record

PROGRESS_FILE = "progress.json"
KEY_FILE = "key.json"
#: Seconds between two looks at the parent process, and between two progress reports.
_LOOK, _REPORT = 0.5, 1.0
#: Seconds between two looks at a driver's lock, which may lie on a file system that many nodes share.
_LOOK_AFAR = 2.0
#: How long a task waits for the process of a killed driver to leave its folder [s].
_PATIENCE = 60.0


@dataclass(frozen=True)
class Resources:
    """Where and how things run; nothing here may change a result beyond round-off.

    launcher: how LAMMPS is started (see `dopantfit.lammps.Launcher`). ranks: MPI ranks of one task.
    """

    launcher: str = "mpiexec -n {ranks} lmp"
    ranks: int = 1


@dataclass(frozen=True)
class Finished:
    """A task that another one needs: its folder and its record."""

    folder: Path
    record: Record

    @property
    def result(self) -> Mapping[str, Any]:
        """What came out of it."""
        return self.record.result

    def file(self, name: str) -> Path:
        """Path of one of its files; ConfigError, with the names there are, for another one."""
        if name not in self.record.files:
            there = ", ".join(self.record.files) or "none"
            raise ConfigError(f"task {self.record.task}: has no file {name!r} (there are: {there})")
        return self.folder / name


@dataclass(frozen=True)
class Outcome:
    """What a task's function returns.

    result: JSON-like, the same for the same inputs and seeds. files: those that others rely on, inside the folder.
    measured: costs, such as ``ps_per_hour``.
    """

    result: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What a task's function is given: where to work, with what.

    executor: for tasks that coordinate others' work; None for all others.
    """

    task: Task
    folder: Path
    needs: Mapping[str, Finished]
    resources: Resources = field(default_factory=Resources)
    executor: Executor | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything the result depends on beside files and needs."""
        return self.task.settings

    def report(self, done: float, per_hour: float | None = None) -> None:
        """Say how much of the task's `cost` is done, for whoever watches; at most once a second, never an error."""
        path = self.folder / PROGRESS_FILE
        with suppress(OSError, DopantFitError):
            if not path.exists() or time.time() - path.stat().st_mtime > _REPORT:
                write_json_atomic(path, {"done": done, "per_hour": per_hour})


def progress_of(folder: Path) -> tuple[float, float | None] | None:
    """Return what a running task last reported: work done, and its rate per hour where it gave one."""
    try:
        content = json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
        return float(content["done"]), content["per_hour"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def execute(
    task: Task,
    key: str,
    folder: Path,
    needs: Mapping[str, Finished],
    resources: Resources,
    executor: Executor | None = None,
) -> None:
    """Do a task in its folder and write its record.

    What an unfinished try with the same key left in the folder is kept, so that long work goes on from its checkpoint;
    what another key left, or a finished try whose record no longer holds, is removed. What a worker of a killed driver
    finished meanwhile is kept. Raises whatever the function raises; an OSError as EngineError with its file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder, _PATIENCE):
            if _finished(folder, key):
                return
            _clear_unless_begun(folder, key)
            started = time.time()
            outcome = find_action(task.action)(Work(task, folder, needs, resources, executor))
            record = Record(
                task=task.name,
                key=key,
                result=dict(outcome.result),
                files=hashes(folder, outcome.files),
                measured={**outcome.measured, "wall_seconds": time.time() - started},
                versions=installed_versions(),
                started=datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
            )
            write_record(folder, record)
            (folder / PROGRESS_FILE).unlink(missing_ok=True)
    except OSError as problem:
        raise EngineError(
            f"{problem.filename or folder}: {problem.strerror or problem}; mend it and run the same command again"
        ) from None


def _finished(folder: Path, key: str) -> bool:
    """Whether the result for this key is there and whole."""
    record = read_record(folder)
    return record is not None and record.key == key and not damage(folder, record)


def _clear_unless_begun(folder: Path, key: str) -> None:
    """Empty the folder of a task unless what is in it was begun with the same key and did not finish."""
    mark = folder / KEY_FILE
    with suppress(OSError, ValueError):
        if json.loads(mark.read_text(encoding="utf-8")) == key and not (folder / RECORD_FILE).exists():
            return
    for path in folder.iterdir():
        if path.name == ".lock":
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_json_atomic(mark, key)


def end_with_parent(parent: int, or_when: Callable[[], bool] | None = None) -> None:
    """Make this worker end when the process of this id, which started it, is gone, however that ended.

    A worker of a killed driver would otherwise wait for orders for ever. The id is given, because a driver may be gone
    before the worker could ask for it. or_when: something else to end at, looked at less often.
    """

    def watch() -> None:
        look = _LOOK if or_when is None else _LOOK_AFAR
        while os.getppid() == parent and not (or_when and or_when()):
            time.sleep(look)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def call_for_driver(driver: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker that ends with its driver, which holds the folder `driver` as long as it lives."""
    _end_with_driver(driver)
    return function(*arguments)


@cache
def _end_with_driver(driver: Path) -> None:
    """Once in each worker: wherever it runs, it ends when its parent is gone or the driver's folder is held no more."""
    # Where nodes do not see each other's locks, the folder looks free from the start, and this is no sign of anything.
    seen = not is_free(driver)
    end_with_parent(os.getppid(), lambda: seen and is_free(driver))
