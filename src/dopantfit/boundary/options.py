"""Options that several verbs of `dopantfit boundary` have."""

from typing import Annotated

import typer

from dopantfit.terminal import at_a_time

PotentialOption = Annotated[str, typer.Option(help="A TOML file, or the name of a published set.")]
RanksOption = Annotated[
    int | None,
    typer.Option(
        min=1, callback=at_a_time, help="MPI ranks of each LAMMPS run; by its size and the machine by default."
    ),
]
UnvalidatedOption = Annotated[
    str | None,
    typer.Option(help="Why a fitted potential is used although its validation is missing or failed; kept in the run."),
]
