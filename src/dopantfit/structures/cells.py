"""Cells of ions: labels, order, supercells, formal charges and the distances that no start may go below."""

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from dopantfit.errors import ConfigError
from dopantfit.potential.checks import element_of

#: No two cations (P included) of a start are nearer [Å]: beyond every cation-P turn-over radius.
CATION_CATION = 2.4
#: No two anions of a start are nearer [Å]: an edge of a PO4 unit has about 2.5.
ANION_ANION = 2.2

#: Shortest distance between opposite faces, and longest vector, that a cell of ions can have [Å]: the shortest bond of
#: all, H-H, measures 0.74 Å, and a tenth of a millimetre was not meant in Å. Neighbour lists of others never end.
THINNEST, WIDEST = 0.6, 1e6


def heights(cell: ArrayLike) -> NDArray[np.float64]:
    """Distances between opposite faces of a cell [Å], ``shape=(3,)``; zeros where it has no volume."""
    rows = np.asarray(cell, dtype=np.float64)
    volume = abs(float(np.linalg.det(rows)))
    areas = np.linalg.norm(np.cross(rows[[1, 2, 0]], rows[[2, 0, 1]]), axis=1)
    between: NDArray[np.float64] = np.divide(volume, areas, out=np.zeros(3), where=areas > 0)
    return between


def cell_fault(cell: ArrayLike) -> str | None:
    """Why no ions can be in a cell (row vectors [Å]) and what to do, for a message; None where they can."""
    rows = np.asarray(cell, dtype=np.float64)
    if not np.isfinite(rows).all():
        return f"cell vectors must be finite, they are {rows.tolist()}; give them in Å"
    longest = float(np.abs(rows).max())
    if longest > WIDEST:
        return f"a cell vector is {longest:.3g} Å long, at most {WIDEST:g} Å expected; check that its unit is Å"
    thinnest = float(heights(rows).min())
    if not thinnest >= THINNEST:
        return (
            f"the cell is smaller than a bond ({thinnest:.3g} Å between opposite faces, at least {THINNEST} Å "
            "expected); check that its unit is Å, and its angles"
        )
    return None


def labels_of(atoms: Atoms) -> list[str]:
    """Return the species label of every ion: ``atoms.arrays["species"]``, else the chemical symbols."""
    if "species" in atoms.arrays:
        return [str(label) for label in atoms.arrays["species"]]
    symbols: list[str] = atoms.get_chemical_symbols()
    return symbols


def with_labels(atoms: Atoms, labels: Sequence[str]) -> Atoms:
    """Return a copy with these species labels and their chemical symbols.

    The ``species`` array is there only when a label is more than a chemical symbol.
    """
    result = atoms.copy()
    elements = [element_of(label) for label in labels]
    result.set_chemical_symbols(elements)
    if "species" in result.arrays:
        del result.arrays["species"]
    if list(labels) != elements:
        result.set_array("species", np.array(labels))
    return result


#: Ions of a cell: seven times the published boundary; what is computed of more takes months.
MOST_IONS = 100_000


def sorted_by_label(atoms: Atoms) -> Atoms:
    """Return a copy with the ions sorted by label, ions of one label in the order they had."""
    return atoms[np.argsort(np.array(labels_of(atoms)), kind="stable")]


def supercell(atoms: Atoms, matrix: ArrayLike) -> Atoms:
    """Return the supercell whose vectors are ``matrix @ cell``, ions sorted by label.

    matrix: three whole numbers (repeats along the vectors) or ``shape=(3, 3)`` of them, determinant > 0.
    Raises ConfigError for any other matrix: the cell would be left-handed, flat or not a supercell.
    """
    from ase.build import make_supercell

    given = np.asarray(matrix, dtype=float)
    square = np.diag(given) if given.shape == (3,) else given
    if square.shape != (3, 3) or not np.array_equal(square, np.round(square)):
        raise ConfigError(f"supercell matrix {given.tolist()} must be three or 3 x 3 whole numbers")
    determinant = round(np.linalg.det(square))
    if determinant <= 0:
        raise ConfigError(
            f"supercell matrix {square.astype(int).tolist()} has the determinant {determinant}, "
            f"expected > 0; swap two rows of a left-handed one"
        )
    if determinant * len(atoms) > MOST_IONS:
        raise ConfigError(
            f"supercell matrix {square.astype(int).tolist()} makes {determinant * len(atoms)} ions, expected at most "
            f"{MOST_IONS}; take fewer repeats"
        )
    built = make_supercell(atoms, square.astype(int))
    built.pbc = True
    return sorted_by_label(built)


def total_formal_charge(atoms: Atoms, charges: Mapping[str, int]) -> int:
    """Return the sum of formal charges [e]; a label without one in `charges` raises ConfigError."""
    labels = labels_of(atoms)
    missing = sorted(set(labels) - set(charges))
    if missing:
        raise ConfigError(f"no formal charge given for {', '.join(missing)}; add it to the formal charges")
    return sum(charges[label] for label in labels)


def check_distances(atoms: Atoms, charges: Mapping[str, int]) -> None:
    """Raise ConfigError when two cations or two anions are nearer than a start may have them.

    charges: formal charges by label [e]; their sign says what a cation is.
    """
    from ase.neighborlist import neighbor_list

    total_formal_charge(atoms, charges)
    labels = np.array(labels_of(atoms))
    signs = np.sign([charges[label] for label in labels])
    first, second, distances = neighbor_list("ijd", atoms, max(CATION_CATION, ANION_ANION))
    alike = signs[first] * signs[second] > 0
    limits = np.where(signs[first] > 0, CATION_CATION, ANION_ANION)
    close: NDArray[np.intp] = np.flatnonzero(alike & (distances < limits))
    if len(close):
        worst = close[np.argmin(distances[close] - limits[close])]
        i, j = first[worst], second[worst]
        raise ConfigError(
            f"{labels[i]} (ion {i}) and {labels[j]} (ion {j}) are {distances[worst]:.3f} Å apart, "
            f"expected at least {limits[worst]} Å; move one of them"
        )
