"""From DFT frames of a dopant to a verdict on doping a solid electrolyte's grain boundary with it.

    import dopantfit

    dopantfit.fit("fits/Mg")            # FitRecord: potential.toml with error bars
    dopantfit.validate("fits/Mg")       # ValidationRecord: what the gates say
    dopantfit.study("fits/Mg")          # StudyRecord: the verdict
    dopantfit.report("fits/Mg")         # ReportRecord: one page
    dopantfit.run("fits/Mg")            # all of it; what is up to date is kept
    dopantfit.trace("rho Mg-O", "fits/Mg")

Each returns its record and prints nothing. A `Potential` and its `ShellModel`, an ASE calculator, stand alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dopantfit.energy import ShellModel
    from dopantfit.errors import DopantFitError
    from dopantfit.fit.record_schema import FitRecord
    from dopantfit.fit.verb import fit
    from dopantfit.pipeline.run import RunRecord, run
    from dopantfit.pipeline.trace import trace
    from dopantfit.potential import Potential
    from dopantfit.report.verb import report
    from dopantfit.study.record import StudyRecord
    from dopantfit.study.verb import plan, study
    from dopantfit.validate.record_schema import ValidationRecord
    from dopantfit.validate.verb import validate

__all__ = [
    "DopantFitError",
    "FitRecord",
    "Potential",
    "RunRecord",
    "ShellModel",
    "StudyRecord",
    "ValidationRecord",
    "fit",
    "plan",
    "report",
    "run",
    "study",
    "trace",
    "validate",
]

#: Where each name is. Rooms that have the name of a verb are callable, and are themselves the verb.
_MODULE_OF = {
    "DopantFitError": "errors",
    "FitRecord": "fit",
    "Potential": "potential",
    "RunRecord": "pipeline",
    "ShellModel": "energy",
    "StudyRecord": "study",
    "ValidationRecord": "validate",
    "plan": "study",
    "run": "pipeline.run",
    "trace": "pipeline.trace",
}


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first asked for, so that the command line starts at once."""
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
