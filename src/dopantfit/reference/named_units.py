"""Units by the names that codes and people give them: what one is in eV, Å, eV/Å and eV/Å³ (CODATA 2018)."""

import re
from types import MappingProxyType
from typing import Literal

from dopantfit.units import BOHR, EV_PER_A3_IN_BAR, EV_PER_A3_IN_GPA, HARTREE

Quantity = Literal["energy", "length", "force", "stress"]

#: What every set is in.
OWN = MappingProxyType({"energy": "eV", "length": "Å", "force": "eV/Å", "stress": "eV/Å³"})

#: kJ/mol in eV: 1000 / (e N_A).
_KJ_PER_MOL = 1000.0 / (1.602176634e-19 * 6.02214076e23)
_ENERGIES = MappingProxyType(
    {"ev": 1.0, "mev": 1e-3, "kev": 1e3}
    | dict.fromkeys(("hartree", "hartrees", "ha", "eh", "a.u.", "au", "e_h"), HARTREE)
    | dict.fromkeys(("ry", "rydberg", "rydbergs"), HARTREE / 2)
    | {"kjmol": _KJ_PER_MOL, "kcalmol": 4.184 * _KJ_PER_MOL, "joule": 1 / 1.602176634e-19}
)
_LENGTHS = MappingProxyType(
    dict.fromkeys(("angstrom", "angstroms", "ang", "a"), 1.0)
    | dict.fromkeys(("bohr", "a.u.", "au", "a0", "internal_cp2k"), BOHR)
    | {"nm": 10.0, "pm": 0.01, "m": 1e10}
)
_FORCES = MappingProxyType(
    dict.fromkeys(("a.u.", "au"), HARTREE / BOHR)
    | {"newton": 1e-10 / 1.602176634e-19, "mnewton": 1e-13 / 1.602176634e-19}
)
_STRESSES = MappingProxyType(
    {"gpa": 1 / EV_PER_A3_IN_GPA, "mpa": 1e-3 / EV_PER_A3_IN_GPA, "pa": 1e-9 / EV_PER_A3_IN_GPA}
    | {"kbar": 1e3 / EV_PER_A3_IN_BAR, "bar": 1 / EV_PER_A3_IN_BAR, "atm": 1.01325 / EV_PER_A3_IN_BAR}
    | dict.fromkeys(("a.u.", "au"), HARTREE / BOHR**3)
)
_OF_ITS_OWN = MappingProxyType({"energy": _ENERGIES, "length": _LENGTHS, "force": _FORCES, "stress": _STRESSES})
#: Power of a length that a unit of energy is divided by.
_POWER = MappingProxyType({"force": 1, "stress": 3})


def unit_factor(name: str, quantity: Quantity) -> float | None:
    """Return what one of a unit is in the set's own (`OWN`); None for a name that is not known.

    name: as written, such as ``hartree/bohr``, ``eV*angstrom^-1``, ``kcal/mol/Å``, ``[bar]``; case does not count.
    """
    plain = _plain(name)
    factor = _OF_ITS_OWN[quantity].get(plain)
    if factor is not None or quantity not in _POWER:
        return factor
    found = re.fullmatch(r"([^/]+)/([a-z_.]+?0?)(?:\^?([13]))?", plain)
    if found is None or int(found[3] or 1) != _POWER[quantity]:
        return None
    energy, length = _ENERGIES.get(found[1]), _LENGTHS.get(found[2])
    return None if energy is None or length is None else energy / length ** _POWER[quantity]


def _plain(name: str) -> str:
    """Return a unit's name in one spelling: ``kcal/(mol·Å)`` and ``eV*angstrom^-1`` as ``x/y``."""
    plain = re.sub(r"[\s\[\]()]", "", name).lower()
    for old, new in (("å", "angstrom"), ("**", "^"), ("³", "^3"), ("·", "*"), ("⁻¹", "^-1"), ("⁻³", "^-3")):
        plain = plain.replace(old, new)
    plain = re.sub(r"(kcal|kj)/mol", r"\1mol", plain)
    plain = re.sub(r"\*([a-z_.]+)\^-([13])", lambda m: f"/{m[1]}^{m[2]}", plain)
    return plain.replace("mol*", "mol/")
