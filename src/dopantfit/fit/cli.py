"""``dopantfit fit``: one folder with ``fit.toml`` in, a potential with error bars out."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dopantfit.fit.run import FitPlan, FitResult


def fit(
    folder: Annotated[Path, typer.Argument(help="Folder with fit.toml, or such a file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be fitted, and stop.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that evaluate candidates.")] = 2,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of the journal that a killed fit resumes from.", show_default="runs/fit-<name>"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """Fit a potential to DFT frames; writes potential.toml, fit.json and figures beside fit.toml."""
    from rich.console import Console

    from dopantfit.fit.record import write_fit
    from dopantfit.fit.run import plan_fit
    from dopantfit.fit.tables import plan_as_json, plan_table, result_tables
    from dopantfit.workflow.names import default_run

    started = time.time()
    plan = plan_fit(folder)
    if dry_run:
        shown = plan_as_json(plan)
        _print_json(shown) if json else Console(highlight=False).print(plan_table(shown))
        return
    result = _run(plan, work or default_run("fit", plan.config.name), workers)
    payload = write_fit(plan, result, plan.file.parent, started)
    if json:
        _print_json(payload)
    else:
        Console(highlight=False).print(*result_tables(payload), sep="\n")


def _run(plan: "FitPlan", work: Path, workers: int) -> "FitResult":
    """Run the fit with a progress bar on standard error; in a log, with a line per step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dopantfit.fit.run import Generation, run_fit

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("search", total=plan.config.swarm.generations + 1)

        def show(text: str, **more: int) -> None:
            progress.update(task, description=text, **more)  # type: ignore[arg-type]
            if not console.is_terminal:
                console.print(text, soft_wrap=True)

        started = time.monotonic()

        def observe(one: Generation, total: int) -> None:
            done = one.number + 1
            left = (time.monotonic() - started) / done * (total - done)
            show(f"search {done} of {total}, {left:.0f} s left: {one.as_text()}", completed=done)

        def say(step: str) -> None:
            if step != "search":
                show(step)

        return run_fit(plan, work, workers, observe, say)


def _print_json(payload: object) -> None:
    import json

    sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
