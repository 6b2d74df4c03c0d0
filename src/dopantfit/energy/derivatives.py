"""Exact derivatives of energy, forces and stress with respect to parameters, at relaxed shells.

With G = ∂/∂p at fixed shells and H the shell Hessian: dE/dp = G[E] (Hellmann-Feynman: the shells are at rest),
ds/dp = H⁻¹ G[F_shell], and the shells' motion carries over to the force on every core and to the virial.
One factor of H serves all parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from dopantfit.energy.arrays import Floats
from dopantfit.energy.evaluation import RelaxedShells
from dopantfit.energy.explicit_derivatives import explicit_derivatives
from dopantfit.energy.own_shell import bond_hessians, bond_strain_couplings
from dopantfit.energy.problem import ShellProblem
from dopantfit.energy.shell_hessian import dense_hessian, exact_reach
from dopantfit.energy.stiffness import core_response
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.energy.wave_coupling import (
    all_waves,
    core_phases,
    coupling_forces,
    portions,
    shell_phases,
    wave_amplitudes,
    wave_pull,
    wave_strengths,
    wave_weights,
)
from dopantfit.errors import ConvergenceError
from dopantfit.potential import Parameter

#: The Hessian that the response of shells is solved with leaves out how waves couple shells whose w k² is less than
#: this part of the largest one; they come in by iteration.
RESPONSE_FLOOR = 3e-4
#: Shifts of shells are solved for until one more iteration would change them by about this part of the largest.
SOLVED = 1e-8


@dataclass(frozen=True)
class Derivatives:
    """Derivatives with respect to p parameters, per unit of each.

    energy: (p,) [eV]. forces: on ions (p, n_ions, 3) [eV/Å]. stress: (p, 6) [eV/Å³]. shells: of their positions
    (p, n_shells, 3) [Å].
    """

    energy: Floats
    forces: Floats
    stress: Floats
    shells: Floats


@with_one_blas_thread
def parameter_derivatives(relaxed: RelaxedShells, parameters: Sequence[Parameter]) -> Derivatives:
    """Total derivatives at relaxed shells; they are as exact as the shells are at rest.

    Raises ConfigError for a parameter of a species that the frame does not hold.
    """
    explicit = explicit_derivatives(relaxed.problem, relaxed.displacement, parameters)
    shells = np.zeros_like(explicit.shell_forces)
    forces, virials = explicit.core_forces, explicit.virials
    # A term between ions without shells pulls on no shell, and what does not move changes nothing further.
    moving = np.flatnonzero(np.any(explicit.shell_forces, axis=(1, 2)))
    if len(moving):
        moves = _shell_moves(relaxed, explicit.shell_forces[moving])
        shells[moving] = moves.shells
        forces[moving] += moves.forces
        virials[moving] += moves.virials
    return Derivatives(explicit.energies, forces, -virials / relaxed.problem.frame.volume, shells)


@dataclass(frozen=True)
class _Moves:
    """Shifts of shells (p, n_shells, 3), and what they change: core forces (p, n_ions, 3) and virials (p, 6)."""

    shells: Floats
    forces: Floats
    virials: Floats


def _shell_moves(relaxed: RelaxedShells, shell_forces: Floats) -> _Moves:
    """The linear response of the shells to p sets of forces on them, ``shape=(p, n_shells, 3)``."""
    hessian, strain = shell_hessian(relaxed, RESPONSE_FLOOR)
    try:
        # The transpose is what LAPACK takes as it stands: no copy.
        factor, _ = scipy.linalg.cho_factor(hessian.T, lower=True, overwrite_a=True, check_finite=False)
        moves = _solve(relaxed, factor, np.ascontiguousarray(shell_forces.transpose(1, 2, 0)))
    except scipy.linalg.LinAlgError:
        raise ConvergenceError(
            f"{relaxed.problem.frame.name}: the shells rest on a saddle point, not in a minimum, or nearly so; "
            "displace the ions slightly if the structure is symmetric, or check the spring constants"
        ) from None
    forces, virials = shells_moved(relaxed, moves, strain)
    return _Moves(shells=moves.transpose(2, 0, 1), forces=forces, virials=virials)


def shell_hessian(relaxed: RelaxedShells, floor: float = 0.0) -> tuple[Floats, Floats]:
    """∂²E/∂s∂s [eV/Å²], upper triangle of (3 n_shells, 3 n_shells), and ∂virial/∂s (n_shells, 6, 3) [eV/Å].

    The second is that of the pairs and bonds; ``shells_moved`` adds the waves. floor: see ``dense_hessian``.
    """
    problem, displacement = relaxed.problem, relaxed.displacement
    strain = np.zeros((len(displacement), 6, 3))
    hessian = dense_hessian(problem, displacement, relaxed.shells, strain, floor)
    strain += bond_strain_couplings(displacement, problem.shell_species, problem.table, problem.frame.plan.alpha)
    return hessian, strain


def shells_moved(relaxed: RelaxedShells, moves: Floats, strain: Floats) -> tuple[Floats, Floats]:
    """What p moves of the shells do to the force on every core (p, n_ions, 3) and to the virial (p, 6).

    moves: ``shape=(n_shells, 3, p)`` [Å]. strain: see ``shell_hessian``.
    """
    forces, virials = _wave_changes(relaxed, moves)
    forces += _core_changes(relaxed.problem, relaxed.displacement, moves)
    return forces, virials + np.einsum("nvc,ncp->pv", strain, moves)


def _solve(relaxed: RelaxedShells, factor: Floats, forces: Floats) -> Floats:
    """Where p sets of forces shift the shells [Å]; forces (n_shells, 3, p) and so is the result.

    factor: of the Hessian without the coupling through light waves. What they do is put right by iteration, which
    gains a constant number of digits each time, three or more as a rule. Raises LinAlgError when that is less than one.
    """
    light = np.flatnonzero(wave_weights(relaxed.problem) < RESPONSE_FLOOR)

    def heavy(forces: Floats) -> Floats:
        solution: Floats = scipy.linalg.cho_solve(
            (factor, True), forces.reshape(-1, forces.shape[2]), check_finite=False
        )
        return solution.reshape(forces.shape)

    moves = heavy(forces)
    largest = before = float(np.abs(moves).max())
    while True:
        better = heavy(forces + coupling_forces(relaxed.problem, relaxed.displacement, moves, light))
        change = float(np.abs(better - moves).max())
        moves = better
        # What the next iteration would change, by the rate of this one.
        if change * change <= SOLVED * largest * before:
            return moves
        if not change < 0.1 * before:
            raise scipy.linalg.LinAlgError
        before = change


def _core_changes(problem: ShellProblem, displacement: Floats, shell_moves: Floats) -> Floats:
    """Real-space change of the force on every core, ``shape=(p, n_ions, 3)``; shell_moves: (n_shells, 3, p)."""
    frame = problem.frame
    moves = np.ascontiguousarray(shell_moves.transpose(2, 1, 0))
    change = core_response(moves, problem.placement(displacement), problem.table, exact_reach(problem))
    bonds = bond_hessians(displacement, problem.shell_species, problem.table, frame.plan.alpha)
    change[:, frame.shell_ions] += np.einsum("nab,nbp->pna", bonds, shell_moves)
    return change


def _wave_changes(relaxed: RelaxedShells, shell_moves: Floats) -> tuple[Floats, Floats]:
    """Change of the waves' force on every core (p, n_ions, 3) and of their virial (p, 6).

    δS = i Σ q (k·δs) exp(i k·s) over shells; δF = 2 K q Σ w k Im[δS* exp(i k·R)]; δvirial = 2 K Σ w B Re[S* δS].
    """
    problem = relaxed.problem
    forces, virial = (
        np.zeros((len(problem.frame.positions), *shell_moves.shape[1:])),
        np.zeros((shell_moves.shape[2], 6)),
    )
    for waves in portions(all_waves(problem)):
        phase = shell_phases(problem, relaxed.displacement, waves)
        amplitudes = wave_amplitudes(problem, phase, shell_moves, waves)
        factor = wave_strengths(problem, waves) * relaxed.shells.density[:, waves]
        intensity = factor[1][:, None] * amplitudes[0] - factor[0][:, None] * amplitudes[1]
        virial += intensity.T @ problem.frame.strain[waves]
        forces += wave_pull(problem, core_phases(problem, waves), amplitudes, waves)
    forces *= problem.core_charges[:, None, None]
    return forces.transpose(2, 0, 1), virial
