"""Shells at rest in an expansion: w = g(S w), where S is the inverse Hessian of the anchor.

The force w that the quadratic form answers is what the explicit terms exert at the displacement S w. Plain iteration
converges as fast as the explicit terms' stiffness is small beside the Hessian; mixing in what earlier rounds have shown
makes that superlinear (Anderson, J. ACM 12, 547 (1965)).
"""

from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.explicit_pairs import ExplicitPairs, add_distant_changes, add_pair_changes, pair_buffer
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.real_space import SpeciesTable

#: Rounds that are mixed, and rounds after which an expansion gives up.
MIXED, MAX_ROUNDS = 5, 30
#: Relative to the largest: keeps the equations for the mixture solvable when rounds repeat each other.
RIDGE = 1e-12


class Springs(NamedTuple):
    """Springs that may differ from those of the anchor.

    displacement: of the anchor's shells from their cores [Å], ``shape=(n_shells, 3)``. species: of every shell's ion,
    ions: its number, ``shape=(n_shells,)``. stiffer: k less the anchor's [eV/Å²], ``shape=(n_species,)`` of one
    candidate, ``shape=(n, n_species)`` of several.
    """

    displacement: Floats
    species: Integers
    ions: Integers
    stiffer: Floats


@kernel
def add_springs(springs: Springs, moves: Floats, force: Floats, core_force: Floats, virial: Floats) -> float:
    """Energy [eV] of springs beyond those of the anchor; adds to forces and virial as ``add_pair_changes`` does."""
    energy = 0.0
    for n in range(len(springs.species)):
        k = springs.stiffer[springs.species[n]]
        if k == 0.0:
            continue
        d = springs.displacement[n]
        x, y, z = d[0] + moves[0, n], d[1] + moves[1, n], d[2] + moves[2, n]
        energy += 0.5 * k * (x * x + y * y + z * z)
        row = 0
        for c, component in enumerate((x, y, z)):
            force[c, n] -= k * component
            if core_force.shape[1] > 0:
                core_force[c, springs.ions[n]] += k * component
        if len(virial) > 0:
            for product in (x * x, y * y, z * z, y * z, x * z, x * y):
                virial[row] -= k * product
                row += 1
    return energy


@kernel
def _mixture(changes: Floats, error: Floats) -> Floats:
    """The weights (m,) with which changes (m, n) come closest to the error (n,)."""
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
    return np.linalg.solve(normal, right)  # type: ignore[return-value]


class ExpandedShells(NamedTuple):
    """Shells at rest, and what the explicit terms add to the quadratic form there.

    rounds: how many it took, -1 where forces did not come within the tolerance or a shell went too far. push: w
    (3 n_shells,) [eV/Å], Cartesian components of all shells one after the other. moves: S w, ``shape=(3, n_shells)``
    [Å]. energy [eV]. core_force: (3, n_ions) [eV/Å]. virial: (6,) [eV], empty where it was not asked for.
    """

    rounds: int
    push: Floats
    moves: Floats
    energy: float
    core_force: Floats
    virial: Floats


@kernel
def relax_expanded(
    compliance: Floats,
    pairs: ExplicitPairs,
    springs: Springs,
    table: SpeciesTable,
    n_ions: int,
    tolerance: float,
    farthest: float,
    with_virial: bool,
) -> ExpandedShells:
    """Rounds of w ← g(S w) until no component changes by more than the tolerance [eV/Å].

    compliance: S, ``shape=(3 n_shells, 3 n_shells)``, components as in ``ExpandedShells.push``. farthest: the longest
    component of a move that is let pass [Å].
    """
    n_shells = len(springs.species)
    n = 3 * n_shells
    t = pair_buffer(pairs)
    w, moves, force = np.zeros(n), np.zeros((3, n_shells + 1)), np.zeros((3, n_shells + 1))
    old_w, old_error = np.zeros(n), np.zeros(n)
    w_changes, error_changes = np.zeros((MIXED, n)), np.zeros((MIXED, n))
    no_force, no_virial = np.zeros((3, 0)), np.zeros(0)
    distant, core_force, virial = np.zeros_like(moves), np.zeros((3, n_ions + 1)), np.zeros(6 if with_virial else 0)
    at_anchor = add_distant_changes(pairs, table, t, distant, core_force, virial)
    for number in range(MAX_ROUNDS):
        if number > 0:
            moves[:, :-1] = np.dot(compliance, w).reshape(3, n_shells)
        if not np.abs(moves).max() <= farthest:
            break
        force[:] = distant
        add_pair_changes(pairs, moves, table, 0, pairs.n_close, t, force, no_force, no_virial)
        add_springs(springs, moves, force, no_force, no_virial)
        error = np.ascontiguousarray(force[:, :-1]).reshape(n) - w
        if np.abs(error).max() <= tolerance:
            energy = at_anchor - np.sum(distant * moves)
            energy += add_pair_changes(pairs, moves, table, 0, pairs.n_close, t, force, core_force, virial)
            energy += add_springs(springs, moves, force, core_force, virial)
            return ExpandedShells(number + 1, w, moves[:, :-1].copy(), energy, core_force[:, :-1].copy(), virial)
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
    return ExpandedShells(-1, w, moves[:, :-1].copy(), 0.0, core_force[:, :-1].copy(), virial)


class AllExpandedShells(NamedTuple):
    """``ExpandedShells`` of n candidates, with a leading axis over them; core_force is ``shape=(n, n_ions, 3)``."""

    rounds: Integers
    push: Floats
    moves: Floats
    energy: Floats
    core_force: Floats
    virial: Floats


@kernel
def relax_all_expanded(
    compliance: Floats,
    pairs: ExplicitPairs,
    springs: Springs,
    tables: SpeciesTable,
    n_ions: int,
    tolerance: float,
    farthest: float,
    with_virial: bool,
) -> AllExpandedShells:
    """``relax_expanded`` for n candidates, one after the other, so that what belongs to the frame stays in the cache.

    tables: A, inverse_rho and C have a leading axis over the candidates, as ``springs.stiffer`` has.
    """
    n, n_shells = len(tables.A), len(springs.species)
    rounds, energy, push = np.zeros(n, np.int64), np.zeros(n), np.zeros((n, 3 * n_shells))
    moves, core_force = np.zeros((n, 3, n_shells)), np.zeros((n, n_ions, 3))
    virial = np.zeros((n, 6 if with_virial else 0))
    for c in range(n):
        table = SpeciesTable(
            tables.core_charge,
            tables.shell_charge,
            tables.has_shell,
            tables.spring,
            tables.A[c],
            tables.inverse_rho[c],
            tables.C[c],
            tables.cutoff,
            tables.coulomb,
        )
        own = Springs(springs.displacement, springs.species, springs.ions, springs.stiffer[c])
        found = relax_expanded(compliance, pairs, own, table, n_ions, tolerance, farthest, with_virial)
        rounds[c], energy[c], push[c], moves[c] = found.rounds, found.energy, found.push, found.moves
        core_force[c] = found.core_force.T
        virial[c] = found.virial
    return AllExpandedShells(rounds, push, moves, energy, core_force, virial)
