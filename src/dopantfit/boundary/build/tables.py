"""Kinds of numbers and names that the files of this room hold, and how such a file is read."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dopantfit.strict_toml import AnyTable, Count, NonNegative, Positive, parse_strict, parse_toml, read_text
from dopantfit.structures.hosts import Host, with_host

__all__ = ["Count", "Name", "NonNegative", "Positive", "Text", "load_table", "parse_table"]

Text = Annotated[str, Field(min_length=1)]
#: Names a folder.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


def load_table(model: type[AnyTable], path: str | os.PathLike[str], host: Host | None = None) -> AnyTable:
    """Return the table in a TOML file; ConfigError naming the file and the key. host: of a file that names none."""
    return parse_table(model, read_text(Path(path)), str(path), Path(path).parent, host)


def parse_table(
    model: type[AnyTable],
    text: str,
    source: str,
    folder: str | os.PathLike[str] = ".",
    host: Host | None = None,
) -> AnyTable:
    """Return the table written in `text`, its host in full; ConfigError naming `source` and the key.

    folder: what the name of a host's file is relative to. host: of a text that names none, LATP by default.
    """
    return parse_strict(model, with_host(parse_toml(text, source), folder, host), source)
