"""Minimisation by limited-memory BFGS around a preconditioner that is factored once and serves many relaxations."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from dopantfit.energy.arrays import Floats
from dopantfit.energy.frame import longest
from dopantfit.errors import ConvergenceError

#: No site moves farther than this in one step [Å].
LONGEST_STEP = 0.25
#: Steps and force changes that the recursion remembers.
MEMORY = 20
#: Energies of one configuration differ by this much [eV] when a pair crosses the cutoff of the Buckingham terms, which
#: end there by a small step: an increase below it does not shorten a step. In a large cell as many more pairs cross at
#: once as it has more than ROUGH_SITES sites.
ROUGHNESS, ROUGH_SITES = 2e-4, 2000
#: A step is shortened so far before a relaxation gives up.
SHORTEST = 1e-4

EnergyAndForces = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class Progress:
    """Where a relaxation stands: energy [eV], expected further decrease [eV], largest force component [eV/Å]."""

    energy: float
    expected: float
    largest_force: float
    calls: int


@dataclass(frozen=True)
class Minimum:
    """The end of a relaxation: sites (n, 3) [Å], energy [eV] and what it took; stopped before its end or not."""

    sites: Floats
    energy: float
    forces: Floats
    expected: float
    calls: int
    stopped: bool


def minimise(
    function: EnergyAndForces,
    sites: Floats,
    steering: scipy.sparse.csr_matrix,
    tolerance: float,
    most_calls: int,
    stop: Callable[[Progress], bool] | None = None,
) -> Minimum:
    """Moves the sites downhill until the expected further decrease is below ``tolerance`` [eV].

    The expected decrease is -½ g·d for the gradient g and the step d that is to be taken next: what is left if the
    energy were the quadratic form that the steps so far suggest. steering: approximate inverse Hessian [Å²/eV].
    stop: asked after every step; True ends the relaxation there. Raises ConvergenceError after ``most_calls`` calls,
    or when no step leads downhill.
    """
    energy, forces = function(sites)
    calls, history = 1, deque[tuple[Floats, Floats, float]](maxlen=MEMORY)
    while True:
        gradient = -forces.ravel()
        if not np.isfinite(gradient).all():
            raise ConvergenceError(
                "a relaxation met forces that are no numbers; check the structure for ions too close"
            )
        direction = _direction(gradient, history, steering)
        expected = -0.5 * float(gradient @ direction)
        if expected <= tolerance:
            return Minimum(sites, energy, forces, expected, calls, False)
        if stop is not None and stop(Progress(energy, expected, float(np.abs(gradient).max()), calls)):
            return Minimum(sites, energy, forces, expected, calls, True)
        if calls >= most_calls:
            raise ConvergenceError(
                f"a relaxation still expects to gain {expected:.3g} eV after {calls} evaluations, {tolerance:g} eV "
                "wanted; start from a structure nearer to equilibrium or allow more evaluations"
            )
        moved, moved_energy, moved_forces, step, tried = _downhill(
            function, sites, energy, gradient, direction, most_calls - calls
        )
        calls += tried
        change = -moved_forces.ravel() - gradient
        product = float(step * direction @ change)
        if product > 0:
            history.append((step * direction, change, 1.0 / product))
        sites, energy, forces = moved, moved_energy, moved_forces


def _downhill(
    function: EnergyAndForces, sites: Floats, energy: float, gradient: Floats, direction: Floats, most_calls: int
) -> tuple[Floats, float, Floats, float, int]:
    """Where a step along ``direction`` lowers the energy enough (Armijo), with energy and forces there.

    Returns also the part of the direction that was gone, and how many calls it took. Raises ConvergenceError when no
    part leads downhill, or none that was tried in ``most_calls`` calls.
    """
    slope = float(gradient @ direction)
    step = min(1.0, LONGEST_STEP / longest(direction.reshape(-1, 3)))
    roughness = ROUGHNESS * max(1.0, len(sites) / ROUGH_SITES)
    calls = 0
    while True:
        moved = sites + step * direction.reshape(-1, 3)
        moved_energy, moved_forces = function(moved)
        calls += 1
        if moved_energy <= energy + 1e-4 * step * slope + roughness:
            return moved, moved_energy, moved_forces, step, calls
        step *= 0.4
        if step < SHORTEST or calls >= most_calls:
            raise ConvergenceError(
                f"a relaxation finds no way down in {calls} evaluations, {-0.5 * slope:.3g} eV from its minimum; "
                "check the structure for ions too close"
            )


def _direction(
    gradient: Floats, history: deque[tuple[Floats, Floats, float]], steering: scipy.sparse.csr_matrix
) -> Floats:
    """The two-loop recursion around the preconditioner (Nocedal, Math. Comput. 35, 773 (1980))."""
    direction, factors = gradient.copy(), []
    for step, change, inverse in reversed(history):
        factors.append(inverse * float(step @ direction))
        direction -= factors[-1] * change
    direction = steering @ direction
    for (step, change, inverse), factor in zip(history, reversed(factors), strict=True):
        direction += (factor - inverse * float(change @ direction)) * step
    result: Floats = -direction
    return result
