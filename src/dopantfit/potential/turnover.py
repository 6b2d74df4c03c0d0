"""Where a pair energy turns over at short range: inside that radius ions fall into each other.

The dispersion term -C/r⁶ beats every finite repulsion A exp(-r/ρ) as r goes to zero (the Buckingham
catastrophe). The radius of the highest maximum and the energy there say how near that is.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from dopantfit.potential.checks import Pair
from dopantfit.potential.model import Potential
from dopantfit.potential.terms import Buckingham
from dopantfit.units import COULOMB

#: Two repelling ions that turn over beyond this radius [Å] can be pushed across it by a hot melt or a random
#: start: cations approach P to about 2.6 Å in crystals, and the barriers beyond 1.5 Å are below about 50 eV.
DANGEROUS_RADIUS = 1.5
# Smallest radius searched [Å], well inside any nucleus-nucleus distance a simulation can survive.
_INNERMOST = 1e-4
# Logarithmic steps of 0.3 %: extrema of a Buckingham + Coulomb curve are never that close together unless
# the curve is flat there, and then the turn-over is a marginal one.
_GRID = 4000


@dataclass(frozen=True, slots=True)
class TurnOver:
    """The highest local maximum of a pair energy: a pair that passes it falls together.

    radius: its position [Å].
    energy: the pair energy there [eV].
    """

    radius: float
    energy: float


def pair_energy(potential: Potential, a: str, b: str, r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the energy [eV] of two bare sites at distances r [Å], ``shape=r.shape``, untruncated.

    The sites are the ones Buckingham terms act on (shells where there are shells), with their charges:
    A exp(-r/ρ) - C/r⁶ + q_a q_b / (4πε0 r).
    """
    term = potential.pair(a, b)
    energy: NDArray[np.float64] = term.A * np.exp(-r / term.rho) - term.C / r**6 + _coulomb(potential, a, b) / r
    return energy


def turn_over(potential: Potential, a: str, b: str) -> TurnOver | None:
    """Find the highest maximum of ``pair_energy``; None when there is none.

    A pair that passes it meets nothing higher and falls together. A lower maximum farther out, where weak charges
    meet a long dispersion term, only separates an ordinary well and is no danger.
    """
    term, coulomb = potential.pair(a, b), _coulomb(potential, a, b)

    def slope(r: float | NDArray[np.float64]) -> NDArray[np.float64]:
        # r² dE/dr: the same zeros as dE/dr, without its Coulomb pole.
        result: NDArray[np.float64] = -term.A / term.rho * r**2 * np.exp(-r / term.rho) + 6.0 * term.C / r**5 - coulomb
        return result

    grid = np.geomspace(_INNERMOST, potential.cutoff, _GRID)
    values = slope(grid)
    maxima = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if not len(maxima):
        return None
    radii = np.array([brentq(slope, grid[n], grid[n + 1], xtol=1e-14) for n in maxima])
    energies = pair_energy(potential, a, b, radii)
    highest = int(energies.argmax())
    return TurnOver(float(radii[highest]), float(energies[highest]))


def turn_overs(potential: Potential) -> dict[Pair, TurnOver | None]:
    """Find the turn-over of every pair, in the order of the pairs."""
    return {pair: turn_over(potential, *pair) for pair in potential.pairs}


def is_dangerous(potential: Potential, pair: Pair, found: TurnOver | None) -> bool:
    """Tell whether two cations turn over so far out (DANGEROUS_RADIUS) that a simulation can get there."""
    cations = all(potential.species[label].total_charge > 0.0 for label in pair)
    return cations and found is not None and found.radius > DANGEROUS_RADIUS


def most_dispersion(term: Buckingham, charges: float, radius: float) -> float:
    """Return the largest C [eV Å⁶] with which a pair of like charges turns over no farther out than `radius` [Å].

    charges: product of those of its two sites [e²].
    """
    repulsion = term.A / term.rho * radius**2 * math.exp(-radius / term.rho)
    return radius**5 / 6.0 * (repulsion + COULOMB * charges)


def _coulomb(potential: Potential, a: str, b: str) -> float:
    return COULOMB * potential.species[a].buckingham_charge * potential.species[b].buckingham_charge
