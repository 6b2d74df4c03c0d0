"""How the waves of the Ewald sum couple shells with each other and with the cores.

One row of Φ per wave and phase, √(2Kw) q k cos k·r or √(2Kw) q k sin k·r: the second derivative of the reciprocal
energy is ΦᵀΦ (through both factors of |S|²) and a block on the diagonal of every shell (through one of them).
"""

from collections.abc import Iterator

import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.problem import ShellProblem, SiteForces
from dopantfit.energy.reciprocal import explicit_phases

#: Waves are worked on in portions that stay in the cache, so that memory does not grow with their number.
WAVES_AT_ONCE = 256
#: Where xx yy zz yz xz xy stand in a symmetric block.
_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


def all_waves(problem: ShellProblem) -> Integers:
    """Every wave, as indices."""
    return np.arange(len(problem.frame.plan.weight))


def wave_weights(problem: ShellProblem) -> Floats:
    """What every wave counts in second derivatives: w k², as a part of the largest."""
    plan = problem.frame.plan
    weights: Floats = plan.weight * np.einsum("ij,ij->i", plan.vectors, plan.vectors)
    return weights / weights.max(initial=0.0)


def portions(waves: Integers) -> Iterator[Integers]:
    """The waves, at most ``WAVES_AT_ONCE`` at a time."""
    for first in range(0, len(waves), WAVES_AT_ONCE):
        yield waves[first : first + WAVES_AT_ONCE]


def shell_phases(problem: ShellProblem, displacement: Floats, waves: Integers) -> Floats:
    """Cos and sin of k·r at the shells, ``shape=(2, n_waves, n_shells)``."""
    frame = problem.frame
    positions = frame.positions[frame.shell_ions] + displacement
    return explicit_phases(positions @ problem.waves.to_fractional, frame.miller[waves])


def core_phases(problem: ShellProblem, waves: Integers) -> Floats:
    """Cos and sin of k·r at the cores, ``shape=(2, n_waves, n_ions)``."""
    return explicit_phases(problem.frame.positions @ problem.waves.to_fractional, problem.frame.miller[waves])


def wave_strengths(problem: ShellProblem, waves: Integers) -> Floats:
    """2Kw [eV/e²]."""
    strengths: Floats = 2 * problem.table.coulomb * problem.frame.plan.weight[waves]
    return strengths


def own_wave_blocks(problem: ShellProblem, displacement: Floats, shells: SiteForces, waves: Integers) -> Floats:
    """-2 q Σ K w k kᵀ Re[S* exp(i k·r)] over these waves, ``shape=(n_shells, 3, 3)``; shells: the pass made there."""
    own = np.zeros((len(displacement), 6))
    for part in portions(waves):
        phase, factor = shell_phases(problem, displacement, part), shells.density[:, part]
        weights = _own_weights(factor, problem.frame.plan.vectors[part], wave_strengths(problem, part))
        own -= phase.reshape(-1, len(own)).T @ weights
    own *= problem.shell_charges[:, None]
    blocks: Floats = own[:, _VOIGT]
    return blocks


@kernel
def _own_weights(factor: Floats, vectors: Floats, strengths: Floats) -> Floats:
    """2Kw S k kᵀ, kkᵀ in Voigt order, ``shape=(2 n_k, 6)``."""
    n_k = len(vectors)
    weights = np.empty((2 * n_k, 6))
    for part in range(2):
        for k in range(n_k):
            x, y, z = vectors[k, 0], vectors[k, 1], vectors[k, 2]
            weight, row = strengths[k] * factor[part, k], weights[part * n_k + k]
            row[0], row[1], row[2] = weight * x * x, weight * y * y, weight * z * z
            row[3], row[4], row[5] = weight * y * z, weight * x * z, weight * x * y
    return weights


def wave_columns(problem: ShellProblem, displacement: Floats, waves: Integers) -> Floats:
    """Φ of these waves and the shells, ``shape=(2 n_waves, 3 n_shells)``."""
    phase = shell_phases(problem, displacement, waves)
    roots = np.sqrt(wave_strengths(problem, waves))
    return _columns(phase, roots[:, None] * problem.frame.plan.vectors[waves], problem.shell_charges)


@kernel
def _columns(phase: Floats, directions: Floats, charges: Floats) -> Floats:
    """directions: √(2Kw) k, ``shape=(n_k, 3)``."""
    n_k, n = phase.shape[1], phase.shape[2]
    columns = np.empty((2 * n_k, 3 * n))
    for k in range(n_k):
        for part in range(2):
            for i in range(n):
                amplitude = charges[i] * phase[part, k, i]
                for c in range(3):
                    columns[part * n_k + k, 3 * i + c] = directions[k, c] * amplitude
    return columns


def wave_amplitudes(problem: ShellProblem, phase: Floats, moves: Floats, waves: Integers) -> Floats:
    """Σ q (k·u) cos k·r and Σ q (k·u) sin k·r over shells that move by u, ``shape=(2, n_waves, p)``.

    phase: of the shells. moves: ``shape=(n_shells, 3, p)``. The structure factor changes by i times the two.
    """
    charged = problem.shell_charges[:, None, None] * moves
    sums = phase.reshape(-1, len(moves)) @ charged.reshape(len(moves), -1)
    return _along(sums, problem.frame.plan.vectors[waves])


@kernel
def _along(sums: Floats, vectors: Floats) -> Floats:
    """The components along k of p sums of vectors, (2 n_k, 3 p): ``shape=(2, n_k, p)``."""
    n_k, p = len(vectors), sums.shape[1] // 3
    along = np.empty((2, n_k, p))
    for part in range(2):
        for k in range(n_k):
            row = sums[part * n_k + k]
            for q in range(p):
                along[part, k, q] = vectors[k, 0] * row[q] + vectors[k, 1] * row[p + q] + vectors[k, 2] * row[2 * p + q]
    return along


def wave_pull(problem: ShellProblem, phase: Floats, amplitudes: Floats, waves: Integers) -> Floats:
    """Change of these waves' force on unit charges with these phases, ``shape=(n_sites, 3, p)``."""
    directed = _directed(amplitudes, problem.frame.plan.vectors[waves], wave_strengths(problem, waves))
    n_sites = phase.shape[2]
    return -(phase.reshape(-1, n_sites).T @ directed).reshape(n_sites, 3, -1)


@kernel
def _directed(amplitudes: Floats, vectors: Floats, strengths: Floats) -> Floats:
    """2Kw k times the amplitudes (2, n_k, p): ``shape=(2 n_k, 3 p)``."""
    n_k, p = amplitudes.shape[1], amplitudes.shape[2]
    directed = np.empty((2 * n_k, 3 * p))
    for part in range(2):
        for k in range(n_k):
            for c in range(3):
                factor = strengths[k] * vectors[k, c]
                for q in range(p):
                    directed[part * n_k + k, c * p + q] = factor * amplitudes[part, k, q]
    return directed


def coupling_forces(problem: ShellProblem, displacement: Floats, moves: Floats, waves: Integers) -> Floats:
    """-ΦᵀΦ moves: the forces on shells that others exert through these waves when they move.

    moves: p displacements of all shells [Å], ``shape=(n_shells, 3, p)``, and so is the result [eV/Å].
    """
    forces = np.zeros_like(moves)
    for part in portions(waves):
        phase = shell_phases(problem, displacement, part)
        forces += wave_pull(problem, phase, wave_amplitudes(problem, phase, moves, part), part)
    forces *= problem.shell_charges[:, None, None]
    return forces
