"""Formal charges out of the periodic table (pymatgen's), for crystals that do not bring their own."""

from collections import Counter
from functools import cache

from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.potential.checks import element_of
from dopantfit.structures.cells import labels_of


def formal_charges(atoms: Atoms) -> dict[str, int]:
    """Return the formal charge of every label [e], such that the cell is neutral.

    Of all neutral choices the one whose oxidation states are the most frequent in the ICSD.
    Raises ConfigError where no choice of whole numbers is neutral.
    """
    labels = labels_of(atoms)
    elements = {label: element_of(label) for label in dict.fromkeys(labels)}
    counts = Counter(elements[label] for label in labels)
    states = _states("".join(f"{element}{count}" for element, count in sorted(counts.items())))
    if states is None:
        raise ConfigError(
            f"{atoms.get_chemical_formula()}: no usual oxidation states make it neutral; give its formal charges"
        )
    return {label: states[element] for label, element in elements.items()}


@cache
def _states(formula: str) -> dict[str, int] | None:
    """Oxidation states by element; None where none of whole numbers is neutral."""
    from pymatgen.core.composition import Composition

    for guess in Composition(formula).reduced_composition.oxi_state_guesses():
        if all(float(state).is_integer() for state in guess.values()):
            return {element: int(state) for element, state in guess.items()}
    return None
