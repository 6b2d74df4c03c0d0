"""The gates as a Python function: a potential is held against them, and what they say is written down."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dopantfit.validate.gate import Gate
from dopantfit.validate.record import stem, write_validation
from dopantfit.validate.record_schema import ValidationRecord
from dopantfit.validate.run import Request, gates_of, run_gates
from dopantfit.workflow.names import default_run
from dopantfit.workflow.progress import Watch, unwatched


def validate(
    folder: str | Path,
    *,
    preset: str = "quick",
    potential: str | None = None,
    workers: int | None = None,
    ranks: int | None = None,
    work: str | Path | None = None,
    watch: Watch = unwatched,
) -> ValidationRecord:
    """Hold a potential against every gate; write ``validation.json`` and figures beside ``fit.toml``.

    folder: with ``fit.toml`` and ``potential.toml``. preset: quick (minutes), night or desk (an hour), or paper (2 ns).
    potential: another file or published set than the fitted one; its record is ``validation-<name>.json``.
    workers: gates at the same time. ranks: MPI ranks of each run. work: folder of the runs, from which a killed
    validation resumes, ``runs/validate-<name>-<potential>-<preset>`` by default.
    Raises ConfigError and ReferenceDataError, one line each, for bad input; a gate that fails is no error.
    """
    started = time.time()
    asked = Request(Path(folder), potential, preset, Path(), Path(), ranks=ranks)
    subject = asked.subject()
    request = _placed(asked, work, subject.file.parent / stem(subject))
    with watch() as observer:
        gates = run_gates(request, gates_of(subject.settings), workers, observer)
    return write_validation(subject, gates, started)


def hold_against(
    folder: str | Path,
    gates: Sequence[str],
    preset: str = "quick",
    potential: str | None = None,
    workers: int | None = None,
    ranks: int | None = None,
    work: str | Path | None = None,
    watch: Watch = unwatched,
) -> tuple[Gate, ...]:
    """Hold a potential against some gates only, without a record; figures go to the work folder. See `validate`."""
    request = _placed(Request(Path(folder), potential, preset, Path(), Path(), ranks=ranks), work, None)
    with watch() as observer:
        return run_gates(request, gates, workers, observer)


def _placed(asked: Request, work: str | Path | None, figures: Path | None) -> Request:
    """The request with its folders."""
    subject = asked.subject()
    names = (subject.config.name, subject.potential.name, asked.preset)
    where = Path(work) if work is not None else default_run("validate", *names)
    return replace(asked, work=where, figures=figures or where / "figures")
