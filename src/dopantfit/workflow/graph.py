"""The study as a graph: tasks, what each needs, and the key that says whether a result is still valid."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import sha256_of
from dopantfit.workflow.records import Record, hash_of

if TYPE_CHECKING:
    from dopantfit.workflow.work import Outcome, Work

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)*$")


@dataclass(frozen=True)
class Task:
    """One unit of work: a function from files and records to a folder with a record.

    name: also the path of its folder inside the run folder. stage: the part of the study that it belongs to.
    action: ``module:function``, a function marked with `action`; a name, so that any process can find it.
    settings: JSON-like, all that the result depends on beside files and needs; seeds included.
    files: paths from outside the run, by the name the function knows them under.
    needs: names of tasks, by the role they play for the function.
    cost: expected size of the work in `unit` (ps of molecular dynamics, attempted swaps, ...), for time estimates.
    tolerant: runs with those of its needs that finished, where others failed.
    coordinates: runs beside the driver and hands parts of its work to the executor itself.
    """

    name: str
    stage: str
    action: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    cost: float = 0.0
    unit: str = ""
    tolerant: bool = False
    coordinates: bool = False


class Graph:
    """Tasks in an order in which each comes after what it needs."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """Check names and needs; ConfigError for a name twice, an unknown need, or a circle."""
        self.tasks: dict[str, Task] = {}
        for task in tasks:
            if not _NAME.match(task.name):
                raise ConfigError(f"task {task.name!r}: a name is words of letters, digits, _ . + - joined by /")
            if task.name in self.tasks:
                raise ConfigError(f"task {task.name!r} appears twice; names are folders and must differ")
            self.tasks[task.name] = task
        for task in self.tasks.values():
            for need in task.needs.values():
                if need not in self.tasks:
                    raise ConfigError(f"task {task.name!r} needs {need!r}, which is no task of this study")
        self.order = self._sorted()

    def _sorted(self) -> tuple[str, ...]:
        order: list[str] = []
        waiting = dict(self.tasks)
        while waiting:
            ready = [name for name, task in waiting.items() if not any(n in waiting for n in task.needs.values())]
            if not ready:
                raise ConfigError(f"tasks {', '.join(sorted(waiting))} need each other in a circle")
            for name in ready:
                order.append(name)
                del waiting[name]
        return tuple(order)

    def below(self, name: str) -> set[str]:
        """Names of all tasks that need this one, directly or not."""
        found: set[str] = {name}
        for other in self.order:
            if found & set(self.tasks[other].needs.values()):
                found.add(other)
        return found - {name}


def action(version: int) -> "Callable[[Callable[[Work], Outcome]], Callable[[Work], Outcome]]":
    """Mark a function as the work of a task.

    version: raised whenever the function gives another result for the same inputs, so that old records are redone.
    """

    def mark(function: "Callable[[Work], Outcome]") -> "Callable[[Work], Outcome]":
        function.version = version  # type: ignore[attr-defined]
        return function

    return mark


def find_action(name: str) -> "Callable[[Work], Outcome]":
    """Return the function ``module:function``; ConfigError when there is none, or it is not marked."""
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise ConfigError(f"action {name!r}: there is no such function") from None
    if not hasattr(found, "version"):
        raise ConfigError(f"action {name!r}: is not marked as the work of a task")
    return found  # type: ignore[no-any-return]


def key_of(task: Task, needs: Mapping[str, Record]) -> str:
    """Hash of everything a task's result depends on: function and its version, settings, files, needed results.

    Raises ConfigError when a file cannot be read.
    """
    content = {
        "action": task.action,
        "version": find_action(task.action).version,  # type: ignore[attr-defined]
        "settings": task.settings,
        "files": {name: sha256_of(path) for name, path in task.files.items()},
        "needs": {role: record.digest for role, record in needs.items()},
    }
    return hash_of(content)
