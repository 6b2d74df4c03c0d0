"""The path of a mobile ion before anything of it is relaxed: which sites, which way, and where a dopant stands."""

import numpy as np
import pytest
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.structures import load_host
from dopantfit.structures.prototypes import Crystal
from dopantfit.validate.migration import MigrationPath, migration_path, with_dopant


def test_the_path_goes_between_neighbouring_sites_by_the_empty_one_between():
    crystal = load_host("latp").conventional
    path = migration_path(crystal)
    assert len(path.start) == len(crystal.ions) - 1
    # M1-M1 and M1-M2 of the crystal [Å]; M2 lies off the middle.
    assert np.linalg.norm(path.end) == pytest.approx(6.018, abs=1e-3)
    assert (
        np.linalg.norm(path.via) == pytest.approx(np.linalg.norm(path.end - path.via)) == pytest.approx(3.127, abs=1e-3)
    )


def test_a_dopant_takes_the_site_next_to_the_path_or_the_farthest():
    path = migration_path(load_host("latp").conventional)
    near, far = (with_dopant(path, "Ti", "Mg", one) for one in (True, False))
    middle = path.start.positions[path.ion] + path.via
    sites = [one.start.positions[one.dopant] - middle for one in (near, far)]
    cell = path.start.cell
    apart = [np.linalg.norm((np.mod(cell.scaled_positions(s) + 0.5, 1) - 0.5) @ cell.array) for s in sites]
    assert apart[0] < 4.0 < 8.0 < apart[1]
    assert near.start.get_chemical_symbols().count("Mg") == 1 and near.start[near.dopant].symbol == "Mg"


@pytest.mark.parametrize("near", [True, False])
def test_a_dopant_on_a_place_of_the_mobile_ion_is_not_the_ion_that_hops(near):
    path = migration_path(load_host("latp").conventional)
    doped = with_dopant(path, "Li", "Na", near)
    assert doped.start[doped.ion].symbol == "Li" and doped.start[doped.dopant].symbol == "Na"


def test_the_ion_is_at_the_empty_site_half_way_and_at_the_second_site_at_the_end():
    path = MigrationPath(Atoms("Li", cell=[9.0] * 3, pbc=True), 0, np.array([2.0, 1.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    expected = [[0, 0, 0], [1, 0.5, 0], [2, 1, 0], [3, 0.5, 0], [4, 0, 0]]
    assert [path.at(part).positions[0].tolist() for part in (0.0, 0.25, 0.5, 0.75, 1.0)] == expected


def test_a_crystal_without_an_empty_site_has_no_path():
    with pytest.raises(ConfigError, match="2 and 0: give a larger cell, or empty_sites"):
        migration_path(Crystal(Atoms("Li2", positions=[[0, 0, 0], [3, 0, 0]], cell=[6.0] * 3, pbc=True), "Li"))
