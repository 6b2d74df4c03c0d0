"""Pair terms of an expansion that are computed outright, less what the expansion's quadratic form holds of them.

A pair at d = d₀ + δ adds φ(|d|) - [φ₀ + a d₀·δ + ½ (a δ² + b (d₀·δ)²)], where φ has the present parameters and the
bracket, with those of the anchor, is what the quadratic form counted; a and b as in ``pair_terms``. So it does not
matter whether parameters have changed or the displacement is beyond the harmonic: both come out of one loop.

Distant pairs, whose stiffness hardly changes with their parameters, pull as they do at δ = 0, and need one sum per
candidate where the others need one per round.

Loops are short and write one array each: LLVM vectorises a loop only if few pairs of arrays might overlap.
"""

import math
from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import VOIGT, Floats, GhostIndices, Integers
from dopantfit.energy.functions import exponential
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.real_space import SpeciesTable


class ExplicitPairs(NamedTuple):
    """n pairs in groups that share their parameters; every pair once, images of an ion with itself twice by halves.

    vector: d₀ from the second site to the first [Å], ``shape=(3, n)``. shells: numbers of the shells at both ends,
    one past the last shell for a site that stands still, ``shape=(2, n)``. cores: the same with the ions whose cores
    are at the ends, one past the last ion for a shell; both unsigned, so that loops need not test the sign.
    anchor: φ₀, a, b, ``shape=(3, n)``. powers: r, 1/r², 1/r⁶ of d₀, ``shape=(3, n)``. share: ``shape=(n,)``.
    groups: (first species, second, whether there is a Buckingham term, first pair, end), ``shape=(n_groups, 5)``;
    close pairs come first, then from n_close on those that are taken at δ = 0.
    strength: K q q' of every group [eV Å], ``shape=(n_groups,)``.
    """

    vector: Floats
    shells: GhostIndices
    cores: GhostIndices
    anchor: Floats
    powers: Floats
    share: Floats
    groups: Integers
    strength: Floats
    n_close: int


@kernel
def pair_energies(
    length: int, cutoff: float, A: float, inverse_rho: float, C: float, strength: float, t: Floats
) -> None:
    """(φ, φ'/r) into rows 3 and 4 of ``t`` for the vectors in its rows 0-2; the Coulomb term is bare and not cut."""
    dx, dy, dz, energy, slope = t[0], t[1], t[2], t[3], t[4]
    square = cutoff * cutoff
    for p in range(length):
        r2 = dx[p] * dx[p] + dy[p] * dy[p] + dz[p] * dz[p]
        counts = 1.0 if r2 < square else 0.0
        inverse2 = 1.0 / r2
        r = math.sqrt(r2)
        coulomb = strength * r * inverse2
        repulsion = A * exponential(-r * inverse_rho)
        dispersion = C * inverse2 * inverse2 * inverse2
        energy[p] = counts * (repulsion - dispersion) + coulomb
        slope[p] = (counts * (6.0 * dispersion - repulsion * r * inverse_rho) - coulomb) * inverse2


@kernel
def _gather(pairs: ExplicitPairs, first: int, last: int, moves: Floats, t: Floats) -> None:
    """Vectors d into rows 0-2 of ``t``; moves: of the shells, ``shape=(3, n_shells + 1)``, the last column zeros."""
    one, two = pairs.shells[0, first:last], pairs.shells[1, first:last]
    for c in range(3):
        d, v, move = t[c], pairs.vector[c, first:last], moves[c]
        for k in range(last - first):
            d[k] = v[k] + (move[one[k]] - move[two[k]])


@kernel
def _subtract_anchor(pairs: ExplicitPairs, first: int, last: int, t: Floats) -> float:
    """Force on the first site into rows 5-7 of ``t``; returns the energy."""
    vx, vy, vz = pairs.vector[0, first:last], pairs.vector[1, first:last], pairs.vector[2, first:last]
    value, a, b = pairs.anchor[0, first:last], pairs.anchor[1, first:last], pairs.anchor[2, first:last]
    share = pairs.share[first:last]
    dx, dy, dz, found, slope, along, square = t[0], t[1], t[2], t[3], t[4], t[8], t[9]
    for k in range(last - first):
        along[k] = vx[k] * (dx[k] - vx[k]) + vy[k] * (dy[k] - vy[k]) + vz[k] * (dz[k] - vz[k])
    for k in range(last - first):
        square[k] = (dx[k] - vx[k]) ** 2 + (dy[k] - vy[k]) ** 2 + (dz[k] - vz[k]) ** 2
    energy = 0.0
    for k in range(last - first):
        taken = a[k] * (along[k] + 0.5 * square[k]) + 0.5 * b[k] * along[k] * along[k]
        energy += share[k] * (found[k] - value[k] - taken)
    # -φ'/r d plus the gradient of the bracket: a d₀ + a δ + b d₀ (d₀·δ), and d₀ + δ = d.
    for c in range(3):
        f, d, v = t[5 + c], t[c], pairs.vector[c, first:last]
        for k in range(last - first):
            f[k] = (a[k] - slope[k]) * d[k] + b[k] * along[k] * v[k]
    return energy


@kernel
def _scatter(ends: GhostIndices, first: int, last: int, t: Floats, force: Floats) -> None:
    """Adds the forces in rows 5-7 of ``t`` to the first ends, and takes them from the second ones."""
    fx, fy, fz = t[5], t[6], t[7]
    x, y, z = force[0], force[1], force[2]
    for end in range(2):
        side, sign = ends[end], 1.0 - 2.0 * end
        # A group has one kind of site at each end; where it stands still there is nothing to add.
        if first == last or side[first] == force.shape[1] - 1:
            continue
        for k in range(last - first):
            i = side[first + k]
            x[i] += sign * fx[k]
            y[i] += sign * fy[k]
            z[i] += sign * fz[k]


@kernel
def _add_virial(pairs: ExplicitPairs, first: int, last: int, t: Floats, virial: Floats) -> None:
    """Adds d⊗F less what is linear in δ: with F₀ = -a d₀ and F₁ = -(a δ + b d₀ (d₀·δ)) that is d⊗F₀ + d₀⊗F₁."""
    for p in range(first, last):
        k = p - first
        a, b, share = pairs.anchor[1, p], pairs.anchor[2, p], pairs.share[p]
        v = (pairs.vector[0, p], pairs.vector[1, p], pairs.vector[2, p])
        d = (t[0, k], t[1, k], t[2, k])
        s = (d[0] - v[0], d[1] - v[1], d[2] - v[2])
        along = v[0] * s[0] + v[1] * s[1] + v[2] * s[2]
        row = 0
        for i, j in VOIGT:
            linear = -a * d[i] * v[j] - v[i] * (a * s[j] + b * along * v[j])
            virial[row] += share * (-t[4, k] * d[i] * d[j] - linear)
            row += 1


@kernel
def add_pair_changes(
    pairs: ExplicitPairs,
    moves: Floats,
    table: SpeciesTable,
    first_group: int,
    last_group: int,
    t: Floats,
    shell_force: Floats,
    core_force: Floats,
    virial: Floats,
) -> float:
    """Energy [eV] beyond the quadratic form of a range of groups.

    moves: of the shells from the anchor [Å], ``shape=(3, n_shells + 1)``, the last column zeros. t: a buffer,
    ``shape=(10, longest group)``. Adds to the force on shells (3, n_shells + 1); to that on cores (3, n_ions + 1) and
    to the virial (6,) unless these are empty. The last columns of forces are waste.
    """
    energy = 0.0
    for group in range(first_group, last_group):
        s, other, bonded = pairs.groups[group, 0], pairs.groups[group, 1], pairs.groups[group, 2]
        first, last = pairs.groups[group, 3], pairs.groups[group, 4]
        _gather(pairs, first, last, moves, t)
        A, C = (table.A[s, other], table.C[s, other]) if bonded else (0.0, 0.0)
        pair_energies(last - first, table.cutoff, A, table.inverse_rho[s, other], C, pairs.strength[group], t)
        energy += _subtract_anchor(pairs, first, last, t)
        _scatter(pairs.shells, first, last, t, shell_force)
        if core_force.shape[1] > 0:
            _scatter(pairs.cores, first, last, t, core_force)
        if len(virial) > 0:
            _add_virial(pairs, first, last, t, virial)
    return energy


@kernel
def _distant_terms(pairs: ExplicitPairs, group: int, table: SpeciesTable, t: Floats) -> float:
    """What multiplies d₀ to the force on the first site into row 3 of ``t``; returns the energy."""
    s, other, first, last = (
        pairs.groups[group, 0],
        pairs.groups[group, 1],
        pairs.groups[group, 3],
        pairs.groups[group, 4],
    )
    A, inverse_rho, C = table.A[s, other], table.inverse_rho[s, other], table.C[s, other]
    r, inverse2, inverse6 = pairs.powers[0, first:last], pairs.powers[1, first:last], pairs.powers[2, first:last]
    value, a, share = pairs.anchor[0, first:last], pairs.anchor[1, first:last], pairs.share[first:last]
    change, repulsion = t[3], t[4]
    for k in range(last - first):
        repulsion[k] = A * exponential(-r[k] * inverse_rho)
    for k in range(last - first):
        change[k] = a[k] - (6.0 * C * inverse6[k] - repulsion[k] * r[k] * inverse_rho) * inverse2[k]
    energy = 0.0
    for k in range(last - first):
        energy += share[k] * (repulsion[k] - C * inverse6[k] - value[k])
    return energy


@kernel
def add_distant_changes(
    pairs: ExplicitPairs, table: SpeciesTable, t: Floats, shell_force: Floats, core_force: Floats, virial: Floats
) -> float:
    """``add_pair_changes`` of the groups from ``pairs.n_close`` on, with every shell where the anchor left it."""
    energy, change = 0.0, t[3]
    for group in range(pairs.n_close, len(pairs.groups)):
        energy += _distant_terms(pairs, group, table, t)
        first, last = pairs.groups[group, 3], pairs.groups[group, 4]
        for c in range(3):
            f, v = t[5 + c], pairs.vector[c, first:last]
            for k in range(last - first):
                f[k] = change[k] * v[k]
        _scatter(pairs.shells, first, last, t, shell_force)
        _scatter(pairs.cores, first, last, t, core_force)
        for row in range(len(virial)):
            f, v = t[5 + VOIGT[row][0]], pairs.vector[VOIGT[row][1], first:last]
            for k in range(last - first):
                virial[row] += pairs.share[first + k] * f[k] * v[k]
    return energy


@kernel
def pair_buffer(pairs: ExplicitPairs) -> Floats:
    """A buffer for ``add_pair_changes``."""
    longest = 0
    for group in range(len(pairs.groups)):
        longest = max(longest, pairs.groups[group, 4] - pairs.groups[group, 3])
    return np.empty((10, longest))
