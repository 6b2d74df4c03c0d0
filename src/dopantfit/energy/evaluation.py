"""Energy, forces and stress of a frame at relaxed shells."""

from dataclasses import dataclass

from dopantfit.energy.arrays import Floats
from dopantfit.energy.closest import refuse_collapse
from dopantfit.energy.relaxation import TOLERANCE, RelaxedShells, ShellStart, relax_shells
from dopantfit.energy.shell_problem import ShellProblem
from dopantfit.energy.threads import with_one_blas_thread


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


@with_one_blas_thread
def evaluate(problem: ShellProblem, start: ShellStart | None = None, tolerance: float = TOLERANCE) -> Evaluation:
    """Relaxes the shells and sums up; arguments and errors are those of ``relax_shells``.

    Raises CollapseError for sites inside the turn-over radius of their pair, too.
    """
    relaxed = relax_shells(problem, start, tolerance)
    refuse_collapse(relaxed)
    cores = relaxed.problem.core_pass(relaxed.displacement, relaxed.shells)
    frame, forces = problem.frame, cores.force
    forces[frame.shell_ions] += relaxed.shells.force
    return Evaluation(
        energy=relaxed.shells.energy + cores.energy,
        forces=forces,
        stress=-(relaxed.shells.virial + cores.virial) / frame.volume,
        relaxed=relaxed,
    )
