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
        ("LiTi2P3O12", {}),  # Ti4+, 3d0
        ("Ti2O3", {"Ti": 1}),  # 3d1; Ti2+ and Ti4+ are more frequent, and their mean is 3
        ("Li3Ti2P3O12", {"Ti": 1}),
        ("V2O3", {"V": 2}),
        ("VO2", {"V": 1}),
        ("V2O5", {}),
        ("NbO2", {"Nb": 1}),  # 4d1: no other spin is possible
        ("MoO3", {}),
        ("Zr4P8O28", {}),
        ("ZnO", {}),  # 3d10
        ("Ag2O", {}),
        ("Al2O3", {}),
        ("Ga2O3", {}),
        ("Li2O2", {}),  # the odd electrons of two O pair in their bond
    ],
)
def test_the_ground_state_has_the_most_parallel_spins(formula, unpaired):
    assert of(formula) == unpaired


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("Ru2O3", r"spin of Ru\+3: high and low spin are both usual of 5 d electrons in this row; write these inputs"),
        ("MoO2", r"spin of Mo\+4: high and low spin are both usual of 2 d electrons"),
        ("Li2Ti2P3O12", r"spin of Ti: its formal charge is \+3.50 on average, so that its ions differ; write these"),
        ("Li5TiO2", "spin of Ti: Li5O2Ti: no usual oxidation states make it neutral; write these inputs by hand"),
        ("LiMgO2", "spin: LiMgO2 has an odd number of electrons in closed shells; mend the structure, or write"),
    ],
)
def test_an_ion_whose_spin_nobody_can_tell_is_refused(formula, said):
    with pytest.raises(ConfigError, match=said):
        of(formula)
