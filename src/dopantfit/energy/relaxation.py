"""Shell relaxation: Newton steps with a Hessian factor that serves as long as it steers well.

Between factors the steps are corrected by limited-memory BFGS pairs, so that convergence is superlinear although the
factor is old, and old factors can be handed from one configuration to the next.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.shell_problem import Pass, ShellProblem
from dopantfit.energy.steering import Steering, is_minimum, make_steering
from dopantfit.errors import CollapseError, ConvergenceError

#: Largest force component on a shell at rest [eV/Å].
TOLERANCE = 1e-5
#: A shell farther than this from its core [Å] has collapsed onto a neighbour; at rest they sit within 0.2 Å.
COLLAPSE_DISTANCE = 0.5
#: No shell moves farther than this in one step [Å].
LONGEST_STEP = 0.2
#: A new factor is made when a step reduces the largest force to no less than this part of what it was.
SLOW = 0.25
#: Steps are halved down to this part before a relaxation gives up, or a factor is made anew.
SHORTEST_STEP = 0.1
MAX_PASSES = 60


@dataclass(frozen=True)
class RelaxedShells:
    """Shells at rest: displacement from the cores (n_shells, 3) [Å], the shell pass there, and what steered to it."""

    problem: ShellProblem
    displacement: Floats
    shells: Pass
    steering: Steering | None
    passes: int


def relax_shells(
    problem: ShellProblem,
    start: Floats | None = None,
    steering: Steering | None = None,
    tolerance: float = TOLERANCE,
) -> RelaxedShells:
    """Moves the shells until no force component on them exceeds ``tolerance`` [eV/Å].

    start: displacements to begin from (n_shells, 3) [Å]; on the cores if None. steering: of an earlier relaxation of
    the same ions nearby, if there is one.
    Raises CollapseError when a shell leaves its core, ConvergenceError when forces do not vanish, or only on a saddle.
    """
    displacement = np.zeros((len(problem.frame.shell_ions), 3)) if start is None else start.copy()
    problem = _covering(problem, displacement)
    shells = problem.shell_pass(displacement)
    history: deque[tuple[Floats, Floats]] = deque(maxlen=10)
    passes, shrunk = 1, 1.0
    # "not <=" and not ">": a force that is no number is not at rest.
    while not (worst := np.abs(shells.force).max(initial=0.0)) <= tolerance:
        if passes >= MAX_PASSES or not np.isfinite(worst):
            raise _not_converged(problem, shells, tolerance, passes)
        if steering is None:
            steering = make_steering(problem, displacement, shells)
            history.clear()
        step = shrunk * _limited(_corrected_step(steering, history, shells.force.ravel()).reshape(-1, 3))
        passes += 1
        if _farthest(displacement + step) > COLLAPSE_DISTANCE:
            if shrunk < SHORTEST_STEP:
                raise _collapsed(problem, displacement + step)
            shrunk *= 0.5
            continue
        moved_problem = _covering(problem, displacement + step)
        moved = moved_problem.shell_pass(displacement + step)
        largest = np.abs(moved.force).max()
        # The second condition lets rounding pass: near the minimum energies differ by less than their last digits.
        if moved.energy > shells.energy and not largest < worst:
            shrunk *= 0.5
            steering = None if shrunk < SHORTEST_STEP else steering
            continue
        history.append((step.ravel(), (shells.force - moved.force).ravel()))
        steering = None if largest > max(SLOW * worst, tolerance) else steering
        problem, displacement, shells, shrunk = moved_problem, displacement + step, moved, 1.0
    # A force can vanish on a hilltop too: where no step was made, or none but shifted ones, curvature decides.
    if len(displacement) and (steering is None or steering.shifted) and not is_minimum(problem, displacement, shells):
        raise _on_a_saddle(problem)
    return RelaxedShells(problem, displacement, shells, steering, passes)


def _corrected_step(steering: Steering, history: deque[tuple[Floats, Floats]], force: Floats) -> Floats:
    """The two-loop recursion of limited-memory BFGS around the steering (Nocedal, Math. Comput. 35, 773 (1980))."""
    pairs = [(step, change, float(step @ change)) for step, change in history if step @ change > 0]
    direction, factors = force.copy(), []
    for step, change, product in reversed(pairs):
        factors.append(float(step @ direction) / product)
        direction -= factors[-1] * change
    direction = steering.step(direction)
    for (step, change, product), factor in zip(pairs, reversed(factors), strict=True):
        direction += (factor - float(change @ direction) / product) * step
    return direction


def _limited(step: Floats) -> Floats:
    """The step, scaled down so that no shell moves farther than ``LONGEST_STEP``."""
    longest = _farthest(step)
    return step if longest <= LONGEST_STEP else step * (LONGEST_STEP / longest)


def _covering(problem: ShellProblem, displacement: Floats) -> ShellProblem:
    return problem if problem.frame.covers(displacement) else problem.relisted(displacement)


def _farthest(displacement: Floats) -> float:
    return float(np.linalg.norm(displacement, axis=1).max(initial=0.0))


def _collapsed(problem: ShellProblem, displacement: Floats) -> CollapseError:
    distance = np.linalg.norm(displacement, axis=1)
    return CollapseError(
        f"{problem.frame.name}: {_shell_name(problem, int(distance.argmax()))} moves more than {COLLAPSE_DISTANCE} Å "
        "from its core: ions are too close for this potential; check the structure and the turn-over radii"
    )


def _shell_name(problem: ShellProblem, number: int) -> str:
    ion = problem.frame.shell_ions[number]
    return f"the shell of ion {ion} ({problem.frame.labels[problem.frame.species[ion]]})"


def _not_converged(problem: ShellProblem, shells: Pass, tolerance: float, passes: int) -> ConvergenceError:
    largest = np.abs(shells.force).max(axis=1)
    worst = int(np.nan_to_num(largest, nan=np.inf).argmax())
    return ConvergenceError(
        f"{problem.frame.name}: shells not at rest after {passes} passes, {_shell_name(problem, worst)} still feels "
        f"{largest[worst]:.3g} eV/Å, at most {tolerance:g} wanted; check the structure near that ion"
    )


def _on_a_saddle(problem: ShellProblem) -> ConvergenceError:
    return ConvergenceError(
        f"{problem.frame.name}: the shells feel no force but rest on a saddle point, not in a minimum; displace "
        "the ions slightly if the structure is symmetric, or check the spring constants"
    )
