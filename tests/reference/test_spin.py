"""Open shells are counted by Hund's rule from formal charges, or refused."""

import numpy as np
import pytest
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.reference.spin import unpaired_electrons


def of(formula):
    atoms = Atoms(formula)
    atoms.positions = np.arange(3 * len(atoms)).reshape(-1, 3)
    return unpaired_electrons(atoms)


@pytest.mark.parametrize(
    ("formula", "unpaired"),
    [
        ("FePO4", {"Fe": 5}),  # 3d5
        ("CoO", {"Co": 3}),  # 3d7: ten less seven
        ("Cr2O3", {"Cr": 3}),  # 3d3
        ("Gd2O3", {"Gd": 7}),  # 4f7
        ("La2O3", {}),  # closed
        ("LiTi2P3O12", {}),  # Ti of the table of closed shells
    ],
)
def test_the_ground_state_has_the_most_parallel_spins(formula, unpaired):
    assert of(formula) == unpaired


def test_an_ion_whose_spin_nobody_can_tell_is_refused():
    with pytest.raises(ConfigError, match="high and low spin are both usual of 5 d electrons"):
        of("Ru2O3")
