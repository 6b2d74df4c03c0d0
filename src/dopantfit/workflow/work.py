"""What happens where a task is worked on: its folder is held, its function is called, its record is written."""

import json
import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from dopantfit.errors import EngineError
from dopantfit.workflow.lock import held
from dopantfit.workflow.progress import PROGRESS_FILE
from dopantfit.workflow.provenance import installed_versions, write_json_atomic
from dopantfit.workflow.records import RECORD_FILE, Record, hashes, task_step, write_record
from dopantfit.workflow.resources import Resources
from dopantfit.workflow.task import Finished, Outcome, Task, Work, find_action

__all__ = ["Finished", "Outcome", "Resources", "Work", "execute"]

KEY_FILE = "key.json"
#: How long a task waits for the process of a killed driver to leave its folder [s].
_PATIENCE = 60.0


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
            if task_step(folder, key).kept() is not None:
                return
            begun = _clear_unless_begun(folder, key)
            started, spent = time.time(), sum(os.times()[:4])
            outcome = find_action(task.action)(Work(task, folder, needs, resources, executor))
            # Of this process and the programs that it has ended; not of work that began earlier, or is done elsewhere.
            whole = executor is None and not begun
            processor = {"processor_seconds": sum(os.times()[:4]) - spent} if whole else {}
            record = Record(
                task=task.name,
                key=key,
                result=dict(outcome.result),
                files=hashes(folder, outcome.files),
                measured={**outcome.measured, "wall_seconds": time.time() - started, **processor},
                versions=installed_versions(),
                started=datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
            )
            write_record(folder, record)
            (folder / PROGRESS_FILE).unlink(missing_ok=True)
    except OSError as problem:
        raise EngineError(
            f"{problem.filename or folder}: {problem.strerror or problem}; mend it and run the same command again"
        ) from None


def _clear_unless_begun(folder: Path, key: str) -> bool:
    """Empty the folder of a task unless what is in it was begun with the same key and did not finish: whether so."""
    mark = folder / KEY_FILE
    with suppress(OSError, ValueError):
        if json.loads(mark.read_text(encoding="utf-8")) == key and not (folder / RECORD_FILE).exists():
            return True
    for path in folder.iterdir():
        if path.name == ".lock":
            continue
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    write_json_atomic(mark, key)
    return False
