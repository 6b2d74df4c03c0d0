"""A journal: what happened one after the other, each line sealed, so that work goes on from the last that holds."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import write_text_atomic

_SEAL = 64  # hex digits


class Journal:
    """Entries (JSON-like) on disk, one line each, after a line that says what they are of.

    The seal of a line is the hash of its text and of the seal before it, and the first one is that of `key`: a line
    that was changed, lost, cut off by a kill, or is of another key ends what is believed; the rest is made anew.
    path: of the file, in a folder that is there; None keeps nothing.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.path = path
        self._lines = [_sealed("", json.dumps({"journal": key}))]
        found = _lines(path)
        for line in found[1:] if found[:1] == self._lines else []:
            if line != _sealed(self._lines[-1][:_SEAL], line[_SEAL + 1 :]):
                break
            self._lines.append(line)
        self._write()

    def __len__(self) -> int:
        return len(self._lines) - 1

    def __getitem__(self, number: int) -> Any:
        """Return an entry, counted from 0."""
        return json.loads(self._lines[number + 1][_SEAL + 1 :])

    def cut(self, length: int) -> None:
        """Forget all entries but the first ones."""
        self._lines = self._lines[: length + 1]
        self._write()

    def add(self, entry: Any) -> None:
        """Write down what happened next. Raises ConfigError when it cannot be written."""
        self._lines.append(_sealed(self._lines[-1][:_SEAL], json.dumps(entry)))
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._lines[-1] + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise ConfigError(
                f"{self.path}: cannot be written ({problem.strerror}); mend it and run the same command again, what is "
                "finished is kept"
            ) from None

    def _write(self) -> None:
        if self.path is not None:
            write_text_atomic(self.path, "".join(f"{line}\n" for line in self._lines))


def _sealed(before: str, text: str) -> str:
    return f"{sha256((before + text).encode()).hexdigest()} {text}"


def _lines(path: Path | None) -> list[str]:
    try:
        # Damage that is no text any more is no seal either.
        return [] if path is None else path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror}); remove it or choose another folder") from None
