"""A study as it was kept for its report: record, results and files of its tasks, checked while they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from dopantfit.errors import ConfigError
from dopantfit.structures import Host
from dopantfit.study import places
from dopantfit.study.config import StudyConfig
from dopantfit.study.item import Cell, Facts, Item, read_item, read_table
from dopantfit.study.record import STUDY_RECORD, StudyRecord
from dopantfit.workflow.provenance import sha256_of


@dataclass(frozen=True)
class StudySummary:
    """A study as it stands, read from its summary. folder: holds a folder for each task that a report reads."""

    folder: Path
    record: StudyRecord
    config: StudyConfig
    items: Mapping[str, Item[BaseModel]]

    @property
    def dopant(self) -> str:
        """Label of the dopant."""
        return self.config.dopant

    @property
    def host(self) -> Host:
        """What was doped."""
        return self.record.host

    @property
    def doses(self) -> Mapping[int, float]:
        """Number i of GB_i, C_i and A_i, and its concentration [at%]."""
        return dict(enumerate(self.config.doping.concentrations, 1))

    def item(self, name: str, facts: type[Facts]) -> Item[Facts] | None:
        """Return the result of a name, with its facts; None where there is none."""
        found = self.items.get(name)
        return found if found is not None and isinstance(found.facts, facts) else None  # type: ignore[return-value]

    def ions(self, task: str) -> int | None:
        """How many ions a task worked with, where it said so."""
        done = self.record.tasks.get(task)
        count = done.measured.get("ions") if done else None
        return None if count is None else round(count)

    def file_of(self, task: str, name: str) -> Path | None:
        """Path of a file that a task wrote; None where the summary does not hold it.

        Raises ConfigError when it is not what the task wrote.
        """
        return file_of(self.folder, self.record, task, name)

    def table_of(self, task: str, name: str) -> list[dict[str, Cell]]:
        """A table that a task wrote; empty where the summary does not hold it."""
        path = self.file_of(task, name)
        return [] if path is None else read_table(path)

    def why_missing(self, item: str) -> str:
        """Why a result is not there."""
        task, failed, skipped = places.item(item), self.record.failed, self.record.skipped
        if task in failed:
            return f"its task failed: {failed[task]}"
        if task in skipped:
            need = skipped[task]
            while need in skipped:
                need = skipped[need]
            reason = failed.get(need)
            return f"{need} failed: {reason}" if reason else f"for want of {need}"
        return "the study has no such result"


def file_of(folder: Path, record: StudyRecord, task: str, name: str) -> Path | None:
    """Path of a file that a task wrote in a folder that has one for each task; None where the folder does not hold it.

    Raises ConfigError when it is not what the task wrote.
    """
    done, path = record.tasks.get(task), folder / task / name
    if done is None or name not in done.files or not path.is_file():
        return None
    if sha256_of(path) != done.files[name]:
        raise ConfigError(f"{path}: is not what the study wrote; run `dopantfit study` again")
    return path


def read_summary(folder: Path) -> StudySummary | None:
    """Return the study of a run folder, a summary, or a fit that one was kept with; None when there is none.

    Raises ConfigError when it is not whole, or another version wrote it.
    """
    found = StudyRecord.in_folder(folder)
    if found is None:
        return None
    summary, record = found
    try:
        config = record.config
    except ValueError as problem:
        raise ConfigError(f"{summary / STUDY_RECORD}: record.configuration.{problem}; {record.remedy}") from None
    names = sorted(name for name, task in record.tasks.items() if task.stage == "items")
    items = {(summary / name).name: summary / name for name in names}
    read = {name: read_item(path, name, record.tasks[places.item(name)].files) for name, path in items.items()}
    return StudySummary(summary, record, config, read)
