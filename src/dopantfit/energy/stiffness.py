"""Second derivatives of the real-space energy with respect to shells.

For a pair with K = a I + b d dᵀ the site's own block gains K, the block that couples two shells gains -K, and the
force on a core changes by K u when a shell near it moves by u.
"""

from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import Floats, GhostIndices, Integers
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.neighbours import Lists, run_buffer
from dopantfit.energy.pair_terms import buckingham_stiffness, coulomb_stiffness, gather_vectors
from dopantfit.energy.real_space import SpeciesTable

#: What a run of neighbours interacts through.
BUCKINGHAM, WITH_CORES, WITH_SHELLS = 0, 1, 2


class Reach(NamedTuple):
    """Cutoffs [Å] of Coulomb and Buckingham terms, and the screening [1/Å] of the first.

    A shorter reach, more strongly screened, makes an approximate Hessian, cheaply.
    """

    coulomb: float
    buckingham: float
    alpha: float


class Placement(NamedTuple):
    """Where everything is: cores and sites (n_ions, 3), their images (3, n_ghosts) [Å], and who is near whom.

    A site is where the Buckingham terms of an ion act: its shell, or its core if it has none.
    """

    species: Integers
    shell_ions: Integers
    cores: Floats
    sites: Floats
    ghost_cores: Floats
    ghost_sites: Floats
    lists: Lists


@kernel
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


@kernel
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


@kernel
def _shell_numbers(placement: Placement, otherwise: int) -> Integers:
    """The number of every ion's shell, ``shape=(n_ions,)``; ``otherwise`` for ions that have none."""
    numbers = np.full(len(placement.species), otherwise, np.int64)
    for n in range(len(placement.shell_ions)):
        numbers[placement.shell_ions[n]] = n
    return numbers


@kernel
def _fill_terms(
    kind: int,
    site: Floats,
    charge: float,
    i: int,
    s: int,
    placement: Placement,
    table: SpeciesTable,
    reach: Reach,
    terms: Floats,
) -> int:
    """Vectors, a and b of a site of ion i with its neighbours of species s; returns how many there are."""
    runs = placement.lists.buckingham if kind == BUCKINGHAM else placement.lists.coulomb
    first, last = runs.start[i, s], runs.start[i, s + 1]
    t = placement.species[i]
    nothing = (
        (table.A[t, s] == 0.0 and table.C[t, s] == 0.0)
        if kind == BUCKINGHAM
        else (kind == WITH_SHELLS and not table.has_shell[s])
    )
    if nothing or first == last:
        return 0
    ghosts = placement.ghost_cores if kind == WITH_CORES else placement.ghost_sites
    gather_vectors(site, ghosts, runs.ghost, first, last, terms)
    if kind == BUCKINGHAM:
        A, inverse_rho, C = table.A[t, s], table.inverse_rho[t, s], table.C[t, s]
        buckingham_stiffness(last - first, reach.buckingham, A, inverse_rho, C, terms)
    else:
        other = table.core_charge[s] if kind == WITH_CORES else table.shell_charge[s]
        coulomb_stiffness(last - first, reach.alpha, reach.coulomb, table.coulomb * charge * other, terms)
    return last - first


@kernel
def _append_couplings(terms: Floats, length: int, shells: Integers, value: Floats, column: Integers, count: int) -> int:
    """Writes -K of every entry that counts and the shell it couples to.

    shells: the shell of each neighbour, ``shape=(length,)``. Returns the new number of blocks.
    """
    for p in range(length):
        a, b = terms[3, p], terms[4, p]
        if a == 0.0 and b == 0.0:
            continue
        for i in range(3):
            for j in range(3):
                value[count, i, j] = -b * terms[i, p] * terms[j, p]
            value[count, i, i] -= a
        column[count] = shells[p]
        count += 1
    return count


@kernel
def _coupling_capacity(placement: Placement, table: SpeciesTable) -> int:
    """How many coupling blocks there can be."""
    capacity = 0
    for runs in (placement.lists.coulomb, placement.lists.buckingham):
        for i in placement.shell_ions:
            for s in range(len(table.core_charge)):
                if table.has_shell[s]:
                    capacity += runs.start[i, s + 1] - runs.start[i, s]
    return capacity


@kernel
def sparse_shell_hessian(
    placement: Placement, table: SpeciesTable, reach: Reach
) -> tuple[Floats, Floats, Integers, Integers]:
    """Real-space Hessian of the shells [eV/Å²], their bonds left out, as blocks.

    Returns own blocks (n, 3, 3), coupling blocks (m, 3, 3), the shell that each of those couples to (m,), and where
    the blocks of every shell start (n + 1,).
    """
    n_shells, capacity = len(placement.shell_ions), _coupling_capacity(placement, table)
    own = np.zeros((n_shells, 3, 3))
    value, column = np.empty((capacity, 3, 3)), np.empty(capacity, np.int64)
    start = np.zeros(n_shells + 1, np.int64)
    ghost_shell = _shell_numbers(placement, -1)[placement.lists.ghosts.ion]
    terms = run_buffer(placement.lists)
    for n in range(n_shells):
        i = placement.shell_ions[n]
        count = start[n]
        for s in range(len(table.core_charge)):
            for kind in (BUCKINGHAM, WITH_CORES, WITH_SHELLS):
                charge = table.shell_charge[placement.species[i]]
                length = _fill_terms(kind, placement.sites[i], charge, i, s, placement, table, reach, terms)
                _add_diagonal(terms, length, own[n])
                if kind != WITH_CORES and table.has_shell[s]:
                    runs = placement.lists.buckingham if kind == BUCKINGHAM else placement.lists.coulomb
                    shells = ghost_shell[runs.ghost[runs.start[i, s] : runs.start[i, s] + length]]
                    count = _append_couplings(terms, length, shells, value, column, count)
        start[n + 1] = count
    return own, value[: start[-1]], column[: start[-1]], start


@kernel
def add_own_blocks(matrix: Floats, own: Floats) -> None:
    """Adds blocks (n, 3, 3) to the diagonal of a matrix (3n, 3n)."""
    for n in range(len(own)):
        for a in range(3):
            for b in range(3):
                matrix[3 * n + a, 3 * n + b] += own[n, a, b]


@kernel
def _couple(terms: Floats, run: GhostIndices, ghost_shell: Integers, couplings: Floats) -> None:
    """Adds K of every entry of a run to the shell it couples to: ``couplings`` (n_shells, 6), xx yy zz yz xz xy."""
    for p in range(len(run)):
        dx, dy, dz, a, b = terms[0, p], terms[1, p], terms[2, p], terms[3, p], terms[4, p]
        row = couplings[ghost_shell[run[p]]]
        row[0] += a + b * dx * dx
        row[1] += a + b * dy * dy
        row[2] += a + b * dz * dz
        row[3] += b * dy * dz
        row[4] += b * dx * dz
        row[5] += b * dx * dy


@kernel
def dense_shell_hessian(placement: Placement, table: SpeciesTable, reach: Reach, strain: Floats) -> Floats:
    """Real-space Hessian of the shells [eV/Å²], their bonds left out, upper triangle of (3n, 3n).

    strain: gains ∂virial/∂shell (n, 6, 3) [eV/Å]; pass it empty where that is not wanted.
    """
    n_shells = len(placement.shell_ions)
    matrix = np.zeros((3 * n_shells, 3 * n_shells))
    # Ghosts of ions without a shell are never asked for; they point at shell 0.
    ghost_shell = _shell_numbers(placement, 0)[placement.lists.ghosts.ion]
    terms, couplings, own = run_buffer(placement.lists), np.empty((n_shells, 6)), np.empty((3, 3))
    for n in range(n_shells):
        i = placement.shell_ions[n]
        charge = table.shell_charge[placement.species[i]]
        couplings[:] = 0.0
        own[:] = 0.0
        for s in range(len(table.core_charge)):
            for kind in (BUCKINGHAM, WITH_CORES, WITH_SHELLS):
                length = _fill_terms(kind, placement.sites[i], charge, i, s, placement, table, reach, terms)
                _add_diagonal(terms, length, own)
                if len(strain):
                    add_strain_coupling(terms, length, strain[n])
                if kind != WITH_CORES and table.has_shell[s]:
                    runs = placement.lists.buckingham if kind == BUCKINGHAM else placement.lists.coulomb
                    run = runs.ghost[runs.start[i, s] : runs.start[i, s] + length]
                    _couple(terms, run, ghost_shell, couplings)
        _write_rows(matrix, n, own, couplings)
    return matrix


@kernel
def _write_rows(matrix: Floats, n: int, own: Floats, couplings: Floats) -> None:
    """Writes the rows of shell n, from its own block on: the block, less what couples it."""
    voigt = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
    for a in range(3):
        row = matrix[3 * n + a]
        x, y, z = voigt[a]
        for m in range(n, len(couplings)):
            row[3 * m] = -couplings[m, x]
            row[3 * m + 1] = -couplings[m, y]
            row[3 * m + 2] = -couplings[m, z]
        for b in range(3):
            row[3 * n + b] += own[a, b]


@kernel
def _run_response(terms: Floats, run: GhostIndices, ghost_shell: Integers, moves: Floats) -> tuple[float, float, float]:
    """Σ K u over a run: the change of the force on its site when shells move by u, ``moves`` (3, n_shells)."""
    mx, my, mz = moves[0], moves[1], moves[2]
    x = y = z = 0.0
    for p in range(len(run)):
        shell = ghost_shell[run[p]]
        dx, dy, dz, a = terms[0, p], terms[1, p], terms[2, p], terms[3, p]
        ux, uy, uz = mx[shell], my[shell], mz[shell]
        along = terms[4, p] * (dx * ux + dy * uy + dz * uz)
        x += a * ux + along * dx
        y += a * uy + along * dy
        z += a * uz + along * dz
    return x, y, z


@kernel
def core_response(moves: Floats, placement: Placement, table: SpeciesTable, reach: Reach) -> Floats:
    """Change of the real-space force on every core when shells move, own bonds left out: ``shape=(p, n_ions, 3)``.

    moves: p displacements of all shells [Å], ``shape=(p, 3, n_shells)``.
    """
    # Ghosts of ions without a shell are never asked for; they point at shell 0 to keep the gather in bounds.
    ghost_shell = _shell_numbers(placement, 0)[placement.lists.ghosts.ion]
    change = np.zeros((len(moves), len(placement.species), 3))
    terms = run_buffer(placement.lists)
    for i in range(len(placement.species)):
        t = placement.species[i]
        for s in range(len(table.core_charge)):
            for kind in (BUCKINGHAM, WITH_SHELLS):
                # Of an ion with a shell, the shell feels the Buckingham term and the core does not.
                if not table.has_shell[s] or (kind == BUCKINGHAM and table.has_shell[t]):
                    continue
                charge = table.core_charge[t]
                length = _fill_terms(kind, placement.cores[i], charge, i, s, placement, table, reach, terms)
                runs = placement.lists.buckingham if kind == BUCKINGHAM else placement.lists.coulomb
                run = runs.ghost[runs.start[i, s] : runs.start[i, s] + length]
                for q in range(len(moves)):
                    x, y, z = _run_response(terms, run, ghost_shell, moves[q])
                    change[q, i, 0] += x
                    change[q, i, 1] += y
                    change[q, i, 2] += z
    return change
