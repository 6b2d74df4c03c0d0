"""All gates of one potential, on several processes; gates that are done are kept and not run again."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError, EngineError
from dopantfit.validate import thresholds
from dopantfit.validate.barriers import turn_over
from dopantfit.validate.compound import compound
from dopantfit.validate.correlation import correlation
from dopantfit.validate.gate import Gate, Work
from dopantfit.validate.host import host_crystal
from dopantfit.validate.mobility import mobility
from dopantfit.validate.parity import parity
from dopantfit.validate.stability import stability
from dopantfit.validate.subject import Subject, load_subject
from dopantfit.workflow.provenance import hash_of, write_json_atomic


@dataclass(frozen=True)
class Station:
    """A gate, and what it looks at besides the potential and the crystals; only a change of that makes it stale."""

    judge: Callable[[Subject, Work], Gate]
    frames: bool = False
    peer: bool = False


#: The gates, in the order in which they are reported.
GATES: dict[str, Station] = {
    "parity": Station(parity, frames=True),
    "correlation": Station(correlation, frames=True, peer=True),
    "compound": Station(compound, peer=True),
    "host": Station(host_crystal),
    "stability": Station(stability),
    "turn-over": Station(turn_over),
    "mobility": Station(mobility),
}
#: The longest first, so that the last process to finish is not left alone for long.
_ORDER = ("host", "stability", "compound", "correlation", "parity", "turn-over")
#: Runs as long as all others together: after them, on what were their cores.
_LAST = "mobility"
#: Gates at the same time, at most: three have long runs, and the short ones take turns beside them. Further cores serve
#: better as ranks of those runs.
_SIDE_BY_SIDE = 4
#: Largest part of a gate that is told while it works; only its finding is told as 1.
_NEARLY_DONE = 0.99
#: Seconds between looks at what the processes say.
_LOOK = 0.3

#: Called with the name of a gate, what it is doing, and which part of it is done (1 when finished).
Observe = Callable[[str, str, float], None]


@dataclass(frozen=True)
class Request:
    """What is to be validated, in words that a process of its own can start from.

    folder: of the fit. potential: a file or library name, None for the fit's own. work: folder of runs and finished
    gates. figures: folder of the figures. cores: that a run may use. ranks: MPI ranks of each run, None for as many as
    its cores and its ions allow.
    """

    folder: Path
    potential: str | None
    level: str
    work: Path
    figures: Path
    cores: int = 1
    ranks: int | None = None

    def subject(self) -> Subject:
        """Read everything; raises ConfigError and ReferenceDataError."""
        return load_subject(self.folder, self.potential, self.level)


def run_gates(request: Request, names: Sequence[str], workers: int | None, observe: Observe) -> tuple[Gate, ...]:
    """Run the gates of these names, or take them from the work folder; in the order of `GATES`.

    workers: gates at the same time, None for as many as there are cores, four at most. Gates share the cores evenly;
    the longest comes last and has them all.
    Raises ConfigError for a name that is none, and whatever bad input the gates meet.
    """
    unknown = sorted(set(names) - set(GATES))
    if unknown:
        raise ConfigError(f"--gate {unknown[0]}: no such gate; there are {', '.join(GATES)}")
    request.work.mkdir(parents=True, exist_ok=True)
    ordered, last = [name for name in _ORDER if name in names], [name for name in names if name == _LAST]
    cores = len(os.sched_getaffinity(0))
    by_itself = replace(request, cores=cores)
    together = min(workers or _suitable_workers(cores, request.ranks), len(ordered))
    if together <= 1:
        found = {name: _one(by_itself, name, observe) for name in (*ordered, *last)}
    else:
        found = _on_processes(replace(request, cores=max(1, cores // together)), ordered, together, observe)
        found |= _on_processes(by_itself, last, 1, observe)
    return tuple(found[name] for name in GATES if name in found)


def _suitable_workers(cores: int, ranks: int | None) -> int:
    """Gates at the same time for which the cores suffice, with so many ranks each."""
    return max(1, min(_SIDE_BY_SIDE, cores // (ranks or 1)))


def _on_processes(request: Request, names: Sequence[str], workers: int, observe: Observe) -> dict[str, Gate]:
    if not names:
        return {}
    with _pool(min(workers, len(names))) as (pool, said):
        futures: dict[Future[Gate], str] = {pool.submit(_in_process, request, name): name for name in names}
        waiting = set(futures)
        while waiting:
            finished, waiting = wait(waiting, _LOOK, FIRST_COMPLETED)
            while not said.empty():
                observe(*said.get())
            for future in finished:
                try:
                    # What a process says last may still be on its way when its gate is there.
                    observe(futures[future], future.result().finding, 1.0)
                except BrokenProcessPool:
                    raise EngineError(
                        f"the process of a gate was killed (perhaps {futures[future]}: out of memory?); run the same "
                        "command again, finished gates and runs are kept"
                    ) from None
        return {name: future.result() for future, name in futures.items()}


_said: "Queue[tuple[str, str, float]] | None" = None


def _begin(said: "Queue[tuple[str, str, float]]") -> None:
    global _said
    _said = said


def _in_process(request: Request, name: str) -> Gate:
    def observe(*what: Any) -> None:
        if _said is not None:
            _said.put(what)

    return _one(request, name, observe)


@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, "Queue[tuple[str, str, float]]"]]:
    """Processes of one thread each, and the queue that they speak to; they end with this block, whatever happens."""
    # Spawned, not forked: libraries with threads of their own do not survive a fork. One thread each, before numpy.
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    context = get_context("spawn")
    said: Queue[tuple[str, str, float]] = context.Queue()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(said,))
    try:
        yield pool, said
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()  # its LAMMPS ends with it, and resumes from its last leg
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _one(request: Request, name: str, observe: Observe) -> Gate:
    """Judge one gate, or return what the work folder has of it."""
    subject = request.subject()
    key = subject.key(name, GATES[name].frames, GATES[name].peer)
    kept = request.work / f"{name}.json"
    found = _kept(kept, subject, key)
    if found is None or not all((request.figures / figure).is_file() for figure in found.figures):

        def report(text: str, part: float) -> None:
            observe(name, text, min(part, _NEARLY_DONE))

        work = Work(request.work / f"{name}-{key}", request.figures, report, request.cores, request.ranks)
        found = judge(subject, name, work)
        if found.final:
            write_json_atomic(kept, {"key": _with_limits(subject, key), "gate": found.as_dict()})
    observe(name, found.problem or found.finding, 1.0)
    return found


def judge(subject: Subject, name: str, work: Work) -> Gate:
    """Run one gate. What breaks down under the potential fails the gate; bad input is raised."""
    started = time.time()
    try:
        gate = GATES[name].judge(subject, work)
    except (CollapseError, ConvergenceError) as problem:
        gate = Gate(name, "broke down", (), problem=str(problem))
    except EngineError as problem:
        gate = Gate(name, "could not be judged", (), problem=str(problem), final=False)
    return replace(gate, seconds=time.time() - started)


def _kept(path: Path, subject: Subject, key: str) -> Gate | None:
    """The gate in this file if it is of that key; None otherwise, also for a damaged file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Gate.from_dict(content["gate"]) if content["key"] == _with_limits(subject, key) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _with_limits(subject: Subject, key: str) -> str:
    """The key with all thresholds: a gate is judged again when one changes, from the runs that are there."""
    return hash_of([key, thresholds.sha256(subject.host)])
