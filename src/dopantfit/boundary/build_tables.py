"""Strict tables that people write as TOML: unknown keys are refused, and each problem is one line."""

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dopantfit.errors import ConfigError

Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
#: Names a folder.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Table(BaseModel):
    """A frozen table of a TOML file: strict types, finite numbers, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


_T = TypeVar("_T", bound=Table)


def read_text(file: Path) -> str:
    """Return the text of a file that a person wrote; ConfigError when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read ({reason}); check the path") from None


def load_table(model: type[_T], path: str | os.PathLike[str]) -> _T:
    """Return the table in a TOML file; ConfigError naming the file and the key."""
    return parse_table(model, read_text(Path(path)), str(path))


def parse_table(model: type[_T], text: str, source: str) -> _T:
    """Return the table written in `text` (TOML); ConfigError naming `source` and the key."""
    try:
        # Validated as JSON: strict mode then takes lists for tuples, and nothing else loosely.
        return model.model_validate_json(json.dumps(tomllib.loads(text), default=str))
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{source}: not valid TOML: {problem}") from None
    except ValidationError as problem:
        raise ConfigError(f"{source}: {_first_problem(problem)}") from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{where} is no known key; remove it or mend its spelling{more}"
    if first["type"] == "missing":
        return f"{where} is missing; add it{more}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{message}{more}" if not where else f"{where} = {first['input']!r}: {message}; mend it{more}"
