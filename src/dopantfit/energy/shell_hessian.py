"""The Hessian of the energy with respect to shells: exact, or short-sighted and cheap for a preconditioner."""

import numpy as np
from scipy.linalg import blas

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.frame import PRECONDITIONER_REACH
from dopantfit.energy.neighbours import Lists
from dopantfit.energy.own_shell import bond_hessians
from dopantfit.energy.problem import ShellProblem, SiteForces
from dopantfit.energy.stiffness import Reach, add_own_blocks, dense_shell_hessian, sparse_shell_hessian
from dopantfit.energy.wave_coupling import all_waves, own_wave_blocks, portions, wave_columns, wave_weights

#: A preconditioner leaves out waves whose w k² is less than this part of the largest one.
PRECONDITIONER_FLOOR = 0.02
#: Own blocks (n, 3, 3), coupling blocks (m, 3, 3), their columns (m,) and row starts (n + 1,).
Blocks = tuple[Floats, Floats, Integers, Integers]


def exact_reach(problem: ShellProblem) -> Reach:
    """Every real-space term that the energy holds."""
    return Reach(problem.frame.plan.cutoff, problem.table.cutoff, problem.frame.plan.alpha)


def near_blocks(problem: ShellProblem, displacement: Floats, alpha: float) -> Blocks:
    """Real-space Hessian within ``PRECONDITIONER_REACH``, Coulomb terms screened with alpha [1/Å]."""
    placement = problem.placement(displacement)._replace(lists=problem.frame.near_lists)
    reach = Reach(PRECONDITIONER_REACH, PRECONDITIONER_REACH, alpha)
    own, value, column, start = sparse_shell_hessian(placement, problem.table, reach)
    own += bond_hessians(displacement, problem.shell_species, problem.table, alpha)
    return own, value, column, start


def _dense(problem: ShellProblem, displacement: Floats, lists: Lists, reach: Reach, strain: Floats) -> Floats:
    """Real-space Hessian, upper triangle of (3 n_shells, 3 n_shells); strain gains what it has of all but the bonds."""
    placement = problem.placement(displacement)._replace(lists=lists)
    matrix = dense_shell_hessian(placement, problem.table, reach, strain)
    add_own_blocks(matrix, bond_hessians(displacement, problem.shell_species, problem.table, reach.alpha))
    return matrix


def dense_hessian(
    problem: ShellProblem, displacement: Floats, shells: SiteForces, strain: Floats, floor: float = 0.0
) -> Floats:
    """∂²E/∂s∂s at these shells [eV/Å²], ``shape=(3 n_shells, 3 n_shells)``, upper triangle only.

    shells: the shell pass made there. strain: gains ∂virial/∂shell of the pairs (n_shells, 6, 3) [eV/Å], unless it
    is empty. floor: waves whose w k² is less than this part of the largest do not couple shells (their part of every
    shell's own block is kept).
    """
    matrix = _dense(problem, displacement, problem.frame.lists, exact_reach(problem), strain)
    add_own_blocks(matrix, own_wave_blocks(problem, displacement, shells, all_waves(problem)))
    _add_couplings(matrix, problem, displacement, np.flatnonzero(wave_weights(problem) >= floor))
    return matrix


def dense_near_hessian(problem: ShellProblem, displacement: Floats, shells: SiteForces) -> Floats:
    """∂²E/∂s∂s, upper triangle only, from near neighbours and the heaviest waves."""
    reach = Reach(PRECONDITIONER_REACH, PRECONDITIONER_REACH, problem.frame.plan.alpha)
    matrix = _dense(problem, displacement, problem.frame.near_lists, reach, np.empty((0, 6, 3)))
    waves = np.flatnonzero(wave_weights(problem) >= PRECONDITIONER_FLOOR)
    add_own_blocks(matrix, own_wave_blocks(problem, displacement, shells, waves))
    _add_couplings(matrix, problem, displacement, waves)
    return matrix


def _add_couplings(matrix: Floats, problem: ShellProblem, displacement: Floats, waves: Integers) -> None:
    """Adds ΦᵀΦ of these waves to the upper triangle of the matrix."""
    for part in portions(waves):
        columns = wave_columns(problem, displacement, part)
        # C order seen as Fortran order is the transpose: BLAS updates our upper triangle as its lower one, in place.
        blas.dsyrk(1.0, columns.T, beta=1.0, c=matrix.T, lower=1, overwrite_c=1)
