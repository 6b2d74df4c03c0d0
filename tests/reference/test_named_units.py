"""Units by name: the factors are those of CODATA 2018, whatever the spelling."""

import pytest

from dopantfit.reference.named_units import Quantity, unit_factor


@pytest.mark.parametrize(
    ("name", "quantity", "factor"),
    [
        ("eV", "energy", 1.0),
        ("[hartree]", "energy", 27.211386245988),
        ("a.u.", "energy", 27.211386245988),
        ("Ry", "energy", 13.605693122994),
        ("kcal/mol", "energy", 0.0433641042),
        ("kJ/mol", "energy", 0.0103642697),
        ("bohr", "length", 0.529177210903),
        ("Å", "length", 1.0),
        ("nm", "length", 10.0),
        ("hartree/bohr", "force", 51.422067476),
        ("eV*angstrom^-1", "force", 1.0),
        ("Ry/au", "force", 25.711033738),
        ("kcal/(mol·Å)", "force", 0.0433641042),
        ("GPa", "stress", 1 / 160.2176634),
        ("bar", "stress", 1 / 1602176.634),
        ("kbar", "stress", 1 / 1602.176634),
        ("eV/Å³", "stress", 1.0),
        ("eV/Angstrom^3", "stress", 1.0),
        ("Ha/bohr3", "stress", 183.6315364),
    ],
)
def test_a_unit_is_known_by_its_name(name: str, quantity: Quantity, factor: float) -> None:
    found = unit_factor(name, quantity)
    # The factors above have nine digits.
    assert found is not None and found == pytest.approx(factor, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "quantity"),
    [("furlong", "length"), ("eV", "force"), ("eV/Å", "stress"), ("eV/Å³", "force"), ("", "energy"), ("eV/s", "force")],
)
def test_what_is_no_unit_of_a_quantity_has_no_factor(name: str, quantity: Quantity) -> None:
    assert unit_factor(name, quantity) is None
