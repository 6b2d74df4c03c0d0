"""The smooth part of the Ewald sum on a mesh, so that its cost grows with N log N.

Charges are spread over a mesh with cardinal B-splines; the potential of the mesh comes back by two Fourier transforms.
Energy and force belong together: the force is the exact derivative of the mesh's energy, which is what a minimiser
needs (Essmann et al., J. Chem. Phys. 103, 8577 (1995)).
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.fft

from dopantfit.energy.arrays import VOIGT, Floats, Integers
from dopantfit.energy.kernel_cache import kernel

#: Points that a charge is spread over in each direction.
ORDER = 6


class Mesh(NamedTuple):
    """A mesh over one cell.

    inverse: of the cell; columns are its reciprocal vectors [1/Å], ``shape=(3, 3)``. to_mesh: turns positions [Å] into
    mesh coordinates (positions @ to_mesh), ``shape=(3, 3)``. influence: Fourier transform of the potential of a unit
    charge [eV/e²], of the shape of a real transform.
    """

    shape: tuple[int, int, int]
    inverse: Floats
    to_mesh: Floats
    influence: Floats


def make_mesh(cell: Floats, alpha: float, spacing: float, coulomb: float) -> Mesh:
    """The mesh of a cell.

    cell: rows are vectors [Å]. alpha: screening [1/Å]. spacing: largest distance of mesh points [Å]. coulomb: K [eV Å].
    """
    shape, inverse = mesh_shape(cell, spacing), np.asarray(np.linalg.inv(cell), dtype=np.float64)
    _, square = _waves(shape, inverse)
    influence = 4 * np.pi * coulomb / abs(np.linalg.det(cell)) * np.exp(-square / (4 * alpha**2)) / square
    influence[0, 0, 0] = 0.0
    for axis, order in enumerate(_orders(shape)):
        moduli = _moduli(shape[axis])[order.astype(int)]
        influence *= moduli.reshape([-1 if axis == other else 1 for other in range(3)])
    return Mesh(shape, inverse, np.ascontiguousarray(inverse * shape), influence)


def mesh_shape(cell: Floats, spacing: float) -> tuple[int, int, int]:
    """Points along each vector of a cell that are no farther apart than ``spacing`` [Å]."""
    a, b, c = (
        scipy.fft.next_fast_len(max(int(np.ceil(length / spacing)), 2 * ORDER), real=True)
        for length in np.linalg.norm(cell, axis=1)
    )
    return a, b, c


def _orders(shape: tuple[int, int, int]) -> list[Floats]:
    """Orders of the waves of a real transform along each direction."""
    orders = [*(np.fft.fftfreq(n, 1.0 / n) for n in shape[:2]), np.arange(shape[2] // 2 + 1.0)]
    return [np.asarray(order, dtype=np.float64) for order in orders]


def _waves(shape: tuple[int, int, int], inverse: Floats) -> tuple[Floats, Floats]:
    """All k [1/Å], ``shape=(*real transform, 3)``, and k²; 1 in place of the 0 of the first."""
    grid = np.meshgrid(*_orders(shape), indexing="ij")
    waves: Floats = 2 * np.pi * np.asarray(sum(order[..., None] * inverse[:, axis] for axis, order in enumerate(grid)))
    square: Floats = np.einsum("...i,...i", waves, waves)
    square[0, 0, 0] = 1.0
    return waves, square


def _moduli(n: int) -> Floats:
    """|b(m)|² of Essmann's equation 4.4, which undoes the smearing of the splines; ``shape=(n,)``."""
    weights, slopes = np.empty(ORDER), np.empty(ORDER)
    spline_weights(0.0, weights, slopes)
    points = np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(ORDER)) / n) @ weights
    result: Floats = 1.0 / np.abs(points) ** 2
    return result


def mesh_potential(mesh: Mesh, charge: Floats) -> Floats:
    """Potential at the mesh points [V] of the charge spread over them [e]; both of the mesh's shape."""
    waves = scipy.fft.rfftn(charge, workers=1)
    waves *= mesh.influence
    potential: Floats = scipy.fft.irfftn(waves, s=mesh.shape, workers=1, norm="forward")
    return potential


def mesh_virial(mesh: Mesh, charge: Floats, alpha: float) -> Floats:
    """-dE/dε of the mesh's energy in Voigt order, ``shape=(6,)`` [eV]; factors as in ``ewald.strain_factors``."""
    energy = 0.5 * mesh.influence * np.abs(scipy.fft.rfftn(charge, workers=1)) ** 2
    # A real transform holds one of every pair of waves ±k, and both where they are one.
    energy[..., 1 : (mesh.shape[2] + 1) // 2] *= 2.0
    waves, square = _waves(mesh.shape, mesh.inverse)
    factor = -2.0 * energy * (1.0 / square + 1.0 / (4.0 * alpha**2))
    virial: Floats = np.array([np.sum(factor * waves[..., a] * waves[..., b]) for a, b in VOIGT])
    virial[:3] += energy.sum()
    return virial


@kernel
def spline_weights(fraction: float, weights: Floats, slopes: Floats) -> None:
    """Weights M(fraction + j) of the points j = 0, 1, … below a position, and their slopes; both (ORDER,)."""
    weights[:] = 0.0
    weights[0], weights[1] = fraction, 1.0 - fraction
    for order in range(3, ORDER + 1):
        if order == ORDER:
            slopes[0] = weights[0]
            for j in range(1, ORDER):
                slopes[j] = weights[j] - weights[j - 1]
        for j in range(order - 1, 0, -1):
            x = fraction + j
            weights[j] = (x * weights[j] + (order - x) * weights[j - 1]) / (order - 1)
        weights[0] *= fraction / (order - 1)


@kernel
def _place(u: float, n: int, weights: Floats, slopes: Floats, points: Integers) -> None:
    """Points (wrapped into the mesh) and weights along one axis for mesh coordinate u."""
    below = math.floor(u)
    spline_weights(u - below, weights, slopes)
    for j in range(ORDER):
        points[j] = (below - j) % n


@kernel
def spread(positions: Floats, charges: Floats, to_mesh: Floats, mesh: Floats) -> None:
    """Adds charges [e] at positions (n, 3) [Å] to the mesh."""
    w, s, p = np.empty((3, ORDER)), np.empty(ORDER), np.empty((3, ORDER), np.int64)
    for i in range(len(positions)):
        for axis in range(3):
            u = 0.0
            for c in range(3):
                u += positions[i, c] * to_mesh[c, axis]
            _place(u, mesh.shape[axis], w[axis], s, p[axis])
        for a in range(ORDER):
            for b in range(ORDER):
                row, weight = mesh[p[0, a], p[1, b]], charges[i] * w[0, a] * w[1, b]
                for c in range(ORDER):
                    row[p[2, c]] += weight * w[2, c]


@kernel
def add_mesh_forces(positions: Floats, charges: Floats, to_mesh: Floats, potential: Floats, force: Floats) -> None:
    """Adds the force of the mesh's potential on charges at positions (n, 3) [Å] to ``force`` (n, 3) [eV/Å]."""
    w, s, p = np.empty((3, ORDER)), np.empty((3, ORDER)), np.empty((3, ORDER), np.int64)
    for i in range(len(positions)):
        for axis in range(3):
            u = 0.0
            for c in range(3):
                u += positions[i, c] * to_mesh[c, axis]
            _place(u, potential.shape[axis], w[axis], s[axis], p[axis])
        x = y = z = 0.0
        for a in range(ORDER):
            for b in range(ORDER):
                row = potential[p[0, a], p[1, b]]
                value = slope = 0.0
                for c in range(ORDER):
                    value += w[2, c] * row[p[2, c]]
                    slope += s[2, c] * row[p[2, c]]
                x += s[0, a] * w[1, b] * value
                y += w[0, a] * s[1, b] * value
                z += w[0, a] * w[1, b] * slope
        for c in range(3):
            force[i, c] -= charges[i] * (to_mesh[c, 0] * x + to_mesh[c, 1] * y + to_mesh[c, 2] * z)
