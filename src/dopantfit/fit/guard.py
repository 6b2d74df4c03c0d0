"""A smooth penalty on potentials that turn over too far out: one residual per fitted pair, with its derivatives."""

import math
from functools import cache

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.fit.config import Guards
from dopantfit.fit.variables import Space
from dopantfit.potential import Parameter, Potential
from dopantfit.potential.checks import Pair
from dopantfit.potential.turnover import turn_over
from dopantfit.units import COULOMB


def guarded_pairs(space: Space, guards: Guards) -> tuple[Pair, ...]:
    """The pairs that a variable changes, sorted; none where the guard is off."""
    if guards.turn_over_error is None:
        return ()
    pairs = {(p.of[0], p.of[1]) for p in space.parameters if len(p.of) == 2}
    return tuple(sorted(pairs))


def guard_residuals(potential: Potential, pairs: tuple[Pair, ...], guards: Guards) -> Floats:
    """How far each pair turns over beyond the allowed radius, in units of the error; zero inside it."""
    return np.array([_excess(potential, pair, guards) / (guards.turn_over_error or math.inf) for pair in pairs])


def guard_jacobian(
    potential: Potential, pairs: tuple[Pair, ...], guards: Guards, parameters: tuple[Parameter, ...]
) -> Floats:
    """Derivatives of ``guard_residuals``, ``shape=(n_pairs, n_parameters)``."""
    jacobian = np.zeros((len(pairs), len(parameters)))
    for row, pair in enumerate(pairs):
        if _excess(potential, pair, guards) <= 0.0:
            continue
        slopes = _radius_slopes(potential, pair)
        for column, parameter in enumerate(parameters):
            jacobian[row, column] = slopes.get(parameter, 0.0) / (guards.turn_over_error or math.inf)
    return jacobian


def _excess(potential: Potential, pair: Pair, guards: Guards) -> float:
    if not _rises_beyond(potential, pair, guards.turn_over_radius):
        return 0.0
    found = turn_over(potential, *pair)
    return max(0.0, found.radius - guards.turn_over_radius) if found else 0.0


def _rises_beyond(potential: Potential, pair: Pair, radius: float) -> bool:
    """Whether the pair energy rises anywhere beyond the radius, as it must before it can turn over there."""
    r, square, fifth = _tail(radius, potential.cutoff)
    term = potential.pair(*pair)
    a, b = (potential.species[label].buckingham_charge for label in pair)
    # r² dE/dr, as ``turn_over`` has it.
    slope = 6.0 * term.C / fifth - term.A / term.rho * square * np.exp(-r / term.rho) - COULOMB * a * b
    return bool((slope > 0.0).any())


@cache
def _tail(radius: float, cutoff: float) -> tuple[Floats, Floats, Floats]:
    """Distances r from the radius to the cutoff [Å], 1 % apart, with r² and r⁵."""
    r = np.geomspace(radius, max(cutoff, 1.01 * radius), 200)
    return r, r**2, r**5


def _radius_slopes(potential: Potential, pair: Pair) -> dict[Parameter, float]:
    """dr/dp of the turn-over radius r, where F(r, p) = 0 is the force: dr/dp = -(∂F/∂p) / (∂F/∂r)."""
    term, found = potential.pair(*pair), turn_over(potential, *pair)
    r = found.radius if found else math.inf
    a, b = (potential.species[label].buckingham_charge for label in pair)
    decay = math.exp(-r / term.rho)
    along = -term.A / term.rho**2 * decay + 42.0 * term.C / r**8 - 2.0 * COULOMB * a * b / r**3
    of_force = {
        Parameter("A", pair): decay / term.rho,
        Parameter("rho", pair): term.A * decay * (r / term.rho - 1.0) / term.rho**2,
        Parameter("C", pair): -6.0 / r**7,
    }
    for label, other in zip(pair, (b, a), strict=True):
        charge = Parameter("shell_charge" if potential.species[label].shell else "charge", (label,))
        of_force[charge] = of_force.get(charge, 0.0) + COULOMB * other / r**2
    return {parameter: -slope / along for parameter, slope in of_force.items()}
