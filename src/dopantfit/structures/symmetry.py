"""Symmetry of crystals, as pymatgen and spglib find it."""

from typing import TYPE_CHECKING

from ase import Atoms

from dopantfit.errors import ConfigError

if TYPE_CHECKING:
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

#: Positions that differ by less are the same [Å]: coordinates are published to 1e-4 or 1e-5 of a cell.
TOLERANCE = 1e-3


def space_group(atoms: Atoms, tolerance: float = TOLERANCE) -> int:
    """Return the number of the space group; positions may be off by `tolerance` [Å]."""
    return int(_analysed(atoms, tolerance).get_space_group_number())


def primitive_cell(atoms: Atoms, tolerance: float = TOLERANCE) -> Atoms:
    """Return a primitive cell, in spglib's choice of vectors and origin; positions may be off by `tolerance` [Å]."""
    return _atoms(_analysed(atoms, tolerance).find_primitive())


def conventional_cell(atoms: Atoms, tolerance: float = TOLERANCE) -> Atoms:
    """Return the conventional cell in the standard setting (R: hexagonal, obverse), symmetrised to `tolerance` [Å]."""
    return _atoms(_analysed(atoms, tolerance).get_refined_structure())


def _analysed(atoms: Atoms, tolerance: float) -> "SpacegroupAnalyzer":
    import spglib.error
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    spglib.error.OLD_ERROR_HANDLING = False  # errors are raised, as every caller wants; the old way warns
    try:
        return SpacegroupAnalyzer(AseAtomsAdaptor.get_structure(atoms), symprec=tolerance)
    except Exception as problem:  # both libraries have errors of their own
        raise ConfigError(
            f"{atoms.get_chemical_formula()}: no symmetry is found within {tolerance} Å ({problem}); mend its sites"
        ) from None


def _atoms(structure: object) -> Atoms:
    from pymatgen.io.ase import AseAtomsAdaptor

    plain = AseAtomsAdaptor.get_atoms(structure)
    return Atoms(plain.get_chemical_symbols(), positions=plain.positions, cell=plain.cell, pbc=True)
