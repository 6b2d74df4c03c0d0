"""Sums over one run of neighbours: the innermost loops of the real-space part.

A run holds ghosts of one species around one site, so all pair parameters are constants of its loops. Work goes through
a small buffer, ``terms`` (5, ≥ run length): first the vectors d from the neighbours to the site are gathered into rows
0-2, then a radial function turns them into two numbers per neighbour in rows 3-4, then these are summed. Gathering in a
loop of its own is what lets LLVM vectorise the other two. Entries beyond the cutoff (list skin and padding) are
computed at the cutoff and dropped by a select: branches would end vectorisation.

With φ(r) the pair energy, radial functions give (φ, -φ'/r) for forces, or (a, b) = (φ'/r, (φ'' - φ'/r)/r²) for second
derivatives: the force on the site is -a d, and its derivative with respect to the site is -(a I + b d dᵀ).
"""

import math

from dopantfit.energy.arrays import Floats, GhostIndices
from dopantfit.energy.functions import exponential, scaled_erfc
from dopantfit.energy.kernel_cache import kernel

Sums = tuple[float, float, float, float, float, float, float, float, float, float]

TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


@kernel
def gather_vectors(site: Floats, ghosts: Floats, run: GhostIndices, first: int, last: int, terms: Floats) -> None:
    """Writes the vectors from the neighbours of a run to a site [Å]; ghosts: ``shape=(3, n_ghosts)``."""
    x, y, z = site[0], site[1], site[2]
    gx, gy, gz = ghosts[0], ghosts[1], ghosts[2]
    for p in range(last - first):
        g = run[first + p]
        terms[0, p] = x - gx[g]
        terms[1, p] = y - gy[g]
        terms[2, p] = z - gz[g]


@kernel
def coulomb_forces(length: int, alpha: float, cutoff: float, terms: Floats) -> None:
    """(φ, -φ'/r) of φ = erfc(αr)/r, for unit charges and K = 1."""
    dx, dy, dz, energy, force = terms[0], terms[1], terms[2], terms[3], terms[4]
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
        value = scaled_erfc(scaled) * gauss * inverse
        counts = 1.0 if inside else 0.0
        energy[p] = counts * value
        force[p] = counts * (value + slope * gauss) * inverse * inverse


@kernel
def coulomb_stiffness(length: int, alpha: float, cutoff: float, strength: float, terms: Floats) -> None:
    """(a, b) of φ = strength erfc(αr)/r; strength is K q q' [eV Å]."""
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


@kernel
def buckingham_forces(length: int, cutoff: float, A: float, inverse_rho: float, C: float, terms: Floats) -> None:
    """(φ, -φ'/r) of φ = A exp(-r/ρ) - C/r⁶, truncated at the cutoff."""
    dx, dy, dz, energy, force = terms[0], terms[1], terms[2], terms[3], terms[4]
    square = cutoff * cutoff
    for p in range(length):
        r2 = dx[p] * dx[p] + dy[p] * dy[p] + dz[p] * dz[p]
        inside = r2 < square
        r2 = r2 if inside else square
        r = math.sqrt(r2)
        inverse2 = 1.0 / r2
        repulsion = A * exponential(-r * inverse_rho)
        dispersion = C * inverse2 * inverse2 * inverse2
        counts = 1.0 if inside else 0.0
        energy[p] = counts * (repulsion - dispersion)
        force[p] = counts * (repulsion * r * inverse_rho - 6.0 * dispersion) * inverse2


@kernel
def buckingham_stiffness(length: int, cutoff: float, A: float, inverse_rho: float, C: float, terms: Floats) -> None:
    """(a, b) of φ = A exp(-r/ρ) - C/r⁶."""
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
        counts = 1.0 if inside else 0.0
        a[p] = counts * first_order
        b[p] = counts * (curvature - first_order) * inverse2


@kernel
def buckingham_parameter_forces(
    length: int, cutoff: float, inverse_rho: float, coefficients: Floats, terms: Floats
) -> None:
    """(∂φ/∂p, ∂(-φ'/r)/∂p) of a Buckingham term; see ``real_space.derivative_coefficients``."""
    dx, dy, dz, energy, force = terms[0], terms[1], terms[2], terms[3], terms[4]
    c0, c1, c2 = coefficients[0], coefficients[1], coefficients[2]
    d0, d1, d2 = coefficients[3], coefficients[4], coefficients[5]
    square = cutoff * cutoff
    for p in range(length):
        r2 = dx[p] * dx[p] + dy[p] * dy[p] + dz[p] * dz[p]
        inside = r2 < square
        r2 = r2 if inside else square
        r = math.sqrt(r2)
        inverse = 1.0 / r
        inverse2 = inverse * inverse
        inverse6 = inverse2 * inverse2 * inverse2
        decay = exponential(-r * inverse_rho)
        counts = 1.0 if inside else 0.0
        energy[p] = counts * ((c0 + c1 * r) * decay + c2 * inverse6)
        force[p] = counts * ((d0 * inverse + d1) * decay + d2 * inverse6 * inverse2)


@kernel
def run_sums(length: int, terms: Floats) -> Sums:
    """Sums of a run from (φ, -φ'/r): energy, force on the site, and Σ d⊗force in the order xx yy zz yz xz xy."""
    energy = fx = fy = fz = xx = yy = zz = yz = xz = xy = 0.0
    for p in range(length):
        dx, dy, dz, force = terms[0, p], terms[1, p], terms[2, p], terms[4, p]
        energy += terms[3, p]
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
