"""Symmetry of crystals, as pymatgen and spglib find it."""

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.structures.convert import atoms_of, structure_of

if TYPE_CHECKING:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

#: Positions that differ by less are the same [Å]: coordinates are published to 1e-4 or 1e-5 of a cell.
TOLERANCE = 1e-3


def space_group(atoms: Atoms, tolerance: float = TOLERANCE) -> int:
    """Return the number of the space group; positions may be off by `tolerance` [Å]."""
    return int(_analysed(atoms, tolerance).get_space_group_number())


def primitive_cell(atoms: Atoms, tolerance: float = TOLERANCE) -> Atoms:
    """Return a primitive cell, in spglib's choice of vectors and origin; positions may be off by `tolerance` [Å]."""
    return atoms_of(_analysed(atoms, tolerance).find_primitive())


def orbit(
    atoms: Atoms, position: tuple[float, float, float], tolerance: float = TOLERANCE
) -> list[tuple[float, float, float]]:
    """Return all images of a fractional position under the crystal's symmetry, within the cell."""
    images: list[NDArray[np.float64]] = []
    for operation in _analysed(atoms, tolerance).get_symmetry_operations():
        image = np.mod(operation.operate(position), 1.0)
        gaps = np.array([image - one for one in images]).reshape(-1, 3)
        if not (np.abs(gaps - np.round(gaps)) < 1e-4).all(axis=1).any():  # 1e-4 of a cell is 1e-3 Å
            images.append(image)
    return [(float(x), float(y), float(z)) for x, y, z in images]


def centring(atoms: Atoms, tolerance: float = TOLERANCE) -> str:
    """Return how the cell is centred: P where it is primitive, else A, C, I, F or R, as of its space group."""
    found = _analysed(atoms, tolerance)
    return "P" if len(found.find_primitive()) == len(atoms) else str(found.get_space_group_symbol()[0])


def _analysed(atoms: Atoms, tolerance: float) -> "SpacegroupAnalyzer":
    import spglib.error
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    spglib.error.OLD_ERROR_HANDLING = False  # errors are raised, as every caller wants; the old way warns
    try:
        return SpacegroupAnalyzer(structure_of(atoms), symprec=tolerance)
    except Exception as problem:  # both libraries have errors of their own
        raise ConfigError(
            f"{atoms.get_chemical_formula()}: no symmetry is found within {tolerance} Å ({problem}); mend its sites"
        ) from None
