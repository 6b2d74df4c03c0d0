"""What a person sees while a study runs: a live table on a terminal, one line per event elsewhere."""

import time
from collections import Counter, defaultdict
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from dopantfit.workflow.driver import Event
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.progress import duration_in_words, progress_of

_COLUMNS = ("done", "running", "failed", "waiting")
#: Seconds between two lines of a log that say what runs.
_PAUSE = 30.0
_STATES = {"kept": "done", "started": "running", "redone": "waiting", "retried": "waiting", "skipped": "failed"}


class Overview(AbstractContextManager["Overview"]):
    """Counts tasks by stage and estimates the time left; `observe` and `tick` are what a driver calls.

    The time left comes from this run: for every unit of work, the time that tasks of that unit took and what is left.
    """

    def __init__(self, graph: Graph, folder: Path, console: Console | None = None) -> None:
        self._graph, self._folder = graph, folder
        self._console = console or Console(stderr=True, highlight=False)
        self._state = dict.fromkeys(graph.order, "waiting")
        self._begun = self._looked = self._said = time.monotonic()
        self._busy: dict[str, float] = defaultdict(float)
        self._already: dict[str, float] = defaultdict(float)
        self._running: tuple[str, ...] = ()
        self._told = False
        self._live = Live(console=self._console, get_renderable=self.table, refresh_per_second=2, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def observe(self, event: Event) -> None:
        """Take note of an event; print bad news, and in a log what was done."""
        if not self._console.is_terminal and not self._told:
            self._told = True  # not before: a study that is refused says so in one line
            self._print(f"{len(self._graph.tasks)} tasks in {self._folder}")
        self._state[event.task.name] = _STATES.get(event.kind, event.kind)
        if event.kind == "kept":
            self._already[event.task.unit] += event.task.cost
        bad = event.kind in ("redone", "retried", "failed", "skipped")
        taken = event.kind == "kept" and event.text
        if bad or ((event.kind == "done" or taken) and not self._console.is_terminal):
            self._print(f"{self._count()}  {event.kind:8s} {event.task.name}{f': {event.text}' if event.text else ''}")

    def tick(self, running: tuple[str, ...]) -> None:
        """Take note of what runs; twice a minute, say so where there is no live table."""
        now = time.monotonic()
        for name in running:
            self._busy[self._graph.tasks[name].unit] += now - self._looked
        self._running, self._looked = running, now
        if running and not self._console.is_terminal and now - self._said >= _PAUSE:
            self._said = now
            states = Counter(self._state.values())
            counts = ", ".join(f"{states[one]} {one}" for one in ("done", "running", "failed"))
            far = ", ".join(map(self._far, running))
            self._print(f"{self._count()}  running  {far}; {counts}; {self._pace()}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def _count(self) -> str:
        total = str(len(self._state))
        return f"[{list(self._state.values()).count('done'):{len(total)}d}/{total}]"

    def _far(self, name: str) -> str:
        """A running task, and how far it is where that is known."""
        task, progress = self._graph.tasks[name], progress_of(self._folder / name)
        return name if progress is None or not task.cost else f"{name} {min(1.0, progress.done / task.cost):.0%}"

    def done_by_unit(self) -> dict[str, float]:
        """Work done, by unit, what running tasks reported included."""
        done: dict[str, float] = defaultdict(float)
        for name, state in self._state.items():
            task = self._graph.tasks[name]
            if state == "done":
                done[task.unit] += task.cost
            elif state == "running" and (progress := progress_of(self._folder / name)) is not None:
                done[task.unit] += min(progress.done, task.cost)
        return done

    def seconds_left(self) -> tuple[float, bool] | None:
        """Estimated time left [s], and whether all kinds of work are in it; None where nothing was done yet."""
        done, shares = self.done_by_unit(), []
        busy = sum(self._busy[unit] for unit in done if done[unit] > self._already[unit])
        whole = True
        for unit in {task.unit for task in self._graph.tasks.values() if task.cost}:
            left = sum(task.cost for task in self._graph.tasks.values() if task.unit == unit) - done.get(unit, 0.0)
            now = done.get(unit, 0.0) - self._already[unit]
            if left > 0.0 and now > 0.0 and busy > 0.0:
                shares.append(self._busy[unit] / busy * left / now)
            whole = whole and (left <= 0.0 or now > 0.0)
        return ((time.monotonic() - self._begun) * sum(shares), whole) if shares else None

    def left(self) -> str:
        """Return the time left in words."""
        found = self.seconds_left()
        if found is None:
            return "time left unknown yet"
        return f"{'about' if found[1] else 'more than'} {duration_in_words(found[0])} left"

    def table(self) -> Table:
        """Return the table as it is now."""
        table = Table(title=str(self._folder))
        table.add_column("stage")
        for column in _COLUMNS:
            table.add_column(column, justify="right")
        stages: dict[str, Counter[str]] = {}
        for name in self._graph.order:
            stages.setdefault(self._graph.tasks[name].stage, Counter())[self._state[name]] += 1
        for stage, count in stages.items():
            table.add_row(stage, *(str(count[column] or "") for column in _COLUMNS))
        table.caption = self._caption()
        return table

    def _caption(self) -> str:
        if not {"waiting", "running"} & set(self._state.values()):
            return ""
        return self._pace()

    def _pace(self) -> str:
        """Return the rate of the molecular dynamics that runs, where it is known, and the time left."""
        dynamics = [name for name in self._running if self._graph.tasks[name].unit == "ps"]
        rates = [progress_of(self._folder / name) for name in dynamics]
        per_hour = sum(rate.per_hour for rate in rates if rate is not None and rate.per_hour is not None)
        parts = [f"{per_hour:.0f} ps/hour"] if per_hour else []
        return ", ".join([*parts, self.left()])
