"""Polyanions in a structure: which ions belong together."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.potential.checks import element_of
from dopantfit.structures.cells import labels_of
from dopantfit.structures.hosts.model import Polyanion


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
