"""A whole study: read, check that the potential may be used, run the graph, put together what a report needs."""

import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.lammps import Launcher
from dopantfit.potential import Potential
from dopantfit.study.config import StudyConfig
from dopantfit.study.files import LOWEST_WALKER, PROFILE, STRUCTURE
from dopantfit.study.tasks import Planner
from dopantfit.validate import require_valid
from dopantfit.workflow.driver import Event, GraphSummary, run_graph
from dopantfit.workflow.folders import in_place_of
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.pool import Pool
from dopantfit.workflow.provenance import Provenance, write_json_atomic
from dopantfit.workflow.work import Finished, Resources

RECORD, SUMMARY = "study.json", "summary"
#: Folder beside study.toml that a summary is kept in.
KEPT = "study"


@dataclass(frozen=True)
class Study:
    """A study that was read and checked, before any work. gates: what the validation said, JSON-like."""

    config: StudyConfig
    file: Path
    graph: Graph
    gates: dict[str, Any]


def plan_study(config: StudyConfig, file: Path) -> Study:
    """Make the graph of a study and check its potential.

    Raises ConfigError when a file it names is not there, the potential has no dopant, or its gates say no.
    """
    planner = Planner(config, file.parent)
    gates = check_potential(planner)
    return Study(config, file, planner.graph(), gates)


def check_potential(planner: Planner) -> dict[str, Any]:
    """Return what the gates said of the potential; ConfigError when it may not be used."""
    study = planner.study
    path = planner.potential(study.potential)["potential"]
    for name in (study.potential, *study.ensemble.potentials):
        potential = Potential.load(planner.potential(name)["potential"])
        if study.dopant not in potential.species:
            raise ConfigError(
                f"study: {study.dopant} is not in potential {potential.name!r} ({', '.join(potential.species)}); "
                "name a potential with the dopant"
            )
    return require_valid(path, planner.base / study.validation, study.accept_failed_gates or None).as_dict()


def run_study(
    study: Study,
    folder: Path,
    pool: Pool,
    resources: Resources,
    observe: Callable[[Event], None] = lambda event: None,
    tick: Callable[[tuple[str, ...]], None] = lambda running: None,
) -> dict[str, Any]:
    """Run a study in `folder`, or go on with it; return its record, which is also ``study.json`` there.

    What a report needs is copied to ``summary``. Raises ConfigError when the folder is held, is another study's, or
    cannot be written to, and what `try_worker` raises before any task is begun.
    """
    started = time.time()
    folder = folder.resolve()  # workers may run elsewhere
    pool.trial = partial(try_worker, resources.launcher, folder)
    summary = run_graph(study.graph, folder, pool, resources, observe, tick, study.file)
    record = _record(study, summary, started)
    write_json_atomic(folder / RECORD, record)
    _put_together(study.config, summary, folder / SUMMARY, record)
    return record


def try_worker(launcher: str, folder: Path) -> None:
    """In a worker, before it is given any task: raise ConfigError or EngineError where none could end well there."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: the workers of the site do not see it; put the run on a file system they share")
    Launcher(launcher).check()


def _record(study: Study, summary: GraphSummary, started: float) -> dict[str, Any]:
    verdict = summary.finished.get("verdict")
    provenance = Provenance.of(
        {"study": study.file, **dict(next(iter(study.graph.tasks.values())).files), **_ensemble_files(study.graph)},
        study.config.model_dump(mode="json"),
        seed=study.config.seed,
        started=started,
    )
    return {
        "verdict": None if verdict is None else dict(verdict.result),
        "gates": study.gates,
        "tasks": {name: _task(found) for name, found in summary.finished.items()},
        "failed": dict(summary.failed),
        "skipped": dict(summary.skipped),
        "done_now": list(summary.done_now),
        "record": replace(provenance, **_worked(summary, provenance)).as_dict(),
    }


def _worked(summary: GraphSummary, now: Provenance) -> dict[str, Any]:
    """When the first task began, and what all took [s]: a run that goes on may have nothing left to do."""
    done = [found.record for found in summary.finished.values()]
    started = min((one.started for one in done if one.started), default=now.started)
    return {"started": started, "wall_seconds": sum(float(one.measured.get("wall_seconds", 0.0)) for one in done)}


def _ensemble_files(graph: Graph) -> dict[str, Path]:
    """Return the potentials of the ensemble, as ``ensemble/<label>``."""
    tasks = (task for task in graph.tasks.values() if task.stage == "ensemble")
    return {"/".join(task.name.split("/")[:2]): task.files["potential"] for task in tasks}


def _task(found: Finished) -> dict[str, Any]:
    return {
        "key": found.record.key,
        "digest": found.record.digest,
        "files": dict(found.record.files),
        "measured": dict(found.record.measured),
    }


def reported_files(study: StudyConfig, name: str, files: Iterable[str]) -> tuple[str, ...]:
    """Which files of a task a report needs: tables and the verdict, profiles, and the structures that it draws.

    The structures are those of the highest dose and of the undoped boundary; no trajectory is among them.
    """
    if name.split("/")[0] in ("items", "verdict"):
        return tuple(files)
    last = study.compositions[-1]
    structures = {
        "boundary": STRUCTURE,
        f"doping/GB_{last}/1": STRUCTURE,
        f"bleeding/GB_{last}": LOWEST_WALKER,
        f"crystals/C_{last}/equilibrate": STRUCTURE,
    }
    wanted = {structures.get(name), PROFILE if name.startswith("bleeding/") else None}
    return tuple(file for file in files if file in wanted)


def _put_together(study: StudyConfig, summary: GraphSummary, target: Path, record: dict[str, Any]) -> None:
    """Make `target` hold what a report needs and nothing else, each file under the name of its task.

    Raises ConfigError when it cannot be written.
    """
    with in_place_of(target) as new:
        for name, found in summary.finished.items():
            for file in reported_files(study, name, found.record.files):
                (new / name / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found.folder / file, new / name / file)
        write_json_atomic(new / RECORD, record)


def keep(run: Path, fit: Path) -> Path:
    """Copy the summary of a run to ``study`` in the folder of its fit, in the place of an older one; return where.

    Raises ConfigError when that folder holds something else, or cannot be written to.
    """
    target = fit / KEPT
    if target.exists() and not (target / RECORD).is_file():
        raise ConfigError(f"{target}: holds no {RECORD}, so it is no summary; move it away to keep one there")
    with in_place_of(target) as new:
        shutil.copytree(run / SUMMARY, new, dirs_exist_ok=True)
    return target
