"""One step of work that is done once: what it is of, and the sealed record of what came of it."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import holds, read_sealed, sha256_of, write_sealed


class Step:
    """A record that is kept where it holds, and whose work is done (again) where it does not.

    path: of the record, which is written last, by an atomic rename. of: JSON-like, everything the result depends on,
    or its hash, by the names that it has in the record. other: makes the refusal of a record that is whole and of
    something else, from its content; where it is None, that is done with.
    """

    def __init__(
        self, path: Path, of: Mapping[str, Any], other: Callable[[Mapping[str, Any]], str] | None = None
    ) -> None:
        self.path, self._other = path, other
        self._of = json.loads(json.dumps(of))

    def look(self) -> tuple[dict[str, Any] | None, str]:
        """Return the record if it and the files that it vouches for are what was written; else None with the reason.

        The reason is empty where there is no record. Raises ConfigError for a record of something else, see `other`.
        """
        content = read_sealed(self.path)
        if content is None:
            return None, f"{self.path} is not what was written" if self.path.exists() else ""
        if any(content.get(name) != value for name, value in self._of.items()):
            if self._other is not None:
                raise ConfigError(self._other(content))
            return None, "its inputs or settings changed"
        harm = damage(self.path.parent, content.get("files", {}))
        return (None, harm) if harm else (content, "")

    def kept(self) -> dict[str, Any] | None:
        """Return the record if it holds; see `look`."""
        return self.look()[0]

    def keep(self, content: Mapping[str, Any], files: Iterable[str | Path] = ()) -> None:
        """Write the record, which from now on vouches for files: paths, or names in its folder.

        Raises ConfigError when one of them is not there, or the record cannot be written.
        """
        folder = self.path.parent
        hashes = {str(name): sha256_of(folder / name) for name in sorted(map(str, files))}
        write_sealed(self.path, {**self._of, **content, "files": hashes})


def damage(folder: Path, files: Mapping[str, str]) -> str:
    """Say which of the files, by name in `folder`, is not what its SHA-256 says; empty when all are."""
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if not holds(path, expected):
            return f"{path} has changed since it was written"
    return ""
