"""Which steps from DFT frames to a verdict are up to date, told by the hashes of what each was made from."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from dopantfit.fit.config import load_config
from dopantfit.fit.inputs import fit_files
from dopantfit.fit.record import POTENTIAL_FILE
from dopantfit.fit.record import RECORD_FILE as FIT_RECORD
from dopantfit.validate.levels import LEVELS
from dopantfit.validate.levels import level as level_of
from dopantfit.validate.record import stale
from dopantfit.workflow.provenance import holds, sha256_of

VALIDATION = "validation.json"


def why_fit(folder: Path) -> str:
    """Say why the fit in `folder` has to be made (again); empty when it is up to date.

    Raises ConfigError when there is no fit.toml that can be read.
    """
    record = _json(folder / FIT_RECORD)
    if record is None or not (folder / POTENTIAL_FILE).is_file():
        load_config(folder)
        return "there is none yet"
    return stale_fit(folder, record)


def stale_fit(folder: Path, record: Mapping[str, Any]) -> str:
    """Say which input of a fit, or what it wrote, is no longer what its record says; empty when all are."""
    config, file = load_config(folder)
    known, files = record["record"]["inputs"], fit_files(config, file)
    for name in sorted({*known, *files}):
        if name not in files:
            return f"{name} is no input any more"
        if name not in known:
            return f"{files[name]} is a new input"
        if not files[name].is_file():
            return f"{files[name]} is missing"
        if sha256_of(files[name]) != known[name]:
            return f"{files[name]} has changed since"
    potential = folder / POTENTIAL_FILE
    if not holds(potential, record.get("potential_sha256", sha256_of(potential))):
        return f"{potential} is not what it wrote"
    return ""


def why_validate(folder: Path, level: str) -> str:
    """Say why the gates have to be held against the potential (again); empty when the record need not be made again.

    It need not when it is of this potential and these settings, and of this level or a more thorough one.
    Raises ConfigError when there is no such level.
    """
    level_of(level)
    record = _json(folder / VALIDATION)
    if record is None:
        return "there is no validation yet"
    why = stale(record, sha256_of(folder / POTENTIAL_FILE), folder)
    if why:
        return f"it was made with {why}"
    order = list(LEVELS)
    return "" if record["level"] in order[order.index(level) :] else f"it was made at level {record['level']}"


def run_steps(steps: Iterable[tuple[str, Callable[[], str], Callable[[], None]]]) -> int:
    """Run the steps that have to be run; return the exit status of all.

    steps: name, why it has to be run (empty when it need not), and how. A fit or a gate that fails ends nothing here:
    whether a potential may be used all the same is for the study to say, and what it says stands, whatever the report.
    """
    ended: dict[str, int] = {}
    for name, why, do in steps:
        reason = why()
        sys.stderr.write(f"{name}: {reason or 'up to date'}\n")
        if reason:
            try:
                do()
                ended[name] = 0
            except typer.Exit as end:
                ended[name] = end.exit_code
    if "study" in ended:
        ended = {name: ended[name] for name in ("study", "report") if name in ended}
    return max(ended.values(), default=0)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
