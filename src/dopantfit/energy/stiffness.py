"""Second derivatives of the real-space energy with respect to shells, as 3×3 blocks.

For a pair with K = a I + b d dᵀ the site's own block gains K and the block that couples the two shells gains -K.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from dopantfit.energy.arrays import Floats, GhostIndices, Integers
from dopantfit.energy.functions import JIT
from dopantfit.energy.neighbours import Ghosts, NeighbourRuns
from dopantfit.energy.pair_terms import buckingham_stiffness, coulomb_stiffness, gather_vectors
from dopantfit.energy.real_space import SpeciesTable


class Reach(NamedTuple):
    """How far [Å] Coulomb and Buckingham terms count; a shorter reach makes an approximate Hessian, cheaply."""

    coulomb: float
    buckingham: float


@njit(**JIT)
def _add_diagonal(terms: Floats, length: int, block: Floats) -> None:
    """Adds Σ a I + b d dᵀ over a run to a block (3, 3)."""
    isotropic = xx = yy = zz = yz = xz = xy = 0.0
    for p in range(length):
        dx, dy, dz, a, b = terms[0, p], terms[1, p], terms[2, p], terms[3, p], terms[4, p]
        isotropic += a
        xx += b * dx * dx
        yy += b * dy * dy
        zz += b * dz * dz
        yz += b * dy * dz
        xz += b * dx * dz
        xy += b * dx * dy
    block[0, 0] += isotropic + xx
    block[1, 1] += isotropic + yy
    block[2, 2] += isotropic + zz
    block[1, 2] += yz
    block[2, 1] += yz
    block[0, 2] += xz
    block[2, 0] += xz
    block[0, 1] += xy
    block[1, 0] += xy


@njit(**JIT)
def add_strain_coupling(terms: Floats, length: int, coupling: Floats) -> None:
    """Adds ∂virial/∂site of a run to (6, 3): -[a (δ_ac d_b + d_a δ_bc) + b d_a d_b d_c], ab in Voigt order."""
    x = y = z = xxx = yyy = zzz = xxy = xxz = xyy = yyz = xzz = yzz = xyz = 0.0
    for p in range(length):
        dx, dy, dz, a, b = terms[0, p], terms[1, p], terms[2, p], terms[3, p], terms[4, p]
        x += a * dx
        y += a * dy
        z += a * dz
        xx, yy, zz = b * dx * dx, b * dy * dy, b * dz * dz
        xxx += xx * dx
        xxy += xx * dy
        xxz += xx * dz
        xyy += yy * dx
        yyy += yy * dy
        yyz += yy * dz
        xzz += zz * dx
        yzz += zz * dy
        zzz += zz * dz
        xyz += b * dx * dy * dz
    rows = (
        (2 * x + xxx, xxy, xxz),
        (xyy, 2 * y + yyy, yyz),
        (xzz, yzz, 2 * z + zzz),
        (xyz, z + yyz, y + yzz),
        (z + xxz, xyz, x + xzz),
        (y + xxy, x + xyy, xyz),
    )
    for v in range(6):
        for c in range(3):
            coupling[v, c] -= rows[v][c]


@njit(**JIT)
def _append_couplings(
    terms: Floats,
    run: Integers,
    first: int,
    last: int,
    ghost_ion: Integers,
    shell_number: Integers,
    value: Floats,
    column: Integers,
    count: int,
    lowest: int,
) -> int:
    """Writes -K of every entry of a run and the shell that it couples to; returns the new number of blocks."""
    for p in range(last - first):
        a, b = terms[3, p], terms[4, p]
        other = shell_number[ghost_ion[run[first + p]]]
        if (a == 0.0 and b == 0.0) or other < lowest:
            continue
        for i in range(3):
            for j in range(3):
                value[count, i, j] = -b * terms[i, p] * terms[j, p]
            value[count, i, i] -= a
        column[count] = other
        count += 1
    return count


@njit(**JIT)
def fill_run_terms(
    kind: int,
    site: Floats,
    ion_species: int,
    s: int,
    charge: float,
    ghosts: Floats,
    runs: NeighbourRuns,
    first: int,
    last: int,
    table: SpeciesTable,
    alpha: float,
    reach: Reach,
    terms: Floats,
) -> None:
    """(dx, dy, dz, a, b) of a run of species s: kind 0 Buckingham, 1 Coulomb with cores, 2 Coulomb with shells."""
    gather_vectors(site[0], site[1], site[2], ghosts, runs.ghost, first, last, terms)
    if kind == 0:
        A, inverse_rho, C = table.A[ion_species, s], table.inverse_rho[ion_species, s], table.C[ion_species, s]
        buckingham_stiffness(last - first, reach.buckingham, A, inverse_rho, C, terms)
    else:
        other = table.core_charge[s] if kind == 1 else table.shell_charge[s]
        coulomb_stiffness(last - first, alpha, reach.coulomb, table.coulomb * charge * other, terms)


@njit(**JIT)
def longest_run(runs: NeighbourRuns) -> int:
    """Entries of the longest run: the size of a buffer that holds any of them."""
    longest = 0
    for i in range(runs.start.shape[0]):
        for s in range(runs.start.shape[1] - 1):
            longest = max(longest, runs.start[i, s + 1] - runs.start[i, s])
    return longest


@njit(**JIT)
def shell_blocks(
    sites: Floats,
    species: Integers,
    shell_ions: Integers,
    ghost_cores: Floats,
    ghost_sites: Floats,
    ghosts: Ghosts,
    coulomb_runs: NeighbourRuns,
    buckingham_runs: NeighbourRuns,
    table: SpeciesTable,
    alpha: float,
    reach: Reach,
    strain: Floats,
    upper: bool,
) -> tuple[Floats, Floats, Integers, Integers]:
    """Real-space Hessian of the shells [eV/Å²], their bonds left out, as blocks.

    Returns own blocks (n, 3, 3), coupling blocks (m, 3, 3), the shell that each of those couples to (m,), and where
    the blocks of every shell start (n + 1,).
    strain: gains ∂virial/∂shell (n, 6, 3) [eV/Å]; pass it empty where that is not wanted. upper: only couplings to
    the same or a later shell.
    """
    shell_number = np.full(len(species), -1, np.int64)
    capacity = 0
    for n in range(len(shell_ions)):
        shell_number[shell_ions[n]] = n
    for n in range(len(shell_ions)):
        for s in range(len(table.core_charge)):
            if table.has_shell[s]:
                i = shell_ions[n]
                capacity += coulomb_runs.start[i, s + 1] - coulomb_runs.start[i, s]
                capacity += buckingham_runs.start[i, s + 1] - buckingham_runs.start[i, s]
    own = np.zeros((len(shell_ions), 3, 3))
    value, column = np.empty((capacity, 3, 3)), np.empty(capacity, np.int64)
    start = np.zeros(len(shell_ions) + 1, np.int64)
    terms = np.empty((5, max(longest_run(coulomb_runs), longest_run(buckingham_runs))))
    count = 0
    for n in range(len(shell_ions)):
        i = shell_ions[n]
        charge = table.shell_charge[species[i]]
        for s in range(len(table.core_charge)):
            for kind in range(3):
                runs = buckingham_runs if kind == 0 else coulomb_runs
                first, last = runs.start[i, s], runs.start[i, s + 1]
                if first == last or (kind == 2 and not table.has_shell[s]):
                    continue
                if kind == 0 and table.A[species[i], s] == 0.0 and table.C[species[i], s] == 0.0:
                    continue
                ghost_places = ghost_cores if kind == 1 else ghost_sites
                fill_run_terms(
                    kind,
                    sites[i],
                    species[i],
                    s,
                    charge,
                    ghost_places,
                    runs,
                    first,
                    last,
                    table,
                    alpha,
                    reach,
                    terms,
                )
                _add_diagonal(terms, last - first, own[n])
                if len(strain):
                    add_strain_coupling(terms, last - first, strain[n])
                if kind != 1 and table.has_shell[s]:
                    count = _append_couplings(
                        terms,
                        runs.ghost,
                        first,
                        last,
                        ghosts.ion,
                        shell_number,
                        value,
                        column,
                        count,
                        n if upper else 0,
                    )
        start[n + 1] = count
    return own, value[:count], column[:count], start


@njit(**JIT)
def add_own_blocks(matrix: Floats, own: Floats) -> None:
    """Adds blocks (n, 3, 3) to the diagonal of a matrix (3n, 3n)."""
    for n in range(len(own)):
        for a in range(3):
            for b in range(3):
                matrix[3 * n + a, 3 * n + b] += own[n, a, b]


@njit(**JIT)
def dense_blocks(own: Floats, value: Floats, column: Integers, start: Integers) -> Floats:
    """The blocks as one matrix, ``shape=(3n, 3n)``."""
    matrix = np.zeros((3 * len(own), 3 * len(own)))
    add_own_blocks(matrix, own)
    for n in range(len(own)):
        for p in range(start[n], start[n + 1]):
            for a in range(3):
                for b in range(3):
                    matrix[3 * n + a, 3 * column[p] + b] += value[p, a, b]
    return matrix


@njit(**JIT)
def _run_response(
    terms: Floats, run: GhostIndices, first: int, last: int, ghost_shell: Integers, moves: Floats
) -> tuple[float, float, float]:
    """Σ K · move over a run: the change of the force on its site when the shells around move, (3, n_shells)."""
    mx, my, mz = moves[0], moves[1], moves[2]
    x = y = z = 0.0
    for p in range(last - first):
        shell = ghost_shell[run[first + p]]
        dx, dy, dz, a = terms[0, p], terms[1, p], terms[2, p], terms[3, p]
        ux, uy, uz = mx[shell], my[shell], mz[shell]
        along = terms[4, p] * (dx * ux + dy * uy + dz * uz)
        x += a * ux + along * dx
        y += a * uy + along * dy
        z += a * uz + along * dz
    return x, y, z


@njit(**JIT)
def core_response(
    moves: Floats,
    positions: Floats,
    species: Integers,
    shell_ions: Integers,
    ghost_sites: Floats,
    ghosts: Ghosts,
    coulomb_runs: NeighbourRuns,
    buckingham_runs: NeighbourRuns,
    table: SpeciesTable,
    alpha: float,
    reach: Reach,
) -> Floats:
    """Change of the real-space force on every core when shells move, own bonds left out: ``shape=(p, n_ions, 3)``.

    moves: p displacements of all shells [Å], ``shape=(p, 3, n_shells)``.
    """
    # Ghosts of ions without a shell are never asked for; they point at shell 0 to keep the gather in bounds.
    shell_number = np.zeros(len(species), np.int64)
    for n in range(len(shell_ions)):
        shell_number[shell_ions[n]] = n
    ghost_shell = shell_number[ghosts.ion]
    change = np.zeros((len(moves), len(species), 3))
    terms = np.empty((5, max(longest_run(coulomb_runs), longest_run(buckingham_runs))))
    for i in range(len(species)):
        for s in range(len(table.core_charge)):
            if not table.has_shell[s]:
                continue
            for kind in (0, 2):
                runs = buckingham_runs if kind == 0 else coulomb_runs
                first, last = runs.start[i, s], runs.start[i, s + 1]
                if first == last or (kind == 0 and table.has_shell[species[i]]):
                    continue
                fill_run_terms(
                    kind, positions[i], species[i], s, table.core_charge[species[i]], ghost_sites, runs, first, last,
                    table, alpha, reach, terms,
                )  # fmt: skip
                for q in range(len(moves)):
                    x, y, z = _run_response(terms, runs.ghost, first, last, ghost_shell, moves[q])
                    change[q, i, 0] += x
                    change[q, i, 1] += y
                    change[q, i, 2] += z
    return change
