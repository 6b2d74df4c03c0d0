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


def mean_charges(atoms: Atoms) -> dict[str, float]:
    """Return the mean formal charge of every element [e], such that the cell is neutral; not whole in Fe3O4.

    Of all neutral choices, ion by ion, the one whose oxidation states are the most frequent in the ICSD, as pymatgen's
    `oxi_state_guesses` ranks them (which takes up to a minute for a hundred ions of seven elements).
    Raises ConfigError where no choice is neutral.
    """
    formula = atoms.get_chemical_formula()
    means = _mean_charges(formula)
    if means is None:
        raise ConfigError(f"{formula}: no usual oxidation states make it neutral")
    return dict(means)


@cache
def _mean_charges(formula: str) -> tuple[tuple[str, float], ...] | None:
    """Every element with its mean charge; None where no choice is neutral."""
    from pymatgen.core.composition import Composition

    # Total charge of the elements so far -> the best score that has it, and their mean charges.
    best: dict[int, tuple[float, tuple[tuple[str, float], ...]]] = {0: (0.0, ())}
    for element, amount in Composition(formula).reduced_composition.get_el_amt_dict().items():
        longer: dict[int, tuple[float, tuple[tuple[str, float], ...]]] = {}
        for charge, more in _scores_of_totals(element, int(amount)).items():
            for total, (score, means) in best.items():
                if total + charge not in longer or longer[total + charge][0] < score + more:
                    longer[total + charge] = score + more, (*means, (element, charge / amount))
        best = longer
    return best[0][1] if 0 in best else None


def _scores_of_totals(element: str, count: int) -> dict[int, float]:
    """Total charge of so many ions of an element -> how often the ICSD has the most frequent states that make it."""
    from pymatgen.core.composition import Composition
    from pymatgen.core.periodic_table import Element, Species

    if Composition.oxi_prob is None:
        Composition("LiF").oxi_state_guesses()  # which reads the table
    usual = Element(element).icsd_oxidation_states or Element(element).common_oxidation_states
    frequency = {charge: float((Composition.oxi_prob or {}).get(Species(element, charge), 0)) for charge in usual}
    scores = {0: 0.0}
    for _ in range(count):
        with_one_more: dict[int, float] = {}
        for total, score in scores.items():
            for charge, more in frequency.items():
                with_one_more[total + charge] = max(with_one_more.get(total + charge, 0.0), score + more)
        scores = with_one_more
    return scores
