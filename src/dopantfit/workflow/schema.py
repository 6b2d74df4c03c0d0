"""Records that outlive the program that wrote them: JSON with a version, read through the schema of their owner."""

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import read_text
from dopantfit.workflow.provenance import write_json_atomic

AnyModel = TypeVar("AnyModel", bound=BaseModel)


class Model(BaseModel):
    """A part of a record, or of what a task is told: frozen, strict, without unknown keys, infinities or NaN."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class VersionedRecord(Model):
    """A whole record; its children say what it is in an error, and which command makes it anew."""

    what: ClassVar[str]
    remedy: ClassVar[str]

    #: Its version; a model that reads another one has another default.
    format: int = 1

    def write(self, path: Path) -> None:
        """Write the record, by an atomic rename; ConfigError when it cannot be written."""
        write_json_atomic(path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the record in a file.

        Raises ConfigError, one line with the file, what is wrong with it and the remedy, when it cannot be read, is no
        JSON, another program's, of another version, or not whole.
        """
        content = read_json(path, cls.remedy)
        require_format(content, str(path), cls.model_fields["format"].default, cls.what, cls.remedy)
        try:
            return parse_content(cls, content)
        except ValueError as problem:
            raise ConfigError(f"{path}: {problem}; {cls.remedy}") from None

    @classmethod
    def require_version(cls, path: Path) -> None:
        """Raise ConfigError, as `read`, where another version's record would be written over; not for a damaged one."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return
        require_format(content, str(path), cls.model_fields["format"].default, cls.what, cls.remedy)

    @classmethod
    def read_if_there(cls, path: Path) -> Self | None:
        """The same; None when there is no such file."""
        return cls.read(path) if path.is_file() else None


def require_format(content: Any, source: str, expected: int, what: str, remedy: str) -> None:
    """Raise ConfigError, one line with file, format and remedy, where content is not of the expected format."""
    if not isinstance(content, Mapping) or "format" not in content:
        raise ConfigError(f"{source}: is no {what} of this version, it names no format, expected {expected}; {remedy}")
    found = content["format"]
    if isinstance(found, bool) or found != expected:
        raise ConfigError(
            f"{source}: is a {what} of format {shorten(repr(found), 40)}, expected {expected}: another version wrote "
            f"it; {remedy}"
        )


def read_json(path: Path, remedy: str) -> Any:
    """Return what a JSON file holds; ConfigError when it cannot be read as JSON."""
    text = read_text(path, remedy)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: cannot be read as JSON; {remedy}") from None


def parse_record(model: type[AnyModel], path: Path, remedy: str) -> AnyModel:
    """Return a part of a record that has a file of its own; ConfigError as `VersionedRecord.read`."""
    try:
        return parse_content(model, read_json(path, remedy))
    except ValueError as problem:
        raise ConfigError(f"{path}: {problem}; {remedy}") from None


def parse_content(model: type[AnyModel], content: Any) -> AnyModel:
    """Return plain content as a model; ValueError, one line, naming the place and what is wrong there."""
    try:
        # Validated as JSON: strict mode then takes lists for tuples, and nothing else loosely.
        return model.model_validate_json(json.dumps(content))
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        kinds: Mapping[str, str] = {"missing": "is missing", "extra_forbidden": "is no key of this version"}
        what = kinds.get(first["type"], f"is wrong ({first['msg'].removeprefix('Value error, ')})")
        raise ValueError(f"{where} {what}") from None
