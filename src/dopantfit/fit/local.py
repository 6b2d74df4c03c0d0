"""From a start to the minimum next to it: L-BFGS-B with exact gradients, finished by damped Gauss-Newton steps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.fit.config import Local
from dopantfit.fit.descent import at_bound, descend, projected
from dopantfit.fit.objective import Candidate, Objective

#: Damping of the first Gauss-Newton step, relative to the curvature along each coordinate, and what it changes by.
FIRST_DAMPING, MORE_DAMPING, LESS_DAMPING = 1e-3, 5.0, 0.2
#: Beyond this damping steps are so short that none that helps is left.
LARGEST_DAMPING = 1e10
#: A Gauss-Newton step that lowers the cost by less than this part of it ends the refinement.
SMALLEST_GAIN = 1e-12
#: A point is a minimum where a Gauss-Newton step is expected to lower the cost by less than this part of it: shells at
#: rest to ``SHELL_TOLERANCE`` leave that much noise.
SMALL_GAIN = 1e-7
#: Damping takes no coordinate's curvature for less than this part of the largest: along what no datum feels, steps
#: would otherwise cross the whole box however large the damping.
FLOOR = 1e-6


@dataclass(frozen=True)
class Refined:
    """A local minimum.

    start, point: coordinates. start_cost, cost. iterations: of L-BFGS-B and of Gauss-Newton together.
    gradient: largest projected gradient component. expected_gain: by which part of the cost a Gauss-Newton step would
    still lower it, were the residuals linear. converged: whether the gradient is within its tolerance, or the expected
    gain within ``SMALL_GAIN``; how the search for the point ended does not enter.
    """

    start: Floats
    point: Floats
    start_cost: float
    cost: float
    iterations: int
    converged: bool
    gradient: float
    expected_gain: float


@with_one_blas_thread
def refine(
    objective: Objective, start: Floats, settings: Local, report: Callable[[float], None] = lambda cost: None
) -> Refined:
    """Descend from ``start``; ``report`` is called with the cost after every iteration.

    The objective is anchored at the start, which must be a point that it does not reject: CollapseError and
    ConvergenceError tell that it is.
    """
    objective.anchor(start)
    first = objective.candidate(start)
    descent = descend(
        objective.cost_and_gradient,
        start,
        first.cost,
        settings.max_iterations,
        settings.gradient_tolerance,
        1e-14,
        report,
    )
    best = objective.candidate(descent.point) if descent.cost < first.cost else first
    best, steps = _gauss_newton(objective, best, settings.gauss_newton_steps, report)
    residuals, jacobian = objective.linearised(best)
    gradient = jacobian.T @ residuals
    largest = float(np.abs(projected(best.point, gradient)).max(initial=0.0))
    gain = _expected_gain(best.point, gradient, jacobian) / best.cost if best.cost else 0.0
    return Refined(
        start=np.array(start),
        point=best.point,
        start_cost=first.cost,
        cost=best.cost,
        iterations=descent.iterations + steps,
        converged=largest <= settings.gradient_tolerance or gain <= SMALL_GAIN,
        gradient=largest,
        expected_gain=gain,
    )


def _expected_gain(point: Floats, gradient: Floats, jacobian: Floats) -> float:
    """By how much a Gauss-Newton step inside the box would lower the cost, were the residuals linear."""
    free = ~at_bound(point, gradient)
    if not free.any():
        return 0.0
    damped = _damped(jacobian[:, free].T @ jacobian[:, free], FIRST_DAMPING)
    step = _boxed_step(damped, gradient[free], point[free])
    return -float(gradient[free] @ step + 0.5 * step @ damped @ step)


def _damped(curvature: Floats, damping: float) -> Floats:
    scale = np.maximum(np.diag(curvature), FLOOR * np.diag(curvature).max() + np.finfo(float).tiny)
    return curvature + np.diag(damping * scale)


def _gauss_newton(
    objective: Objective, best: Candidate, steps: int, report: Callable[[float], None]
) -> tuple[Candidate, int]:
    """Levenberg-Marquardt steps inside the box; coordinates pushed against a bound stay there."""
    damping, taken = FIRST_DAMPING, 0
    while taken < steps:
        residuals, jacobian = objective.linearised(best)
        gradient = jacobian.T @ residuals
        free = ~at_bound(best.point, gradient)
        if not free.any():
            return best, taken
        curvature = jacobian[:, free].T @ jacobian[:, free]
        taken += 1
        while True:
            damped = _damped(curvature, damping)
            trial = best.point.copy()
            trial[free] = np.clip(trial[free] + _boxed_step(damped, gradient[free], trial[free]), 0.0, 1.0)
            candidate = objective.candidate(trial)
            if candidate.cost < best.cost:
                break
            damping *= MORE_DAMPING
            if damping > LARGEST_DAMPING:
                return best, taken
        gain = best.cost - candidate.cost
        best, damping = candidate, damping * LESS_DAMPING
        report(best.cost)
        if gain <= SMALLEST_GAIN * best.cost:
            return best, taken
    return best, taken


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
