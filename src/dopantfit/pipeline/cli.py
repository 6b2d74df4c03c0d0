"""``dopantfit run``, ``learn`` and ``trace``: all in one command, rounds of a fit, one parameter through all of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.study.cli import PresetOption, RunOption, SiteOption, WorkersOption
from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts

if TYPE_CHECKING:
    from rich.table import Table

    from dopantfit.pipeline.learn_record import LearnRecord
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


def learn(
    folder: Annotated[Path, typer.Argument(help="Folder of a fit, with fit.toml and learn.toml.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")] = False,
    workers: Annotated[
        int, typer.Option(min=1, callback=at_a_time, help="Processes of a fit, and of its ensemble on frames.")
    ] = 2,
    jobs: Annotated[int, typer.Option(min=1, callback=at_a_time, help="Frames to label at a time.")] = 1,
    ranks: Annotated[int, typer.Option(min=1, callback=at_a_time, help="MPI ranks of each CP2K.")] = 1,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder that killed rounds resume from.", show_default="runs/learn-<name>"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run the potential, label the frames its ensemble disagrees on most, fit again; three rounds at most."""
    from dopantfit.pipeline.learn import learn as do
    from dopantfit.pipeline.learn_plan import plan_learning
    from dopantfit.workflow.screen import watched

    if dry_run:
        planned = plan_learning(folder, jobs, ranks).as_dict()
        if json:
            print_json(planned)
            return
        items = ", ".join(f"{item['name']} ({item['kind']})" for item in planned["items"])
        count, most = planned["candidates"], planned["frames"]
        print_parts(
            f"{planned['members']} potentials; fit: {planned['fit']}",
            f"a round runs {items}: {count} configurations, of which {most} at most are taken",
            f"labels of {planned['labels']} join {planned['set']}; {planned['rounds']} rounds at most, until the "
            f"potentials differ by less than {planned['spread']:g} eV/Å",
        )
        return

    record = do(folder, workers=workers, jobs=jobs, ranks=ranks, work=work, watch=watched)
    print_json(record.as_dict()) if json else print_parts(_learned(record), _ENDINGS[record.ended])


_ENDINGS = {
    "agreed": "ended: the potentials of the ensemble agree on every configuration",
    "rounds": "ended: all rounds are done",
    "nothing sound": "ended: no configuration could be taken, all are broken; see learn.json",
}


def _learned(record: "LearnRecord") -> "Table":
    """A line for every round: spread of the ensemble, error once labelled [eV/Å], and how well one tells the other."""
    from rich.table import Table

    table = Table(title="spread of the ensemble and error of the potential, eV/Å")
    for column in ("round", "candidates", "broken", "mean", "largest", "taken", "their spread", "error", "correlation"):
        table.add_column(column, justify="right")
    for one in record.rounds:
        errors = [frame.error for frame in one.choice.taken if frame.error is not None]
        spreads = [frame.spread for frame in one.choice.taken]
        numbers = (one.choice.mean, one.choice.largest, _mean(spreads), _mean(errors), one.correlation)
        mean, largest, spread, error, correlation = ("-" if n is None else f"{n:.3f}" for n in numbers)
        counts = (str(one.choice.candidates), str(one.choice.broken))
        table.add_row(str(one.number), *counts, mean, largest, str(len(spreads)), spread, error, correlation)
    return table


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


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
