"""``ceramic.toml``: conductivities of bulk and boundary, and the microstructure that they stand in."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from dopantfit.statistics import Estimate, Interval
from dopantfit.strict_toml import NonNegative, Positive, Table, file_in, parse_strict, read_text

CERAMIC_FILE = "ceramic.toml"
#: Room temperature [K], 25 °C.
ROOM = 298.15
#: µm in nm.
NM_PER_UM = 1000.0


class Conducting(Table):
    """A conductivity [S/cm] with its standard error, how it goes with temperature [eV], and a relative permittivity."""

    conductivity: Positive
    error: NonNegative = 0.0
    activation_energy: NonNegative | None = None
    activation_energy_error: NonNegative = 0.0
    permittivity: Positive | None = None

    @property
    def energy(self) -> Interval:
        """Activation energy with its interval [eV]."""
        return Interval.of(Estimate.symmetric(self.activation_energy or 0.0, self.activation_energy_error))


class Microstructure(Table):
    """Grain size [µm, from boundary to boundary], thickness of a boundary [nm], relative density; standard errors."""

    grain_size: Positive
    grain_size_error: NonNegative = 0.0
    thickness: NonNegative
    thickness_error: NonNegative = 0.0
    relative_density: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    relative_density_error: NonNegative = 0.0

    @property
    def intervals(self) -> tuple[Interval, Interval, Interval]:
        """Grain size [nm], thickness [nm] and relative density."""
        size = Interval.of_logarithm(NM_PER_UM * self.grain_size, NM_PER_UM * self.grain_size_error)
        thickness = Interval.of_logarithm(self.thickness, self.thickness_error)
        dense = Interval.of_logarithm(self.relative_density, self.relative_density_error)
        return size, thickness, Interval(dense.low, min(1.0, dense.high), dense.value)

    @model_validator(mode="after")
    def _boundary_is_thinner_than_the_grain(self) -> Self:
        size, thickness, _ = self.intervals
        if thickness.high >= size.low:
            raise ValueError(
                f"thickness = {self.thickness:g} nm (95 %: to {thickness.high:g}) must be less than grain_size = "
                f"{self.grain_size:g} µm (95 %: from {size.low / NM_PER_UM:g}), the distance from boundary to boundary"
            )
        return self


class CeramicSettings(Table):
    """A ceramic. Without a microstructure its conductivities are apparent ones, as a pellet's spectrum gives them.

    host: whose measured values stand beside. temperature: of the conductivities [K]. temperatures: that are asked for.
    """

    host: str = "latp"
    temperature: Positive = ROOM
    temperatures: tuple[Positive, ...] = ()
    bulk: Conducting
    boundary: Conducting
    microstructure: Microstructure | None = None

    @property
    def asked(self) -> tuple[float, ...]:
        """Temperatures [K], rising; that of the conductivities where none is named."""
        return tuple(sorted(set(self.temperatures))) or (self.temperature,)

    @property
    def permittivities(self) -> tuple[float, float] | None:
        """Relative permittivities of bulk and boundary, where there is a spectrum."""
        bulk, boundary = self.bulk.permittivity, self.boundary.permittivity
        return None if bulk is None or boundary is None else (bulk, boundary)

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        named = {"bulk": self.bulk, "boundary": self.boundary}
        for name, one in named.items():
            if one.activation_energy is None and self.asked != (self.temperature,):
                raise ValueError(
                    f"{name}.activation_energy is missing, and temperatures other than {self.temperature:g} K are "
                    "asked for; add it"
                )
        if (self.bulk.permittivity is None) != (self.boundary.permittivity is None):
            raise ValueError("a spectrum needs the permittivity of bulk and of boundary; give both, or neither")
        if self.permittivities is not None and self.microstructure is None:
            raise ValueError(
                "a spectrum needs [microstructure]: what a boundary holds follows from its thickness; add it, or "
                "leave the permittivities out"
            )
        return self


def load_ceramic(path: Path) -> tuple[CeramicSettings, Path]:
    """Read a ceramic's file, or that of a folder; ConfigError, one line, for anything wrong with it."""
    file = file_in(path, CERAMIC_FILE)
    return parse_strict(CeramicSettings, read_text(file), str(file)), file
