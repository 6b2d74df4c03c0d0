"""The fit as a Python function: from a folder with ``fit.toml`` to a potential with error bars."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dopantfit.fit.record import write_fit
from dopantfit.fit.record_schema import FitRecord
from dopantfit.fit.run import FitPlan, Generation, plan_fit, run_fit
from dopantfit.workflow.names import default_run

#: Called after every generation with what it found and how many there will be; and with the name of every step.
Observe = Callable[[Generation, int], None]
Say = Callable[[str], None]
#: Called with what will be fitted; while its context lasts, what it gives is told how the fit goes.
FitWatch = Callable[[FitPlan], AbstractContextManager[tuple[Observe, Say]]]


@contextmanager
def unwatched(plan: FitPlan) -> Iterator[tuple[Observe, Say]]:
    """Tell nobody."""
    yield (lambda generation, total: None), (lambda step: None)


def fit(
    folder: str | Path, *, workers: int = 2, work: str | Path | None = None, watch: FitWatch = unwatched
) -> FitRecord:
    """Fit a potential to DFT frames; write ``potential.toml``, ``fit.json`` and figures beside ``fit.toml``.

    folder: with ``fit.toml``, or such a file. workers: processes that evaluate candidates. work: folder of the journal
    that a killed fit resumes from, ``runs/fit-<name>`` by default.
    Raises ConfigError and ReferenceDataError, one line each, for what cannot be fitted.
    """
    started = time.time()
    plan = plan_fit(folder)
    with watch(plan) as (observe, say):
        place = Path(work) if work is not None else default_run("fit", plan.config.name)
        result = run_fit(plan, place, workers, observe, say)
    return write_fit(plan, result, plan.file.parent, started)
