"""``dopantfit fit``: one folder with ``fit.toml`` in, a potential with error bars out."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dopantfit.fit.run import Plan, Result


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

    started = time.time()
    plan = plan_fit(folder)
    if dry_run:
        shown = plan_as_json(plan)
        _print_json(shown) if json else Console(highlight=False).print(plan_table(shown))
        return
    result = _run(plan, work or Path("runs") / f"fit-{plan.config.name}", workers)
    payload = write_fit(plan, result, plan.file.parent, started)
    if json:
        _print_json(payload)
    else:
        Console(highlight=False).print(*result_tables(payload), sep="\n")


def _run(plan: "Plan", work: Path, workers: int) -> "Result":
    """Run the fit with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dopantfit.fit.run import Generation, run_fit

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("search", total=plan.config.swarm.generations + 1)

        def observe(one: Generation, total: int) -> None:
            text = f"best {one.best_so_far:.6g}, median {one.median:.4g}, rejected {one.rejected}"
            progress.update(task, completed=one.number + 1, description=text)

        def say(step: str) -> None:
            if step != "search":
                progress.update(task, description=step)

        return run_fit(plan, work, workers, observe, say)


def _print_json(payload: object) -> None:
    import json

    sys.stdout.write(json.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
