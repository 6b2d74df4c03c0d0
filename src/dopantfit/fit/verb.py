"""The fit as a Python function: from a folder with ``fit.toml`` to a potential with error bars."""

import time
from pathlib import Path

from dopantfit.fit.record import write_fit
from dopantfit.fit.record_schema import FitRecord
from dopantfit.fit.run import plan_fit, run_fit
from dopantfit.workflow.names import default_run
from dopantfit.workflow.progress import Watch, unwatched


def fit(folder: str | Path, *, workers: int = 2, work: str | Path | None = None, watch: Watch = unwatched) -> FitRecord:
    """Fit a potential to DFT frames; write ``potential.toml``, ``fit.json`` and figures beside ``fit.toml``.

    folder: with ``fit.toml``, or such a file. workers: processes that evaluate candidates. work: folder of the journal
    that a killed fit resumes from, ``runs/fit-<name>`` by default.
    Raises ConfigError and ReferenceDataError, one line each, for what cannot be fitted.
    """
    started = time.time()
    plan = plan_fit(folder)
    with watch() as observer:
        place = Path(work) if work is not None else default_run("fit", plan.config.name)
        result = run_fit(plan, place, workers, observer)
    return write_fit(plan, result, plan.file.parent, started)
