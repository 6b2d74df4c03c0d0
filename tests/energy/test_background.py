"""A charged cell in a uniform background: a known lattice sum, and what may not depend on how sums are split."""

import pytest
from ase import Atoms

from dopantfit import ShellModel
from dopantfit.errors import ConfigError
from dopantfit.structures import prototype
from dopantfit.units import COULOMB

#: Energy of a simple cubic lattice of unit charges in a uniform background is -ξ/2 K q²/L.
CUBIC = 2.837297479


def vacancy(rattle=0.0):
    atoms = prototype("LiTi2P3O12")
    del atoms[atoms.get_chemical_symbols().index("Li")]
    if rattle:
        atoms.rattle(rattle, seed=3)
    return atoms


def test_a_lattice_of_one_ion_has_the_known_energy_and_pressure():
    length, charge = 12.0, 0.549
    atoms = Atoms("Li", cell=[length] * 3, pbc=True)
    atoms.calc = ShellModel("latp-2021", background=True)
    expected = -0.5 * CUBIC * COULOMB * charge**2 / length
    assert atoms.get_potential_energy() == pytest.approx(expected, rel=5e-6)  # the sum is good to 2e-7 eV/Å
    # E goes as 1/L: the trace of the stress is -E/V, a third of it each.
    assert atoms.get_stress()[:3] == pytest.approx([-expected / 3.0 / length**3] * 3, rel=1e-5)


def test_energy_does_not_depend_on_how_the_sum_is_split():
    found = []
    for accuracy in (1e-4, 2e-7):
        atoms = vacancy()
        atoms.calc = ShellModel("latp-2021", background=True, accuracy=accuracy)
        found.append(atoms.get_potential_energy())
    # Without the background's own term the two differ by 0.1 eV; sums of 107 ions are good to 1e-4 eV/Å.
    assert found[0] == pytest.approx(found[1], abs=2e-3)


def test_force_is_minus_the_energy_gradient_in_a_background():
    atoms = vacancy(0.05)
    atoms.calc = ShellModel("latp-2021", background=True, tolerance=1e-7)
    force, step = atoms.get_forces()[3, 1], 1e-3
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[3, 1] += sign * step
        moved.calc = ShellModel("latp-2021", background=True, tolerance=1e-7)
        energies.append(moved.get_potential_energy())
    assert force == pytest.approx((energies[1] - energies[0]) / (2 * step), abs=1e-4)


def test_without_a_background_a_charged_cell_is_refused():
    atoms = vacancy()
    atoms.calc = ShellModel("latp-2021")
    with pytest.raises(ConfigError, match="must be neutral"):
        atoms.get_potential_energy()
