"""Shells at rest in an expansion: w = g(S w), where S is the inverse Hessian of the anchor.

The force w that the quadratic form answers is what the explicit terms exert at the displacement S w. Plain iteration
converges as fast as the explicit terms' stiffness is small beside the Hessian; mixing in what earlier rounds have shown
makes that superlinear (Anderson, J. ACM 12, 547 (1965)).
"""

import numpy as np
from numba import njit

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.explicit_pairs import ExplicitPairs, add_pair_changes
from dopantfit.energy.functions import JIT
from dopantfit.energy.real_space import SpeciesTable

#: Rounds that are mixed, and rounds after which an expansion gives up.
MIXED, MAX_ROUNDS = 5, 30
#: Relative to the largest: keeps the equations for the mixture solvable when rounds repeat each other.
RIDGE = 1e-12


@njit(**JIT)
def add_spring_changes(
    displacement: Floats, moves: Floats, stiffer: Floats, shell_species: Integers, force: Floats
) -> float:
    """Energy [eV] of springs beyond those of the anchor, stiffer by ``stiffer`` (n_species,); adds to the force."""
    energy = 0.0
    for n in range(len(displacement)):
        k = stiffer[shell_species[n]]
        for c in range(3):
            d = displacement[n, c] + moves[n, c]
            energy += 0.5 * k * d * d
            force[n, c] -= k * d
    return energy


@njit(**JIT)
def _mixture(changes: Floats, error: Floats) -> Floats:
    """The γ that makes |error - γ·changes| smallest; changes: ``shape=(m, n)``."""
    m = len(changes)
    normal, right = np.zeros((m, m)), np.zeros(m)
    for i in range(m):
        for j in range(i + 1):
            normal[i, j] = normal[j, i] = np.sum(changes[i] * changes[j])
        right[i] = np.sum(changes[i] * error)
    largest = 0.0
    for i in range(m):
        largest = max(largest, normal[i, i])
    for i in range(m):
        normal[i, i] += RIDGE * largest
    if largest == 0.0:
        return np.zeros(m)
    return np.linalg.solve(normal, right)


@njit(**JIT)
def settle(
    compliance: Floats,
    pairs: ExplicitPairs,
    displacement: Floats,
    shell_species: Integers,
    stiffer: Floats,
    table: SpeciesTable,
    tolerance: float,
    farthest: float,
) -> tuple[Floats, Floats, int]:
    """The force w and the moves S w [Å], ``shape=(n_shells + 1, 3)`` with a last row of zeros, and the rounds it took.

    compliance: S, ``shape=(3 n_shells, 3 n_shells)``. displacement: of the anchor's shells. Rounds are -1 where forces
    did not come within the tolerance [eV/Å], or a component of a move passed ``farthest`` [Å].
    """
    n = 3 * len(displacement)
    w, moves = np.zeros(n), np.zeros((len(displacement) + 1, 3))
    nothing, unused = np.zeros((1, 3)), np.zeros(6)
    old_w, old_error = np.zeros(n), np.zeros(n)
    w_changes, error_changes = np.zeros((MIXED, n)), np.zeros((MIXED, n))
    for number in range(MAX_ROUNDS):
        moves[:-1] = np.dot(compliance, w).reshape(-1, 3)
        if not np.abs(moves).max() <= farthest:
            break
        force = np.zeros_like(moves)
        add_pair_changes(pairs, moves, table, False, force, nothing, unused)
        add_spring_changes(displacement, moves, stiffer, shell_species, force)
        error = force[:-1].copy().reshape(n) - w
        if np.abs(error).max() <= tolerance:
            return w, moves, number + 1
        step = error.copy()
        if number > 0:
            slot = (number - 1) % MIXED
            w_changes[slot] = w - old_w
            error_changes[slot] = error - old_error
            known = min(number, MIXED)
            gamma = _mixture(error_changes[:known], error)
            for k in range(known):
                step -= gamma[k] * (w_changes[k] + error_changes[k])
        old_w, old_error = w, error
        w = w + step
    return w, moves, -1
