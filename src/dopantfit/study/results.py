"""Which results of a study still hold, in its run folder or in the summary that was kept of it.

The rules are those of the driver: a result holds while its record is whole, was made from what the task would be made
from now (`graph.key_of`), and everything that it needs holds too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dopantfit.study.config import StudyConfig
from dopantfit.study.record import StudyRecord
from dopantfit.study.run import reported_files
from dopantfit.workflow.graph import Graph, Task, key_of
from dopantfit.workflow.records import Record, damage, read_record


@dataclass(frozen=True)
class KeptRecord(Record):
    """A record as a kept summary has it: without the result, but with the digest of it."""

    told: str = ""

    @property
    def digest(self) -> str:
        """Hash of what came out, as the study wrote it down."""
        return self.told


@dataclass(frozen=True)
class Results:
    """Results of tasks as they lie in a folder that has one for each task; records by name of the task."""

    folder: Path
    records: Mapping[str, Record]

    def problems(self, graph: Graph) -> dict[str, str]:
        """Return why results of a graph do not hold, by name of the task; those that hold are left out."""
        found: dict[str, str] = {}
        for name in graph.order:
            problem = self._problem(graph.tasks[name], found)
            if problem:
                found[name] = problem
        return found

    def _problem(self, task: Task, before: Mapping[str, str]) -> str:
        """Say why a task's result does not hold; before: what does not, of the tasks that it needs."""
        broken = [need for need in task.needs.values() if need in before]
        if broken and (not task.tolerant or len(broken) == len(task.needs)):
            return before[broken[0]]
        record = self.records.get(task.name)
        if record is None:
            return f"{task.name}: there is no whole record; run `dopantfit study`"
        # A tolerant task was made without those of its needs that failed.
        needs = {role: self.records[need] for role, need in task.needs.items() if need not in before}
        if record.key != key_of(task, needs):
            return before[broken[0]] if broken else f"{task.name}: its inputs or settings changed since it was made"
        return damage(self.folder / task.name, record)


def in_run(run: Path, graph: Graph) -> Results:
    """Return the results in a run folder."""
    found = {name: read_record(run / name) for name in graph.order}
    return Results(run, {name: record for name, record in found.items() if record is not None})


def in_summary(summary: Path, record: StudyRecord, graph: Graph, study: StudyConfig) -> Results:
    """Return the results of a graph that a summary tells of, with those of their files that it holds."""
    found = {
        name: KeptRecord(
            name,
            task.key,
            {},
            {file: task.files[file] for file in reported_files(study, graph.tasks[name].stage, name, task.files)},
            told=task.digest,
        )
        for name, task in record.tasks.items()
        if name in graph.tasks
    }
    return Results(summary, found)
