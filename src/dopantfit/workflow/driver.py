"""Run what is not there yet: tasks go to an executor as soon as what they need is done."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dopantfit.errors import DopantFitError
from dopantfit.workflow.graph import Graph, Task, key_of
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.pool import ATTEMPTS, Pool
from dopantfit.workflow.records import RECORD_FILE, read_record, task_step
from dopantfit.workflow.work import Finished, Resources, execute

#: Seconds between two looks at what runs.
_LOOK = 0.5

Kind = Literal["kept", "redone", "started", "done", "retried", "failed", "skipped"]


@dataclass(frozen=True)
class Event:
    """Something happened to a task; `text` says why where there is a reason."""

    kind: Kind
    task: Task
    text: str = ""


@dataclass(frozen=True)
class GraphSummary:
    """How a run ended.

    finished: by name. failed: reason by name. skipped: for want of a task that failed, its name.
    done_now: names of the tasks that were worked on in this run.
    """

    finished: Mapping[str, Finished]
    failed: Mapping[str, str]
    skipped: Mapping[str, str]
    done_now: tuple[str, ...]


@dataclass
class _GraphState:
    """What is known while a run goes on.

    others: run folders whose results are taken where they hold here. keys: of tasks that have to be worked on.
    running: tasks under way. alone: tasks that were under way when a worker died, and now run alone.
    """

    graph: Graph
    folder: Path
    others: tuple[Path, ...] = ()
    finished: dict[str, Finished] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    running: dict["Future[None]", str] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    done_now: list[str] = field(default_factory=list)

    def has_ended(self, name: str) -> bool:
        return name in self.finished or name in self.failed or name in self.skipped

    def needs(self, task: Task) -> dict[str, Finished]:
        return {role: self.finished[name] for role, name in task.needs.items() if name in self.finished}

    def open(self) -> list[Task]:
        """Tasks whose needs have ended and that have neither ended nor are under way, in the order of the graph."""
        under_way = set(self.running.values())
        return [
            self.graph.tasks[name]
            for name in self.graph.order
            if not self.has_ended(name)
            and name not in under_way
            and all(self.has_ended(need) for need in self.graph.tasks[name].needs.values())
        ]


def run_graph(
    graph: Graph,
    folder: Path,
    pool: Pool,
    resources: Resources,
    observe: Callable[[Event], None] = lambda event: None,
    tick: Callable[[tuple[str, ...]], None] = lambda running: None,
    owner: Path | None = None,
    others: Sequence[Path] = (),
) -> GraphSummary:
    """Bring every task of the graph to an end in `folder`, which is held meanwhile.

    A task whose record is whole and was made from the same things is kept. One that fails is tried once more; then
    it is reported, what needs it is skipped, and everything else goes on.
    observe: told every event. tick: told the names of running tasks twice a second. owner: the file that asks for all
    this, whose alone the folder is. others: run folders; what they hold of tasks made from the same things is copied.
    Raises ConfigError when another driver has the folder, it is another file's or cannot be written to; and what the
    trial of the pool raises.
    """
    with run_folder(folder, owner):
        state = _GraphState(graph, folder, tuple(others))
        with ThreadPoolExecutor(max_workers=max(1, len(graph.tasks))) as beside, pool:
            try:
                while _advance(state, pool, beside, resources, observe):
                    tick(tuple(state.running.values()))
                    done, _ = wait(state.running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                    for future in done:
                        _collect(state, pool, future, observe)
            except BaseException:
                for future in state.running:
                    future.cancel()
                pool.stop()
                raise
        return GraphSummary(state.finished, state.failed, state.skipped, tuple(state.done_now))


def _advance(
    state: _GraphState, pool: Pool, beside: Executor, resources: Resources, observe: Callable[[Event], None]
) -> bool:
    """End what needs no work and start what can run; whether anything is under way."""
    ended_some = True
    while ended_some:
        ended_some = False
        for task in state.open():
            if task.name not in state.keys and _end_without_work(state, task, observe):
                ended_some = True
            elif _may_start(state, task, pool):
                _start(state, task, pool, beside, resources)
                observe(Event("started", task))
    return bool(state.running)


def _end_without_work(state: _GraphState, task: Task, observe: Callable[[Event], None]) -> bool:
    """Keep or skip a task, or give it up, if that is all there is to do; else note its key and return False."""
    missing = [need for need in task.needs.values() if need not in state.finished]
    if missing and (not task.tolerant or len(missing) == len(task.needs)):
        state.skipped[task.name] = missing[0]
        observe(Event("skipped", task, f"for want of {missing[0]}"))
        return True
    try:
        key = key_of(task, {role: need.record for role, need in state.needs(task).items()})
        kept, why_not = _look_at_record(state.folder / task.name, key)
        source = None if kept is not None else _take(state, task, key)
        if source is not None:
            kept, why_not = _look_at_record(state.folder / task.name, key)
    except DopantFitError as problem:
        state.failed[task.name] = str(problem)
        observe(Event("failed", task, str(problem)))
        return True
    if kept is not None:
        state.finished[task.name] = kept
        observe(Event("kept", task, "" if source is None else f"from {source}"))
        return True
    if why_not:
        observe(Event("redone", task, why_not))
    state.keys[task.name], state.attempts[task.name] = key, 0
    return False


def _take(state: _GraphState, task: Task, key: str) -> Path | None:
    """Copy the result of the same task, made from the same things, out of another run; the run, None without one.

    What cannot be copied, for want of room or because it went meanwhile, is made here.
    """
    place = state.folder / task.name
    part = place.with_name(place.name + ".part")
    for other in state.others:
        if _look_at_record(other / task.name, key)[0] is None:
            continue
        shutil.rmtree(part, ignore_errors=True)
        try:
            shutil.copytree(other / task.name, part)
            shutil.rmtree(place, ignore_errors=True)
            part.rename(place)
        except (OSError, shutil.Error):
            shutil.rmtree(part, ignore_errors=True)
            continue
        return other
    return None


def _look_at_record(folder: Path, key: str) -> tuple[Finished | None, str]:
    """Return a result that still holds, or None with the reason why one that is there does not."""
    content, harmed = task_step(folder, key).look()
    record = None if content is None else read_record(folder)
    if record is not None:
        return Finished(folder, record), ""
    if harmed:
        return None, f"{folder / harmed} is not what was written"
    return None, "its inputs or settings changed" if (folder / RECORD_FILE).exists() else ""


def _may_start(state: _GraphState, task: Task, pool: Pool) -> bool:
    """Whether there is room; a task that was there when a worker died runs alone, so that it harms no other."""
    if task.coordinates:
        return True
    at_work = {name for name in state.running.values() if not state.graph.tasks[name].coordinates}
    if task.name in state.alone:
        return not at_work
    return len(at_work) < pool.slots and not state.alone & at_work


def _start(state: _GraphState, task: Task, pool: Pool, beside: Executor, resources: Resources) -> None:
    state.attempts[task.name] += 1
    arguments = (task, state.keys[task.name], state.folder / task.name, state.needs(task), resources)
    if task.coordinates:
        future = beside.submit(execute, *arguments, pool.executor)
    else:
        future = pool.submit(execute, *arguments)
    state.running[future] = task.name


def _collect(state: _GraphState, pool: Pool, future: "Future[None]", observe: Callable[[Event], None]) -> None:
    """Note how a task ended."""
    name = state.running.pop(future)
    task, folder = state.graph.tasks[name], state.folder / name
    problem = future.exception()
    if isinstance(problem, BrokenExecutor):
        pool.renew()
        state.alone.add(name)
    record = None if problem else read_record(folder)
    if record is not None and record.key == state.keys[name]:
        state.finished[name] = Finished(folder, record)
        state.done_now.append(name)
        observe(Event("done", task, f"{record.measured['wall_seconds']:.0f} s"))
        return
    reason = _reason(problem)
    if state.attempts[name] < ATTEMPTS:
        observe(Event("retried", task, reason))
    else:
        state.failed[name] = reason
        observe(Event("failed", task, reason))


def _reason(problem: BaseException | None) -> str:
    if problem is None:
        return "ended without a record"
    if isinstance(problem, DopantFitError):
        return str(problem)
    if isinstance(problem, BrokenExecutor):
        return "its worker process was killed (out of memory?)"
    return f"{type(problem).__name__}: {problem}"
