"""``dopantfit trace``: one parameter from the fit's configuration to the study's results."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dopantfit.study.cli import JsonOption, PresetOption, RunOption


def trace(
    parameter: Annotated[list[str], typer.Argument(help="A parameter, such as rho Mg-O or spring O.")],
    folder: Annotated[Path, typer.Argument(help="Folder of a fit, with fit.toml.")],
    preset: PresetOption = None,
    run: RunOption = None,
    json: JsonOption = False,
) -> None:
    """Follow one parameter from fit.toml to the results of the study; exit status 1 where a link does not hold."""
    from dopantfit.errors import ConfigError
    from dopantfit.pipeline.trace import trace as follow
    from dopantfit.study.cli import run_folder
    from dopantfit.study.config import STUDY_FILE, load_study
    from dopantfit.study.tasks import Planner

    if run is not None and not run.is_dir():
        raise ConfigError(f"{run}: is no run folder; name one, or leave --run away")
    planner = None
    if (folder / STUDY_FILE).is_file():
        config, file = load_study(folder, preset)
        planner, run = Planner(config, file.parent), run or run_folder(config, file)
    links = follow(" ".join(parameter), folder, planner, run)
    if json:
        import json as library

        sys.stdout.write(library.dumps([link.as_dict() for link in links], indent=2, ensure_ascii=False) + "\n")
    else:
        _print([(link.step, link.file, link.says, link.sha256[:12], link.problem or "holds") for link in links])
    if any(link.problem for link in links):
        raise typer.Exit(1)


def _print(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_lines=False)
    for column in ("step", "file", "says", "sha256", ""):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
