"""How far a piece of work is, from whoever does it to whoever watches: one small file in the folder of the work."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dopantfit.errors import DopantFitError
from dopantfit.workflow.provenance import write_json_atomic

PROGRESS_FILE = "progress.json"
#: Seconds between two reports.
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """What was last said of a piece of work.

    done: in the unit of the work. per_hour: its rate, where that is known. text: for people.
    """

    done: float
    per_hour: float | None = None
    text: str = ""


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
        return WorkProgress(float(content["done"]), content["per_hour"], str(content.get("text", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
