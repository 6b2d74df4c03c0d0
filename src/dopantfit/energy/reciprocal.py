"""Reciprocal-space sums: structure factors, and the forces of the waves on the sites.

Phases are stored per lattice direction and multiplied along rows of constant (h, k), so that one wave at one site costs
four multiply-adds for the structure factor and eight for the force, without a sine or cosine.
"""

import math

import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.ewald import EwaldPlan
from dopantfit.energy.kernel_cache import kernel


@kernel
def phases(fractional: Floats, limits: Integers) -> tuple[Floats, Floats, Floats]:
    """exp(2πi m f) for m = 0…h, -k…k, -l…l of every site, ``shape=(2, orders, n_sites)`` (real, imaginary).

    fractional: fractional coordinates, ``shape=(n_sites, 3)``.
    """
    n = len(fractional)
    first = np.empty((2, limits[0] + 1, n))
    second = np.empty((2, 2 * limits[1] + 1, n))
    third = np.empty((2, 2 * limits[2] + 1, n))
    for axis in range(3):
        table = first if axis == 0 else (second if axis == 1 else third)
        zero = 0 if axis == 0 else limits[axis]
        real, imaginary = table[0], table[1]
        real[zero, :] = 1.0
        imaginary[zero, :] = 0.0
        for i in range(n):
            angle = 2.0 * math.pi * fractional[i, axis]
            cosine, sine = math.cos(angle), math.sin(angle)
            for m in range(zero + 1, zero + limits[axis] + 1):
                real[m, i] = real[m - 1, i] * cosine - imaginary[m - 1, i] * sine
                imaginary[m, i] = real[m - 1, i] * sine + imaginary[m - 1, i] * cosine
                if axis > 0:
                    real[2 * zero - m, i] = real[m, i]
                    imaginary[2 * zero - m, i] = -imaginary[m, i]
    return first, second, third


@kernel
def _row_products(
    first: Floats, second: Floats, h: int, k: int, factor: Floats, real: Floats, imaginary: Floats
) -> None:
    """Real + i imaginary = factor exp(2πi (h f1 + k f2)) for every site."""
    a, b, c, d = first[0, h], first[1, h], second[0, k], second[1, k]
    for i in range(len(factor)):
        real[i] = factor[i] * (a[i] * c[i] - b[i] * d[i])
        imaginary[i] = factor[i] * (a[i] * d[i] + b[i] * c[i])


@kernel
def structure_factors(
    first: Floats, second: Floats, third: Floats, charges: Floats, rows: Integers, limits: Integers, n_k: int
) -> Floats:
    """S(k) = Σ q exp(i k·r), ``shape=(2, n_k)`` (real, imaginary)."""
    factors = np.empty((2, n_k))
    real, imaginary = np.empty(len(charges)), np.empty(len(charges))
    for row in range(len(rows)):
        _row_products(first, second, rows[row, 0], rows[row, 1] + limits[1], charges, real, imaginary)
        for step in range(rows[row, 3]):
            zr, zi = third[0, rows[row, 2] + step + limits[2]], third[1, rows[row, 2] + step + limits[2]]
            sum_real = sum_imaginary = 0.0
            for i in range(len(charges)):
                sum_real += real[i] * zr[i] - imaginary[i] * zi[i]
                sum_imaginary += real[i] * zi[i] + imaginary[i] * zr[i]
            factors[0, rows[row, 4] + step] = sum_real
            factors[1, rows[row, 4] + step] = sum_imaginary
    return factors


@kernel
def add_wave_forces(
    first: Floats,
    second: Floats,
    third: Floats,
    charges: Floats,
    waves: Floats,
    rows: Integers,
    limits: Integers,
    reciprocal: Floats,
    force: Floats,
) -> None:
    """Adds q Σ_k k Im[conj(W(k)) exp(i k·r)] to ``force`` (n_sites, 3); waves W: ``shape=(2, n_k)``.

    Along a row k = h b1 + k b2 + l b3, so only Σ W and Σ l W are gathered wave by wave (per site), and the vectors are
    put together once a row. reciprocal: b1, b2, b3 as rows [1/Å].
    """
    n = len(charges)
    real, imaginary = np.empty(n), np.empty(n)
    plain, along = np.empty((2, n)), np.empty((2, n))
    totals = np.zeros((3, n))
    for row in range(len(rows)):
        _gather_row(third, waves, rows[row], limits[2], plain, along)
        _row_products(first, second, rows[row, 0], rows[row, 1] + limits[1], charges, real, imaginary)
        h, k = rows[row, 0], rows[row, 1]
        for i in range(n):
            product = real[i] * plain[1, i] + imaginary[i] * plain[0, i]
            totals[0, i] += h * product
            totals[1, i] += k * product
            totals[2, i] += real[i] * along[1, i] + imaginary[i] * along[0, i]
    for i in range(n):
        for c in range(3):
            force[i, c] += (
                totals[0, i] * reciprocal[0, c] + totals[1, i] * reciprocal[1, c] + totals[2, i] * reciprocal[2, c]
            )


@kernel
def _gather_row(third: Floats, waves: Floats, row: Integers, limit: int, plain: Floats, along: Floats) -> None:
    """Σ conj(W) exp(2πi l f3) over one row into ``plain`` and the same with l W into ``along``, ``shape=(2, n)``."""
    plain[:] = 0.0
    along[:] = 0.0
    plain_real, plain_imaginary, along_real, along_imaginary = plain[0], plain[1], along[0], along[1]
    for step in range(row[3]):
        order = row[2] + step
        zr, zi = third[0, order + limit], third[1, order + limit]
        wave_real, wave_imaginary = waves[0, row[4] + step], waves[1, row[4] + step]
        for i in range(len(zr)):
            product_real = wave_real * zr[i] + wave_imaginary * zi[i]
            product_imaginary = wave_real * zi[i] - wave_imaginary * zr[i]
            plain_real[i] += product_real
            plain_imaginary[i] += product_imaginary
            along_real[i] += order * product_real
            along_imaginary[i] += order * product_imaginary


@kernel
def add_waves(
    fractional: Floats,
    charges: Floats,
    still: Floats,
    coulomb: float,
    plan: EwaldPlan,
    strain: Floats,
    reciprocal: Floats,
    force: Floats,
    virial: Floats,
) -> tuple[float, Floats, Floats]:
    """Energy of all waves [eV], S(k) of all sites, and 2Kw S(k), ``shape=(2, n_k)``.

    fractional, charges: of sites that move; adds to the force on them (n, 3), and to the virial (6,) unless empty.
    still: S(k) of the others. strain: ``ewald.strain_factors``. reciprocal: b1, b2, b3 as rows [1/Å].
    """
    first, second, third = phases(fractional, plan.limits)
    factor = structure_factors(first, second, third, charges, plan.rows, plan.limits, len(plan.weight))
    factor += still
    waves = np.empty_like(factor)
    energy = 0.0
    for k in range(len(plan.weight)):
        strength = coulomb * plan.weight[k]
        intensity = strength * (factor[0, k] ** 2 + factor[1, k] ** 2)
        energy += intensity
        for c in range(len(virial)):
            virial[c] += intensity * strain[k, c]
        waves[0, k] = 2 * strength * factor[0, k]
        waves[1, k] = 2 * strength * factor[1, k]
    add_wave_forces(first, second, third, charges, waves, plan.rows, plan.limits, reciprocal, force)
    return energy, factor, waves


@kernel
def explicit_phases(fractional: Floats, miller: Integers) -> Floats:
    """Cos and sin of k·r for any list of waves, ``shape=(2, n_k, n_sites)``; miller: ``shape=(n_k, 3)``."""
    limits = np.zeros(3, np.int64)
    for k in range(len(miller)):
        for c in range(3):
            limits[c] = max(limits[c], abs(miller[k, c]))
    first, second, third = phases(fractional, limits)
    result = np.empty((2, len(miller), len(fractional)))
    for k in range(len(miller)):
        a, b = first[0, miller[k, 0]], first[1, miller[k, 0]]
        c, d = second[0, miller[k, 1] + limits[1]], second[1, miller[k, 1] + limits[1]]
        e, f = third[0, miller[k, 2] + limits[2]], third[1, miller[k, 2] + limits[2]]
        cosine, sine = result[0, k], result[1, k]
        for i in range(len(fractional)):
            real = a[i] * c[i] - b[i] * d[i]
            imaginary = a[i] * d[i] + b[i] * c[i]
            cosine[i] = real * e[i] - imaginary * f[i]
            sine[i] = real * f[i] + imaginary * e[i]
    return result
