"""Between ASE's Atoms, pymatgen's Structure and CIF files."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms
from ase.data import atomic_numbers

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import require_file
from dopantfit.structures.cells import labels_of

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: A chemical symbol of a CIF, with a charge or without: Ti, Ti4+, O2-.
_SYMBOL = re.compile(r"([A-Z][a-z]?)(\d*[+-]\d*)?")


def structure_of(atoms: Atoms, charges: Mapping[str, int] | None = None) -> "Structure":
    """Return a pymatgen Structure of the same ions in the same order; what labels say beyond the element is lost.

    charges: formal charges by label [e], which become oxidation states.
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    symbols, lattice = atoms.get_chemical_symbols(), Lattice(atoms.cell.array)
    found = Structure(lattice, symbols, atoms.positions, coords_are_cartesian=True)
    if charges is not None:
        found.add_oxidation_state_by_site([charges[label] for label in labels_of(atoms)])
    return found


def atoms_of(structure: "Structure") -> Atoms:
    """Return the ions of a pymatgen Structure in its order, periodic; ConfigError where sites are partly occupied."""
    check_ordered(structure, "structure")
    return Atoms(
        [site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def read_crystal(path: Path) -> Atoms:
    """Return the crystal of a CIF, or the last one in a file of another format that ASE reads.

    Raises ConfigError, one line with the file, when it cannot be read, holds no structure or none that is periodic in
    three dimensions, or as `read_cif`.
    """
    import ase.io

    if path.suffix.lower() == ".cif":
        return read_cif(path)  # where ASE would take the first of the elements that share a site
    try:
        require_file(path)
        atoms: Atoms = ase.io.read(path, index=-1)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror or problem}); check the path") from None
    except Exception as problem:  # readers raise whatever they trip over
        reason = " ".join(str(problem).split())
        raise ConfigError(f"{path}: is no structure that ASE reads ({reason}); give a CIF") from None
    if not atoms.pbc.all():
        raise ConfigError(f"{path}: is not periodic in three dimensions; give it a cell")
    return atoms


def read_cif(path: Path) -> Atoms:
    """Return the conventional cell of the first crystal in a CIF file.

    Raises ConfigError naming the file when it cannot be read, holds an unknown element or partly occupied sites.
    """
    from pymatgen.io.cif import CifParser

    # The parser warns of what it mends (rounded fractions, keys that it did not find), and of why it gives up.
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            require_file(path)
            parser = CifParser(path)
            found = parser.parse_structures(primitive=False)[0]
        except OSError as problem:
            raise ConfigError(f"{path}: cannot be read ({problem.strerror or problem}); check the path") from None
        except Exception as problem:  # the parser raises whatever it trips over
            reason = " ".join([str(problem), *(str(one.message) for one in told)])
            raise ConfigError(f"{path}: no crystal can be read from this CIF ({' '.join(reason.split())})") from None
    for block in parser.as_dict().values():
        for symbol in block.get("_atom_site_type_symbol", ()):
            # pymatgen reads "Vac" as vanadium.
            if (match := _SYMBOL.fullmatch(symbol)) is None or match[1] not in {*atomic_numbers, "D", "T"} - {"X"}:
                raise ConfigError(f"{path}: {symbol!r} is no chemical element; mend _atom_site_type_symbol")
    check_ordered(found, str(path))
    return atoms_of(found)


def check_ordered(structure: "Structure", source: str) -> None:
    """Raise ConfigError naming `source` and the sites that are not wholly taken by one element."""
    partial = [f"{site.label} ({site.species_string})" for site in structure if not site.is_ordered]
    if partial:
        told = ", ".join(dict.fromkeys(partial))
        raise ConfigError(f"{source}: sites are partly occupied: {told}; choose an ordered cell")
    unknown = [site.label for site in structure if site.specie.Z < 1 or type(site.specie).__name__ == "DummySpecies"]
    if unknown:
        raise ConfigError(f"{source}: {', '.join(dict.fromkeys(unknown))} is no chemical element; mend its symbol")
