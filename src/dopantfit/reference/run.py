"""Computing the configurations of a plan with CP2K or an ASE calculator, several at a time, and collecting them.

Every frame has its own folder ``runs/<set>/<frame_id>`` and is done when ``result.extxyz`` lies there
as its record says. A run that was killed goes on with the frames that are not done; a frame that
fails is named in the summary, and the others go on.
"""

import math
import os
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from dopantfit.errors import ConfigError, DopantFitError
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.collect import collect, finished_frames, frames_of_the_set
from dopantfit.reference.generate import Configuration, Generated, configurations
from dopantfit.reference.labels import Labels, labels_of
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import Plan, load_plan
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver, WorkProgress


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


def default_work(plan: Plan) -> Path:
    """Return where a plan is computed unless another folder is asked for, ``runs/<set>`` from here."""
    return Path("runs") / plan.set


def outlook(
    plan: Plan,
    folder: Path,
    work: Path,
    jobs: int,
    ranks: int,
    only: tuple[str, ...] = (),
    observer: ProgressObserver = NOBODY,
) -> Outlook:
    """Return how many frames are left and about how long they take on idle cores.

    Nothing is known of a calculator before its first frame: the time is then nan.
    """
    finished = finished_frames(plan, folder, work)
    found = configurations(plan, folder, finished, work, only, observer)
    made, total = found.configurations, planned(plan, only, found)
    ready = [c for c in made if c.frame_id not in finished]
    measured = [float(frame.info["wall_seconds"]) for frame in finished.values() if "wall_seconds" in frame.info]
    done = len([c for c in made if c.frame_id in finished])
    if measured:
        each = sorted(measured)[len(measured) // 2]
    elif plan.calculator is not None:
        each = math.nan
    else:
        sizes = [len(c.atoms) for c in ready or made]
        each = sum(core_seconds(n) for n in sizes) / max(len(sizes), 1) / ranks
    return Outlook(total, done, (total - done) * each / jobs if total > done else 0.0)


def planned(plan: Plan, only: tuple[str, ...], made: Generated) -> int:
    """Return how many frames there will be, those included that wait for others."""
    return max(sum(item.count for item in plan.items(only)), len(made.configurations))


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
    observer: ProgressObserver = NOBODY,
    calculator: CalculatorSettings | None = None,
) -> RunSummary:
    """Compute what the plan in ``folder`` asks for and is not there yet; return what was done.

    work: folder for inputs and outputs, ``runs/<set>`` by default. jobs: frames at a time. ranks: MPI ranks
    of each CP2K. only: names of items of the plan. observer: is told of every frame. calculator: what makes the labels,
    where the plan does not say it.
    Raises ConfigError for a plan or a calculator that cannot be worked with, EngineError when CP2K is not installed,
    ReferenceDataError when the numbers of a calculator do not hang together.
    """
    folder = Path(folder)
    plan = with_calculator(load_plan(folder), calculator, folder)
    work = (work or default_work(plan)).resolve()
    with labels_of(plan, folder, jobs, ranks) as labels:
        make_folder(work)
        there = load_manifest(folder) if (folder / MANIFEST_FILE).is_file() else None
        # A manifest of CP2K without frames says what the plan did when it was written; the first frame makes it anew.
        if there is not None and (there.files or "CP2K" not in there.code):
            labels.check_manifest(plan, there, folder)
        with run_folder(work):
            labels.begin()
            return _Run(plan, folder, work, only, labels, observer).finish()


def with_calculator(plan: Plan, calculator: CalculatorSettings | None, folder: Path) -> Plan:
    """Return the plan with what makes its labels; ConfigError where it names another calculator already."""
    if calculator is None or calculator == plan.calculator:
        return plan
    if plan.calculator is not None:
        raise ConfigError(
            f"{folder}: its plan has labels of {plan.calculator.make}, not of {calculator.make} with these options; "
            "labels of two models do not mix, make a set of its own"
        )
    return plan.model_copy(update={"calculator": calculator})


class _Run:
    """One run: what is finished, what is being computed, what failed."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        work: Path,
        only: tuple[str, ...],
        labels: Labels,
        observer: ProgressObserver,
    ) -> None:
        self.plan, self.folder, self.work, self.only = plan, folder, work, only
        self.labels, self.observer = labels, observer
        self.finished = finished_frames(plan, folder, work, labels)
        self.failed: dict[str, str] = {}
        self.done: list[str] = []
        self._running: dict[Future[Atoms], Configuration] = {}
        self._checked = bool(self.finished)

    def finish(self) -> RunSummary:
        """Compute what can be computed, collecting on the way."""
        while True:
            # Another run, or an import, may have added frames meanwhile.
            self.finished = frames_of_the_set(self.folder) | self.finished
            made = configurations(self.plan, self.folder, self.finished, self.work, self.only, self.observer)
            collect(self.plan, self.folder, made, self.finished, self.labels)
            self._hand_out(made)
            if not self._running:
                return RunSummary(tuple(self.done), self.failed, made.waiting)
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                self.observer.say(self._note_end(self._running.pop(future), future))
                self._show(made)

    def _show(self, made: Generated) -> None:
        now = len(self.done) + len(self.failed)
        left = planned(self.plan, self.only, made) - sum(c.frame_id in self.finished for c in made.configurations)
        self.observer.show("frames", WorkProgress(now, of=now + max(0, left - len(self.failed))))

    def _hand_out(self, made: Generated) -> None:
        busy = {c.frame_id for c in self._running.values()} | self.failed.keys() | self.finished.keys()
        ready = [c for c in made.configurations if c.frame_id not in busy]
        if ready and not self._checked:
            self.labels.check(min(ready, key=lambda c: len(c.atoms)).atoms)
            self._checked = True
        for configuration in ready[: self.labels.waiting - len(self._running)]:
            self._running[self.labels.submit(configuration, self.work)] = configuration

    def _note_end(self, configuration: Configuration, future: "Future[Atoms]") -> str:
        """Record how a frame ended and return a line about it."""
        name = configuration.frame_id
        try:
            frame = future.result()
        except DopantFitError as problem:
            self.failed[name] = str(problem)
            return f"{name}: {problem}"
        except BrokenExecutor:
            self.failed[name] = "a worker process died meanwhile (out of memory?); run it again with fewer jobs"
            return f"{name}: {self.failed[name]}"
        self.finished[name] = frame
        self.done.append(name)
        return f"{name}: done in {frame.info['wall_seconds']:.{0 if frame.info['wall_seconds'] > 10 else 1}f} s"
