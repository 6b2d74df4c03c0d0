"""``dopantfit validate``: the gates of one potential, into ``validation.json``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts

if TYPE_CHECKING:
    from dopantfit.validate.run import Observe

GateOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Only this gate, without a record, its figures in the work folder; once for each.", show_default="all"
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, callback=at_a_time, help="Gates that run at the same time.", show_default="one per core, four at most"
    ),
]
RanksOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=at_a_time,
        help="MPI ranks of each run.",
        show_default="what the cores of its gate and its ions allow",
    ),
]
WorkOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the runs, from which a killed validation resumes.",
        show_default="runs/validate-<potential>-<level>",
    ),
]


def validate(
    folder: Annotated[Path, typer.Argument(help="Folder with fit.toml and potential.toml.")],
    level: Annotated[str, typer.Option(help="quick (minutes), standard (an hour) or paper (2 ns runs).")] = "quick",
    potential: Annotated[
        str | None, typer.Option(help="Validate this file or published set instead of the fitted one.")
    ] = None,
    gate: GateOption = None,
    workers: WorkersOption = None,
    ranks: RanksOption = None,
    work: WorkOption = None,
    json: JsonOption = False,
) -> None:
    """Hold a potential against its gates; exit status 1 when one fails."""
    from dopantfit.validate import verb
    from dopantfit.validate.record import gate_findings, gate_tables
    from dopantfit.validate.record_schema import GateRecord

    if gate:
        gates = tuple(
            GateRecord.of(one)
            for one in verb.hold_against(folder, gate, level, potential, workers, ranks, work, watched)
        )
        payload: dict[str, object] = {"gates": [one.model_dump(mode="json") for one in gates]}
    else:
        record = verb.validate(
            folder, level=level, potential=potential, workers=workers, ranks=ranks, work=work, watch=watched
        )
        gates, payload = record.gates, record.as_dict()
    print_json(payload) if json else print_parts(*gate_tables(gates), *gate_findings(gates))
    if not all(one.passed for one in gates):
        raise typer.Exit(1)


@contextmanager
def watched() -> "Iterator[Observe]":
    """A bar per gate on a terminal, a line at each tenth of a gate elsewhere; on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[gate]:12}"), BarColumn(bar_width=16), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.description}", markup=False), console=console, disable=not console.is_terminal
    ) as bars:
        tasks: dict[str, TaskID] = {}
        tenths: dict[str, int] = {}

        def observe(gate: str, text: str, part: float) -> None:
            if gate not in tasks:
                tasks[gate] = bars.add_task("", gate=gate, total=1.0)
            bars.update(tasks[gate], completed=part, description=text)
            tenth = int(10.0 * part)
            if not console.is_terminal and tenth > tenths.get(gate, -1):
                console.print(f"{gate}: {text}", highlight=False, soft_wrap=True, markup=False)
                tenths[gate] = tenth

        yield observe
