"""``dopantfit study`` and ``plan``: from a fitted potential to a verdict, and what that will cost."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts

FolderArgument = Annotated[Path, typer.Argument(help="Folder with study.toml, or such a file.")]
PresetOption = Annotated[
    str | None, typer.Option(help="quick, night, desk or paper, instead of the one the file names.")
]
RunOption = Annotated[Path | None, typer.Option("--run", help="Run folder.", show_default="runs/study-<name>")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, callback=at_a_time, help="Tasks at a time.", show_default="cores")
]
SiteOption = Annotated[Path | None, typer.Option(help="Site file (TOML): run through Slurm, PBS or Kubernetes.")]
UntilOption = Annotated[
    bool, typer.Option("--until-decided", help="Go on, round by round, with what answers the checks that are open.")
]
BudgetOption = Annotated[
    float, typer.Option("--core-hours", min=0.0, help="Budget of --until-decided, by the model of costs.")
]
KeepOption = Annotated[
    bool, typer.Option("--keep", help="Copy the summary to <folder>/study, to be kept with the fit and reported from.")
]


def study(
    folder: FolderArgument,
    preset: PresetOption = None,
    run: RunOption = None,
    workers: WorkersOption = None,
    site: SiteOption = None,
    keep: KeepOption = False,
    until_decided: UntilOption = False,
    core_hours: BudgetOption = 25.0,
    json: JsonOption = False,
) -> None:
    """Study a dopant in the grain boundary: build, dope, exchange, run, analyse, answer. Goes on where it was ended."""
    from rich.markup import escape

    from dopantfit.study import verb
    from dopantfit.study.tables import verdict_lines
    from dopantfit.workflow.overview import Overview

    record = verb.study(
        folder,
        preset=preset,
        run=run,
        workers=workers,
        site=site,
        keep=keep,
        until_decided=until_decided,
        core_hours=core_hours,
        watch=Overview,
    )
    if json:
        print_json(record.as_dict())
    else:
        summary = escape(str(verb.summary_of(folder, preset, run, keep)))
        print_parts(*verdict_lines(record), f"tables and records: {summary}")
    if record.has_failed:
        raise typer.Exit(1)


def plan(
    folder: FolderArgument,
    preset: PresetOption = None,
    run: RunOption = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of a cluster.")] = 1,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores per node.", show_default="of this machine")] = None,
    ranks: Annotated[int, typer.Option(min=1, help="MPI ranks of one task.")] = 1,
    json: JsonOption = False,
) -> None:
    """Estimate core-hours, disk and wall time of a study, stage by stage, from rates measured on this machine."""
    from dopantfit.study import verb
    from dopantfit.study.tables import cost_table, expected_table

    def tell() -> None:
        sys.stderr.write("no records of this study yet: measuring the speed of this machine, some seconds ...\n")

    whole = nodes * (cores or len(os.sched_getaffinity(0)))
    cost = verb.plan(folder, preset=preset, run=run, cores=whole, ranks=ranks, calibrating=tell)
    if json:
        print_json(cost.as_dict())
    else:
        print_parts(cost_table(cost), *([expected_table(cost)] if cost.expected else []))
