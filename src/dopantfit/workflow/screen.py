"""What a person sees while work goes on: a bar for each piece of it on a terminal, lines now and then elsewhere."""

from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from dopantfit.workflow.progress import WorkProgress


class ProgressScreen(AbstractContextManager["ProgressScreen"]):
    """Shows what an observer is told; elsewhere than on a terminal, a line at each tenth of a piece of work.

    Work whose whole is not known gets a line whenever its words change; work without words gets none. console: standard
    error by default, so that results can be piped.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        name, text = (TextColumn(field, markup=False) for field in ("{task.description}", "{task.fields[text]}"))
        columns = (name, BarColumn(bar_width=20), TaskProgressColumn(), TimeElapsedColumn(), text)
        self._bars = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, int | str] = {}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bars.stop()

    def show(self, work: str, progress: WorkProgress) -> None:
        """Show how far a piece of work is."""
        if self._console.is_terminal:
            self._draw(work, progress)
        elif progress.text and self._is_news(work, progress):
            self.say(f"{work}: {progress.text}")

    def say(self, line: str) -> None:
        """Print a line, above the bars."""
        self._console.print(line, markup=False, soft_wrap=True, highlight=False)

    def _draw(self, work: str, progress: WorkProgress) -> None:
        if not self._tasks:
            self._bars.start()  # not before: what is refused says so in one line
        if work not in self._tasks:
            self._tasks[work] = self._bars.add_task(work, total=progress.of, text="")
        self._bars.update(self._tasks[work], completed=progress.done, total=progress.of, text=progress.text)

    def _is_news(self, work: str, progress: WorkProgress) -> bool:
        """Whether a log gets a line: work that was begun again says nothing until it is further than it was."""
        if not progress.of:
            before, self._told[work] = self._told.get(work), progress.text
            return before != progress.text
        tenth, last = int(10.0 * progress.done / progress.of), self._told.get(work, -1)
        if isinstance(last, int) and tenth <= last:
            return False
        self._told[work] = tenth
        return True


def watched() -> ProgressScreen:
    """Watch on standard error."""
    return ProgressScreen()
