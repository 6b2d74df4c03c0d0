"""Labels, order, supercell matrices, formal charges and minimum distances."""

import re

import numpy as np
import pytest
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.structures import (
    check_distances,
    labels_of,
    prototype,
    sorted_by_label,
    supercell,
    total_formal_charge,
    with_labels,
)
from dopantfit.structures.cells import cell_fault


def test_labels_are_symbols_unless_there_is_a_species_array():
    atoms = Atoms("TiO2")
    assert labels_of(atoms) == ["Ti", "O", "O"]
    labelled = with_labels(atoms, ["Ti3", "O", "O_b"])
    assert labels_of(labelled) == ["Ti3", "O", "O_b"]
    assert labelled.get_chemical_symbols() == ["Ti", "O", "O"]
    assert "species" not in atoms.arrays
    assert "species" not in with_labels(labelled, ["Mg", "O", "O"]).arrays


def test_sorting_keeps_the_order_within_a_label():
    # Long enough for an unstable sort to show.
    atoms = Atoms("TiO" * 50, positions=[[i, 0, 0] for i in range(100)])
    assert sorted_by_label(atoms).positions[:, 0].tolist() == [*range(1, 100, 2), *range(0, 100, 2)]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], "determinant -1, expected > 0; swap two rows"),
        ([[1, 1, 0], [1, 1, 0], [0, 0, 1]], "determinant 0"),
        ([0, 1, 1], "determinant 0"),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 0.5]], "whole numbers"),
        ([1, 2], "whole numbers"),
        (2, "whole numbers"),
    ],
)
def test_a_matrix_that_is_no_supercell_is_refused(matrix, message):
    with pytest.raises(ConfigError, match=message):
        supercell(prototype("MgO"), matrix)


def test_three_numbers_repeat_along_the_vectors():
    built = supercell(prototype("MgO"), (1, 2, 3))
    assert len(built) == 48
    assert np.allclose(built.cell.array, np.diag([1, 2, 3]) * 4.2112, rtol=0, atol=1e-12)  # rounding


def test_formal_charges_are_summed_by_label():
    atoms = with_labels(Atoms("Fe2O"), ["Fe", "Fe_b", "O"])
    assert total_formal_charge(atoms, {"Fe": 2, "Fe_b": 3, "O": -2}) == 3
    with pytest.raises(ConfigError, match="no formal charge given for Fe_b"):
        total_formal_charge(atoms, {"Fe": 2, "O": -2})


@pytest.mark.parametrize(
    ("symbols", "distance", "near"),
    [("MgP", 2.39, True), ("MgP", 2.41, False), ("O2", 2.19, True), ("O2", 2.21, False), ("MgO", 1.5, False)],
)
def test_like_charges_keep_their_distance(symbols, distance, near):
    # Across the boundary, so that periodic images are seen to count.
    atoms = Atoms(symbols, positions=[[0.1, 5, 5], [10.1 - distance, 5, 5]], cell=[10, 10, 10], pbc=True)
    charges = {"Mg": 2, "P": 5, "O": -2}
    if near:
        with pytest.raises(ConfigError, match=f"are {distance:.3f} Å apart, expected at least"):
            check_distances(atoms, charges)
    else:
        check_distances(atoms, charges)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ([[9, 0, 0], [0, 9, 0], [0, 0, np.inf]], "must be finite"),
        ([[9, 0, 0], [0, 9, 0], [0, 0, 1e-9]], "smaller than a bond"),
        ([[9, 0, 0], [9, 1e-8, 0], [0, 0, 9]], "smaller than a bond"),
        (np.zeros((3, 3)), "smaller than a bond"),
        (np.diag([9.0, 9.0, 1e300]), r"1e\+300 Å long"),
        (np.diag([1e200, 1e200, 1e200]), r"1e\+200 Å long"),
        ([[9, 0, 0], [1e9, 9, 0], [0, 0, 9]], r"1e\+09 Å long"),
    ],
)
def test_a_cell_that_can_hold_no_ions_is_told_from_one_that_can(cell, words):
    assert re.search(words, cell_fault(cell))
    assert cell_fault(prototype("MgO").cell.array) is None
