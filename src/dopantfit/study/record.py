"""``study.json``: what a study did and what it says, in its run folder and in the summary that is kept of it."""

from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from dopantfit.structures import Host, load_host
from dopantfit.study.config import StudyConfig
from dopantfit.study.round_record import Rounds
from dopantfit.study.verdict import Verdict
from dopantfit.validate.record_schema import ValidationStatus
from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.schema import Model, VersionedRecord, parse_content

STUDY_RECORD, SUMMARY = "study.json", "summary"
#: Folder beside study.toml that a summary is kept in.
KEPT = "study"


class FinishedTask(Model):
    """A finished task: hashes of what it was made from, of what came out and of its files, and what it cost."""

    stage: str
    key: str
    digest: str
    files: dict[str, str]
    measured: dict[str, float]


class StudyRecord(VersionedRecord):
    """A study as it stands.

    gates: on what grounds its potential was used. failed: reason by task. skipped: the task that they wait for.
    done_now: tasks that the last run worked on. stages: of the tasks that did not finish.
    """

    what: ClassVar[str] = "record of a study"
    remedy: ClassVar[str] = "run `dopantfit study` (and --keep) again"

    format: int = 3
    #: What was doped; records of before hosts were files are about the one that there was.
    host: Host = Field(default_factory=load_host)
    verdict: Verdict | None
    gates: ValidationStatus
    tasks: dict[str, FinishedTask]
    failed: dict[str, str]
    skipped: dict[str, str]
    stages: dict[str, str]
    done_now: tuple[str, ...]
    record: Provenance
    #: Of a study that grows until it can tell.
    rounds: Rounds | None = None

    @cached_property
    def config(self) -> StudyConfig:
        """The settings of the study; ValueError where they are of another version."""
        return parse_content(StudyConfig, dict(self.record.configuration))

    @property
    def answer(self) -> str | None:
        """The answer of the verdict; None where the study did not get that far."""
        return None if self.verdict is None else self.verdict.answer

    @property
    def has_failed(self) -> bool:
        """Whether a task failed, or the answer is no."""
        return bool(self.failed) or self.answer == "no"

    @classmethod
    def in_folder(cls, folder: Path) -> tuple[Path, "StudyRecord"] | None:
        """Return the record of a run folder, a summary, or a fit that one was kept with, and the summary's folder.

        None where there is none.
        """
        found = next((one for one in (folder / SUMMARY, folder, folder / KEPT) if (one / STUDY_RECORD).is_file()), None)
        return None if found is None else (found, cls.read(found / STUDY_RECORD))
