"""``dopantfit plan``: what a study will cost, here and on a cluster."""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.study.cli import FolderArgument, JsonOption, PresetOption, RunOption, run_folder

if TYPE_CHECKING:
    from dopantfit.study.cost import Cost


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
    from dopantfit.study.config import load_study
    from dopantfit.study.cost import calibrate, cost_of, rates_of
    from dopantfit.study.tasks import Planner

    config, file = load_study(folder, preset)
    planner = Planner(config, file.parent)
    graph = planner.graph()
    rates = rates_of(run or run_folder(config, file), graph)
    if rates is None:
        sys.stderr.write("no records of this study yet: measuring the speed of this machine, some seconds ...\n")
        with tempfile.TemporaryDirectory() as scratch:
            rates = calibrate(planner, Path(scratch))
    cost = cost_of(planner, graph, rates, nodes * (cores or len(os.sched_getaffinity(0))), ranks)
    _print_json(cost) if json else _print(cost)


def _print_json(cost: "Cost") -> None:
    import json

    sys.stdout.write(json.dumps(cost.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _print(cost: "Cost") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Cost on {cost.cores} cores", caption=f"rates from {cost.rates.source}")
    table.add_column("stage")
    for heading in ("tasks", "core-hours", "disk GB", "wall hours"):
        table.add_column(heading, justify="right")
    for one in cost.stages:
        numbers = (f"{one.core_hours:.3g}", f"{one.disk_gigabytes:.3g}", f"{one.wall_hours:.3g}")
        table.add_row(one.stage, str(one.tasks), *numbers)
    table.add_section()
    table.add_row("all", "", f"{cost.core_hours:.3g}", f"{cost.disk_gigabytes:.3g}", f"{cost.wall_hours:.3g}")
    Console(highlight=False).print(table)
