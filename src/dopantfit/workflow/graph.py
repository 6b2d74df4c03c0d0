"""The study as a graph: tasks, what each needs, and the key that says whether a result is still valid."""

import re
from collections.abc import Iterable, Mapping

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import hash_of, sha256_of
from dopantfit.workflow.records import Record
from dopantfit.workflow.task import Task, find_action

__all__ = ["Graph", "Task", "find_action", "key_of"]

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)*$")


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


def key_of(task: Task, needs: Mapping[str, Record]) -> str:
    """Hash of everything a task's result depends on: function and its version, settings, files, needed results.

    Raises ConfigError when a file cannot be read.
    """
    content = {
        "action": task.action,
        "version": find_action(task.action).version,  # type: ignore[attr-defined]
        "settings": task.settings,
        "files": {name: task.digests.get(name) or sha256_of(path) for name, path in task.files.items()},
        "needs": {role: record.digest for role, record in needs.items()},
    }
    return hash_of(content)
