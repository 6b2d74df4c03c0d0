"""What a person sees while a study runs: a live table on a terminal, one line per event elsewhere."""

import sys
import time
from collections import Counter, defaultdict
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from dopantfit.study.driver import Event
from dopantfit.study.graph import Graph
from dopantfit.study.work import progress_of

_COLUMNS = ("done", "running", "failed", "waiting")


class Overview(AbstractContextManager["Overview"]):
    """Counts tasks by stage and estimates the time left; `observe` and `tick` are what a driver calls.

    The time left comes from the rates of this run: work done per hour and unit, over all tasks, against what is left.
    """

    def __init__(self, graph: Graph, folder: Path, console: Console | None = None) -> None:
        self._graph, self._folder = graph, folder
        self._console = console or Console(stderr=True, highlight=False)
        self._state = dict.fromkeys(graph.order, "waiting")
        self._begun = time.monotonic()
        self._already: dict[str, float] = defaultdict(float)
        self._running: tuple[str, ...] = ()
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
        """Take note of an event, and print it where there is no live table or it is bad news."""
        state = {"kept": "done", "started": "running", "redone": "waiting", "retried": "waiting", "skipped": "failed"}
        self._state[event.task.name] = state.get(event.kind, event.kind)
        if event.kind == "kept":
            self._already[event.task.unit] += event.task.cost
        bad = event.kind in ("redone", "retried", "failed", "skipped")
        if bad or not self._console.is_terminal:
            text = f": {event.text}" if event.text else ""
            self._console.print(f"{event.kind:8s} {event.task.name}{text}", markup=False, soft_wrap=True)

    def tick(self, running: tuple[str, ...]) -> None:
        """Take note of what runs."""
        self._running = running

    def done_by_unit(self) -> dict[str, float]:
        """Work done, by unit, what running tasks reported included."""
        done: dict[str, float] = defaultdict(float)
        for name, state in self._state.items():
            task = self._graph.tasks[name]
            if state == "done":
                done[task.unit] += task.cost
            elif state == "running" and (progress := progress_of(self._folder / name)) is not None:
                done[task.unit] += min(progress[0], task.cost)
        return done

    def seconds_left(self) -> float | None:
        """Estimated time left [s]; None as long as nothing was done that could tell."""
        elapsed = time.monotonic() - self._begun
        done, fractions = self.done_by_unit(), []
        for unit in {task.unit for task in self._graph.tasks.values() if task.cost}:
            total = sum(task.cost for task in self._graph.tasks.values() if task.unit == unit)
            now = done.get(unit, 0.0) - self._already[unit]
            left = total - done.get(unit, 0.0)
            if left > 0.0:
                fractions.append(left / now if now > 0.0 else None)
        known = [fraction for fraction in fractions if fraction is not None]
        return elapsed * sum(known) if known and len(known) == len(fractions) else None

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
        dynamics = [name for name in self._running if self._graph.tasks[name].unit == "ps"]
        rates = [progress_of(self._folder / name) for name in dynamics]
        per_hour = sum(rate[1] for rate in rates if rate is not None and rate[1] is not None)
        left = self.seconds_left()
        parts = [f"{per_hour:.0f} ps/hour"] if per_hour else []
        parts.append("time left unknown yet" if left is None else f"about {_duration(left)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"


def say(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"{text}\n")
