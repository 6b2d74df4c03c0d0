"""From a start to the minimum next to it: L-BFGS-B with exact gradients, finished by damped Gauss-Newton steps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from dopantfit.energy.arrays import Flags, Floats
from dopantfit.fit.config import Local
from dopantfit.fit.objective import Candidate, Objective

#: L-BFGS-B knows no curvature at first and takes a step of length one: this part of the box, in stretched coordinates.
FIRST_STEP = 0.05
#: Damping of the first Gauss-Newton step, relative to the curvature along each coordinate, and what it changes by.
FIRST_DAMPING, MORE_DAMPING, LESS_DAMPING = 1e-3, 5.0, 0.2
#: Beyond this damping steps are so short that the point counts as a minimum.
LARGEST_DAMPING = 1e10
#: A Gauss-Newton step that lowers the cost by less than this part of it ends the refinement.
SMALLEST_GAIN = 1e-12
#: Damping takes no coordinate's curvature for less than this part of the largest: along what no datum feels, steps
#: would otherwise cross the whole box however large the damping.
FLOOR = 1e-6


@dataclass(frozen=True)
class Refined:
    """A local minimum.

    start, point: coordinates. start_cost, cost. iterations: of L-BFGS-B and of Gauss-Newton together.
    converged: whether the projected gradient fell below its tolerance, or no step lowers the cost any more.
    gradient: largest projected gradient component.
    """

    start: Floats
    point: Floats
    start_cost: float
    cost: float
    iterations: int
    converged: bool
    gradient: float


def refine(
    objective: Objective, start: Floats, settings: Local, report: Callable[[float], None] = lambda cost: None
) -> Refined:
    """Descend from ``start``; ``report`` is called with the cost after every iteration.

    The objective is anchored at the start, which must be a point that it does not reject: CollapseError and
    ConvergenceError tell that it is.
    """
    objective.anchor(start)
    first = objective.candidate(start)

    def stretched(point: Floats) -> tuple[float, Floats]:
        cost, gradient = objective.cost_and_gradient(point * FIRST_STEP)
        return cost, gradient * FIRST_STEP

    found = minimize(
        stretched,
        start / FIRST_STEP,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0 / FIRST_STEP)] * len(start),
        callback=lambda intermediate_result: report(float(intermediate_result.fun)),
        options={"maxiter": settings.max_iterations, "gtol": FIRST_STEP * settings.gradient_tolerance, "ftol": 1e-14},
    )
    best = objective.candidate(np.clip(found.x * FIRST_STEP, 0.0, 1.0))
    best = best if best.cost <= first.cost else first
    best, steps, settled = _gauss_newton(objective, best, settings.gauss_newton_steps, report)
    residuals, jacobian = objective.linearised(best)
    gradient = jacobian.T @ residuals
    largest = float(np.abs(_projected(best.point, gradient)).max(initial=0.0))
    return Refined(
        start=np.array(start),
        point=best.point,
        start_cost=first.cost,
        cost=best.cost,
        iterations=int(found.nit) + steps,
        converged=settled or largest <= settings.gradient_tolerance or bool(found.success),
        gradient=largest,
    )


def at_bound(point: Floats, gradient: Floats) -> Flags:
    """Coordinates that sit on a bound and would go farther: ``shape=(n,)``."""
    low, high = (point <= 0.0) & (gradient > 0.0), (point >= 1.0) & (gradient < 0.0)
    flags: Flags = low | high
    return flags


def _projected(point: Floats, gradient: Floats) -> Floats:
    return np.where(at_bound(point, gradient), 0.0, gradient)


def _gauss_newton(
    objective: Objective, best: Candidate, steps: int, report: Callable[[float], None]
) -> tuple[Candidate, int, bool]:
    """Levenberg-Marquardt steps inside the box; coordinates pushed against a bound stay there."""
    damping, taken = FIRST_DAMPING, 0
    while taken < steps:
        residuals, jacobian = objective.linearised(best)
        gradient = jacobian.T @ residuals
        free = ~at_bound(best.point, gradient)
        if not free.any():
            return best, taken, True
        curvature = jacobian[:, free].T @ jacobian[:, free]
        scale = np.maximum(np.diag(curvature), FLOOR * np.diag(curvature).max() + np.finfo(float).tiny)
        taken += 1
        while True:
            damped = curvature + np.diag(damping * scale)
            trial = best.point.copy()
            trial[free] = np.clip(trial[free] + _boxed_step(damped, gradient[free], trial[free]), 0.0, 1.0)
            candidate = objective.candidate(trial)
            if candidate.cost < best.cost:
                break
            damping *= MORE_DAMPING
            if damping > LARGEST_DAMPING:
                return best, taken, True
        gain = best.cost - candidate.cost
        best, damping = candidate, damping * LESS_DAMPING
        report(best.cost)
        if gain <= SMALLEST_GAIN * best.cost:
            return best, taken, True
    return best, taken, False


def _boxed_step(curvature: Floats, gradient: Floats, point: Floats) -> Floats:
    """The step to the minimum of a quadratic; what would leave the box stops at its edge, and the rest makes up for it.

    Cutting a step off without that would spoil it for every coordinate that is correlated with the one cut off.
    """
    step = np.zeros(len(point))
    free = np.ones(len(point), dtype=bool)
    while free.any():
        pull = gradient[free] + curvature[np.ix_(free, ~free)] @ step[~free]
        step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], pull)
        outside = free & ((point + step < 0.0) | (point + step > 1.0))
        if not outside.any():
            break
        step[outside] = np.clip(point + step, 0.0, 1.0)[outside] - point[outside]
        free &= ~outside
    return step
