"""Derivatives of the Buckingham sums with respect to A, ρ and C of one pair of species."""

import math

import numpy as np
from numba import njit

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.functions import JIT, exponential
from dopantfit.energy.neighbours import NeighbourRuns


def derivative_coefficients(quantity: str, A: float, inverse_rho: float) -> Floats:
    """(c0, c1, c2, d0, d1, d2) with which one loop serves all three quantities.

    ∂φ/∂p = (c0 + c1 r) e + c2/r⁶ and ∂(-φ'/r)/∂p = (d0/r + d1) e + d2/r⁸, where e = exp(-r/ρ).
    """
    if quantity == "A":
        return np.array([1.0, 0.0, 0.0, inverse_rho, 0.0, 0.0])
    if quantity == "rho":
        return np.array([0.0, A * inverse_rho**2, 0.0, -A * inverse_rho**2, A * inverse_rho**3, 0.0])
    return np.array([0.0, 0.0, -1.0, 0.0, 0.0, -6.0])


@njit(**JIT)
def add_buckingham_derivative(
    s: int,
    t: int,
    species: Integers,
    sites: Floats,
    ghost_sites: Floats,
    runs: NeighbourRuns,
    cutoff: float,
    inverse_rho: float,
    coefficients: Floats,
    force: Floats,
    virial: Floats,
) -> float:
    """∂E/∂p for the pair of species s, t; adds ∂F/∂p to force (n_ions, 3) and ∂virial/∂p to (6,)."""
    gx, gy, gz = ghost_sites[0], ghost_sites[1], ghost_sites[2]
    square = cutoff * cutoff
    c0, c1, c2 = coefficients[0], coefficients[1], coefficients[2]
    d0, d1, d2 = coefficients[3], coefficients[4], coefficients[5]
    total = 0.0
    for i in range(len(species)):
        if species[i] != s and species[i] != t:
            continue
        other = t if species[i] == s else s
        x, y, z = sites[i, 0], sites[i, 1], sites[i, 2]
        energy = fx = fy = fz = xx = yy = zz = yz = xz = xy = 0.0
        for p in range(runs.start[i, other], runs.start[i, other + 1]):
            g = runs.ghost[p]
            dx, dy, dz = x - gx[g], y - gy[g], z - gz[g]
            r2 = dx * dx + dy * dy + dz * dz
            inside = r2 < square
            r2 = r2 if inside else square
            r = math.sqrt(r2)
            inverse = 1.0 / r
            inverse2 = inverse * inverse
            inverse6 = inverse2 * inverse2 * inverse2
            decay = exponential(-r * inverse_rho)
            factor = (d0 * inverse + d1) * decay + d2 * inverse6 * inverse2
            factor = factor if inside else 0.0
            energy += (c0 + c1 * r) * decay + c2 * inverse6 if inside else 0.0
            px, py, pz = factor * dx, factor * dy, factor * dz
            fx += px
            fy += py
            fz += pz
            xx += px * dx
            yy += py * dy
            zz += pz * dz
            yz += py * dz
            xz += px * dz
            xy += px * dy
        total += 0.5 * energy
        force[i, 0] += fx
        force[i, 1] += fy
        force[i, 2] += fz
        for c, part in enumerate((xx, yy, zz, yz, xz, xy)):
            virial[c] += 0.5 * part
    return total
