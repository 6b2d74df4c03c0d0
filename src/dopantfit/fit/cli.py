"""``dopantfit fit``: one folder with ``fit.toml`` in, a potential with error bars out."""

from pathlib import Path
from typing import Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts


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
    from dopantfit.workflow.screen import watched

    if dry_run:
        shown = plan_as_json(plan_fit(folder))
        print_json(shown) if json else print_parts(plan_table(shown))
        return
    record = verb.fit(folder, workers=workers, work=work, watch=watched)
    print_json(record.as_dict()) if json else print_parts(*result_tables(record))
