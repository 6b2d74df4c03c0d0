"""The bond of a core with its own shell: the spring, and the Coulomb term that the reciprocal sum must not count.

E(t) = ½ k t - K q_core q_shell erf(α√t)/√t with t = d², the squared distance of shell and core: the two do not see each
other's charge, but the waves of the Ewald sum contain both. As a power series in t nothing special happens at d = 0.
"""

import math

import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.energy.stiffness import add_strain_coupling

#: Terms of the series of erf; exact to rounding for α d < 1.5, and d never passes 0.5 Å.
SERIES_TERMS = 24


@kernel
def screened(t: float, alpha: float) -> tuple[float, float, float]:
    """f(t) = erf(α√t)/√t and its first and second derivative with respect to t."""
    square = alpha * alpha
    value = slope = curvature = 0.0
    factor = 2.0 * alpha / math.sqrt(math.pi)  # factor = prefactor (-α²)ⁿ/n!
    power, power1, power2 = 1.0, 0.0, 0.0  # tⁿ, n tⁿ⁻¹, n(n-1) tⁿ⁻²
    for n in range(SERIES_TERMS):
        weight = factor / (2 * n + 1)
        value += weight * power
        slope += weight * power1
        curvature += weight * power2
        power2 = power2 * t + 2 * power1
        power1 = power1 * t + power
        power *= t
        factor *= -square / (n + 1)
    return value, slope, curvature


@kernel
def bond_slopes(t: float, alpha: float, s: int, table: SpeciesTable) -> tuple[float, float, float]:
    """E(t), dE/dt and d²E/dt² of the bond of a species s ion [eV, eV/Å², eV/Å⁴]."""
    strength = table.coulomb * table.core_charge[s] * table.shell_charge[s]
    value, slope, curvature = screened(t, alpha)
    return (
        0.5 * table.spring[s] * t - strength * value,
        0.5 * table.spring[s] - strength * slope,
        -strength * curvature,
    )


@kernel
def add_bonds(
    displacement: Floats,
    shell_species: Integers,
    table: SpeciesTable,
    alpha: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Energy [eV] of all bonds; adds the force on every shell (n_shells, 3) and the virial (6,)."""
    energy = 0.0
    for n in range(len(displacement)):
        x, y, z = displacement[n, 0], displacement[n, 1], displacement[n, 2]
        value, slope, _ = bond_slopes(x * x + y * y + z * z, alpha, shell_species[n], table)
        energy += value
        fx, fy, fz = -2 * slope * x, -2 * slope * y, -2 * slope * z
        force[n, 0] += fx
        force[n, 1] += fy
        force[n, 2] += fz
        virial[0] += fx * x
        virial[1] += fy * y
        virial[2] += fz * z
        virial[3] += fy * z
        virial[4] += fx * z
        virial[5] += fx * y
    return energy


@kernel
def bond_hessians(displacement: Floats, shell_species: Integers, table: SpeciesTable, alpha: float) -> Floats:
    """∂²E/∂d∂d of every bond [eV/Å²], ``shape=(n_shells, 3, 3)``."""
    result = np.empty((len(displacement), 3, 3))
    for n in range(len(displacement)):
        d = displacement[n]
        _, slope, curvature = bond_slopes(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], alpha, shell_species[n], table)
        for a in range(3):
            for b in range(3):
                result[n, a, b] = 4 * curvature * d[a] * d[b]
            result[n, a, a] += 2 * slope
    return result


@kernel
def bond_strain_couplings(displacement: Floats, shell_species: Integers, table: SpeciesTable, alpha: float) -> Floats:
    """∂virial/∂shell of every bond, ``shape=(n_shells, 6, 3)`` [eV/Å]: a pair term with a = 2 dE/dt, b = 4 d²E/dt²."""
    coupling = np.zeros((len(displacement), 6, 3))
    terms = np.empty((5, 1))
    for n in range(len(displacement)):
        d = displacement[n]
        _, slope, curvature = bond_slopes(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], alpha, shell_species[n], table)
        for c in range(3):
            terms[c, 0] = d[c]
        terms[3, 0] = 2 * slope
        terms[4, 0] = 4 * curvature
        add_strain_coupling(terms, 1, coupling[n])
    return coupling
