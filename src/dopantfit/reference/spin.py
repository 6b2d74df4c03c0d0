"""Unpaired electrons of open-shell ions, which an input must set: a closed-shell Fe³⁺ is another material."""

from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.reference.cp2k import VALENCE
from dopantfit.structures import formal_charges

#: Electrons of a full shell.
_D, _F = 10, 14
#: Formal charge of a lanthanide or actinide whose f electrons are its distance from La or Ac.
_USUAL = 3


def unpaired_electrons(atoms: Atoms) -> dict[str, int]:
    """Return how many electrons of one spin each open-shell ion has too many, by element; closed shells are left out.

    High spin (Hund's first rule) for 3d and f shells. Raises ConfigError where the formal charge of an element that has
    open shells is not known, or where high and low spin are both usual (4d and 5d).
    """
    open_ones = sorted(set(atoms.symbols) - set(VALENCE))
    if not open_ones:
        return {}
    try:
        charges = formal_charges(atoms)
    except ConfigError as problem:
        raise ConfigError(f"spin of {', '.join(open_ones)}: {problem}; write these inputs by hand") from None
    found = {element: _unpaired(element, charges[element]) for element in open_ones}
    return {element: count for element, count in found.items() if count}


def _unpaired(element: str, charge: int) -> int:
    from pymatgen.core.periodic_table import Element

    known = Element(element)
    if known.is_lanthanoid or known.is_actinoid:
        electrons, full = int(known.Z) - (57 if known.is_lanthanoid else 89) + _USUAL - charge, _F
    elif known.block == "d":
        electrons, full = int(known.group) - charge, _D
    else:
        return int(known.Z - charge) % 2
    if not 0 <= electrons <= full:
        raise ConfigError(f"spin of {element}{charge:+d}: {electrons} electrons in its open shell; mend the structure")
    if full == _D and known.row > 4 and 2 <= electrons <= 8:
        raise ConfigError(
            f"spin of {element}{charge:+d}: high and low spin are both usual of {electrons} d electrons in this row; "
            "write these inputs by hand"
        )
    return min(electrons, full - electrons)
