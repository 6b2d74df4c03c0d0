"""How the Coulomb sum is divided between real and reciprocal space for a cell and a requested accuracy.

E = K/2 Σ' q_i q_j erfc(α r)/r  +  Σ_k w_k |S(k)|²  -  K α/√π Σ q²,   S(k) = Σ q_i exp(i k·r_i),
with one k of every ±k pair and w_k = 4πK/V exp(-k²/4α²)/k² (Ewald 1921); ``background_energy`` is a charged cell's.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.errors import ConfigError

#: Real-space Coulomb cutoff [Å] of a cell of ``REFERENCE_IONS`` ions; at one density it grows as N**(1/6), which makes
#: both sums grow as N**1.5. For a 112-ion LATP cell a shell pass costs much the same from 6 to 9 Å, and
#: derivatives want few waves: hence the upper end (``benchmarks/engine.py --tune``).
REFERENCE_CUTOFF = 8.5
REFERENCE_IONS = 112
REFERENCE_VOLUME = 1308.0  # [Å³]


class EwaldPlan(NamedTuple):
    """The division of one Coulomb sum.

    alpha: width of the screening charges [1/Å].
    cutoff: real-space cutoff [Å].
    rows: (h, k, l of the first vector, number of vectors, position of the first vector in ``weight``), one row per
        (h, k), ``shape=(n_rows, 5)``; within a row l counts up.
    limits: largest |h|, |k|, |l|, ``shape=(3,)``.
    vectors: k [1/Å], ``shape=(n_k, 3)``.
    weight: w_k / K [1/Å], ``shape=(n_k,)``: the Coulomb constant K is not in it.
    """

    alpha: float
    cutoff: float
    rows: Integers
    limits: Integers
    vectors: Floats
    weight: Floats


def plan_ewald(
    cell: Floats, charges: Floats, n_ions: int, accuracy: float, coulomb: float, cutoff: float | None = None
) -> EwaldPlan:
    """The plan whose rms error of a force is about ``accuracy`` [eV/Å], half from each of the two sums.

    cell: row vectors [Å], ``shape=(3, 3)``. charges: of all sites [e], ``shape=(n_sites,)``. coulomb: K [eV Å].
    cutoff: real-space cutoff [Å], chosen from the number of ions if None.
    Error estimates: Kolafa & Perram, Mol. Simul. 9, 351 (1992).
    """
    volume = abs(float(np.linalg.det(cell)))
    if not accuracy > 0:
        raise ConfigError(f"accuracy of the Ewald sum is {accuracy} eV/Å and must be positive; 2e-7 is the default")
    if cutoff is None:
        edge_ratio = (volume / REFERENCE_VOLUME) ** (1 / 3)
        cutoff = REFERENCE_CUTOFF * edge_ratio * (n_ions / REFERENCE_IONS) ** (-1 / 6)
    # Without any charges every plan is exact; the floor keeps the logarithms finite.
    strength = max(2 * coulomb * float(np.sum(charges**2)), accuracy)
    target = accuracy / np.sqrt(2.0)
    real = strength / np.sqrt(len(charges) * cutoff * volume)
    alpha = float(np.sqrt(max(np.log(real / target), 1.0)) / cutoff)

    def reciprocal_excess(reach: float) -> float:
        """Log of the ratio of the error made beyond ``reach`` [1/Å] and the target."""
        edge = volume ** (1 / 3)
        terms = reach * edge * len(charges) / 2
        return float(np.log(strength * alpha / edge / np.sqrt(terms) / target) - (reach / (2 * alpha)) ** 2)

    lowest, highest = 1.0 * alpha, 20.0 * alpha
    reach = brentq(reciprocal_excess, lowest, highest) if reciprocal_excess(lowest) > 0 else lowest
    return _lay_out(cell, volume, alpha, cutoff, reach)


def _lay_out(cell: Floats, volume: float, alpha: float, cutoff: float, reach: float) -> EwaldPlan:
    """All k shorter than ``reach`` [1/Å], one of every ±k pair, in rows of constant (h, k)."""
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    limits = np.floor(reach * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(np.int64)
    h, k = (
        grid.ravel()
        for grid in np.meshgrid(np.arange(limits[0] + 1), np.arange(-limits[1], limits[1] + 1), indexing="ij")
    )
    upper_half = (h > 0) | (k >= 0)
    h, k = h[upper_half], k[upper_half]
    # |u + l b3| < reach is quadratic in l: solve it for every (h, k).
    u = np.outer(h, reciprocal[0]) + np.outer(k, reciprocal[1])
    b3 = reciprocal[2]
    middle = -(u @ b3) / (b3 @ b3)
    spread = (reach**2 - np.einsum("ij,ij->i", u, u)) / (b3 @ b3) + middle**2
    inside = spread >= 0
    h, k, middle, spread = h[inside], k[inside], middle[inside], np.sqrt(spread[inside])
    first = np.ceil(middle - spread).astype(np.int64)
    last = np.floor(middle + spread).astype(np.int64)
    first[(h == 0) & (k == 0)] = 1
    count = np.maximum(last - first + 1, 0)
    keep = count > 0
    h, k, first, count = h[keep], k[keep], first[keep], count[keep]
    offset = np.cumsum(count) - count
    rows = np.column_stack([h, k, first, count, offset]).astype(np.int64)
    row_of = np.repeat(np.arange(len(h)), count)
    miller = np.column_stack([h[row_of], k[row_of], first[row_of] + np.arange(count.sum()) - offset[row_of]])
    vectors = miller @ reciprocal
    square = np.einsum("ij,ij->i", vectors, vectors)
    weight = 4 * np.pi / volume * np.exp(-square / (4 * alpha**2)) / square
    limits = np.maximum(np.abs(miller).max(axis=0, initial=0), 0).astype(np.int64)
    return EwaldPlan(alpha, cutoff, rows, limits, np.ascontiguousarray(vectors), weight)


def strain_factors(plan: EwaldPlan) -> Floats:
    """B_ab(k) = δ_ab - 2 (1/k² + 1/4α²) k_a k_b in Voigt order (xx yy zz yz xz xy), ``shape=(n_k, 6)``.

    The derivative of w_k |S|² with respect to strain ε_ab is -w_k |S|² B_ab.
    """
    square = np.einsum("ij,ij->i", plan.vectors, plan.vectors)
    factor = -2 * (1 / square + 1 / (4 * plan.alpha**2))
    products = plan.vectors[:, [0, 1, 2, 1, 0, 0]] * plan.vectors[:, [0, 1, 2, 2, 2, 1]]
    factors: Floats = factor[:, None] * products
    factors[:, :3] += 1
    return factors


def miller_indices(plan: EwaldPlan) -> Integers:
    """(h, k, l) of every wave of a plan in its own order, ``shape=(n_k, 3)``."""
    rows = plan.rows
    row_of = np.repeat(np.arange(len(rows)), rows[:, 3])
    along = rows[row_of, 2] + np.arange(len(row_of)) - rows[row_of, 4]
    return np.column_stack([rows[row_of, 0], rows[row_of, 1], along])
