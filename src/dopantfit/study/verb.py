"""The study as a Python function: from a fitted potential to a verdict, in a run folder that can be taken up again."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from dopantfit.lammps import Launcher
from dopantfit.study import rounds
from dopantfit.study.config import StudyConfig, load_study
from dopantfit.study.cost import Cost, Sizes, calibrated_rates, cost_of, rates_of
from dopantfit.study.expected import expected_widths, rough_widths
from dopantfit.study.record import KEPT, SUMMARY, StudyRecord
from dopantfit.study.run import CheckedStudy, plan_study, run_study
from dopantfit.study.run import keep as keep_summary
from dopantfit.study.tasks import Planner
from dopantfit.workflow.driver import Event
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.names import default_run
from dopantfit.workflow.pool import local_pool, site_pool
from dopantfit.workflow.site import load_site
from dopantfit.workflow.work import Resources

#: Budget of a study that grows [core-hours].
CORE_HOURS = 25.0


class Watcher(Protocol):
    """Who is told what happens to tasks, and twice a second which of them run."""

    def observe(self, event: Event) -> None:
        """Take note of an event."""

    def tick(self, running: tuple[str, ...]) -> None:
        """Take note of what runs."""


class SilentWatcher:
    """Takes note of nothing."""

    def observe(self, event: Event) -> None:
        """Take no note."""

    def tick(self, running: tuple[str, ...]) -> None:
        """Take no note."""


#: Called with the tasks and the run folder; while its context lasts, what it gives is told how the study goes.
StudyWatch = Callable[[Graph, Path], AbstractContextManager[Watcher]]


def unwatched(graph: Graph, folder: Path) -> AbstractContextManager[Watcher]:
    """Tell nobody."""
    return nullcontext(SilentWatcher())


def study(
    folder: str | Path,
    *,
    preset: str | None = None,
    run: str | Path | None = None,
    workers: int | None = None,
    site: str | Path | None = None,
    keep: bool = False,
    until_decided: bool = False,
    core_hours: float = CORE_HOURS,
    watch: StudyWatch = unwatched,
) -> StudyRecord:
    """Study a dopant in the grain boundary: build, dope, exchange, run, analyse, answer. Goes on where it was ended.

    folder: with ``study.toml``, or such a file. preset: quick, night, desk or paper, instead of the one the file names.
    run: run folder, ``runs/study-<folder>-<preset>`` by default. workers: tasks at a time, as many as there are cores
    by default. site: file (TOML) of a cluster. keep: copy the summary to ``study`` beside ``study.toml``.
    until_decided: add what answers the checks that are open, round by round, until every composition has its answer or
    `core_hours` do not carry farther.
    Raises ConfigError, one line, for bad input; a task that fails stands in the record.
    """
    config, file = load_study(folder, preset)
    place, described = run_folder(config, file, run), None if site is None else load_site(Path(site))
    if described is not None:
        described.check(str(site))
        if described.provider == "local" and not described.worker_init:
            Launcher(described.launcher).check()  # nothing there is other than here

    def run_once(checked: CheckedStudy) -> StudyRecord:
        if described is None:
            pool, resources = local_pool(workers or len(os.sched_getaffinity(0))), Resources()
        else:
            pool, resources = site_pool(described, place / "parsl"), described.resources
        with watch(checked.graph, place) as watcher:
            return run_study(checked, place, pool, resources, watcher.observe, watcher.tick, others_beside(place))

    if until_decided:
        record = rounds.until_decided(config, file, place, core_hours, run_once)
    else:
        # A study that has grown is not made smaller again.
        record = run_once(plan_study(config, file, *rounds.grown(place, config)))
        record = rounds.concluded(record, place, config, file.parent)
    if keep:
        keep_summary(place, file.parent)
    return record


def plan(
    folder: str | Path,
    *,
    preset: str | None = None,
    run: str | Path | None = None,
    cores: int | None = None,
    ranks: int = 1,
    calibrating: Callable[[], None] = lambda: None,
) -> Cost:
    """Estimate core-hours, disk and wall time of a study, stage by stage, from rates measured on this machine.

    Also how wide intervals of the verdict will be: of each check where the run folder holds a verdict, else of the
    conductivities, from a rough D* of the host.
    cores: those of this machine by default. ranks: MPI ranks of one task. calibrating: called before the speed of this
    machine is measured, which takes some seconds and is done where the run folder has no records yet.
    Raises ConfigError, one line, for bad input.
    """
    config, file = load_study(folder, preset)
    planner = Planner(config, file.parent)
    graph = planner.graph()
    place = run_folder(config, file, run)
    rates = rates_of(place, graph)
    if rates is None:
        calibrating()
        rates = calibrated_rates(planner)
    cost = cost_of(planner, graph, rates, cores or len(os.sched_getaffinity(0)), ranks)
    expected = expected_widths(place, config) or rough_widths(planner.host, config, Sizes.of(planner).mobile)
    return replace(cost, expected=expected)


def others_beside(place: Path) -> tuple[Path, ...]:
    """Run folders of other studies, beside that of one: what they made without a dopant need not be made again."""
    return tuple(one for one in sorted(place.absolute().parent.glob("study-*")) if one != place.absolute())


def run_folder(config: StudyConfig, file: Path, chosen: str | Path | None = None) -> Path:
    """Where a study runs: where it was told to, or ``runs/study-<folder>-<preset>``."""
    return Path(chosen) if chosen is not None else default_run("study", file.parent.resolve().name, config.preset)


def summary_of(folder: Path, preset: str | None, run: Path | None, kept: bool) -> Path:
    """Where the summary of a study lies that was made with these words."""
    config, file = load_study(folder, preset)
    return file.parent / KEPT if kept else run_folder(config, file, run) / SUMMARY
