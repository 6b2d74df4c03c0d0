"""Sums over one run of neighbours: the innermost loops of the real-space part.

A run holds ghosts of one species around one site, so all pair parameters are constants of the loop. Entries beyond the
cutoff (list skin and padding) are computed at the cutoff and dropped by a select: branches would end vectorisation.
With d the vector from neighbour to site and φ(r) the pair energy, a = φ'/r and b = (φ'' - φ'/r)/r²: the force on the
site is -a d, and the second derivative with respect to the site is a I + b d dᵀ.
"""

import math

from numba import njit

from dopantfit.energy.arrays import Floats, GhostIndices
from dopantfit.energy.functions import JIT, exponential, scaled_erfc

Sums = tuple[float, float, float, float, float, float, float, float, float, float]

TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


@njit(**JIT)
def coulomb_run(
    x: float, y: float, z: float, ghosts: Floats, run: GhostIndices, first: int, last: int, alpha: float, cutoff: float
) -> Sums:
    """Σ erfc(αr)/r over a run, minus its gradient with respect to the site, and Σ d⊗force (xx yy zz yz xz xy).

    For unit charges and K = 1. ghosts: ``shape=(3, n_ghosts)`` [Å].
    """
    gx, gy, gz = ghosts[0], ghosts[1], ghosts[2]
    energy = fx = fy = fz = xx = yy = zz = yz = xz = xy = 0.0
    square = cutoff * cutoff
    slope = TWO_OVER_SQRT_PI * alpha
    for p in range(first, last):
        g = run[p]
        dx, dy, dz = x - gx[g], y - gy[g], z - gz[g]
        r2 = dx * dx + dy * dy + dz * dz
        inside = r2 < square
        r2 = r2 if inside else square
        r = math.sqrt(r2)
        inverse = 1.0 / r
        scaled = alpha * r
        gauss = exponential(-scaled * scaled)
        term = scaled_erfc(scaled) * gauss * inverse
        force = (term + slope * gauss) * inverse * inverse
        force = force if inside else 0.0
        energy += term if inside else 0.0
        px, py, pz = force * dx, force * dy, force * dz
        fx += px
        fy += py
        fz += pz
        xx += px * dx
        yy += py * dy
        zz += pz * dz
        yz += py * dz
        xz += px * dz
        xy += px * dy
    return energy, fx, fy, fz, xx, yy, zz, yz, xz, xy


@njit(**JIT)
def buckingham_run(
    x: float,
    y: float,
    z: float,
    ghosts: Floats,
    run: GhostIndices,
    first: int,
    last: int,
    cutoff: float,
    A: float,
    inverse_rho: float,
    C: float,
) -> Sums:
    """Σ A exp(-r/ρ) - C/r⁶ over a run, truncated at ``cutoff``; the same ten sums as ``coulomb_run``."""
    gx, gy, gz = ghosts[0], ghosts[1], ghosts[2]
    energy = fx = fy = fz = xx = yy = zz = yz = xz = xy = 0.0
    square = cutoff * cutoff
    for p in range(first, last):
        g = run[p]
        dx, dy, dz = x - gx[g], y - gy[g], z - gz[g]
        r2 = dx * dx + dy * dy + dz * dz
        inside = r2 < square
        r2 = r2 if inside else square
        r = math.sqrt(r2)
        inverse = 1.0 / r2
        repulsion = A * exponential(-r * inverse_rho)
        dispersion = C * inverse * inverse * inverse
        force = (repulsion * r * inverse_rho - 6.0 * dispersion) * inverse
        force = force if inside else 0.0
        energy += repulsion - dispersion if inside else 0.0
        px, py, pz = force * dx, force * dy, force * dz
        fx += px
        fy += py
        fz += pz
        xx += px * dx
        yy += py * dy
        zz += pz * dz
        yz += py * dz
        xz += px * dz
        xy += px * dy
    return energy, fx, fy, fz, xx, yy, zz, yz, xz, xy


@njit(**JIT)
def gather_vectors(
    x: float, y: float, z: float, ghosts: Floats, run: GhostIndices, first: int, last: int, terms: Floats
) -> None:
    """Writes the vectors from the neighbours of a run to the site into ``terms[:3]``.

    A loop of its own: gathering and storing in one loop could alias, which would end vectorisation.
    """
    gx, gy, gz = ghosts[0], ghosts[1], ghosts[2]
    for p in range(last - first):
        g = run[first + p]
        terms[0, p] = x - gx[g]
        terms[1, p] = y - gy[g]
        terms[2, p] = z - gz[g]


@njit(**JIT)
def coulomb_stiffness(length: int, alpha: float, cutoff: float, strength: float, terms: Floats) -> None:
    """Turns vectors dx, dy, dz in ``terms[:3]`` into a, b in ``terms[3:5]``; strength is K q q'."""
    dx, dy, dz, a, b = terms[0], terms[1], terms[2], terms[3], terms[4]
    square = cutoff * cutoff
    slope = TWO_OVER_SQRT_PI * alpha
    for p in range(length):
        r2 = dx[p] * dx[p] + dy[p] * dy[p] + dz[p] * dz[p]
        inside = r2 < square
        r2 = r2 if inside else square
        r = math.sqrt(r2)
        inverse = 1.0 / r
        scaled = alpha * r
        gauss = exponential(-scaled * scaled)
        inverse2 = inverse * inverse
        first_order = (scaled_erfc(scaled) * gauss * inverse + slope * gauss) * inverse2
        second_order = (3.0 * first_order + 2.0 * slope * alpha * alpha * gauss) * inverse2
        factor = strength if inside else 0.0
        a[p] = -factor * first_order
        b[p] = factor * second_order


@njit(**JIT)
def buckingham_stiffness(length: int, cutoff: float, A: float, inverse_rho: float, C: float, terms: Floats) -> None:
    """As ``coulomb_stiffness`` for A exp(-r/ρ) - C/r⁶."""
    dx, dy, dz, a, b = terms[0], terms[1], terms[2], terms[3], terms[4]
    square = cutoff * cutoff
    for p in range(length):
        r2 = dx[p] * dx[p] + dy[p] * dy[p] + dz[p] * dz[p]
        inside = r2 < square
        r2 = r2 if inside else square
        r = math.sqrt(r2)
        inverse2 = 1.0 / r2
        repulsion = A * exponential(-r * inverse_rho)
        dispersion = C * inverse2 * inverse2 * inverse2
        first_order = (6.0 * dispersion - repulsion * r * inverse_rho) * inverse2
        curvature = repulsion * inverse_rho * inverse_rho - 42.0 * dispersion * inverse2
        factor = 1.0 if inside else 0.0
        a[p] = factor * first_order
        b[p] = factor * (curvature - first_order) * inverse2
