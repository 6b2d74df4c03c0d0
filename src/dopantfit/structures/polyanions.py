"""Polyanions in a structure: which ions belong together."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.potential.checks import element_of
from dopantfit.structures.cells import labels_of
from dopantfit.structures.hosts.model import Polyanion

#: A centre lies in the plane of its ligands where it is less than this part of a bond above it: a third in PO4.
_PLANAR = 0.1


def polyanion_of(atoms: Atoms, unit: Polyanion) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return for every ligand the nearest centre that it is bound to, and the vector from there [Å].

    -1 and zeros for ions that are bound to none, centres among them. Shapes ``(n,)`` and ``(n, 3)``.
    """
    from ase.neighborlist import neighbor_list

    elements = np.array([element_of(label) for label in labels_of(atoms)])
    first, second, distance, vector = neighbor_list("ijdD", atoms, {(unit.centre, unit.ligand): unit.reach})
    bonds = elements[first] == unit.centre
    order = np.argsort(-distance[bonds], kind="stable")  # the nearest centre is written last
    owner = np.full(len(atoms), -1, dtype=np.intp)
    shift = np.zeros((len(atoms), 3))
    owner[second[bonds][order]] = first[bonds][order]
    shift[second[bonds][order]] = vector[bonds][order]
    return owner, shift


def missing_ligand(bonds: NDArray[np.float64], unit: Polyanion) -> list[NDArray[np.float64]]:
    """Return where the one ligand that a centre lacks may be, from the centre [Å].

    bonds: vectors to its ligands [Å], ``shape=(count - 1, 3)``. It stands opposite to them; above or below three that
    lie in a plane with their centre.
    """
    units = bonds / np.linalg.norm(bonds, axis=1)[:, None]
    if len(units) == 3:
        normal = np.cross(units[1] - units[0], units[2] - units[0])
        normal /= np.linalg.norm(normal)
        height = float(units.mean(axis=0) @ normal)
        sides = (1.0, -1.0) if abs(height) < _PLANAR else (-np.sign(height),)
        return [unit.bond * side * normal for side in sides]
    opposite = -units.sum(axis=0)
    length = float(np.linalg.norm(opposite))
    return [unit.bond * opposite / length] if length > _PLANAR else []
