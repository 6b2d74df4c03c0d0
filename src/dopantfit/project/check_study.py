"""What speaks against a study before there is a potential: names, host, places, sizes."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from dopantfit.errors import DopantFitError
from dopantfit.fit.config import FitConfig
from dopantfit.fit.record import POTENTIAL_FILE
from dopantfit.fit.variables import Space
from dopantfit.potential import library_names
from dopantfit.project.finding import ProjectFinding
from dopantfit.study.config import STUDY_FILE, StudyConfig, load_study
from dopantfit.study.tasks import Planner
from dopantfit.validate.settings import Settings


def study_findings(
    config: FitConfig, space: Space | None, settings: Settings | None, here: Path
) -> Iterator[ProjectFinding]:
    """What is wrong with ``study.toml`` beside a fit; a fit without one is a fit alone, and is told so."""
    file = here / STUDY_FILE
    if not file.is_file():
        yield ProjectFinding(
            "to do", str(file), "is not there; preset, seed, dopant, potential and validation are enough"
        )
        return
    try:
        study, _ = load_study(here)
    except DopantFitError as problem:
        yield ProjectFinding("error", str(file), str(problem).removeprefix(f"{file}: "))
        return
    yield from _agreement(study, config, settings, here, file)
    yield from _plan(study, space, here, file)
    if not (here / study.validation).is_file() and not study.accept_failed_gates:
        what = f"is not there yet; run `dopantfit validate {here}` after the fit"
        yield ProjectFinding("to do", str(here / study.validation), what)


def _agreement(
    study: StudyConfig, config: FitConfig, settings: Settings | None, here: Path, file: Path
) -> Iterator[ProjectFinding]:
    """Whether fit, gates and study are about the same ions."""
    if config.dopant is not None and study.dopant != config.dopant.label:
        yield ProjectFinding(
            "error", str(file), f"dopant = {study.dopant!r}, in fit.toml {config.dopant.label!r}; mend one"
        )
    try:
        host = Planner(study, here).host
    except DopantFitError as problem:
        yield ProjectFinding("error", str(file), str(problem))
        return
    if settings is not None and settings.host != host:
        yield ProjectFinding(
            "error", str(file), f"host {host.name}, in validate.toml {settings.host.name}; name one in both"
        )


def _plan(study: StudyConfig, space: Space | None, here: Path, file: Path) -> Iterator[ProjectFinding]:
    """Whether the tasks can be made; with the start of the fit where its potential is still to come."""
    with TemporaryDirectory() as folder:
        own = here / study.potential
        to_come = study.potential == POTENTIAL_FILE and not own.is_file()
        if to_come and space is None:
            return
        if to_come and space is not None:
            start = Path(folder) / POTENTIAL_FILE
            space.base.save(start)
            study = study.model_copy(update={"potential": str(start)})
        elif study.potential not in library_names() and not own.is_file():
            yield ProjectFinding(
                "error", str(file), f"potential: there is no file {own}, and no potential of the library so called"
            )
            return
        try:
            Planner(study, here).graph()
        except DopantFitError as problem:
            yield ProjectFinding("error", str(file), str(problem))
