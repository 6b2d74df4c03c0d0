"""What was measured of hosts, with the source of every row; drawn beside results, never part of one."""

from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import Field

from dopantfit.strict_toml import NonNegative, Positive, Table, parse_strict


class MeasuredSample(Table):
    """What one source says of one sample.

    temperature: of the conductivities [K], where it was told. bulk, boundary (apparent), total: conductivities [S/cm].
    energy: activation energy of the total [eV]. a, c: of the hexagonal cell [Å]; volume [Å³]; density: of the crystal
    [g/cm³]. relative_density: of the pellet.
    """

    name: str
    source: Annotated[str, Field(min_length=1)]
    temperature: Positive | None = None
    bulk: Positive | None = None
    boundary: Positive | None = None
    total: Positive | None = None
    energy: NonNegative | None = None
    a: Positive | None = None
    c: Positive | None = None
    volume: Positive | None = None
    density: Positive | None = None
    relative_density: Annotated[float, Field(gt=0.0, le=1.0)] | None = None


class MeasuredHost(Table):
    """Samples of one host."""

    host: str
    samples: tuple[MeasuredSample, ...]


@cache
def measured_of(host: str) -> tuple[MeasuredSample, ...]:
    """Return what was measured of a host; nothing for one that no file is about."""
    file = files("dopantfit.ceramic.measured").joinpath(f"{host}.toml")
    if host.startswith(".") or "/" in host or not file.is_file():
        return ()
    return parse_strict(MeasuredHost, file.read_text(encoding="utf-8"), f"{host}.toml").samples
