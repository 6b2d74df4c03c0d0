"""Kinds of numbers and names that the files of this room hold, and how such a file is read."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dopantfit.strict_toml import AnyTable, parse_strict, read_text

Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
#: Names a folder.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


def load_table(model: type[AnyTable], path: str | os.PathLike[str]) -> AnyTable:
    """Return the table in a TOML file; ConfigError naming the file and the key."""
    return parse_strict(model, read_text(Path(path)), str(path))
