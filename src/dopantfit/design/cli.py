"""``dopantfit design``: which compositions of the glass conduct best with the least of the reducible ion."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts


def design(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of fits with study.toml, one for each dopant; the first may hold design.toml."),
    ],
    preset: Annotated[
        str | None, typer.Option(help="quick, night, desk or paper, instead of the one that design.toml names.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Compositions to be made, instead of the preset's.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what it will cost, by measured rates.")] = False,
    run: Annotated[Path | None, typer.Option("--run", help="Run folder.", show_default="runs/design-<name>")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, callback=at_a_time, help="Tasks at a time.", show_default="cores")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="Site file (TOML): run through Slurm, PBS or Kubernetes.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Put page, record and figures into <folder>/design, beside the fit.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Search the compositions that conduct best with the least of the reducible ion. Goes on where it was ended."""
    from rich.markup import escape

    from dopantfit.design import tables, verb
    from dopantfit.workflow.overview import Overview

    if plan:
        cost = verb.plan(*folders, preset=preset, trials=trials, run=run, cores=workers, calibrating=_calibrating)
        print_json(cost.as_dict()) if json else print_parts(*tables.cost_tables(cost))
        return
    record = verb.design(
        *folders, preset=preset, trials=trials, run=run, workers=workers, site=site, keep=keep, watch=Overview
    )
    page = verb.page_of(*folders, preset=preset, run=run, kept=keep)
    if json:
        print_json({**record.as_dict(), "page": str(page)})
    else:
        print_parts(*tables.design_tables(record), escape(f"page     {page}"))
    if record.has_failed:
        raise typer.Exit(1)


def _calibrating() -> None:
    sys.stderr.write("no records of this design yet: measuring the speed of this machine, some seconds ...\n")
