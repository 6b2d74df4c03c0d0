"""Pair terms of an expansion that are computed outright, less what the expansion's quadratic form holds of them.

A pair at d = d₀ + δ adds φ(|d|) - [φ₀ + a d₀·δ + ½ (a δ² + b (d₀·δ)²)], where φ has the present parameters and the
bracket, with those of the anchor, is what the quadratic form counted; a and b as in ``pair_terms``. So it does not
matter whether parameters have changed or the displacement is beyond the harmonic: both come out of one loop.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.functions import JIT, exponential
from dopantfit.energy.real_space import SpeciesTable


class ExplicitPairs(NamedTuple):
    """n pairs in groups that share their parameters; every pair once, images of an ion with itself twice by halves.

    vector: d₀ from the second site to the first [Å], ``shape=(3, n)``. shells: numbers of the shells at both ends,
    one past the last shell for a site that stands still, ``shape=(2, n)``. cores: the same with the ions whose cores
    are at the ends, one past the last ion for a shell. anchor: φ₀, a, b, ``shape=(3, n)``. share: ``shape=(n,)``.
    groups: (first species, second, whether there is a Buckingham term, first pair, end), ``shape=(n_groups, 5)``.
    strength: K q q' of every group [eV Å], ``shape=(n_groups,)``. n_moving: the groups with an end that moves, which
    come first.
    """

    vector: Floats
    shells: Integers
    cores: Integers
    anchor: Floats
    share: Floats
    groups: Integers
    strength: Floats
    n_moving: int


@njit(**JIT)
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


@njit(**JIT)
def _gather(pairs: ExplicitPairs, first: int, last: int, moves: Floats, t: Floats) -> None:
    """Vectors d into rows 0-2 of ``t``; moves: of the shells, ``shape=(n_shells + 1, 3)`` with a last row of zeros."""
    for p in range(first, last):
        i, j = pairs.shells[0, p], pairs.shells[1, p]
        for c in range(3):
            t[c, p - first] = pairs.vector[c, p] + (moves[i, c] - moves[j, c])


@njit(**JIT)
def _subtract_anchor(pairs: ExplicitPairs, first: int, last: int, t: Floats) -> float:
    """Force on the first site into rows 5-7 of ``t``; returns the energy."""
    energy = 0.0
    for p in range(first, last):
        k = p - first
        x, y, z = pairs.vector[0, p], pairs.vector[1, p], pairs.vector[2, p]
        dx, dy, dz = t[0, k] - x, t[1, k] - y, t[2, k] - z
        value, a, b = pairs.anchor[0, p], pairs.anchor[1, p], pairs.anchor[2, p]
        along = x * dx + y * dy + z * dz
        square = dx * dx + dy * dy + dz * dz
        energy += pairs.share[p] * (t[3, k] - value - a * along - 0.5 * (a * square + b * along * along))
        # -φ'/r d plus the gradient of the bracket: a d₀ + a δ + b d₀ (d₀·δ), and d₀ + δ = d.
        change = a - t[4, k]
        t[5, k] = change * t[0, k] + b * along * x
        t[6, k] = change * t[1, k] + b * along * y
        t[7, k] = change * t[2, k] + b * along * z
    return energy


@njit(**JIT)
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
        for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
            linear = -a * d[i] * v[j] - v[i] * (a * s[j] + b * along * v[j])
            virial[row] += share * (-t[4, k] * d[i] * d[j] - linear)
            row += 1


@njit(**JIT)
def add_pair_changes(
    pairs: ExplicitPairs,
    moves: Floats,
    table: SpeciesTable,
    all_groups: bool,
    shell_force: Floats,
    core_force: Floats,
    virial: Floats,
) -> float:
    """Energy [eV] of the pairs beyond the quadratic form, of those that move only or of all groups.

    moves: of the shells from the anchor [Å], ``shape=(n_shells + 1, 3)``, the last row zeros. Adds to the forces
    on shells (n_shells + 1, 3), and, for all groups, on cores (n_ions + 1, 3) and to the virial (6,); last rows of
    forces are waste.
    """
    longest = 0
    for group in range(len(pairs.groups)):
        longest = max(longest, pairs.groups[group, 4] - pairs.groups[group, 3])
    t = np.empty((8, longest))
    energy = 0.0
    for group in range(len(pairs.groups) if all_groups else pairs.n_moving):
        s, other, bonded = pairs.groups[group, 0], pairs.groups[group, 1], pairs.groups[group, 2]
        first, last = pairs.groups[group, 3], pairs.groups[group, 4]
        _gather(pairs, first, last, moves, t)
        A, C = (table.A[s, other], table.C[s, other]) if bonded else (0.0, 0.0)
        pair_energies(last - first, table.cutoff, A, table.inverse_rho[s, other], C, pairs.strength[group], t)
        energy += _subtract_anchor(pairs, first, last, t)
        for p in range(first, last):
            i, j = pairs.shells[0, p], pairs.shells[1, p]
            for c in range(3):
                shell_force[i, c] += t[5 + c, p - first]
                shell_force[j, c] -= t[5 + c, p - first]
        if all_groups:
            for p in range(first, last):
                i, j = pairs.cores[0, p], pairs.cores[1, p]
                for c in range(3):
                    core_force[i, c] += t[5 + c, p - first]
                    core_force[j, c] -= t[5 + c, p - first]
            _add_virial(pairs, first, last, t, virial)
    return energy
