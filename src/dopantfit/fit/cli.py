"""``dopantfit fit``: one folder with ``fit.toml`` in, a potential with error bars out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts

if TYPE_CHECKING:
    from dopantfit.fit.run import FitPlan
    from dopantfit.fit.verb import Observe, Say


def fit(
    folder: Annotated[Path, typer.Argument(help="Folder with fit.toml, or such a file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be fitted, and stop.")] = False,
    workers: Annotated[int, typer.Option(min=1, callback=at_a_time, help="Processes that evaluate candidates.")] = 2,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of the journal that a killed fit resumes from.", show_default="runs/fit-<name>"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Fit a potential to DFT frames; writes potential.toml, fit.json and figures beside fit.toml."""
    from dopantfit.fit import verb
    from dopantfit.fit.run import plan_fit
    from dopantfit.fit.tables import plan_as_json, plan_table, result_tables

    if dry_run:
        shown = plan_as_json(plan_fit(folder))
        print_json(shown) if json else print_parts(plan_table(shown))
        return
    record = verb.fit(folder, workers=workers, work=work, watch=watched)
    print_json(record.as_dict()) if json else print_parts(*result_tables(record))


@contextmanager
def watched(plan: "FitPlan") -> "Iterator[tuple[Observe, Say]]":
    """Show a progress bar on standard error; in a log, a line per step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dopantfit.fit.run import Generation

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("search", total=plan.config.swarm.generations + 1)

        def show(text: str, **more: int) -> None:
            progress.update(task, description=text, **more)  # type: ignore[arg-type]
            if not console.is_terminal:
                console.print(text, soft_wrap=True, markup=False)

        started = time.monotonic()

        def observe(one: Generation, total: int) -> None:
            done = one.number + 1
            left = (time.monotonic() - started) / done * (total - done)
            show(f"search {done} of {total}, {left:.0f} s left: {one.as_text()}", completed=done)

        def say(step: str) -> None:
            if step != "search":
                show(step)

        yield observe, say
