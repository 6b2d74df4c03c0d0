"""The path of a mobile ion before anything of it is relaxed: which sites, which way, and where a dopant stands."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import find_mic

from dopantfit.errors import ConfigError
from dopantfit.structures import load_host
from dopantfit.structures.prototypes import Crystal
from dopantfit.validate.migration import MigrationPath, dopant_sites, migration_path, with_dopant


def test_the_path_goes_between_neighbouring_sites_by_the_empty_one_between():
    crystal = load_host("latp").conventional
    path = migration_path(crystal)
    assert len(path.start) == len(crystal.ions) - 1
    # M1-M1 and M1-M2 of the crystal [Å]; M2 lies off the middle.
    assert np.linalg.norm(path.end) == pytest.approx(6.018, abs=1e-3)
    assert (
        np.linalg.norm(path.via) == pytest.approx(np.linalg.norm(path.end - path.via)) == pytest.approx(3.127, abs=1e-3)
    )


def distances(path, site):
    """Of a place from the first site, the empty one and the second one [Å]."""
    first = path.start.positions[path.ion]
    steps = [path.start.positions[site] - first - one for one in (np.zeros(3), path.via, path.end)]
    return find_mic(steps, path.start.cell, path.start.pbc)[1]


def test_next_to_a_path_a_dopant_has_two_places_and_the_ion_leaves_both():
    """An M1 site of a NASICON shares faces with two octahedra: one by the path's M2 site, one on its other side."""
    path = migration_path(load_host("latp").conventional)
    sites = dopant_sites(path, "Ti")
    assert len(sites.near) == 2
    for length, site in sites.near.items():
        first, empty, second = distances(path, site)
        assert empty == pytest.approx(length) and first == pytest.approx(2.949, abs=1e-3) and second > first
    assert list(sites.near) == pytest.approx([2.869, 5.359], abs=1e-3)
    assert distances(path, sites.far).min() > 7.0


def test_what_a_relaxation_leaves_chooses_no_other_path():
    """Equivalent sites, shaken by less than they differ in what is not equivalent: ion and places stay the same."""
    crystal = load_host("latp").conventional
    path = migration_path(crystal)
    for seed in range(5):
        sites = crystal.sites.copy()
        sites.rattle(1e-3, seed=seed)
        shaken = replace(crystal, sites=sites)
        again = migration_path(shaken, crystal)
        assert again.ion == path.ion and np.abs(again.end - path.end).max() < 0.01
        assert list(dopant_sites(again, "Ti").near.values()) == list(dopant_sites(path, "Ti").near.values())


def test_a_dopant_stands_on_the_place_it_is_given():
    path = migration_path(load_host("latp").conventional)
    doped = with_dopant(path, dopant_sites(path, "Ti").far, "Mg")
    assert doped.start.get_chemical_symbols().count("Mg") == 1 and doped.ion == path.ion
    assert doped.start[dopant_sites(path, "Ti").far].symbol == "Mg"


def test_a_dopant_on_a_place_of_the_mobile_ion_is_not_the_ion_that_hops():
    path = migration_path(load_host("latp").conventional)
    sites = dopant_sites(path, "Li")
    for site in (*sites.near.values(), sites.far):
        doped = with_dopant(path, site, "Na")
        assert doped.start[doped.ion].symbol == "Li" and doped.start[site].symbol == "Na"


def test_a_path_without_another_ion_to_replace_has_no_place_for_a_dopant():
    path = MigrationPath(Atoms("Li", cell=[9.0] * 3, pbc=True), 0, np.array([2.0, 1.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    with pytest.raises(ConfigError, match="needs another Li to replace, and the cell has none"):
        dopant_sites(path, "Li")


def test_the_ion_is_at_the_empty_site_half_way_and_at_the_second_site_at_the_end():
    path = MigrationPath(Atoms("Li", cell=[9.0] * 3, pbc=True), 0, np.array([2.0, 1.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    expected = [[0, 0, 0], [1, 0.5, 0], [2, 1, 0], [3, 0.5, 0], [4, 0, 0]]
    assert [path.at(part).positions[0].tolist() for part in (0.0, 0.25, 0.5, 0.75, 1.0)] == expected


def test_a_crystal_without_an_empty_site_has_no_path():
    with pytest.raises(ConfigError, match="2 and 0: give a larger cell, or empty_sites"):
        migration_path(Crystal(Atoms("Li2", positions=[[0, 0, 0], [3, 0, 0]], cell=[6.0] * 3, pbc=True), "Li"))
