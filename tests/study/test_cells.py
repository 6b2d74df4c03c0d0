"""Crystal and amorphous cells are neutral, whole, of the composition asked for."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from dopantfit.errors import ConfigError
from dopantfit.structures import check_distances, labels_of, load_host, total_formal_charge
from dopantfit.study.amorphous import cut, dose_counts, exchanged, without
from dopantfit.study.crystals import doped_crystal, reference_size, shares, site_weights
from made_up_results import accepted, bled, number

LATP = load_host()
CHARGES = LATP.charges | {"Mg": 2}


def counts(atoms):
    labels = labels_of(atoms)
    return {label: labels.count(label) for label in set(labels)}


def test_the_reference_crystal_of_three_cells_is_the_published_one():
    # 3888 sites, 65 Al and 65 extra Li: 3953 ions.
    assert reference_size(LATP, 3, 0.3) == 3953
    atoms, kinds = doped_crystal(LATP, 1, 0.3, "Mg", 2, {}, np.random.default_rng(1))
    assert len(atoms) == reference_size(LATP, 1, 0.3) and kinds == {}


def test_a_doped_crystal_has_its_dopants_where_it_says_and_no_charge():
    reference, _ = doped_crystal(LATP, 1, 0.3, "Mg", 2, {}, np.random.default_rng(1))
    atoms, kinds = doped_crystal(LATP, 1, 0.3, "Mg", 2, {"Ti": 2, "Al": 1, "Li": 1}, np.random.default_rng(1))
    before, after = counts(reference), counts(atoms)
    assert total_formal_charge(atoms, CHARGES) == 0
    assert after["Mg"] == 4
    assert after["Ti"] == before["Ti"] - 2 and after["Al"] == before["Al"] - 1
    # Two Li come with each Ti, one with the Al; Mg on Li takes that one and one more.
    assert after["Li"] == before["Li"] + 2 * 2 + 1 - 2
    assert {site: len(ions) for site, ions in kinds.items()} == {"Ti": 2, "Al": 1, "Li": 1}
    labels = labels_of(atoms)
    assert all(labels[ion] == "Mg" for ions in kinds.values() for ion in ions)


def test_dopants_sit_on_the_sites_of_their_kind():
    atoms, kinds = doped_crystal(LATP, 1, 0.0, "Mg", 2, {"Ti": 2, "Li": 1}, np.random.default_rng(3))
    crystal = load_host().pseudo_cubic(1).ions
    for site, ions in kinds.items():
        of_kind = crystal.positions[[label == site for label in labels_of(crystal)]]
        for ion in ions:
            gap = (of_kind - atoms.positions[ion]) @ np.linalg.inv(crystal.cell.array)
            assert np.linalg.norm((gap - np.round(gap)) @ crystal.cell.array, axis=1).min() < 1e-6


def test_dopants_between_sites_count_by_the_partners_they_changed_places_with():
    share = number(0.1, 0.01)
    acceptance = {"Al": accepted(6, 1, share), "Li": accepted(102, 9, share)}
    on_sites, between = {"Al": 2, "Li": 0}, {"Al": 0, "Li": 0}
    assert site_weights(bled(sites=on_sites, acceptance=acceptance)) == on_sites
    assert site_weights(bled(sites=between, acceptance=acceptance)) == {"Al": 1, "Li": 9}
    never = {label: one.model_copy(update={"accepted": 0}) for label, one in acceptance.items()}
    assert site_weights(bled(sites=between, acceptance=never)) == {"Al": 6, "Li": 102}


def test_shares_are_whole_and_add_up():
    assert shares(7, {"Al": 3, "Ti": 3, "Li": 1}) == {"Al": 3, "Li": 1, "Ti": 3}
    assert shares(2, {"Al": 1, "Ti": 1, "Li": 1}) == {"Al": 1, "Li": 1, "Ti": 0}
    assert shares(0, {"Al": 0, "Ti": 0}) == {"Al": 0, "Ti": 0}
    assert sum(shares(17, {"Al": 0.1, "Ti": 0.77, "Li": 0.13}).values()) == 17
    with pytest.raises(ConfigError, match="no site that they sit on"):
        shares(1, {"Al": 0})


@pytest.mark.parametrize("window", [(3.0, 15.0), (20.0, 33.0), (-4.0, 9.0)])
def test_a_cut_is_neutral_keeps_phosphates_whole_and_its_faces_apart(window):
    boundary = load_host().pseudo_cubic((1, 1, 2)).ions
    boundary.rattle(0.05, seed=2)
    # Orthogonal cells, as boundaries have: the angle of the pseudo-cubic one differs by less than 0.1 %.
    boundary.set_cell(np.diag(boundary.cell.lengths()), scale_atoms=True)
    boundary.wrap()
    piece = cut(boundary, *window, CHARGES, LATP)
    assert total_formal_charge(piece, CHARGES) == 0
    check_distances(piece, CHARGES)
    first = neighbor_list("i", piece, {("P", "O"): 2.0})
    labels = np.array(labels_of(piece))
    of_p = labels[first] == "P"
    assert (np.bincount(first[of_p], minlength=len(piece))[labels == "P"] == 4).all()
    assert counts(piece)["O"] == 4 * counts(piece)["P"]
    # The ions that the window holds; each face may move in by 2 Å, and by half a layer of 3.5 Å they are lumpy.
    whole = len(boundary) * (window[1] - window[0]) / boundary.cell[2, 2]
    assert whole * (1 - 5.75 / (window[1] - window[0])) < len(piece) < whole * (1 + 1.75 / (window[1] - window[0]))


def test_a_window_that_cannot_be_is_refused():
    boundary = load_host().pseudo_cubic(1).ions
    with pytest.raises(ConfigError, match="does not lie in"):
        cut(boundary, 5.0, 2.0, CHARGES, LATP)
    with pytest.raises(ConfigError, match="does not lie in"):
        cut(boundary, 0.0, 50.0, CHARGES, LATP)


def test_a_cell_without_titanium_has_none_and_no_charge():
    crystal = load_host().pseudo_cubic(1).ions
    n_ti = counts(crystal)["Ti"]
    exchange = {"Mg": n_ti - 4, "Al": 4}
    empty = without(crystal, exchange, "Ti", CHARGES, "Li", np.random.default_rng(1))
    after = counts(empty)
    assert "Ti" not in after
    assert after["Mg"] == n_ti - 4 and after["Al"] == 4
    assert after["Li"] == counts(crystal)["Li"] + 2 * after["Mg"] + after["Al"]
    assert total_formal_charge(empty, CHARGES) == 0
    # The cell grows as the number of ions does.
    assert empty.get_volume() / len(empty) == pytest.approx(crystal.get_volume() / len(crystal), rel=1e-12)
    with pytest.raises(ConfigError, match="for 0 Ti cannot be"):
        without(empty, exchange, "Ti", CHARGES, "Li", np.random.default_rng(1))


def test_a_dose_counts_the_mobile_ions_that_it_brings():
    undoped = {"Ti": 64, "Al": 16, "Li": 60, "P": 120, "O": 480}
    replaced = dose_counts(undoped, CHARGES, "Mg", LATP, percent=4.0, share=0.5)
    dopants = sum(replaced.values())
    assert replaced["Ti"] == pytest.approx(0.5 * dopants, abs=0.5)
    # Half of them bring two Li, half of them one.
    whole = sum(undoped.values()) + 2 * replaced["Ti"] + replaced["Al"]
    assert 100.0 * dopants / whole == pytest.approx(4.0, abs=100.0 * 0.5 / whole)


def test_where_there_are_too_few_of_one_kind_the_other_gives_more():
    replaced = dose_counts({"Ti": 13, "Al": 3, "O": 144}, CHARGES, "Mg", LATP, percent=5.0, share=0.0)
    assert replaced["Al"] == 3 and replaced["Ti"] > 0


@pytest.mark.parametrize("percent", [0.1, 29.0])
def test_a_dose_of_no_ion_or_of_too_many_is_refused(percent):
    with pytest.raises(ConfigError, match=r"expected 1 to 16, its Ti and Al; ask for another dose"):
        dose_counts({"Ti": 13, "Al": 3, "O": 144}, CHARGES, "Mg", LATP, percent, 0.5)


def test_a_dosed_cell_is_neutral_and_keeps_what_is_not_replaced():
    crystal = load_host().pseudo_cubic(1).ions
    before = counts(crystal)
    after = counts(exchanged(crystal, {"Ti": {"Mg": 3}}, CHARGES, "Li", np.random.default_rng(1)))
    assert after["Ti"] == before["Ti"] - 3 and after["Mg"] == 3
    assert after["Li"] == before["Li"] + 6 and after["O"] == before["O"]
    with pytest.raises(ConfigError, match="exchange fewer"):
        exchanged(crystal, {"Ti": {"Mg": before["Ti"] + 1}}, CHARGES, "Li", np.random.default_rng(1))
