"""All gates of one potential, on several processes; gates that are done are kept and not run again."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError, EngineError
from dopantfit.fit.config import FIT_FILE
from dopantfit.strict_toml import file_in
from dopantfit.validate import thresholds
from dopantfit.validate.barriers import turn_over
from dopantfit.validate.compound import compound
from dopantfit.validate.correlation import correlation
from dopantfit.validate.exchange import exchange
from dopantfit.validate.gate import Gate, GateWork
from dopantfit.validate.host import host_crystal
from dopantfit.validate.migration_gate import barrier
from dopantfit.validate.mobility import mobility
from dopantfit.validate.parity import parity
from dopantfit.validate.settings import Settings
from dopantfit.validate.stability import stability
from dopantfit.validate.subject import Subject, load_subject
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.pool import ATTEMPTS, local_pool
from dopantfit.workflow.progress import PROGRESS_FILE, ProgressFile, ProgressObserver, WorkProgress, progress_of
from dopantfit.workflow.provenance import hash_of
from dopantfit.workflow.step import Step


@dataclass(frozen=True)
class Station:
    """A gate, and what it looks at besides the potential and the crystals; only a change of that makes it stale."""

    judge: Callable[[Subject, GateWork], Gate]
    frames: bool = False
    peer: bool = False
    dynamics: bool = False
    exchanges: bool = False
    #: Tables of validate.toml that it reads.
    tables: tuple[str, ...] = ()
    #: Hops beside the dopant.
    paths: bool = False


#: The gates, in the order in which they are reported.
GATES: dict[str, Station] = {
    "parity": Station(parity, frames=True, tables=("hot",)),
    "correlation": Station(correlation, frames=True, peer=True),
    "compound": Station(compound, peer=True, dynamics=True, tables=("compound",)),
    "host": Station(host_crystal, dynamics=True),
    "stability": Station(stability, dynamics=True, tables=("hot",)),
    "turn-over": Station(turn_over),
    "barrier": Station(barrier, tables=("barrier",), paths=True),
    "exchange": Station(exchange, peer=True, exchanges=True, tables=("exchange",)),
    "mobility": Station(mobility, dynamics=True, tables=("mobility",)),
}


def gates_of(settings: Settings) -> tuple[str, ...]:
    """Names of the gates that a potential is held against; that of exchanges where a set of them is named."""
    return tuple(name for name, one in GATES.items() if settings.exchange is not None or not one.exchanges)


#: The longest first, so that the last process to finish is not left alone for long.
_ORDER = ("host", "stability", "compound", "barrier", "correlation", "exchange", "parity", "turn-over")
#: Runs as long as all others together: after them, on what were their cores.
_LAST = "mobility"
#: Gates at the same time, at most: three have long runs, and the short ones take turns beside them. Further cores serve
#: better as ranks of those runs.
_SIDE_BY_SIDE = 4
#: Seconds between looks at what the processes say.
_LOOK = 0.3


@dataclass(frozen=True)
class Request:
    """What is to be validated, in words that a process of its own can start from.

    folder: of the fit. potential: a file or library name, None for the fit's own. work: folder of runs and finished
    gates. figures: folder of the figures. cores: that a run may use. ranks: MPI ranks of each run, None for as many as
    its cores and its ions allow.
    """

    folder: Path
    potential: str | None
    preset: str
    work: Path
    figures: Path
    cores: int = 1
    ranks: int | None = None

    def told(self, gate: str) -> Path:
        """Folder in which the process of a gate says how far it is."""
        return self.work / "progress" / gate

    def subject(self) -> Subject:
        """Read everything; raises ConfigError and ReferenceDataError."""
        return load_subject(self.folder, self.potential, self.preset)


def run_gates(
    request: Request, names: Sequence[str], workers: int | None, observer: ProgressObserver
) -> tuple[Gate, ...]:
    """Run the gates of these names, or take them from the work folder; in the order of `GATES`.

    workers: gates at the same time, None for as many as there are cores, four at most. Gates share the cores evenly;
    the longest comes last and has them all.
    Raises ConfigError for a name that is none, a work folder that another process or fit has, and whatever bad input
    the gates meet.
    """
    unknown = sorted(set(names) - set(GATES))
    if unknown:
        raise ConfigError(f"--gate {unknown[0]}: no such gate; there are {', '.join(GATES)}")
    with run_folder(request.work, file_in(request.folder, FIT_FILE)):
        return _run_gates(request, names, workers, observer)


def _run_gates(
    request: Request, names: Sequence[str], workers: int | None, observer: ProgressObserver
) -> tuple[Gate, ...]:
    ordered, last = [name for name in _ORDER if name in names], [name for name in names if name == _LAST]
    cores = len(os.sched_getaffinity(0))
    by_itself = replace(request, cores=cores)
    together = min(workers or _suitable_workers(cores, request.ranks), len(ordered))
    if together <= 1:
        found = {name: _one(by_itself, name, observer) for name in (*ordered, *last)}
    else:
        found = _on_processes(replace(request, cores=max(1, cores // together)), ordered, together, observer)
        found |= _on_processes(by_itself, last, 1, observer)
    return tuple(found[name] for name in GATES if name in found)


def _suitable_workers(cores: int, ranks: int | None) -> int:
    """Gates at the same time for which the cores suffice, with so many ranks each."""
    return max(1, min(_SIDE_BY_SIDE, cores // (ranks or 1)))


def _on_processes(request: Request, names: Sequence[str], workers: int, observer: ProgressObserver) -> dict[str, Gate]:
    """Run gates side by side; one whose process is killed is tried once more.

    Raises EngineError when it is killed again.
    """
    found: dict[str, Gate] = {}
    attempts: Counter[str] = Counter()
    with local_pool(max(1, min(workers, len(names)))) as pool:
        while missing := [name for name in names if name not in found]:
            attempts.update(missing)
            waiting = {pool.submit(_in_process, request, name): name for name in missing}
            found |= _answers(request, waiting, observer)
            lost = [name for name in missing if name not in found]
            if any(attempts[name] == ATTEMPTS for name in lost):
                raise EngineError(
                    f"the process of a gate was killed again (perhaps {lost[0]}: out of memory?); run the same command "
                    "again, finished gates and runs are kept"
                )
    return found


def _answers(request: Request, waiting: "dict[Future[Gate], str]", observer: ProgressObserver) -> dict[str, Gate]:
    """Wait for gates and tell how far they are; without those whose process was killed."""
    found: dict[str, Gate] = {}
    told: dict[str, WorkProgress] = {}
    while waiting:
        finished, _ = wait(waiting, _LOOK, FIRST_COMPLETED)
        for name in waiting.values():
            progress = progress_of(request.told(name))
            if progress is not None and progress != told.get(name):
                told[name] = progress
                observer.show(name, progress)
        for future in finished:
            name = waiting.pop(future)
            with suppress(BrokenExecutor):
                found[name] = future.result()
                observer.show(name, _ended(found[name]))
    return found


def _in_process(request: Request, name: str) -> Gate:
    folder = make_folder(request.told(name))
    (folder / PROGRESS_FILE).unlink(missing_ok=True)
    return _one(request, name, ProgressFile(folder))


def _one(request: Request, name: str, observer: ProgressObserver) -> Gate:
    """Judge one gate, or return what the work folder has of it."""
    subject = request.subject()
    station = GATES[name]
    key = subject.key(
        name, station.frames, station.peer, station.dynamics, station.tables, station.exchanges, station.paths
    )
    # A gate is judged again when a threshold changes, from the runs that are there.
    limits = thresholds.sha256(subject.host, station.exchanges)
    step = Step(request.work / f"{name}.json", {"key": hash_of([key, limits])})
    kept = step.kept()
    if kept is None:
        place = request.work / f"{name}-{key}"
        work = GateWork(place, request.figures, observer, request.cores, request.ranks, name)
        found = judge(subject, name, work)
        if found.final:
            figures = [request.figures.resolve() / figure for figure in found.figures]
            step.keep({"gate": found.as_dict()}, figures)
    else:
        found = Gate.from_dict(kept["gate"])
    observer.show(name, _ended(found))
    return found


def _ended(gate: Gate) -> WorkProgress:
    return WorkProgress(1.0, text=gate.problem or gate.finding, of=1.0)


def judge(subject: Subject, name: str, work: GateWork) -> Gate:
    """Run one gate. What breaks down under the potential fails the gate; bad input is raised."""
    started = time.time()
    try:
        gate = GATES[name].judge(subject, work)
    except (CollapseError, ConvergenceError) as problem:
        gate = Gate(name, "broke down", (), problem=str(problem))
    except EngineError as problem:
        gate = Gate(name, "could not be judged", (), problem=str(problem), final=False)
    return replace(gate, seconds=time.time() - started)
