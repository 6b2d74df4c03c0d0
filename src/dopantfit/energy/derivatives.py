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
from dopantfit.energy.explicit_derivatives import explicit_derivatives
from dopantfit.energy.own_shell import bond_hessians, bond_strain_couplings
from dopantfit.energy.reciprocal import explicit_phases
from dopantfit.energy.relaxation import RelaxedShells
from dopantfit.energy.shell_hessian import WAVES_AT_ONCE, dense_hessian, exact_reach
from dopantfit.energy.shell_problem import ShellProblem
from dopantfit.energy.stiffness import core_response
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.errors import ConvergenceError
from dopantfit.potential import Parameter


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
    problem, displacement = relaxed.problem, relaxed.displacement
    strain = np.zeros((len(displacement), 6, 3))
    hessian = dense_hessian(problem, displacement, relaxed.shells, strain)
    strain += bond_strain_couplings(displacement, problem.shell_species, problem.table, problem.frame.plan.alpha)
    try:
        factor = scipy.linalg.cho_factor(hessian, lower=False, check_finite=False)
    except scipy.linalg.LinAlgError:
        raise ConvergenceError(
            f"{problem.frame.name}: the shells rest on a saddle point, not in a minimum; displace the ions slightly if "
            "the structure is symmetric, or check the spring constants"
        ) from None
    shells = scipy.linalg.cho_solve(factor, shell_forces.reshape(len(shell_forces), -1).T, check_finite=False)
    moves = shells.reshape(len(displacement), 3, -1)
    forces, virials = _wave_changes(relaxed, moves)
    return _Moves(
        shells=moves.transpose(2, 0, 1),
        forces=forces + _core_changes(problem, displacement, moves),
        virials=virials + np.einsum("nvc,ncp->pv", strain, moves),
    )


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
    frame, plan = problem.frame, problem.frame.plan
    to_fractional = np.linalg.inv(frame.cell)
    shells = frame.positions[frame.shell_ions] + relaxed.displacement
    n_moves = shell_moves.shape[2]
    weighted_moves = (problem.shell_charges[:, None, None] * shell_moves).reshape(len(shells), -1)
    forces, virial = np.zeros((len(frame.positions), 3 * n_moves)), np.zeros((n_moves, 6))
    waves = np.arange(len(plan.weight))
    for first in range(0, len(waves), WAVES_AT_ONCE):
        part = waves[first : first + WAVES_AT_ONCE]
        vectors, strength = plan.vectors[part], 2 * problem.table.coulomb * plan.weight[part]
        cosine, sine = explicit_phases(shells @ to_fractional, frame.miller[part])
        real = -np.einsum("kcp,kc->kp", (sine @ weighted_moves).reshape(-1, 3, n_moves), vectors)
        imaginary = np.einsum("kcp,kc->kp", (cosine @ weighted_moves).reshape(-1, 3, n_moves), vectors)
        factor = relaxed.shells.structure_factor[:, part]
        intensity = strength[:, None] * (factor[0][:, None] * real + factor[1][:, None] * imaginary)
        virial += intensity.T @ frame.strain[part]
        cosine, sine = explicit_phases(frame.positions @ to_fractional, frame.miller[part])
        directed = (strength[:, None] * vectors)[:, :, None]
        forces += sine.T @ (directed * real[:, None, :]).reshape(len(vectors), -1)
        forces -= cosine.T @ (directed * imaginary[:, None, :]).reshape(len(vectors), -1)
    forces *= problem.core_charges[:, None]
    return forces.reshape(-1, 3, n_moves).transpose(2, 0, 1), virial
