"""Typed tasks: what a task is told and what it makes are models, what it needs is a reference to another's output.

    built = TypedTask("crystals/C_1/build", "crystals", build_crystal, CrystalBuild(edge=3, ...))
    run = TypedTask("crystals/C_1/run1", "crystals", equilibrate, Equilibration(structure=built.output, ...))

On its way to a worker a model is JSON (``Task.settings``), references included; there `Here.made` turns a reference
into what was made.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from dopantfit.workflow.graph import Task
from dopantfit.workflow.schema import Model
from dopantfit.workflow.task import FilePart
from dopantfit.workflow.work import Finished, Outcome, Work

Settings = TypeVar("Settings", bound=Model)
Result = TypeVar("Result", bound=Model, covariant=True)


class TaskOutput(Model, Generic[Result]):
    """What a task will have made, for the settings of another one: ``job.output``."""

    task: str


@dataclass(frozen=True)
class Made(Generic[Result]):
    """What a task made."""

    finished: Finished
    model: type[Result]

    @cached_property
    def result(self) -> Result:
        """Its result."""
        return self.model.model_validate_json(json.dumps(dict(self.finished.result)))

    def file(self, name: str) -> Path:
        """Path of one of its files; ConfigError for a name that it has not."""
        return self.finished.file(name)


@dataclass(frozen=True)
class Product(Generic[Result]):
    """What the function of a task returns; see `dopantfit.workflow.work.Outcome`."""

    result: Result
    files: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)


class Here(Work):
    """Where a typed task works."""

    def path(self, name: str) -> Path:
        """Path of a file from outside the run."""
        return self.task.files[name]

    def made(self, output: TaskOutput[Result]) -> Made[Result]:
        """What a needed task made; KeyError when it failed, which only tasks that are tolerant meet."""
        (model,) = type(output).__pydantic_generic_metadata__["args"]
        return Made(self.needs[output.task], model)

    def if_made(self, output: TaskOutput[Result] | None) -> Made[Result] | None:
        """The same; None when that task failed, or none was referred to."""
        return None if output is None or output.task not in self.needs else self.made(output)

    def all_made(self, outputs: Iterable[TaskOutput[Result]]) -> list[Made[Result]]:
        """What those of the tasks made that did not fail."""
        return [self.made(one) for one in outputs if one.task in self.needs]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of needed tasks that failed."""
        return tuple(sorted(set(self.task.needs) - set(self.needs)))


@dataclass
class Action(Generic[Settings, Result]):
    """A function that is the work of a task, with the models of what it is told and of what it makes.

    version: raised whenever the function gives another result for the same inputs, so that old records are redone.
    """

    function: Callable[[Here, Settings], Product[Result]]
    settings: type[Settings]
    result: type[Result]
    version: int

    @property
    def name(self) -> str:
        """Where any process finds it, ``module:function``."""
        return f"{self.function.__module__}:{self.function.__name__}"

    def __call__(self, work: Work) -> Outcome:
        """Do the work of a task, as the driver wants it done."""
        want = self.settings.model_validate_json(json.dumps(dict(work.settings)))
        made = self.function(Here(**vars(work)), want)
        return Outcome(made.result.model_dump(mode="json"), made.files, made.measured)


def typed_action(
    settings: type[Settings], result: type[Result], version: int
) -> Callable[[Callable[[Here, Settings], Product[Result]]], Action[Settings, Result]]:
    """Mark a function as the work of a task that is told `settings` and makes `result`."""

    def mark(function: Callable[[Here, Settings], Product[Result]]) -> Action[Settings, Result]:
        return Action(function, settings, result, version)

    return mark


@dataclass(frozen=True)
class TypedTask(Generic[Result]):
    """A task before it is lowered to the graph; see `dopantfit.workflow.graph.Task` for what the parts mean."""

    name: str
    stage: str
    action: Action[Any, Result]
    settings: Model
    files: Mapping[str, Path | FilePart] = field(default_factory=dict)
    cost: float = 0.0
    unit: str = ""
    tolerant: bool = False
    coordinates: bool = False

    @property
    def output(self) -> TaskOutput[Result]:
        """Reference to what it will make."""
        return TaskOutput[self.action.result](task=self.name)  # type: ignore[name-defined]

    def task(self) -> Task:
        """The same for the graph: settings as JSON, and what they refer to as needs."""
        return Task(
            self.name,
            self.stage,
            self.action.name,
            self.settings.model_dump(mode="json"),
            {name: one.path if isinstance(one, FilePart) else one for name, one in self.files.items()},
            {name: name for name in references(self.settings)},
            self.cost,
            self.unit,
            self.tolerant,
            self.coordinates,
            {name: one.digest for name, one in self.files.items() if isinstance(one, FilePart)},
        )


def references(content: object) -> Iterator[str]:
    """Names of the tasks that settings refer to, wherever in them."""
    if isinstance(content, TaskOutput):
        yield content.task
    elif isinstance(content, BaseModel):
        for name in type(content).model_fields:
            yield from references(getattr(content, name))
    elif isinstance(content, tuple):
        for one in content:
            yield from references(one)
    elif isinstance(content, Mapping):
        yield from references(tuple(content.values()))
