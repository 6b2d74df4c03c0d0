"""What is known of ions beforehand: formal charges, shortest distances, valence energies."""

from functools import cache
from types import MappingProxyType

#: States that oxides and phosphates show beside the common ones of pymatgen's table.
_ALSO = MappingProxyType({"Cu": (1,), "Nb": (4,), "Ni": (3,), "V": (3,)})


@cache
def oxidation_range(element: str) -> tuple[int, int] | None:
    """Return the lowest and the highest usual oxidation state in oxides, phosphates and halides [e]; None without any.

    From pymatgen's common states. Oxygen and the halogens take electrons, N, S and Se may do either, all others give
    them; the p elements of the first rows give all that they have (P 5, never 3: a cell that lacks an ion must show).
    """
    from pymatgen.core.periodic_table import Element

    if not Element.is_valid_symbol(element):
        return None
    known = Element(element)
    states = known.common_oxidation_states
    if known.is_halogen or element == "O":
        return (min(states), min(states)) if states else None
    if element in ("N", "S", "Se"):
        return min(states), max(states)
    given = [state for state in states if state > 0]
    if not given:
        return None
    if known.block == "p" and known.row <= 4:
        return max(given), max(given)
    given += _ALSO.get(element, ())
    return min(given), max(given)


#: No two ions come nearer than this [Å]; O–H, the shortest bond of any solid, is 0.96.
SHORTEST_ANY = 0.9
#: Kind of pair → shortest distance [Å] that a crystal, glass or hot melt of oxides shows. The shortest bonds:
#: B–O 1.37 and P–O 1.45 at rest, 1.3 in a melt; O–O along a PO4 edge 2.45, 2.1 in a melt (a peroxide,
#: 1.5, would be new chemistry); O holds cations apart: Li–Mg 2.25, Li–P 2.4, Ti–P 3.0, P–P in P2O7 2.9.
SHORTEST = MappingProxyType(
    {"cation-anion": 1.2, "anion-anion": 1.9, "cation-cation": 2.0, "cation-P": 2.2, "P-P": 2.5}
)

#: Element → energy of the free, unpolarised atom's valence shell [eV] (PBE, GTH pseudopotentials, CP2K's atom
#: program). Good to a few per cent for any pseudopotential and functional, because these elements have one
#: sensible choice of valence; metals, whose semicore may or may not be counted, only lower a total energy.
VALENCE_ENERGY = MappingProxyType(
    {"H": -12.49, "B": -70.41, "C": -145.83, "N": -262.51, "O": -429.47, "F": -655.73}
    | {"Si": -101.74, "P": -174.05, "S": -273.93, "Cl": -405.65}
)


def kind_of_pair(one: str, other: str) -> str | None:
    """Return the key of `SHORTEST` for two elements; None (H, N, S) where only `SHORTEST_ANY` holds."""
    charges = [oxidation_range(element) for element in (one, other)]
    if "H" in (one, other) or any(c is None or c[0] < 0 < c[1] for c in charges):
        return None
    anions = sum(1 for c in charges if c is not None and c[0] < 0)
    if anions:
        return "anion-anion" if anions == 2 else "cation-anion"
    return {0: "cation-cation", 1: "cation-P", 2: "P-P"}[(one == "P") + (other == "P")]
