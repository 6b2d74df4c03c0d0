"""Starts of plans: files that are doped, crystals of hosts, potentials beside the plan."""

import numpy as np
import pytest
from ase.io import write

from dopantfit.errors import ConfigError
from dopantfit.reference.generate import configurations
from dopantfit.reference.plan import parse_plan
from dopantfit.structures import prototype

HEAD = 'set = "X"\npurpose = "a test"\n[[configurations]]\nkind = "recompute"\nname = "one"\n'


def only(start, folder):
    (made,) = configurations(parse_plan(f"{HEAD}start = {start}\n"), folder, {}, folder).configurations
    return made.atoms


def test_a_file_is_doped_and_its_mobile_ions_balance_it(tmp_path):
    write(tmp_path / "ltp.extxyz", prototype("LiTi2P3O12"))
    change = '[{ replaced = "Ti", dopant = "Mg", formal_charge = 2, count = 1 }]'
    sites = "[[0.6, 0.0, 0.25], [0.0, 0.6, 0.25]]"
    start = f'{{ file = "ltp.extxyz", mobile = "Li", empty_sites = {sites}, substitutions = {change} }}'
    atoms = only(start, tmp_path)
    assert {symbol: list(atoms.symbols).count(symbol) for symbol in ("Li", "Mg", "Ti")} == {"Li": 8, "Mg": 1, "Ti": 11}
    with pytest.raises(
        ConfigError, match=r"one: start.substitutions: 1 Mg leave the charge -2, and this crystal has no"
    ):
        only(f'{{ file = "ltp.extxyz", substitutions = {change} }}', tmp_path)


def test_a_host_is_a_start_with_its_own_sites_and_charges(tmp_path):
    change = '[{ replaced = "Ti", dopant = "Ga", formal_charge = 3, count = 1 }]'
    atoms = only(f'{{ host = "latp", primitive = true, substitutions = {change} }}', tmp_path)
    assert len(atoms) == 37 and list(atoms.symbols).count("Li") == 3  # 36 ions and one more Li


def test_a_file_that_is_not_doped_keeps_the_order_of_its_ions(tmp_path):
    crystal = prototype("MgO")[[4, 0, 5, 1, 6, 2, 7, 3]]
    write(tmp_path / "x.extxyz", crystal)
    atoms = only('{ file = "x.extxyz" }', tmp_path)
    assert list(atoms.symbols) == list(crystal.symbols) and np.allclose(atoms.positions, crystal.positions)
