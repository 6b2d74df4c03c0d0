"""The stages that a sintering schedule is made of, as people write them. Units: Å, K, ps, bar."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dopantfit.boundary.build.tables import Count, Name, Positive, Text
from dopantfit.strict_toml import Table

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Health(Table):
    """What a structure must still show after every stage."""

    #: Smallest part of all polyanions that are whole; a hot melt opens a few for a moment.
    four_coordinated: Fraction = 0.95


class _Stage(Table):
    #: Names the folder of the stage.
    name: Name
    #: Why it is there, and why its numbers are what they are.
    reason: Text
    #: Whether the ions of the grains stay where they are.
    grains: Literal["held", "free"] = "free"


class Relax(_Stage):
    """Ions and shells to the nearest minimum, the cell as it is."""

    kind: Literal["relax"]
    #: Largest force component left [eV/Å]; a start for molecular dynamics needs no more.
    force_tolerance: Positive = 0.1


class Anneal(_Stage):
    """Molecular dynamics: anneal, melt, quench, equilibrate."""

    kind: Literal["anneal"]
    #: At the start, and at the end when it differs (a linear ramp) [K].
    temperature: Positive
    temperature_end: Positive | None = None
    #: [ps]
    duration: Positive
    #: nvt keeps the cell; npt lets the length along the normal (z) or all three lengths (aniso) answer to pressure.
    ensemble: Literal["nvt", "npt"] = "nvt"
    cell: Literal["z", "aniso"] = "z"
    #: [bar], npt only.
    pressure: float = 1.0
    pressure_end: float | None = None

    @model_validator(mode="after")
    def _held_grains_keep_their_cell(self) -> "Anneal":
        if self.grains == "held" and self.ensemble == "npt":
            raise ValueError(f'stage {self.name}: held grains cannot follow the cell; use ensemble = "nvt"')
        return self


class Compress(_Stage):
    """The amorphous domain is pressed along the normal, step by step, each followed by molecular dynamics.

    It ends at the target volume per ion, or at the limit of pressure, whichever comes first.
    """

    kind: Literal["compress"]
    #: Shortening of the cell per step [Å].
    step: Positive
    #: Volume per ion of the amorphous domain to reach [Å³].
    volume_per_atom: Positive
    #: Mean pressure along the normal that ends the compression [bar].
    pressure_limit: Positive
    #: [K] and duration after each step [ps].
    temperature: Positive
    duration: Positive
    #: No more steps than this; running out of them is an error.
    max_steps: Count = 200


Stage = Annotated[Relax | Anneal | Compress, Field(discriminator="kind")]


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise ValueError when two stages have one name: each names a folder."""
    names = [stage.name for stage in stages]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two stages are called {twice[0]!r}; give each its own name")


def total_duration(stages: Sequence[Stage]) -> float:
    """Return the molecular dynamics that is certain [ps]; a compression counts one step."""
    return sum(stage.duration for stage in stages if not isinstance(stage, Relax))


__all__ = ["Anneal", "Compress", "Health", "Relax", "Stage", "check_stages", "total_duration"]
