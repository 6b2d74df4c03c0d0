"""Doped cells: counts, charge, distances, the same seed, and the compositions that cannot be built."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from ase.geometry import get_distances

from dopantfit.errors import ConfigError
from dopantfit.structures import (
    Substitution,
    check_distances,
    labels_of,
    load_host,
    substituted,
    total_formal_charge,
)
from dopantfit.structures import (
    crystal as crystal_of,
)
from dopantfit.structures.substitution import spread

LATP = load_host()


def rng(seed=1):
    return np.random.default_rng(seed)


def counts(atoms):
    labels = labels_of(atoms)
    return {label: labels.count(label) for label in sorted(set(labels))}


@pytest.fixture(scope="module")
def crystal():
    return LATP.conventional


@pytest.fixture(scope="module")
def reference():
    """Build the reference crystal of the grain boundary study: 3 × 3 × 3 pseudo-cubic cells, 65 Al."""
    return LATP.doped(rng(), Fraction(65, 216), cell=LATP.pseudo_cubic(3))


def test_the_reference_crystal_has_3953_ions(reference):
    assert counts(reference) == {"Al": 65, "Li": 281, "O": 2592, "P": 648, "Ti": 367}
    assert len(reference) == 3953
    assert reference.cell.lengths() == pytest.approx([36.11] * 3, abs=0.01)


def test_the_reference_crystal_is_neutral_right_handed_and_sorted(reference):
    assert total_formal_charge(reference, LATP.charges) == 0
    assert reference.cell.handedness == 1
    assert reference.get_chemical_symbols() == sorted(reference.get_chemical_symbols())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("x", "y"), [(0, 0), (1 / 6, 0), (0.5, 1 / 6), (0, 0.5), (1, 1), (2, 0)])
def test_any_commensurate_composition_is_built(x, y, seed):
    atoms = LATP.doped(rng(seed), x, y, "Mg", 2)
    expected = {"Al": 6 * x, "Li": 6 * (1 + x + 2 * y), "Mg": 6 * y, "O": 72, "P": 18, "Ti": 6 * (2 - x - y)}
    assert counts(atoms) == {label: round(n) for label, n in expected.items() if round(n)}
    check_distances(atoms, LATP.charges | {"Mg": 2})


def test_extra_lithium_sits_on_empty_sites_only(crystal):
    atoms = LATP.doped(rng(), 0.5)
    lithium = atoms.positions[atoms.symbols == "Li"]
    on_empty = [np.min(np.linalg.norm(crystal.empty - r, axis=1)) < 1e-9 for r in lithium]
    occupied = crystal.ions.positions[crystal.ions.symbols == "Li"]
    on_own = [np.min(np.linalg.norm(occupied - r, axis=1)) < 1e-9 for r in lithium]
    assert (sum(on_empty), sum(on_own)) == (3, 6)


@pytest.mark.parametrize(("count", "apart"), [(2, 10.9), (3, 4.9), (4, 4.9)])
def test_extra_lithium_keeps_away_from_itself(crystal, count, apart):
    # Empty sites are 4.34, 4.50, 4.96, ... and at most 10.97 Å apart; drawn at random, 4 of 18 hardly ever
    # keep clear of the two nearest distances.
    for seed in range(10):
        chosen = spread(crystal.empty, count, crystal.ions, rng(seed))
        _, d = get_distances(chosen, cell=crystal.sites.cell, pbc=True)
        assert d[np.triu_indices(count, 1)].min() > apart


def test_the_same_seed_gives_the_same_cell_and_another_seed_another():
    first, again, other = (LATP.doped(rng(seed), 0.5, 0.5, "Mg", 2) for seed in (3, 3, 4))
    assert np.array_equal(first.positions, again.positions)
    assert first.get_chemical_symbols() == again.get_chemical_symbols()
    assert not np.array_equal(first.positions, other.positions)


@pytest.mark.parametrize(
    ("dopant", "charge", "lithium"),
    [
        ("Zn", 2, 6 + 2 * 3),
        ("Sc", 3, 6 + 3),
        ("Zr", 4, 6),
        ("Nb", 5, 6 - 3),
        ("Na", 1, 6 - 3),  # on sites of Li
        ("Ti3", 3, 6 + 3),
    ],
)
def test_any_dopant_brings_or_removes_what_its_charge_asks_for(dopant, charge, lithium):
    atoms = LATP.doped(rng(), 0, 0.5, dopant, charge)
    assert counts(atoms)[dopant] == 3
    assert counts(atoms)["Li"] == lithium
    assert total_formal_charge(atoms, LATP.charges | {dopant: charge}) == 0


def test_a_dopant_may_replace_any_cation(crystal):
    atoms = substituted(crystal, [Substitution("P", "B", 3, 2)], rng())
    assert counts(atoms) == {"B": 2, "Li": 10, "O": 72, "P": 16, "Ti": 12}


def test_the_crystal_is_not_changed(crystal):
    before = crystal.sites.positions.copy(), crystal.sites.get_chemical_symbols()
    LATP.doped(rng(), 1, cell=crystal)
    assert np.array_equal(before[0], crystal.sites.positions)
    assert before[1] == crystal.sites.get_chemical_symbols()


def test_an_incommensurate_composition_names_its_neighbours():
    with pytest.raises(ConfigError) as refused:
        LATP.doped(rng(), 0.3)
    assert "x = 0.3 is 1.8 ions in 6 formula units" in str(refused.value)
    assert "x = 1/6 = 0.16667 and x = 2/6 = 0.33333" in str(refused.value)


@pytest.mark.parametrize(
    ("x", "y", "dopant", "charge", "message"),
    [
        (0, 2, "Mg", 2, "12 Mg need 24 Li added, but there are 18 empty sites; nearest possible: .* as 9 Mg"),
        (1, 1.5, "Mg", 2, "6 Al and 9 Mg need 24 Li added, .* as 6 Mg"),
        (0, 0.5, "W", 7, "3 W need 9 Li removed, but there are 6 Li ions; .* as 2 W"),
        (2, 0.5, "Zn", 2, "18 empty sites|but there are 0; ask for 0"),
        (-1, 0, "Mg", 2, "x = -1 is outside 0 to 2"),
        (0, 2.5, "Mg", 2, r"y = 2\.5 is outside 0 to 2"),
        (float("nan"), 0, "Mg", 2, "x = nan is outside 0 to 2"),
        (0, 0.5, "Al", 2, r"Al has the formal charge \+3, not \+2; .*Al_b"),
        (0, 0.5, "Xx", 2, "Xx is no species label"),
    ],
)
def test_a_composition_that_cannot_be_built_is_refused(x, y, dopant, charge, message):
    with pytest.raises(ConfigError, match=message):
        LATP.doped(rng(), x, y, dopant, charge)


def test_counts_beyond_the_crystal_are_refused(crystal):
    with pytest.raises(ConfigError, match="13 Ti to be replaced by Zr, but there are 12; ask for 12 at most"):
        substituted(crystal, [Substitution("Ti", "Zr", 4, 13)], rng())
    with pytest.raises(ConfigError, match="must not be negative"):
        substituted(crystal, [Substitution("Ti", "Zr", 4, -1)], rng())
    with pytest.raises(ConfigError, match="Na is no ion of this crystal"):
        substituted(crystal, [Substitution("Na", "K", 1, 1)], rng())
    with pytest.raises(ConfigError, match=r"leave the charge \+1, and this crystal has no ions to balance"):
        substituted(crystal_of("MgO"), [Substitution("Mg", "Al", 3, 1)], rng())


def test_a_crystal_whose_empty_sites_are_too_near_is_refused(crystal):
    sites = crystal.sites.copy()
    phosphorus = sites.positions[sites.symbols == "P"]
    sites.positions[sites.numbers == 0] = phosphorus + np.array([0.0, 0.0, 1.5])
    with pytest.raises(ConfigError, match=r"Å apart, expected at least 2\.4 Å"):
        LATP.doped(rng(), 1, cell=replace(crystal, sites=sites))


def test_a_charged_crystal_is_refused(crystal):
    sites = crystal.sites.copy()
    del sites[np.flatnonzero(sites.symbols == "Li")[0]]
    with pytest.raises(ConfigError, match="has a net formal charge; start from a neutral crystal"):
        substituted(replace(crystal, sites=sites), [Substitution("Ti", "Al", 3, 3)], rng())
