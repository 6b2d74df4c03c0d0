"""How far a piece of work is, from whoever does it to whoever watches: here, or through a file of its folder."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from dopantfit.errors import DopantFitError
from dopantfit.workflow.provenance import write_json_atomic

PROGRESS_FILE = "progress.json"
#: Seconds between two reports.
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """What was last said of a piece of work.

    done: in the unit of the work. per_hour: its rate, where that is known. text: for people. of: the whole of it, where
    that is known.
    """

    done: float
    per_hour: float | None = None
    text: str = ""
    of: float | None = None


class ProgressObserver(Protocol):
    """Who is told how work goes."""

    def show(self, work: str, progress: WorkProgress) -> None:
        """Take note of how far a piece of work is, by its name."""

    def say(self, line: str) -> None:
        """Take note of something that happened."""


class SilentObserver:
    """Takes note of nothing."""

    def show(self, work: str, progress: WorkProgress) -> None:
        """Take no note."""

    def say(self, line: str) -> None:
        """Take no note."""


NOBODY = SilentObserver()
#: Begins to watch; while its context lasts, what it gives is told how the work goes.
Watch = Callable[[], AbstractContextManager[ProgressObserver]]


def unwatched() -> AbstractContextManager[ProgressObserver]:
    """Tell nobody."""
    return nullcontext(NOBODY)


@dataclass(frozen=True)
class ProgressFile(SilentObserver):
    """Writes how far the work in a folder is, for whoever looks there."""

    folder: Path

    def show(self, work: str, progress: WorkProgress) -> None:
        """Write it down; at most once a second, never an error."""
        write_progress(self.folder, progress)


def write_progress(folder: Path, progress: WorkProgress) -> None:
    """Say how far the work in `folder` is; at most once a second, never an error."""
    path = folder / PROGRESS_FILE
    with suppress(OSError, DopantFitError):
        if not path.exists() or time.time() - path.stat().st_mtime > _PAUSE:
            write_json_atomic(path, asdict(progress))


def progress_of(folder: Path) -> WorkProgress | None:
    """Return what was last said of the work in `folder`; None where nothing was."""
    try:
        content = json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
        return WorkProgress(
            float(content["done"]), content["per_hour"], str(content.get("text", "")), content.get("of")
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


class TimeLeft:
    """Says how long the rest of a piece of work takes at its pace since it was first asked."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def __call__(self, done: float, of: float) -> str:
        """Return it in words, behind a comma; empty where there is no pace yet, or nothing left."""
        now = time.monotonic()
        began, before = self._first = self._first or (now, done)
        if not before < done < of:
            return ""
        return f", {duration_in_words((now - began) / (done - before) * (of - done))} left"


def duration_in_words(seconds: float) -> str:
    """Return a time [s] in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"
