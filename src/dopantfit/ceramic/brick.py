"""The brick layer: cubic grains in a wall of boundaries, and what the whole conducts.

A grain and half of the boundary around it repeat with the grain size d. Current goes through a column, the grain and in
series a boundary of thickness δ across the current, and beside it through the boundaries along the current:

    σ = (1 - φ)² / [(1 - φ)/σ_bulk + φ/σ_boundary] + [1 - (1 - φ)²] σ_boundary,    φ = δ/d

(series-parallel brick-layer model: Verkerk, Middelhuis & Burggraaf, Solid State Ionics 6, 159 (1982); Kidner, Perry &
Mason, J. Am. Ceram. Soc. 91, 1733 (2008)). It holds of complex conductivities σ + iωε₀ε as of real ones. Pores that do
not conduct leave the part ρ^(3/2) at relative density ρ (Bruggeman, Ann. Phys. 416, 636 (1935)).
"""

from dataclasses import dataclass
from typing import TypeVar

from dopantfit.errors import ConfigError

#: A conductivity, real or complex, in any unit.
Number = TypeVar("Number", float, complex)


@dataclass(frozen=True, slots=True)
class BrickLayer:
    """Lengths and areas of the repeated cell, in its own edge and face.

    grain, boundary: lengths of the two in the column. column: its area. side: area of the boundaries beside it.
    solid: part of the conductivity that pores leave.
    """

    grain: float
    boundary: float
    column: float
    side: float
    solid: float = 1.0

    @classmethod
    def of(cls, grain_size: float, thickness: float, relative_density: float = 1.0) -> "BrickLayer":
        """Return the cell of a grain size and a boundary thickness in one unit.

        The grain size is the distance from boundary to boundary. Raises ConfigError for a boundary as thick as that,
        and for a relative density that is not in (0, 1].
        """
        if not 0.0 <= thickness < grain_size:
            raise ConfigError(
                f"ceramic: the boundary ({thickness:g}) must be thinner than the grain size ({grain_size:g}), which is "
                "the distance from boundary to boundary; mend one of them"
            )
        if not 0.0 < relative_density <= 1.0:
            raise ConfigError(
                f"ceramic: relative_density = {relative_density:g} must be in (0, 1]; it is the part of the volume "
                "that is no pore"
            )
        part = thickness / grain_size
        column = (1.0 - part) ** 2
        return cls(1.0 - part, part, column, part * (2.0 - part), relative_density**1.5)

    @classmethod
    def series(cls) -> "BrickLayer":
        """Return the cell of apparent conductivities, as a spectrum of a pellet gives them: 1/σ is their sum of 1/σ."""
        return cls(1.0, 1.0, 1.0, 0.0)

    def conductivity(self, bulk: Number, boundary: Number) -> Number:
        """Conductivity of the whole, in the unit of the two; either may be zero, or infinite."""
        resistance = _over(self.grain, bulk) + _over(self.boundary, boundary)
        column = self.column / resistance if resistance else float("inf")
        return self.solid * (column + (self.side * boundary if self.side else 0.0))


def _over(length: float, conductivity: Number) -> Number | float:
    """Resistance of a length; none of no length, whatever it is made of."""
    if not length:
        return 0.0
    return length / conductivity if conductivity else float("inf")
