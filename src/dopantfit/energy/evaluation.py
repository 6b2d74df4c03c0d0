"""Energy, forces and stress of a frame at relaxed shells.

Shells are relaxed by the minimiser around a Hessian factor that serves as long as it does well: the recursion makes
convergence superlinear although the factor is old, and old factors can be handed from one configuration to the next.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.closest import refuse_collapse
from dopantfit.energy.minimiser import EnergyAndForces, MinimisationMethod, Minimum, Preconditioner, minimise
from dopantfit.energy.problem import ProblemForces, ShellProblem, SiteForces, energy_of
from dopantfit.energy.shell_preconditioner import is_minimum, shell_preconditioner
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.errors import CollapseError, ConvergenceError

#: Largest force component on a shell at rest [eV/Å].
TOLERANCE = 1e-5
#: A shell farther than this from its core [Å] has collapsed onto a neighbour; at rest they sit within 0.2 Å.
COLLAPSE_DISTANCE = 0.5
MAX_PASSES = 60


class ShellStart(NamedTuple):
    """Where shells begin: displaced from their cores (n_shells, 3) [Å], with the preconditioner of a case nearby."""

    displacement: Floats
    preconditioner: Preconditioner | None = None


@dataclass(frozen=True)
class RelaxedShells:
    """Shells at rest: displacement from the cores (n_shells, 3) [Å], the shell pass there, and what led to it."""

    problem: ShellProblem
    displacement: Floats
    shells: SiteForces
    preconditioner: Preconditioner | None
    passes: int

    @property
    def start(self) -> ShellStart:
        """Where the shells of a case nearby may begin."""
        return ShellStart(self.displacement, self.preconditioner)


@dataclass(frozen=True)
class Evaluation:
    """What a frame's energy model says at relaxed shells.

    energy [eV]. forces: on the ions, core and shell together (n_ions, 3) [eV/Å]. stress: (6,) in Voigt order
    xx yy zz yz xz xy [eV/Å³], tension positive. relaxed: the shells behind it.
    """

    energy: float
    forces: Floats
    stress: Floats
    relaxed: RelaxedShells


def _no_worse(before: EnergyAndForces, after: EnergyAndForces, decrease: float) -> bool:
    """The second condition lets rounding pass: near the minimum energies differ by less than their last digits."""
    return not after.energy > before.energy or bool(np.abs(after.force).max() < np.abs(before.force).max())


#: A factor is made anew when a step reduces the largest force to no less than a quarter.
METHOD = MinimisationMethod(
    accepts=_no_worse, longest_step=0.2, shortening=0.5, shortenings=5, memory=10, most_calls=60, slow=0.25
)


@with_one_blas_thread
def evaluate(problem: ShellProblem, start: ShellStart | None = None, tolerance: float = TOLERANCE) -> Evaluation:
    """Relaxes the shells and sums up; arguments and errors are those of ``relax_shells``.

    Raises CollapseError for sites inside the turn-over radius of their pair, too.
    """
    relaxed = relax_shells(problem, start, tolerance)
    refuse_collapse(relaxed.problem, relaxed.displacement)
    cores = relaxed.problem.core_pass(relaxed.displacement, relaxed.shells)
    frame, forces = problem.frame, cores.force
    forces[frame.shell_ions] += relaxed.shells.force
    return Evaluation(
        energy=relaxed.shells.energy + cores.energy,
        forces=forces,
        stress=-(relaxed.shells.virial + cores.virial) / frame.volume,
        relaxed=relaxed,
    )


def relax_shells(problem: ShellProblem, start: ShellStart | None = None, tolerance: float = TOLERANCE) -> RelaxedShells:
    """Moves the shells until no force component on them exceeds ``tolerance`` [eV/Å].

    start: on the cores if None.
    Raises CollapseError when a shell leaves its core, ConvergenceError when forces do not vanish, or only on a saddle.
    """
    start = start or ShellStart(np.zeros((len(problem.frame.shell_ions), 3)))

    end = minimise(
        energy_of(problem, with_virial=True),
        start.displacement,
        replace(METHOD, force_tolerance=tolerance, most_calls=MAX_PASSES),
        start.preconditioner,
        renew=lambda displacement, found: shell_preconditioner(found.problem, displacement, found.at),
        allowed=lambda displacement: _farthest(displacement) <= COLLAPSE_DISTANCE,
    )
    if end.forbidden is not None:
        raise _collapsed(problem, end.forbidden)
    if end.ended != "converged":
        raise _not_converged(end, tolerance)
    relaxed = RelaxedShells(end.found.problem, end.sites, end.found.at, end.preconditioner, end.calls)
    # A force can vanish on a hilltop too: where no step was made, or none but shifted ones, curvature decides.
    unsure = relaxed.preconditioner is None or relaxed.preconditioner.shifted
    if len(end.sites) and unsure and not is_minimum(relaxed.problem, relaxed.displacement, relaxed.shells):
        raise _on_a_saddle(problem)
    return relaxed


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


def _not_converged(end: Minimum[ProblemForces[ShellProblem]], tolerance: float) -> ConvergenceError:
    problem, largest = end.found.problem, np.abs(end.found.force).max(axis=1)
    worst = int(np.nan_to_num(largest, nan=np.inf).argmax())
    return ConvergenceError(
        f"{problem.frame.name}: shells not at rest after {end.calls} passes, {_shell_name(problem, worst)} still feels "
        f"{largest[worst]:.3g} eV/Å, at most {tolerance:g} wanted; check the structure near that ion"
    )


def _on_a_saddle(problem: ShellProblem) -> ConvergenceError:
    return ConvergenceError(
        f"{problem.frame.name}: the shells feel no force but rest on a saddle point, not in a minimum; displace "
        "the ions slightly if the structure is symmetric, or check the spring constants"
    )
