"""Mean formal charges are those that pymatgen ranks first, found without trying every combination."""

import time

import pytest
from ase import Atoms
from pymatgen.core.composition import Composition

from dopantfit.errors import ConfigError
from dopantfit.structures import mean_charges


@pytest.mark.parametrize(
    "formula",
    ["LiTi2P3O12", "Li2Ti2P3O12", "Ti2O3", "Fe3O4", "VO2", "LiMn2O4", "MoO2", "Li2VFeP3O12", "Li10GeP2S12"],
)
def test_the_charges_are_those_that_pymatgen_ranks_first(formula):
    assert mean_charges(Atoms(formula)) == Composition(formula).oxi_state_guesses()[0]


def test_a_hundred_ions_of_six_elements_take_no_time():
    started = time.process_time()
    charges = mean_charges(Atoms("Al2Li10MgO72P18Ti9"))
    assert charges == {"Al": 3, "Li": 1, "Mg": 2, "O": -2, "P": 5, "Ti": 4}
    # pymatgen takes 18 s, of which reading its table is 2.
    assert time.process_time() - started < 6


def test_what_no_charges_make_neutral_is_named():
    with pytest.raises(ConfigError, match="LiO2: no usual oxidation states make it neutral"):
        mean_charges(Atoms("LiO2"))
