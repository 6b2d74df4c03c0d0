"""The Hessian of the energy with respect to shells: exact, or short-sighted and cheap for steering a relaxation."""

import numpy as np
from numba import njit
from scipy.linalg import blas

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.frame import STEERING_REACH
from dopantfit.energy.functions import JIT
from dopantfit.energy.neighbours import Lists
from dopantfit.energy.own_shell import bond_hessians
from dopantfit.energy.reciprocal import explicit_phases
from dopantfit.energy.shell_problem import Pass, ShellProblem
from dopantfit.energy.stiffness import Reach, add_own_blocks, dense_blocks, shell_blocks

#: A steering Hessian leaves out waves whose w k² is less than this part of the largest one.
STEERING_FLOOR = 0.02
#: The same for the exact one. Forces need the lighter waves, derivatives by parameters change by 1e-7 of themselves.
EXACT_FLOOR = 5e-7
#: Own blocks (n, 3, 3), coupling blocks (m, 3, 3), their columns (m,) and row starts (n + 1,).
Blocks = tuple[Floats, Floats, Integers, Integers]
#: Waves are worked on in portions that stay in the cache, so that memory does not grow with their number.
WAVES_AT_ONCE = 128


def exact_reach(problem: ShellProblem) -> Reach:
    """Every real-space term that the energy holds."""
    return Reach(problem.frame.plan.cutoff, problem.table.cutoff, problem.frame.plan.alpha)


def heaviest_waves(problem: ShellProblem, floor: float) -> Integers:
    """The waves whose w k² is at least ``floor`` times the largest, as indices."""
    plan = problem.frame.plan
    importance = plan.weight * np.einsum("ij,ij->i", plan.vectors, plan.vectors)
    return np.flatnonzero(importance >= floor * importance.max(initial=0.0))


def exact_blocks(problem: ShellProblem, displacement: Floats, strain: Floats) -> Blocks:
    """Real-space Hessian; strain gains the strain coupling of all but the bonds (n_shells, 6, 3) [eV/Å]."""
    return _blocks(problem, displacement, problem.frame.lists, exact_reach(problem), strain, upper=True)


def steering_blocks(problem: ShellProblem, displacement: Floats, alpha: float, upper: bool) -> Blocks:
    """Real-space Hessian within ``STEERING_REACH``, Coulomb terms screened with alpha [1/Å]."""
    reach = Reach(STEERING_REACH, STEERING_REACH, alpha)
    return _blocks(problem, displacement, problem.frame.steering_lists, reach, np.empty((0, 6, 3)), upper)


def _blocks(
    problem: ShellProblem, displacement: Floats, lists: Lists, reach: Reach, strain: Floats, upper: bool
) -> Blocks:
    placement = problem.placement(displacement)._replace(lists=lists)
    own, value, column, start = shell_blocks(placement, problem.table, reach, strain, upper)
    own += bond_hessians(displacement, problem.shell_species, problem.table, reach.alpha)
    return own, value, column, start


def wave_columns(problem: ShellProblem, displacement: Floats, shells: Pass, waves: Integers) -> tuple[Floats, Floats]:
    """The reciprocal part of the Hessian from some waves, as own blocks (n, 3, 3) and X with the rest as XᵀX.

    X holds √(2Kw) q k cos and √(2Kw) q k sin, ``shape=(2 n_waves, 3 n_shells)``; XᵀX is the derivative of |S|² through
    both factors and -2 q Σ K w k kᵀ Re[S* exp(i k·r)] the derivative through one.
    """
    frame = problem.frame
    positions = frame.positions[frame.shell_ions] + displacement
    phase = explicit_phases(positions @ np.linalg.inv(frame.cell), frame.miller[waves])
    return _wave_columns(
        phase,
        frame.plan.vectors[waves],
        problem.table.coulomb * frame.plan.weight[waves],
        problem.shell_charges,
        np.ascontiguousarray(shells.structure_factor[:, waves]),
    )


@njit(**JIT)
def _wave_columns(
    phase: Floats, vectors: Floats, weight: Floats, charges: Floats, factor: Floats
) -> tuple[Floats, Floats]:
    """phase: ``shape=(2, n_k, n_shells)``; weight holds K."""
    n_k, n = phase.shape[1], phase.shape[2]
    columns = np.empty((2 * n_k, 3 * n))
    own = np.zeros((6, n))
    for k in range(n_k):
        root = np.sqrt(2 * weight[k])
        x, y, z = vectors[k, 0], vectors[k, 1], vectors[k, 2]
        cosine, sine = phase[0, k], phase[1, k]
        for i in range(n):
            amplitude = root * charges[i]
            for c in range(3):
                columns[2 * k, 3 * i + c] = amplitude * vectors[k, c] * cosine[i]
                columns[2 * k + 1, 3 * i + c] = amplitude * vectors[k, c] * sine[i]
        for i in range(n):
            both = -2 * weight[k] * charges[i] * (factor[0, k] * cosine[i] + factor[1, k] * sine[i])
            own[0, i] += both * x * x
            own[1, i] += both * y * y
            own[2, i] += both * z * z
            own[3, i] += both * y * z
            own[4, i] += both * x * z
            own[5, i] += both * x * y
    blocks = np.empty((n, 3, 3))
    for i in range(n):
        blocks[i, 0, 0], blocks[i, 1, 1], blocks[i, 2, 2] = own[0, i], own[1, i], own[2, i]
        blocks[i, 1, 2] = blocks[i, 2, 1] = own[3, i]
        blocks[i, 0, 2] = blocks[i, 2, 0] = own[4, i]
        blocks[i, 0, 1] = blocks[i, 1, 0] = own[5, i]
    return blocks, columns


def dense_hessian(problem: ShellProblem, displacement: Floats, shells: Pass, strain: Floats) -> Floats:
    """∂²E/∂s∂s at these shells [eV/Å²], ``shape=(3 n_shells, 3 n_shells)``, upper triangle only.

    shells: the shell pass made there. strain: see ``exact_blocks``.
    """
    matrix = dense_blocks(*exact_blocks(problem, displacement, strain))
    _add_waves(matrix, problem, displacement, shells, heaviest_waves(problem, EXACT_FLOOR))
    return matrix


def dense_steering_hessian(problem: ShellProblem, displacement: Floats, shells: Pass) -> Floats:
    """As ``dense_hessian``, from near neighbours and the heaviest waves only."""
    matrix = dense_blocks(*steering_blocks(problem, displacement, problem.frame.plan.alpha, upper=True))
    _add_waves(matrix, problem, displacement, shells, heaviest_waves(problem, STEERING_FLOOR))
    return matrix


def _add_waves(matrix: Floats, problem: ShellProblem, displacement: Floats, shells: Pass, waves: Integers) -> None:
    """Adds the reciprocal part of these waves to the upper triangle of the matrix."""
    for first in range(0, len(waves), WAVES_AT_ONCE):
        own, columns = wave_columns(problem, displacement, shells, waves[first : first + WAVES_AT_ONCE])
        add_own_blocks(matrix, own)
        # C order seen as Fortran order is the transpose: BLAS updates our upper triangle as its lower one, in place.
        blas.dsyrk(1.0, columns.T, beta=1.0, c=matrix.T, lower=1, overwrite_c=1)
