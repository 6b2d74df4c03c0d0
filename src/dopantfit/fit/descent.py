"""L-BFGS-B in the unit box, as both the local step and the pre-optimisation use it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from dopantfit.energy.arrays import Flags, Floats

#: L-BFGS-B knows no curvature at first and takes a step of length one: this part of the box, in stretched coordinates.
FIRST_STEP = 0.05


@dataclass(frozen=True)
class Descent:
    """Where a descent ended: never above its start. iterations: how many it took."""

    point: Floats
    cost: float
    iterations: int


def descend(
    cost_and_gradient: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    start_cost: float,
    max_iterations: int,
    gradient_tolerance: float,
    cost_tolerance: float,
    report: Callable[[float], None] = lambda cost: None,
) -> Descent:
    """Descend from a point of the box.

    It ends where no projected gradient component exceeds its tolerance, or where a step lowers the cost by less than
    ``cost_tolerance`` of it; the caller judges the point by itself, because line searches end early in the noise of a
    cost. report: called with the cost after every iteration.
    """

    def stretched(point: Floats) -> tuple[float, Floats]:
        cost, gradient = cost_and_gradient(point * FIRST_STEP)
        return cost, gradient * FIRST_STEP

    found = minimize(
        stretched,
        start / FIRST_STEP,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0 / FIRST_STEP)] * len(start),
        callback=lambda intermediate_result: report(float(intermediate_result.fun)),
        options={"maxiter": max_iterations, "gtol": FIRST_STEP * gradient_tolerance, "ftol": cost_tolerance},
    )
    lower = float(found.fun) < start_cost
    point = np.clip(found.x * FIRST_STEP, 0.0, 1.0) if lower else np.array(start)
    return Descent(point, min(float(found.fun), start_cost), int(found.nit))


def at_bound(point: Floats, gradient: Floats) -> Flags:
    """Coordinates that sit on a bound and would go farther: ``shape=(n,)``."""
    low, high = (point <= 0.0) & (gradient > 0.0), (point >= 1.0) & (gradient < 0.0)
    flags: Flags = low | high
    return flags


def projected(point: Floats, gradient: Floats) -> Floats:
    """The gradient without the components that push against a bound, ``shape=(n,)``."""
    return np.where(at_bound(point, gradient), 0.0, gradient)
