"""`dopantfit transport`: D*, conductivity and Haven ratio of the trajectories of one system."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dopantfit.transport.summary import Summary

Trajectories = Annotated[
    list[Path], typer.Argument(help="DCD, LAMMPS text dump or extended XYZ; several are independent replicas.")
]


def transport(
    trajectories: Trajectories,
    temperature: Annotated[float, typer.Option(help="Temperature of the runs, in K.")],
    mobile: Annotated[
        list[str], typer.Option(help="A mobile species with its formal charge, such as Li=1; once for each.")
    ],
    structure: Annotated[
        Path | None, typer.Option(help="Structure with the same ions in the same order: species for a DCD file.")
    ] = None,
    timestep: Annotated[float | None, typer.Option(help="Time step of the molecular dynamics, in ps.")] = None,
    interval: Annotated[float | None, typer.Option(help="Time between frames in ps, where the file has none.")] = None,
    hop_length: Annotated[
        float | None, typer.Option(help="Distance between sites in Å; below its square D* is a bound. Default: 3.5.")
    ] = None,
    window: Annotated[tuple[float, float], typer.Option(help="Part of the run that is fitted.")] = (0.10, 0.70),
    output: Annotated[Path | None, typer.Option(help="Write the MSD of every species into this CSV file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """Diffusion and conductivity with error bars; upper bounds where ions have not moved a hop."""
    from dopantfit.transport.diffusion import HOP_LENGTH
    from dopantfit.transport.reading import read_trajectory, species_of
    from dopantfit.transport.summary import parse_charges, summarise, write_msd

    charges = parse_charges(mobile)
    species = None if structure is None else species_of(structure)
    runs = [read_trajectory(path, species, timestep, interval) for path in trajectories]
    summary = summarise(runs, charges, temperature, window, HOP_LENGTH if hop_length is None else hop_length)
    if output is not None:
        write_msd(output, summary)
    if json:
        _print_json(summary)
    else:
        _print_table(summary)


def _print_json(summary: "Summary") -> None:
    import json

    from dopantfit.provenance import installed_versions, sha256_of

    record = {
        "inputs": {source: sha256_of(source) for source in summary.sources},
        "versions": installed_versions(),
        **summary.as_dict(),
    }
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _print_table(summary: "Summary") -> None:
    from rich.console import Console

    Console(highlight=False).print(summary.as_table(), *summary.remarks(), sep="\n")
