"""The impedance of a pellet: two resistors, each with a capacitor beside it, in series.

That circuit is exact for the brick layer with complex conductivities: its impedance has two poles on the negative axis
and vanishes at high frequency, so that its partial fractions are two such elements (Foster's form).
"""

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from dopantfit.ceramic.brick import BrickLayer
from dopantfit.units import VACUUM_PERMITTIVITY_F_PER_CM

#: Frequencies beyond the two of the arcs, in powers of ten, and how many of them in each.
_DECADES, _PER_DECADE = 2.0, 12
#: Relative distance of two poles below which they are one: rounding of a double root leaves 1e-8.
_ONE_TIME = 1e-6


@dataclass(frozen=True, slots=True)
class Arc:
    """A resistor [Ω cm] and a capacitor [F/cm] beside it: of a pellet of 1 cm by 1 cm²."""

    resistance: float
    capacitance: float

    @property
    def frequency(self) -> float:
        """Frequency at the top of the arc, 1/(2πRC) [Hz]; infinite without resistance."""
        time = self.resistance * self.capacitance
        return 1.0 / (2.0 * pi * time) if time else float("inf")


@dataclass(frozen=True, slots=True)
class Circuit:
    """Two arcs in series. fast: the one of higher frequency, the grains' where boundaries are thin; slow: the other."""

    fast: Arc
    slow: Arc

    @property
    def resistance(self) -> float:
        """Resistance at low frequency [Ω cm], one over the total conductivity."""
        return self.fast.resistance + self.slow.resistance

    def impedance(self, frequencies: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Impedance [Ω cm] at frequencies [Hz], ``shape=(n,)``."""
        omega = 2j * pi * np.asarray(frequencies)
        arcs = (self.fast, self.slow)
        return np.asarray(sum(a.resistance / (1.0 + omega * a.resistance * a.capacitance) for a in arcs))

    def frequencies(self) -> NDArray[np.float64]:
        """Frequencies [Hz] that show both arcs, rising, evenly spread on a logarithmic scale."""
        tops = [np.log10(one.frequency) for one in (self.slow, self.fast) if np.isfinite(one.frequency)]
        low, high = min(tops) - _DECADES, max(tops) + _DECADES
        return np.asarray(np.logspace(low, high, 1 + round(_PER_DECADE * (high - low))))


def circuit_of(brick: BrickLayer, bulk: float, boundary: float, permittivities: tuple[float, float]) -> Circuit:
    """Return the circuit of a brick layer.

    bulk, boundary: conductivities [S/cm], positive. permittivities: relative ones of bulk and boundary.

    Z = (G + sC) / [(g₁ + s c₁)(g₂ + s c₂) + (g₃ + s c₃)(G + sC)] with conductances g and capacitances c of the grain in
    the column (1), the boundary across it (2) and those beside it (3), G = g₁ + g₂, C = c₁ + c₂.
    """
    bulk_eps, boundary_eps = (VACUUM_PERMITTIVITY_F_PER_CM * one for one in permittivities)
    grain, side = brick.solid * brick.column / brick.grain, brick.solid * brick.side
    if not brick.boundary:
        return Circuit(Arc(1.0 / (grain * bulk), grain * bulk_eps), Arc(0.0, 0.0))
    across = brick.solid * brick.column / brick.boundary
    g = grain * bulk, across * boundary, side * boundary
    c = grain * bulk_eps, across * boundary_eps, side * boundary_eps
    top = g[0] + g[1], c[0] + c[1]
    zeroth = g[0] * g[1] + g[2] * top[0]
    first = g[0] * c[1] + c[0] * g[1] + g[2] * top[1] + c[2] * top[0]
    second = c[0] * c[1] + c[2] * top[1]
    # Both roots without cancellation: their product and sum are those of the coefficients.
    root = -0.5 * (first + sqrt(max(0.0, first**2 - 4.0 * second * zeroth)))
    poles = root / second, zeroth / root
    if poles[1] - poles[0] <= _ONE_TIME * abs(poles[0]):  # one relaxation time: one arc
        return Circuit(Arc(0.0, 0.0), Arc(top[0] / zeroth, second / top[1]))
    fast, slow = (
        _arc(pole, (top[0] + pole * top[1]) / (second * (pole - other)))
        for pole, other in (poles, (poles[1], poles[0]))
    )
    return Circuit(fast, slow)


def _arc(pole: float, residue: float) -> Arc:
    """Element of a pole [1/s] and its residue [Ω cm/s], none where rounding is all that is left of it."""
    return Arc(residue / -pole, 1.0 / residue) if residue > 0.0 else Arc(0.0, 0.0)
