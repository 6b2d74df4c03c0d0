"""A whole study: read, check that the potential may be used, run the graph, put together what a report needs."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.lammps import Launcher
from dopantfit.structures import Host
from dopantfit.study import places
from dopantfit.study.config import StudyConfig
from dopantfit.study.extent import Extent
from dopantfit.study.files import LOWEST_WALKER, PROFILE, STRUCTURE
from dopantfit.study.record import KEPT, STUDY_RECORD, SUMMARY, FinishedTask, StudyRecord
from dopantfit.study.spectrum_stage import GRAIN_TABLE
from dopantfit.study.systems import boundary, crystal
from dopantfit.study.tasks import Planner
from dopantfit.study.verdict import ONE_LOOK, Look, Verdict
from dopantfit.validate.record import require_valid
from dopantfit.validate.record_schema import ValidationStatus
from dopantfit.workflow.driver import Event, GraphSummary, run_graph
from dopantfit.workflow.folders import in_place_of
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.pool import Pool
from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.work import Finished, Resources


@dataclass(frozen=True)
class CheckedStudy:
    """A study that was read and checked, before any work. potentials: of the ensemble, by label."""

    config: StudyConfig
    host: Host
    file: Path
    graph: Graph
    status: ValidationStatus
    potential: Path
    potentials: dict[str, Path]


def plan_study(config: StudyConfig, file: Path, extent: Extent | None = None, look: Look = ONE_LOOK) -> CheckedStudy:
    """Make the graph of a study and check its potential.

    extent: how far it has grown; that of a study of fixed size by default. look: at its results.

    Raises ConfigError when a file it names is not there, the potential has no dopant, or its gates say no.
    """
    planner = Planner(config, file.parent, extent, look)
    graph = planner.graph()
    path = planner.own_potential["potential"]
    status = require_valid(path, planner.base / config.validation, config.accept_failed_gates or None)
    others = {label: planner.potential(name)["potential"] for label, name in config.ensemble.labels.items()}
    return CheckedStudy(config, planner.host, file, graph, status, path, others)


def run_study(
    study: CheckedStudy,
    folder: Path,
    pool: Pool,
    resources: Resources,
    observe: Callable[[Event], None] = lambda event: None,
    tick: Callable[[tuple[str, ...]], None] = lambda running: None,
    others: Sequence[Path] = (),
) -> StudyRecord:
    """Run a study in `folder`, or go on with it; return its record, which is also ``study.json`` there.

    others: run folders of other studies, whose results are taken where they hold here: those without a dopant.

    What a report needs is copied to ``summary``. Raises ConfigError when the folder is held, is another study's, or
    cannot be written to, and what `try_worker` raises before any task is begun.
    """
    started = time.time()
    folder = folder.resolve()  # workers may run elsewhere
    pool.trial = partial(try_worker, resources.launcher, folder)
    summary = run_graph(study.graph, folder, pool, resources, observe, tick, study.file, others)
    record = record_of(study, summary, started)
    record.write(folder / STUDY_RECORD)
    _put_together(study, summary, folder / SUMMARY, record)
    return record


def try_worker(launcher: str, folder: Path) -> None:
    """In a worker, before it is given any task: raise ConfigError or EngineError where none could end well there."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: the workers of the site do not see it; put the run on a file system they share")
    Launcher(launcher).check()


def record_of(study: CheckedStudy, summary: GraphSummary, started: float) -> StudyRecord:
    """Return the record of a run that ended. started: ``time.time()`` at its start [s]."""
    verdict, tasks = summary.finished.get(places.VERDICT), study.graph.tasks
    files = {"study": study.file, "potential": study.potential}
    files |= {f"ensemble/{label}": path for label, path in study.potentials.items()}
    now = Provenance.of(files, study.config.model_dump(mode="json"), seed=study.config.seed, started=started)
    done = [found.record for found in summary.finished.values()]
    return StudyRecord(
        host=study.host,
        verdict=None if verdict is None else Verdict.model_validate_json(json.dumps(dict(verdict.result))),
        gates=study.status,
        tasks={name: _finished(tasks[name].stage, found) for name, found in summary.finished.items()},
        failed=dict(summary.failed),
        skipped=dict(summary.skipped),
        stages={name: tasks[name].stage for name in (*summary.failed, *summary.skipped)},
        done_now=tuple(summary.done_now),
        # When the first task began, and what all took: a run that goes on may have nothing left to do.
        record=replace(
            now,
            started=min((one.started for one in done if one.started), default=now.started),
            wall_seconds=sum(float(one.measured.get("wall_seconds", 0.0)) for one in done),
        ),
    )


def _finished(stage: str, found: Finished) -> FinishedTask:
    return FinishedTask(
        stage=stage,
        key=found.record.key,
        digest=found.record.digest,
        files=dict(found.record.files),
        measured=dict(found.record.measured),
    )


def reported_files(study: StudyConfig, stage: str, name: str, files: Iterable[str]) -> tuple[str, ...]:
    """Which files of a task a report needs: tables and the verdict, profiles, and the structures that it draws.

    The structures are those of the highest dose and of the undoped boundary; no trajectory is among them.
    """
    if stage in ("items", "verdict"):
        return tuple(files)
    last = study.compositions[-1]
    structures = {
        places.BOUNDARY: STRUCTURE,
        places.doped(boundary(last), 1): STRUCTURE,
        places.bleeding(boundary(last)): LOWEST_WALKER,
        places.equilibrated(crystal(last)): STRUCTURE,
    }
    wanted = {structures.get(name), PROFILE if stage == "bleeding" else None}
    return tuple(file for file in files if file in wanted)


def kept_files(study: StudyConfig, stage: str, name: str, files: Iterable[str]) -> tuple[str, ...]:
    """Which files of a task a summary gets: what a report needs, and what dopants are compared by.

    The latter is the table by temperature of spectra of the highest dose; a summary of before holds without it.
    """
    if places.is_spectrum(name, boundary(study.compositions[-1])):
        return tuple(file for file in files if file == GRAIN_TABLE)
    return reported_files(study, stage, name, files)


def _put_together(study: CheckedStudy, summary: GraphSummary, target: Path, record: StudyRecord) -> None:
    """Make `target` hold what a report needs and nothing else, each file under the name of its task.

    Raises ConfigError when it cannot be written.
    """
    with in_place_of(target) as new:
        for name, found in summary.finished.items():
            for file in kept_files(study.config, record.tasks[name].stage, name, found.record.files):
                (new / name / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found.folder / file, new / name / file)
        record.write(new / STUDY_RECORD)


def keep(run: Path, fit: Path) -> Path:
    """Copy the summary of a run to ``study`` in the folder of its fit, in the place of an older one; return where.

    Raises ConfigError when that folder holds something else, or cannot be written to.
    """
    target = fit / KEPT
    if target.exists() and not (target / STUDY_RECORD).is_file():
        raise ConfigError(f"{target}: holds no {STUDY_RECORD}, so it is no summary; move it away to keep one there")
    with in_place_of(target) as new:
        shutil.copytree(run / SUMMARY, new, dirs_exist_ok=True)
    return target
