"""Crystals against their published distances, densities and compositions."""

from dataclasses import replace

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from dopantfit.errors import ConfigError
from dopantfit.structures import (
    check_distances,
    crystal,
    formal_charges,
    labels_of,
    load_host,
    prototype,
    prototype_names,
    supercell,
    total_formal_charge,
)
from dopantfit.structures.convert import structure_of
from dopantfit.structures.symmetry import primitive_cell, space_group

U_PER_A3 = 1.66053906660  # g/cm³, CODATA 2018


def distances(atoms, a, b, cutoff):
    """Return the sorted distances [Å] from the first `a` to every `b` within the cutoff, per ion a."""
    first, second, d = neighbor_list("ijd", atoms, cutoff)
    symbols = np.array(atoms.get_chemical_symbols())
    return [np.sort(d[(first == i) & (symbols[second] == b)]) for i in np.flatnonzero(symbols == a)]


@pytest.mark.parametrize("name", prototype_names())
def test_every_prototype_is_neutral_right_handed_sorted_and_open(name):
    atoms = prototype(name)
    charges = formal_charges(atoms)
    assert total_formal_charge(atoms, charges) == 0
    assert atoms.cell.handedness == 1
    assert atoms.get_chemical_symbols() == sorted(atoms.get_chemical_symbols())
    assert atoms.pbc.all()
    check_distances(atoms, charges)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("LiTi2P3O12", "Li6O72P18Ti12"),
        ("AlPO4", "Al3O12P3"),
        ("LiTiOPO4", "Li4O20P4Ti4"),
        ("Mg3P2O8", "Mg6O16P4"),
        ("Li3PO4_gamma", "Li12O16P4"),
        ("BPO4", "B2O8P2"),
        ("TiP2O7", "O28P8Ti4"),
        ("TiO2_rutile", "O4Ti2"),
        ("Al2O3", "Al12O18"),
        ("MgO", "Mg4O4"),
        ("LiGe2P3O12", "Ge12Li6O72P18"),
        ("NaZr2P3O12", "Na6O72P18Zr12"),
    ],
)
def test_cells_hold_the_right_ions(name, formula):
    assert prototype(name).get_chemical_formula() == formula


@pytest.mark.parametrize(
    ("name", "density"),
    [("LiTi2P3O12", 2.953), ("TiO2_rutile", 4.25), ("Al2O3", 3.98), ("MgO", 3.58), ("Li3PO4_gamma", 2.44)],
)
def test_densities_are_the_measured_ones(name, density):
    atoms = prototype(name)
    # Given to three or four digits.
    assert atoms.get_masses().sum() / atoms.get_volume() * U_PER_A3 == pytest.approx(density, rel=2e-3)


def test_ltp_has_the_published_distances():
    ltp = prototype("LiTi2P3O12")
    # Published to 0.001 Å, coordinates to 1e-5 of up to 21 Å.
    assert len(distances(ltp, "Ti", "O", 2.5)) == 12
    for shell in distances(ltp, "Ti", "O", 2.5):
        assert shell == pytest.approx([1.889] * 3 + [1.977] * 3, abs=1e-3)
    for shell in distances(ltp, "P", "O", 2.0):
        assert shell == pytest.approx([1.524] * 2 + [1.526] * 2, abs=1e-3)
    for shell in distances(ltp, "Li", "O", 2.5):
        assert shell == pytest.approx([2.258] * 6, abs=1e-3)
    for shell in distances(ltp, "Ti", "Ti", 5.6):
        assert shell == pytest.approx([4.526] + [5.025] * 3 + [5.479] * 3, abs=1e-3)


def test_farringtonite_has_one_five_fold_and_one_six_fold_magnesium():
    atoms = prototype("Mg3P2O8")
    # The published ranges are those of the measured cell, whose b is 0.5 % longer.
    atoms.set_cell([5.0775, 8.2305, 8.8333, 90, 120.93, 90], scale_atoms=True)
    shells = distances(atoms, "Mg", "O", 2.4)
    five = [shell for shell in shells if len(shell) == 5]
    six = [shell for shell in shells if len(shell) == 6]
    assert (len(five), len(six)) == (4, 2)
    # Published to 0.01 Å.
    assert (np.min(five), np.max(five)) == (pytest.approx(1.97, abs=6e-3), pytest.approx(2.13, abs=6e-3))
    assert (np.min(six), np.max(six)) == (pytest.approx(2.04, abs=6e-3), pytest.approx(2.16, abs=6e-3))


def test_the_empty_sites_of_ltp_keep_clear_of_every_cation():
    ltp = crystal("LiTi2P3O12")
    assert ltp.empty.shape == (18, 3)
    probe = ltp.sites.copy()
    probe.numbers[probe.numbers == 0] = 2
    # Facts of the site x = 0.60 in the measured cell, to the digits shown.
    for element, nearest in (("Li", 3.13), ("Ti", 2.87), ("P", 2.63), ("O", 2.15)):
        for shell in distances(probe, "He", element, 4.0):
            assert shell[0] == pytest.approx(nearest, abs=0.01)


def test_the_primitive_cell_is_a_third_with_the_same_surroundings():
    ltp = crystal("LiTi2P3O12")
    small = ltp.primitive()
    assert (len(small.ions), len(small.empty)) == (36, 6)
    assert small.ions.cell.volume == pytest.approx(ltp.ions.cell.volume / 3, rel=1e-12)  # rounding
    lengths, angles = small.ions.cell.lengths(), small.ions.cell.angles()
    assert lengths == pytest.approx([lengths[0]] * 3, rel=1e-12)  # rounding
    assert angles == pytest.approx([angles[0]] * 3, rel=1e-12)
    for shell in distances(small.ions, "Ti", "Ti", 5.6):
        assert shell == pytest.approx([4.526] + [5.025] * 3 + [5.479] * 3, abs=1e-3)


@pytest.mark.parametrize("name", prototype_names())
def test_symmetry_finds_the_space_group_and_the_primitive_cell(name):
    built = crystal(name)
    assert space_group(built.ions) == built.spacegroup
    primitive = primitive_cell(built.ions)
    assert len(built.primitive().ions) == len(primitive)
    assert built.primitive().ions.cell.volume == pytest.approx(primitive.cell.volume, rel=1e-6)  # spglib's rounding


def test_a_centring_that_the_cell_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="Mg4O4: the cell is not R-centred"):
        replace(crystal("MgO"), centring="R").primitive()


def test_the_pseudo_cubic_cell_is_nearly_cubic():
    atoms = load_host().pseudo_cubic().ions
    assert len(atoms) == 144
    assert atoms.cell.lengths() == pytest.approx([12.04] * 3, abs=0.01)
    assert atoms.cell.angles() == pytest.approx([90.0] * 3, abs=1e-3)  # c/a of this cell happens to be √6 to 1e-5
    assert atoms.cell.handedness == 1
    for shell in distances(atoms, "Ti", "O", 2.5):
        assert shell == pytest.approx([1.889] * 3 + [1.977] * 3, abs=1e-3)


def test_pseudo_cubic_cells_repeat():
    atoms = load_host().pseudo_cubic((2, 1, 1)).ions
    assert len(atoms) == 288
    assert atoms.cell.lengths() == pytest.approx([24.07, 12.04, 12.04], abs=0.01)
    assert total_formal_charge(atoms, load_host().charges) == 0


def test_a_supercell_has_the_surroundings_of_its_cell():
    sheared = supercell(prototype("MgO"), [[1, 1, 0], [0, 1, 0], [0, 1, 2]])
    assert sheared.get_chemical_formula() == "Mg8O8"
    assert sheared.cell.handedness == 1
    assert sheared.get_chemical_symbols() == ["Mg"] * 8 + ["O"] * 8
    for shell in distances(sheared, "Mg", "O", 2.5):
        assert shell == pytest.approx([4.2112 / 2] * 6, abs=1e-10)  # rounding


def test_an_unknown_prototype_lists_the_known():
    with pytest.raises(ConfigError, match="'LTP' is no crystal prototype; there are LiTi2P3O12, AlPO4"):
        prototype("LTP")


@pytest.mark.parametrize("name", prototype_names())
def test_bond_valences_give_the_formal_charges(name):
    from pymatgen.analysis.bond_valence import BVAnalyzer

    atoms = prototype(name)
    charges = formal_charges(atoms)
    # All sites apart (symm_tol 0), so that valences come in the order of the ions.
    assert BVAnalyzer(symm_tol=0).get_valences(structure_of(atoms)) == [charges[one] for one in labels_of(atoms)]


@pytest.mark.parametrize("name", prototype_names())
def test_nearest_anions_are_a_sum_of_shannon_radii_away(name):
    from pymatgen.core.periodic_table import Species

    atoms = prototype(name)
    for label, charge in formal_charges(atoms).items():
        if charge < 0:
            continue
        for shell in distances(atoms, label, "O", 2.6):
            radii = [
                Species(label, charge).get_shannon_radius(cn, radius_type="ionic")
                for cn in ("IV", "VI")
                if cn in Species(label, charge).element.data["Shannon radii"][str(charge)]
            ]
            # Oxygen 1.36 to 1.40 Å; coordinations between four and six, and bonds of one shell differ by 0.15 Å.
            assert min(radii) + 1.36 - 0.15 < shell[0] < max(radii) + 1.40 + 0.15
