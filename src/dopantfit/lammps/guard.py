"""The short-range guard: pair curves that turn over go on as their tangent, so that no pair falls together.

The energy of a pair, Buckingham and Coulomb, has a maximum where dispersion or attraction beats repulsion (see
`dopantfit.potential.turnover`). Outside that maximum lies an inflection point; inside it the curve is replaced by its
tangent there. Energy, slope and curvature (zero) are continuous, the pair repels down to r = 0, and whatever stays
outside is untouched: 2.25 Å for Mg-P of the published set, 2.06 for Al-P, about 1 Å and less for all other pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from dopantfit.potential import Potential
from dopantfit.potential.turnover import pair_energy, turn_over
from dopantfit.units import COULOMB_LAMMPS

Array = NDArray[np.float64]

#: Rows of a patch's table, and where it begins as a part of the radius of the patch; closer pairs stop LAMMPS.
TABLE_ROWS, TABLE_START = 2000, 0.2
#: Points of the search for the inflection: steps of 0.2 % in r, as fine as that for the turn-over itself.
_GRID = 4000


@dataclass(frozen=True, slots=True)
class Patch:
    """The guarded part of one pair curve.

    pair: species, sorted.
    turn_over: radius of the maximum of the pair energy [Å].
    radius: the inflection point, where the patch begins [Å]; larger than `turn_over`.
    energy, force: of the pair at `radius` [eV, eV/Å], with COULOMB_LAMMPS; the force is positive.
    at_turn_over: energy that the patch adds to the pair curve at its turn-over [eV].
    """

    pair: tuple[str, str]
    turn_over: float
    radius: float
    energy: float
    force: float
    at_turn_over: float


def patches(potential: Potential, labels: Iterable[str] | None = None) -> tuple[Patch, ...]:
    """Return the patch of every pair of the species `labels` (all by default) whose energy turns over."""
    wanted = sorted(set(potential.species if labels is None else labels))
    found = (_patch(potential, first, second) for first, second in combinations_with_replacement(wanted, 2))
    return tuple(patch for patch in found if patch is not None)


def halting_energy(found: Iterable[Patch]) -> float:
    """Energy of all patches together [eV] below which no pair can be inside its turn-over radius; inf without any."""
    return min((patch.at_turn_over for patch in found), default=float("inf"))


def table_text(potential: Potential, found: Iterable[Patch]) -> str:
    """Write what the patches add to their pair curves as a table file of LAMMPS, one section for each pair.

    Sections are named ``A-B`` and end at the radius of the patch, where energy, force and its slope vanish. They
    begin at TABLE_START of it, where a spline in r² is still good to 1e-3 eV.
    """
    lines = ["# Corrections [eV, eV/A] that keep pairs apart which would fall into each other. UNITS: metal"]
    for patch in found:
        begin = TABLE_START * patch.radius
        squares = np.linspace(begin**2, patch.radius**2, TABLE_ROWS)
        r = np.sqrt(squares)
        energy, force = correction(potential, patch, r)
        lines += ["", section(patch), f"N {TABLE_ROWS} RSQ {begin!r} {patch.radius!r}", ""]
        rows = zip(r.tolist(), energy.tolist(), force.tolist(), strict=True)
        lines += [f"{n} {a!r} {b!r} {c!r}" for n, (a, b, c) in enumerate(rows, start=1)]
    return "\n".join(lines) + "\n"


def section(patch: Patch) -> str:
    """Name of a patch in the table file."""
    return "-".join(patch.pair)


def correction(potential: Potential, patch: Patch, r: Array) -> tuple[Array, Array]:
    """Return what the patch adds to the pair energy [eV] and to the repulsive force [eV/Å] at r [Å], inside it."""
    term, coulomb = potential.pair(*patch.pair), _coulomb(potential, *patch.pair)
    repulsion = term.A * np.exp(-r / term.rho)
    energy = patch.energy + patch.force * (patch.radius - r) - (repulsion - term.C / r**6 + coulomb / r)
    force = patch.force - (repulsion / term.rho - 6.0 * term.C / r**7 + coulomb / r**2)
    return energy, force


def _patch(potential: Potential, first: str, second: str) -> Patch | None:
    maximum = turn_over(potential, first, second)
    if maximum is None:
        return None
    term, coulomb = potential.pair(first, second), _coulomb(potential, first, second)

    def curvature(r: float) -> float:
        return float(term.A / term.rho**2 * np.exp(-r / term.rho) - 42.0 * term.C / r**8 + 2.0 * coulomb / r**3)

    grid = np.geomspace(maximum.radius, potential.cutoff, _GRID)
    values = [curvature(r) for r in grid]
    begin = next((i for i in range(len(grid) - 1) if values[i] < 0.0 <= values[i + 1]), None)
    if begin is None:
        return None
    radius = float(brentq(curvature, grid[begin], grid[begin + 1], xtol=1e-14))
    energy = float(term.A * np.exp(-radius / term.rho) - term.C / radius**6 + coulomb / radius)
    force = float(term.A / term.rho * np.exp(-radius / term.rho) - 6.0 * term.C / radius**7 + coulomb / radius**2)
    tangent = energy + force * (radius - maximum.radius)
    peak = float(pair_energy(potential, first, second, np.array([maximum.radius]))[0])
    return Patch((first, second), maximum.radius, radius, energy, force, tangent - peak)


def _coulomb(potential: Potential, first: str, second: str) -> float:
    charges = (potential.species[label].buckingham_charge for label in (first, second))
    return COULOMB_LAMMPS * float(np.prod(list(charges)))
