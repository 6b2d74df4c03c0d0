"""TOML: what people write, read into strict models (a mistake is one line with file and remedy); its values written."""

import errno
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dopantfit.errors import ConfigError, DopantFitError, shown

#: Numbers that people write. No quantity in Å, eV, ps, K, bar or u, and no count of anything, comes near these limits;
#: beyond them a slip of the pen would be answered by memory that runs out, or by silence.
Positive = Annotated[float, Field(gt=0.0, le=1e9)]
NonNegative = Annotated[float, Field(ge=0.0, le=1e9)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
FormalCharge = Annotated[int, Field(ge=-20, le=20)]


class Table(BaseModel):
    """A table of such a file: frozen, of exact types, without unknown keys, infinities or NaN."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


AnyTable = TypeVar("AnyTable", bound=Table)


def read_text(
    path: Path | Traversable, remedy: str = "check the path", error: type[DopantFitError] = ConfigError
) -> str:
    """Return the text of a file; raise ``error`` with the reason and the remedy where it cannot be read."""
    try:
        if isinstance(path, Path):
            require_file(path)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    except OSError as problem:
        reason = problem.strerror or str(problem)
    except ValueError:
        reason = "its name holds a zero byte"
    raise error(f"{shown(str(path))}: cannot be read ({reason}); {remedy}")


def require_file(path: str | os.PathLike[str]) -> None:
    """Raise OSError for what is there and is neither file nor folder: a pipe is waited for, a device may never end."""
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        name = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}.get(kind, "device")
        raise OSError(errno.EINVAL, f"is a {name}, and no file", str(path))


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a file that can be looked at; False, not an error, for a name that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder that can be looked at; False, not an error, for a name that no folder can have."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def file_in(path: str | os.PathLike[str], name: str) -> Path:
    """Return the file that a path means: itself, or the one called ``name`` where it is a folder."""
    return Path(path) / name if is_dir(path) else Path(path)


def parse_toml(text: str, source: str, error: type[DopantFitError] = ConfigError) -> dict[str, Any]:
    """Return what is written in ``text`` (TOML), not yet validated; raise ``error`` naming ``source``."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{source}: not valid TOML: {problem}") from None
    except ValueError:
        raise error(f"{source}: not valid TOML: a number has thousands of digits; mend it") from None
    except RecursionError:
        raise error(f"{source}: lists or tables are nested too deeply; a few levels are enough") from None


def parse_strict(
    model: type[AnyTable], written: str | Mapping[str, Any], source: str, error: type[DopantFitError] = ConfigError
) -> AnyTable:
    """Return what is written (TOML, or a mapping as TOML gives it); raise ``error`` naming ``source`` and the key."""
    content = parse_toml(written, source, error) if isinstance(written, str) else written
    try:
        # Validated as JSON: strict mode then takes lists for tuples, and nothing else loosely.
        return model.model_validate_json(json.dumps(content, default=str))
    except (RecursionError, UnicodeEncodeError):
        raise error(f"{source}: nested too deeply, or text that is no text; mend it") from None
    except ValidationError as problem:
        raise error(f"{source}: {first_problem(problem)}") from None


def first_problem(problem: ValidationError) -> str:
    """The first problem of a validation in one line, with how many more there are."""
    # A key that is not known is often the misspelling of one that is missing, so it comes first.
    first = min(problem.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {problem.error_count() - 1} more)" if problem.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{where} is no known key; remove it or mend its spelling{more}"
    if first["type"] == "missing":
        return f"{where} is missing; add it{more}"
    if not where:
        return message + more
    if isinstance(first["input"], dict | list):
        return f"{where}: {message}{more}"
    return f"{where} = {shorten(repr(first['input']), 100)}: {message}; mend it{more}"


def toml_value(value: object) -> str:
    """Return text, a number, a list or a mapping as TOML has it on one line, numbers to the last bit.

    Raises ConfigError for what such a file cannot hold: nothing (None), infinities, NaN, and any other type.
    """
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_entries(value))} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, int | float) and math.isfinite(value):
        return json.dumps(value)  # as repr has numbers, and true or false
    raise ConfigError(f"{value!r} cannot be written as TOML; give text, a finite number, a list or a table")


def toml_lines(table: Mapping[str, object]) -> str:
    """Return a mapping as lines ``key = value``."""
    return "".join(f"{entry}\n" for entry in _entries(table))


def _entries(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        is_bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
        yield f"{key if is_bare else toml_value(key)} = {toml_value(value)}"
