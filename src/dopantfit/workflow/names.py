"""Names of folders that the program makes: a name that people write is one folder, and nowhere else."""

import re
from pathlib import Path

from dopantfit.errors import ConfigError

#: Longest name of a folder; file systems end at 255 bytes, and the program adds its own words.
_LONGEST = 100


def folder_name(name: str) -> str:
    """Return `name` if a folder can have it; ValueError for one that leads elsewhere or that no file system takes."""
    if not name.strip() or name.startswith((".", "-")) or re.search(r"[/\\\x00-\x1f\x7f]", name):
        raise ValueError(f"{name!r} is no name of a folder; use letters, digits, spaces, _ . + -, the first no . or -")
    if len(name.encode()) > _LONGEST:
        raise ValueError(f"{name[:20]!r}... is longer than {_LONGEST} bytes; it names a folder, shorten it")
    return name


def drawn(name: str) -> str:
    """Return a name that people gave as figures take it: its dollars are dollars, and begin no formula."""
    return name.replace("$", r"\$")


def default_run(kind: str, *names: str) -> Path:
    """Return ``runs/<kind>-<names>``, where work runs unless told otherwise; ConfigError for what is no name."""
    try:
        return Path("runs") / "-".join([kind, *(folder_name(name) for name in names)])
    except ValueError as problem:
        raise ConfigError(f"{problem}; or name the folder of the run yourself") from None
