"""What a task is, what its function is given, and what it gives back: the types of the task graph."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from dopantfit.errors import ConfigError
from dopantfit.workflow.progress import WorkProgress, write_progress
from dopantfit.workflow.records import Record
from dopantfit.workflow.resources import Resources


@dataclass(frozen=True)
class Task:
    """One unit of work: a function from files and records to a folder with a record.

    name: also the path of its folder inside the run folder. stage: the part of the study that it belongs to.
    action: ``module:function``, the work of a task with a version; a name, so that any process can find it.
    settings: JSON-like, all that the result depends on beside files and needs; seeds included.
    files: paths from outside the run, by the name the function knows them under.
    digests: hashes that stand for files in the key, where a task depends on no more than a part of one.
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
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FilePart:
    """A file of a task of which only a part is read. digest: hash of that part, which stands for it in the key."""

    path: Path
    digest: str


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


class Submits(Protocol):
    """What takes calls and answers them elsewhere: an executor, or a pool."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> "Future[Any]":
        """Hand over a call."""


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
        write_progress(self.folder, WorkProgress(done, per_hour))


def find_action(name: str) -> Callable[[Work], Outcome]:
    """Return the function ``module:function``; ConfigError when there is none, or it is not marked."""
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise ConfigError(f"action {name!r}: there is no such function") from None
    if not hasattr(found, "version"):
        raise ConfigError(f"action {name!r}: is not marked as the work of a task")
    return found  # type: ignore[no-any-return]
