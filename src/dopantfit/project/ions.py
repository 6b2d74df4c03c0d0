"""How large an ion is, from pymatgen's tables: what scales the parameters and the crystals of one to another."""

import math
import warnings

from dopantfit.errors import ConfigError

#: Anions around a cation for which bond valences are turned into a length.
_NEIGHBOURS = 6
#: b of s = exp((R - r) / b) [Å] (Brese & O'Keeffe, Acta Cryst. B 47, 192 (1991)).
_SOFTNESS = 0.37


def ionic_radius(element: str, charge: int) -> float:
    """Shannon's crystal radius of an ion [Å].

    Raises ConfigError where the table has none, which is to say that the ion does not usually have this charge.
    """
    from pymatgen.core.periodic_table import Element, Species

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of radii that it takes from another table
        radius = Species(element, charge).ionic_radius
    if radius is None:
        known = ", ".join(f"{state:+d}" for state in sorted(Element(element).ionic_radii))
        raise ConfigError(
            f"{element}: no ionic radius is known for the charge {charge:+d}, only for {known or 'none'}; "
            "mend --charge, or choose another dopant"
        )
    return float(radius)


def bond_valence_length(element: str, charge: int, ligand: str) -> float | None:
    """Length [Å] of a bond of valence charge / 6, None where an element has no bond valence parameters.

    R of a pair from those of its elements (O'Keeffe & Brese, J. Am. Chem. Soc. 113, 3226 (1991)).
    """
    from pymatgen.analysis.bond_valence import BV_PARAMS
    from pymatgen.core.periodic_table import Element

    if Element(element) not in BV_PARAMS or Element(ligand) not in BV_PARAMS:
        return None
    (r, c), (s, d) = ((BV_PARAMS[Element(one)]["r"], BV_PARAMS[Element(one)]["c"]) for one in (element, ligand))
    single = r + s - r * s * (math.sqrt(c) - math.sqrt(d)) ** 2 / (c * r + d * s)
    return float(single - _SOFTNESS * math.log(charge / _NEIGHBOURS))
