"""Unpaired electrons of open-shell ions, which an input must set: a closed-shell Fe³⁺ is another material."""

from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.structures import mean_charges

#: Electrons of a full shell.
_D, _F = 10, 14
#: Formal charge of a lanthanide or actinide whose f electrons are its distance from La or Ac.
_USUAL = 3
_REMEDY = "write these inputs by hand"


def unpaired_electrons(atoms: Atoms) -> dict[str, int]:
    """Return how many electrons of one spin each open-shell ion has too many, by element; closed shells are left out.

    High spin (Hund's first rule) for 3d and f shells; ions of s and p elements pair theirs, at worst in a bond.
    Raises ConfigError where the formal charge of an element with d or f electrons is not known or differs from ion to
    ion, where high and low spin are both usual (4d and 5d), and where a cell of closed shells has an electron too many.
    """
    from pymatgen.core.periodic_table import Element

    symbols = list(atoms.symbols)
    transition = sorted(element for element in set(symbols) if Element(element).block in ("d", "f"))
    try:
        charges = mean_charges(atoms) if transition else {}
    except ConfigError as problem:
        raise ConfigError(f"spin of {', '.join(transition)}: {problem}; {_REMEDY}") from None
    found = {element: _unpaired(element, charges[element]) for element in transition}
    if (sum(atoms.numbers) - sum(found.get(symbol, 0) for symbol in symbols)) % 2:
        raise ConfigError(
            f"spin: {atoms.get_chemical_formula()} has an odd number of electrons in closed shells; mend the "
            f"structure, or {_REMEDY}"
        )
    return {element: count for element, count in found.items() if count}


def _unpaired(element: str, charge: float) -> int:
    from pymatgen.core.periodic_table import Element

    known = Element(element)
    if not charge.is_integer():
        raise ConfigError(
            f"spin of {element}: its formal charge is {charge:+.2f} on average, so that its ions differ; {_REMEDY}"
        )
    if known.is_lanthanoid or known.is_actinoid:
        electrons, full = int(known.Z) - (57 if known.is_lanthanoid else 89) + _USUAL - int(charge), _F
    else:
        electrons, full = int(known.group) - int(charge), _D
    if not 0 <= electrons <= full:
        raise ConfigError(
            f"spin of {element}{charge:+.0f}: {electrons} electrons in its open shell; mend the structure"
        )
    if full == _D and known.row > 4 and 2 <= electrons <= 8:
        raise ConfigError(
            f"spin of {element}{charge:+.0f}: high and low spin are both usual of {electrons} d electrons in this "
            f"row; {_REMEDY}"
        )
    return min(electrons, full - electrons)
