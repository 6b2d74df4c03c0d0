"""What is known of ions beforehand: formal charges, shortest distances, valence energies."""

from types import MappingProxyType

#: Element → (lowest, highest) usual oxidation state in oxides, phosphates and halides [e].
FORMAL_CHARGES = MappingProxyType(
    dict.fromkeys(("H", "Li", "Na", "K", "Rb", "Cs", "Ag"), (1, 1))
    | dict.fromkeys(("Be", "Mg", "Ca", "Sr", "Ba", "Zn", "Cd"), (2, 2))
    | dict.fromkeys(("B", "Al", "Ga", "In", "Sc", "Y", "La", "Nd", "Sm", "Gd", "Dy", "Er", "Yb", "Lu"), (3, 3))
    | dict.fromkeys(("C", "Si", "Ge", "Ti", "Zr", "Hf"), (4, 4))
    | dict.fromkeys(("P", "Ta"), (5, 5))
    | dict.fromkeys(("O",), (-2, -2))
    | dict.fromkeys(("F", "Cl", "Br", "I"), (-1, -1))
    # Elements of several common states: a cell is balanced if some state of each ion balances it.
    | {"Sn": (2, 4), "Ce": (3, 4), "V": (3, 5), "Cr": (3, 6), "Mn": (2, 4), "Fe": (2, 3), "Co": (2, 3)}
    | {"Ni": (2, 3), "Cu": (1, 2), "Nb": (4, 5), "Mo": (4, 6), "W": (4, 6), "S": (-2, 6), "N": (-3, 5)}
)

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
    charges = [FORMAL_CHARGES.get(element) for element in (one, other)]
    if "H" in (one, other) or any(c is None or c[0] < 0 < c[1] for c in charges):
        return None
    anions = sum(1 for c in charges if c is not None and c[0] < 0)
    if anions:
        return "anion-anion" if anions == 2 else "cation-anion"
    return {0: "cation-cation", 1: "cation-P", 2: "P-P"}[(one == "P") + (other == "P")]
