"""Computing the configurations of a plan with CP2K, several at a time, and collecting them in the set.

Every frame has its own folder ``runs/<set>/<frame_id>`` and is done when ``result.extxyz`` lies there,
written by an atomic rename. A run that was killed goes on with the frames that are not done; a frame that
fails is named in the summary, and the others go on.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms

from dopantfit.errors import ConfigError, DopantFitError
from dopantfit.reference.collect import collect, finished_frames, frames_of_the_set, manifest_of
from dopantfit.reference.cp2k_process import Processes, compute_frame
from dopantfit.reference.generate import Configuration, configurations
from dopantfit.reference.plan import Plan, load_plan
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import run_folder


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    done: frame_ids computed now. failed: why, by frame_id. waiting: a line per item that could not start.
    """

    done: tuple[str, ...]
    failed: Mapping[str, str]
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """How much there is to do.

    planned, finished: frames. seconds: expected wall time of what is left [s].
    """

    planned: int
    finished: int
    seconds: float


@dataclass
class _State:
    """What changes while a run goes on."""

    finished: dict[str, Atoms]
    failed: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)


def default_work(plan: Plan) -> Path:
    """Return where a plan is computed unless another folder is asked for, ``runs/<set>`` from here."""
    return Path("runs") / plan.set


def outlook(plan: Plan, folder: Path, work: Path, jobs: int, ranks: int, only: tuple[str, ...] = ()) -> Outlook:
    """Return how many frames are left and about how long they take on idle cores."""
    finished = finished_frames(plan, folder, work)
    made = configurations(plan, folder, finished, work, only).configurations
    planned = max(sum(item.count for item in plan.items(only)), len(made))
    ready = [c for c in made if c.frame_id not in finished]
    measured = [float(frame.info["wall_seconds"]) for frame in finished.values() if "wall_seconds" in frame.info]
    done = len([c for c in made if c.frame_id in finished])
    if measured:
        each = sorted(measured)[len(measured) // 2]
    else:
        sizes = [len(c.atoms) for c in ready or made]
        each = sum(core_seconds(n) for n in sizes) / max(len(sizes), 1) / ranks
    return Outlook(planned, done, (planned - done) * each / jobs)


def core_seconds(n_ions: int) -> float:
    """Return about how long a frame takes on one core [s], measured on MgO, farringtonite and LAMTP.

    Linear in the ions for the grids, quadratic for the overlap of their basis functions.
    """
    return n_ions * (2.0 + 0.03 * n_ions)


def run_set(
    folder: str | os.PathLike[str],
    *,
    work: Path | None = None,
    jobs: int = 1,
    ranks: int = 1,
    only: tuple[str, ...] = (),
    report: Callable[[str], None] | None = None,
) -> RunSummary:
    """Compute what the plan in ``folder`` asks for and is not there yet; return what was done.

    work: folder for inputs and outputs, ``runs/<set>`` by default. jobs: frames at a time. ranks: MPI ranks
    of each. only: names of items of the plan. report: called with a line after every frame.
    Raises ConfigError for a plan that cannot be worked with, EngineError when CP2K is not installed.
    """
    folder = Path(folder)
    plan = load_plan(folder)
    if jobs < 1 or ranks < 1:
        raise ConfigError(f"jobs = {jobs}, ranks = {ranks}: both must be at least 1")
    work = (work or default_work(plan)).resolve()
    make_folder(work)
    manifest_of(plan, folder)
    with run_folder(work), Processes.found(ranks) as processes:
        return _run(plan, folder, work, jobs, only, processes, report or (lambda _: None))


def _run(
    plan: Plan,
    folder: Path,
    work: Path,
    jobs: int,
    only: tuple[str, ...],
    processes: Processes,
    report: Callable[[str], None],
) -> RunSummary:
    state = _State(finished_frames(plan, folder, work))
    running: dict[Future[Atoms], Configuration] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                # Another run, or an import, may have added frames meanwhile.
                state.finished = frames_of_the_set(folder) | state.finished
                made = configurations(plan, folder, state.finished, work, only)
                collect(plan, folder, made, state.finished)
                busy = {c.frame_id for c in running.values()} | state.failed.keys() | state.finished.keys()
                for configuration in [c for c in made.configurations if c.frame_id not in busy]:
                    if len(running) < jobs:
                        future = pool.submit(compute_frame, configuration, plan.cp2k, work, processes)
                        running[future] = configuration
                if not running:
                    return RunSummary(tuple(state.done), state.failed, made.waiting)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    report(_settle(running.pop(future), future, state))
        except BaseException:
            # Threads cannot be interrupted; what they wait for can.
            processes.end_all()
            raise


def _settle(configuration: Configuration, future: "Future[Atoms]", state: _State) -> str:
    """Record how a frame ended and return a line about it."""
    name = configuration.frame_id
    try:
        frame = future.result()
    except DopantFitError as problem:
        state.failed[name] = str(problem)
        return f"{name}: {problem}"
    state.finished[name] = frame
    state.done.append(name)
    return f"{name}: done in {frame.info['wall_seconds']:.0f} s"
