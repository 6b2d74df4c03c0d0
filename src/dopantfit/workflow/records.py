"""The record of a finished task: what it was made from, what came out, and whether it is still what it was."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import hash_of, read_sealed, sha256_of, write_sealed
from dopantfit.workflow.step import Step, first_harmed

__all__ = ["RECORD_FILE", "Record", "damage", "hash_of", "hashes", "read_record", "task_step", "write_record"]

RECORD_FILE = "record.json"


@dataclass(frozen=True)
class Record:
    """What a finished task left behind.

    task, key: its name, and the hash of its inputs, settings and code (`graph.key_of`).
    result: numbers and words, JSON-like; the same inputs and seeds give the same result.
    files: SHA-256 of every file that others rely on, by path inside the task's folder.
    measured: what the work cost (wall_seconds, and what the task adds); no part of the result.
    versions: of everything that computes. started: ISO 8601, UTC.
    """

    task: str
    key: str
    result: Mapping[str, Any]
    files: Mapping[str, str]
    measured: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    started: str = ""

    @property
    def digest(self) -> str:
        """Hash of what came out, which is what the key of a task that needs this one holds."""
        return hash_of({"result": self.result, "files": self.files})


def write_record(folder: Path, record: Record) -> None:
    """Write the record with a seal over all of it, by an atomic rename; it is the last thing a task writes.

    Raises ConfigError when it cannot be written.
    """
    write_sealed(folder / RECORD_FILE, asdict(record))


def read_record(folder: Path) -> Record | None:
    """Return the record in `folder`; None when there is none, or when it is not what was written."""
    content = read_sealed(folder / RECORD_FILE)
    if content is None or set(content) != {entry.name for entry in fields(Record)}:
        return None
    return Record(**content)


def task_step(folder: Path, key: str) -> Step:
    """The step that a task is, in its folder."""
    return Step(folder / RECORD_FILE, {"key": key})


def damage(folder: Path, record: Record) -> str:
    """Say which file of a record is not what the record says; empty when all are."""
    name = first_harmed(folder, record.files)
    if not name:
        return ""
    return f"{folder / name} {'has changed since it was written' if (folder / name).exists() else 'is missing'}"


def hashes(folder: Path, files: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 of files in `folder`; ConfigError when one is not there."""
    for name in files:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise ConfigError(f"{folder}: {name!r} must lie inside the folder of its task")
    return {name: sha256_of(folder / name) for name in sorted(files)}
