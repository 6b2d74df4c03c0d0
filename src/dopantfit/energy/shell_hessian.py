"""The Hessian of the energy with respect to shells: exact, or short-sighted and cheap for steering a relaxation."""

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.linalg import blas

from dopantfit.energy.functions import JIT
from dopantfit.energy.neighbours import Floats, Integers
from dopantfit.energy.own_shell import bond_hessians
from dopantfit.energy.reciprocal import explicit_phases
from dopantfit.energy.shell_problem import Pass, ShellProblem
from dopantfit.energy.stiffness import Reach, add_own_blocks, dense_blocks, shell_blocks

#: A steering Hessian leaves out Buckingham terms beyond this distance [Å] ...
STEERING_REACH = 4.5
#: ... and waves whose w k² is less than this part of the largest one.
STEERING_FLOOR = 0.02
#: Waves are worked on in portions, so that memory does not grow with their number.
WAVES_AT_ONCE = 1024


def exact_reach(problem: ShellProblem) -> Reach:
    """Every real-space term that the energy holds."""
    return Reach(problem.frame.plan.cutoff, problem.table.cutoff)


def steering_reach(problem: ShellProblem) -> Reach:
    """Enough real-space terms to steer by."""
    return Reach(problem.frame.plan.cutoff, min(problem.table.cutoff, STEERING_REACH))


def steering_waves(problem: ShellProblem) -> npt.NDArray[np.int64]:
    """The waves that matter most for a Hessian, as indices."""
    plan = problem.frame.plan
    importance = plan.weight * np.einsum("ij,ij->i", plan.vectors, plan.vectors)
    return np.flatnonzero(importance >= STEERING_FLOOR * importance.max(initial=0.0))


def real_space_blocks(
    problem: ShellProblem,
    displacement: Floats,
    reach: Reach,
    alpha: float | None = None,
    strain: Floats | None = None,
) -> tuple[Floats, Floats, Integers, Integers]:
    """Own blocks (bonds included), coupling blocks, their columns and row starts; see ``stiffness.shell_blocks``.

    alpha: screening of the Coulomb terms [1/Å], the Ewald plan's if None. strain: gains the strain coupling of all but
    the bonds (n_shells, 6, 3) [eV/Å].
    """
    frame = problem.frame
    sites = problem.sites(displacement)
    own, value, column, start = shell_blocks(
        sites, frame.species, frame.shell_ions, problem.ghost_cores, problem.ghost_sites(sites), frame.ghosts,
        frame.coulomb_runs, frame.buckingham_runs, problem.table, alpha or frame.plan.alpha, reach,
        np.empty((0, 6, 3)) if strain is None else strain,
    )  # fmt: skip
    own += bond_hessians(displacement, problem.shell_species, problem.table, alpha or frame.plan.alpha)
    return own, value, column, start


def wave_columns(
    problem: ShellProblem, displacement: Floats, shells: Pass, waves: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
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


def dense_hessian(
    problem: ShellProblem, displacement: Floats, shells: Pass, exact: bool = True, strain: Floats | None = None
) -> Floats:
    """∂²E/∂s∂s at these shells [eV/Å²], ``shape=(3 n_shells, 3 n_shells)``, upper triangle only.

    shells: the shell pass made there. exact=False gives the steering Hessian. strain: see ``real_space_blocks``.
    """
    reach = exact_reach(problem) if exact else steering_reach(problem)
    waves = np.arange(len(problem.frame.plan.weight)) if exact else steering_waves(problem)
    matrix = dense_blocks(*real_space_blocks(problem, displacement, reach, strain=strain))
    for first in range(0, len(waves), WAVES_AT_ONCE):
        own, columns = wave_columns(problem, displacement, shells, waves[first : first + WAVES_AT_ONCE])
        add_own_blocks(matrix, own)
        # C order seen as Fortran order is the transpose, and the matrix is symmetric: BLAS may work in place.
        matrix = blas.dsyrk(1.0, columns.T, beta=1.0, c=matrix.T, lower=1, overwrite_c=1).T
    return matrix
