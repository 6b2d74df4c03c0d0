"""``dopantfit validate``: the gates of one potential, into ``validation.json``."""

from pathlib import Path
from typing import Annotated

import typer

from dopantfit.terminal import JsonOption, at_a_time, print_json, print_parts

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
        show_default="runs/validate-<potential>-<preset>",
    ),
]


def validate(
    folder: Annotated[Path, typer.Argument(help="Folder with fit.toml and potential.toml.")],
    preset: Annotated[
        str,
        typer.Option("--preset", "--level", help="quick (minutes), night or desk (an hour), or paper (2 ns runs)."),
    ] = "quick",
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
    from dopantfit.workflow.screen import watched

    if gate:
        gates = tuple(
            GateRecord.of(one)
            for one in verb.hold_against(folder, gate, preset, potential, workers, ranks, work, watched)
        )
        payload: dict[str, object] = {"gates": [one.model_dump(mode="json") for one in gates]}
    else:
        record = verb.validate(
            folder, preset=preset, potential=potential, workers=workers, ranks=ranks, work=work, watch=watched
        )
        gates, payload = record.gates, record.as_dict()
    print_json(payload) if json else print_parts(*gate_tables(gates), *gate_findings(gates))
    if not all(one.passed for one in gates):
        raise typer.Exit(1)
