"""What ``dopantfit run`` did, for programs: which steps were made and which were kept, the verdict, and the page."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from dopantfit.strict_toml import read_text
from dopantfit.study.run import RECORD

Step = tuple[str, Callable[[], str], Callable[[], None]]


def noted(steps: Iterable[Step], ended: MutableMapping[str, str]) -> Iterator[Step]:
    """Yield the same steps (see `steps.run_steps`); whether each was done or kept is noted in `ended`."""
    for name, why, do in steps:
        yield name, partial(_ask, name, why, ended), do


def _ask(name: str, why: Callable[[], str], ended: MutableMapping[str, str]) -> str:
    reason = why()
    ended[name] = "done" if reason else "kept"
    return reason


def said_apart(apart: bool) -> AbstractContextManager[Any]:
    """While the block runs, what is printed for people goes to standard error, if `apart`."""
    return redirect_stdout(sys.stderr) if apart else nullcontext()


def outcome_of(ended: Mapping[str, str], run: Path, page: Path) -> dict[str, Any]:
    """Return what there is to say, ready for JSON; a study is kept when none of its tasks had to be worked on."""
    record = json.loads(read_text(run / RECORD, "run `dopantfit study` again"))
    steps = {**ended, "study": "done" if record["done_now"] else "kept"}
    verdict = record["verdict"]
    return {"steps": steps, "verdict": None if verdict is None else verdict["answer"], "report": str(page)}
