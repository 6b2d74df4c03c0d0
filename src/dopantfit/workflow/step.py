"""One step of work that is done once: what it is of, and the sealed record of what came of it."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import holds, read_sealed, sha256_of, write_sealed


class Step:
    """A record that is kept where it holds, and whose work is done (again) where it does not.

    path: of the record, which is written last, by an atomic rename. of: JSON-like, all that the result depends on, or
    its hash, under the names and in the tables that it has in the record. other: makes the refusal of a record that is
    whole and of something else, from its content; where it is None, that record is done with.
    """

    def __init__(
        self, path: Path, of: Mapping[str, Any], other: Callable[[Mapping[str, Any]], str] | None = None
    ) -> None:
        self.path, self._other = path, other
        self._of: dict[str, Any] = json.loads(json.dumps(of))

    def look(self) -> tuple[dict[str, Any] | None, str]:
        """Return the record if it and the files that it vouches for are what was written; else None.

        Beside it: the name of the file that is not, empty where there is no record, or it is of something else.
        Raises ConfigError for a record of something else where that is refused.
        """
        content = read_sealed(self.path)
        if content is None:
            return None, self.path.name if self.path.exists() else ""
        if not _holds_all(content, self._of):
            if self._other is not None:
                raise ConfigError(self._other(content))
            return None, ""
        files = content.get("files")
        # One of an earlier version may vouch for nothing.
        harmed = self.path.name if files is None else first_harmed(self.path.parent, files)
        return (None, harmed) if harmed else (content, "")

    def kept(self) -> dict[str, Any] | None:
        """Return the record if it holds; see `look`."""
        return self.look()[0]

    def keep(self, content: Mapping[str, Any], files: Iterable[str | Path] = ()) -> dict[str, Any]:
        """Write the record, which from now on vouches for files (paths, or names in its folder), and return it.

        Raises ConfigError when one of them is not there, or the record cannot be written.
        """
        folder = self.path.parent
        record = {**self._of, **content, "files": {str(name): sha256_of(folder / name) for name in files}}
        write_sealed(self.path, record)
        return record


def first_harmed(folder: Path, files: Mapping[str, str]) -> str:
    """Name of the first file in `folder` that is not what its SHA-256 says; empty when all are."""
    return next((name for name, sha256 in files.items() if not holds(folder / name, sha256)), "")


def _holds_all(content: Any, of: Any) -> bool:
    """Whether what is wanted stands in a record, in its place; tables may hold more."""
    if isinstance(of, dict):
        return isinstance(content, dict) and all(_holds_all(content.get(name), value) for name, value in of.items())
    return bool(content == of)
