"""How far a run is, how fast, and how hot: for whoever waits for it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars


@dataclass(frozen=True, slots=True)
class DynamicsProgress:
    """State of a molecular dynamics run.

    time, duration: done and asked for [ps]. rate: [ps/hour] of wall time, over this call. seconds_left: [s].
    temperature: [K]. density: [g/cm³]. pressure: [bar].
    """

    time: float
    duration: float
    rate: float
    seconds_left: float
    temperature: float
    density: float
    pressure: float

    def __str__(self) -> str:
        state = f"{self.temperature:.0f} K, {self.density:.3f} g/cm³"
        if not isfinite(self.seconds_left):  # no step has been told of yet, so there is no rate
            return f"{self.time:.2f} of {self.duration:g} ps, begins, {state}"
        left = f"{self.seconds_left / 3600.0:.1f} h" if self.seconds_left > 5400.0 else f"{self.seconds_left:.0f} s"
        return f"{self.time:.2f} of {self.duration:g} ps, {self.rate:.3g} ps/hour, {left} left, {state}"


Report = Callable[[DynamicsProgress], None]


class RichReport:
    """A progress bar on a terminal, a line now and then elsewhere; a context manager to be handed in as `report`.

    label: what the run is called. console: standard error by default, so that results can be piped.
    """

    def __init__(self, label: str, console: Console | None = None) -> None:
        self._label = label
        self._console = Console(stderr=True) if console is None else console
        name, state = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[state]}"))
        columns = (name, BarColumn(bar_width=20), state)
        self._bars = Bars(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task: TaskID | None = None
        self._tenth = -1

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, progress: DynamicsProgress) -> None:
        """Show where the run is."""
        if self._task is None:
            self._task = self._bars.add_task(self._label, total=progress.duration, state="")
        self._bars.update(self._task, completed=progress.time, state=str(progress))
        tenth = int(10.0 * progress.time / progress.duration)
        if not self._console.is_terminal and tenth > self._tenth:
            self._console.print(f"{self._label}: {progress}", highlight=False, soft_wrap=True, markup=False)
        self._tenth = max(tenth, self._tenth)
