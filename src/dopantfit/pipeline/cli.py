"""``dopantfit run`` and ``trace``: everything in one command, and one parameter from the first file to the results."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.study.cli import PresetOption, RunOption, SiteOption, WorkersOption
from dopantfit.terminal import JsonOption, print_json, print_parts

if TYPE_CHECKING:
    from dopantfit.pipeline.run import Made


def run(
    folder: Annotated[Path, typer.Argument(help="Folder of a fit, with fit.toml and study.toml.")],
    preset: PresetOption = None,
    gates: Annotated[
        str, typer.Option("--gates", "--level", help="Preset of the gates: quick, night, desk or paper.")
    ] = "quick",
    workers: WorkersOption = None,
    site: SiteOption = None,
    json: JsonOption = False,
) -> None:
    """Fit, validate and study one dopant and report on it; what is up to date is kept."""
    from dopantfit.pipeline.run import RunWatch, show_nobody
    from dopantfit.pipeline.run import run as do
    from dopantfit.report.cli import report_lines
    from dopantfit.workflow.overview import Overview
    from dopantfit.workflow.screen import watched

    def tell(step: str, why: str) -> None:
        sys.stderr.write(f"{step}: {why or 'up to date'}\n")

    watch = RunWatch(tell, show_nobody if json else _show, watched, Overview)
    record = do(folder, preset=preset, gates=gates, workers=workers, site=site, watch=watch)
    print_json(record.as_dict()) if json else print_parts(*report_lines(record.report, record.page))
    if record.study.has_failed:
        raise typer.Exit(1)


def _show(record: "Made") -> None:
    """Print what a step made, as its own verb does."""
    from dopantfit.fit.record_schema import FitRecord
    from dopantfit.fit.tables import result_tables
    from dopantfit.study.tables import verdict_lines
    from dopantfit.validate.record import gate_findings, gate_tables
    from dopantfit.validate.record_schema import ValidationRecord

    if isinstance(record, FitRecord):
        print_parts(*result_tables(record))
    elif isinstance(record, ValidationRecord):
        print_parts(*gate_tables(record.gates), *gate_findings(record.gates))
    else:
        print_parts(*verdict_lines(record))


def trace(
    parameter: Annotated[list[str], typer.Argument(help="A parameter, such as rho Mg-O or spring O.")],
    folder: Annotated[Path, typer.Argument(help="Folder of a fit, with fit.toml.")],
    preset: PresetOption = None,
    run: RunOption = None,
    json: JsonOption = False,
) -> None:
    """Follow one parameter from fit.toml to the results of the study; exit status 1 where a link does not hold."""
    from rich.markup import escape
    from rich.table import Table

    from dopantfit.pipeline.trace import trace as follow

    links = follow(" ".join(parameter), folder, preset=preset, run=run)
    if json:
        print_json([link.as_dict() for link in links])
    else:
        table = Table(show_lines=False)
        for column in ("step", "file", "says", "sha256", ""):
            table.add_column(column, overflow="fold")
        for link in links:
            row = (link.step, link.file, link.says, link.sha256[:12], link.problem or "holds")
            table.add_row(*(escape(text) for text in row))
        print_parts(table)
    if any(link.problem for link in links):
        raise typer.Exit(1)
