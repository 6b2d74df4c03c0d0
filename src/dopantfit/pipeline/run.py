"""From DFT frames to a verdict and a page in one call: what is up to date is kept, everything else is made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dopantfit.fit import verb as fitting
from dopantfit.fit.record_schema import FitRecord
from dopantfit.pipeline.steps import why_fit, why_validate
from dopantfit.report import verb as reporting
from dopantfit.report.record import ReportRecord
from dopantfit.study import verb as studying
from dopantfit.study.config import load_study
from dopantfit.study.record import StudyRecord
from dopantfit.validate import verb as validating
from dopantfit.validate.presets import gate_preset
from dopantfit.validate.record_schema import ValidationRecord
from dopantfit.workflow.progress import Watch, unwatched
from dopantfit.workflow.site import load_site

Ending = Literal["done", "kept"]


Made = FitRecord | ValidationRecord | StudyRecord


def tell_nobody(step: str, why: str) -> None:
    """Say nothing."""


def show_nobody(record: Made) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class RunWatch:
    """Who is told how a whole run goes.

    tell: which step begins and why; empty where it is kept. show: what a step made, as soon as it ends. work: how the
    fit and the gates go. study: how the study goes.
    """

    tell: Callable[[str, str], None] = tell_nobody
    show: Callable[[Made], None] = show_nobody
    work: Watch = unwatched
    study: studying.StudyWatch = studying.unwatched


@dataclass(frozen=True)
class RunRecord:
    """What a whole run did. steps: done or kept, by name. page: the report."""

    steps: dict[str, Ending]
    study: StudyRecord
    report: ReportRecord
    page: Path

    def as_dict(self) -> dict[str, object]:
        """What there is to say, ready for JSON."""
        return {"steps": dict(self.steps), "verdict": self.study.answer, "report": str(self.page)}


@dataclass
class _Steps:
    """Does or keeps steps."""

    watch: RunWatch
    ended: dict[str, Ending] = field(default_factory=dict)

    def take(self, name: str, why: str, do: Callable[[], Made]) -> None:
        """Do a step that there is a reason for."""
        self.watch.tell(name, why)
        self.ended[name] = "done" if why else "kept"
        if why:
            self.watch.show(do())


def run(
    folder: str | Path,
    *,
    preset: str | None = None,
    gates: str = "quick",
    workers: int | None = None,
    site: str | Path | None = None,
    watch: RunWatch | None = None,
) -> RunRecord:
    """Fit, validate and study one dopant and report on it; what is up to date is kept.

    folder: with ``fit.toml`` and ``study.toml``. preset: of the study, instead of the one that its file names.
    gates: preset of the gates. workers, site: of the study. A gate that fails ends nothing here: whether a potential
    may be used all the same is for the study to say.
    Raises ConfigError and ReferenceDataError, one line each, for bad input.
    """
    folder, watch = Path(folder), watch or RunWatch()
    place = studying.run_folder(*load_study(folder, preset))
    # Hours before the gates and the study read them.
    gate_preset(gates)
    if site is not None:
        load_site(Path(site)).check(str(site))
    steps = _Steps(watch)
    steps.take("fit", why_fit(folder), lambda: fitting.fit(folder, watch=watch.work))
    steps.take(
        "validate", why_validate(folder, gates), lambda: validating.validate(folder, preset=gates, watch=watch.work)
    )
    watch.tell("study", "its tasks know themselves what is up to date")
    study = studying.study(folder, preset=preset, workers=workers, site=site, watch=watch.study)
    watch.show(study)
    watch.tell("report", "made anew, in seconds")
    report = reporting.report(place, fit=folder)
    steps.ended |= {"study": "done" if study.done_now else "kept", "report": "done"}
    return RunRecord(steps.ended, study, report, reporting.page_of(place))
