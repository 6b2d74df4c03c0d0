"""Hosts: the files they come from, the cells they make, and the contradictions that are refused."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.errors import ConfigError
from dopantfit.structures import (
    Host,
    Substitution,
    check_distances,
    host_names,
    labels_of,
    load_host,
    substituted,
    total_formal_charge,
)
from dopantfit.structures.convert import structure_of
from dopantfit.structures.hosts.load import check_potential, with_host

NASICON = Path(__file__).parents[1] / "data" / "hosts" / "nasicon.toml"
TEXT = NASICON.read_text()


@pytest.fixture(scope="module")
def nasicon():
    return load_host(NASICON)


@pytest.mark.parametrize("name", host_names())
def test_every_host_of_the_library_is_complete_and_survives_json(name):
    host = load_host(name)
    assert host.name == name
    told = host.model_dump(mode="json")
    assert Host.model_validate_json(json.dumps(told)) == host
    # What only plans look at is no part of what a result is made from.
    assert "diffusion" not in told["mobility"]
    other = told | {"mobility": told["mobility"] | {"hop_length": 1.0}}
    assert Host.model_validate_json(json.dumps(other)) != host


@pytest.mark.parametrize(
    ("name", "dopant", "charge", "formula"),
    [("lagp", "Mg", 2, "Al3Ge8Li11MgO72P18"), ("nzp", "Al", 3, "AlMg3Na13O72P18Zr8")],
)
def test_hosts_of_the_library_make_neutral_cells_of_their_measured_volume(name, dopant, charge, formula):
    host = load_host(name)
    atoms = host.doped(np.random.default_rng(1), 0.5, 1 / 6, dopant, charge)
    assert atoms.get_chemical_formula("hill") == formula
    assert total_formal_charge(atoms, host.charges | {dopant: charge}) == 0
    check_distances(atoms, host.charges | {dopant: charge})
    # Edges of grains are those of the measured cell nearest in composition, of 8 formula units in place of 6.
    cell = min(host.cells, key=lambda one: abs(Fraction(one.x) - Fraction(host.grain.x)))
    measured = (cell.a**2 * cell.c * np.sqrt(0.75) * 8 / 6) ** (1 / 3)
    assert host.grain.edge == pytest.approx(measured, abs=0.03)


def test_a_second_host_makes_its_own_neutral_cells(nasicon):
    assert nasicon.formula_unit == {"Na": 1, "Zr": 2, "P": 3, "O": 12}
    assert (nasicon.units_in(1), nasicon.units_in((2, 1, 1)), nasicon.units_of(nasicon.conventional)) == (8, 16, 6)
    atoms = nasicon.doped(np.random.default_rng(1), 0.5, 1 / 6, "Mg", 2)
    labels = labels_of(atoms)
    counts = {label: labels.count(label) for label in sorted(set(labels))}
    assert counts == {"Mg": 1, "Na": 6 + 3 + 2, "O": 72, "P": 18, "Sc": 3, "Zr": 8}
    charges = nasicon.charges | {"Mg": 2}
    assert total_formal_charge(atoms, charges) == 0
    check_distances(atoms, charges)


def test_mobile_ions_of_higher_charge_balance_as_many_charges_each(nasicon):
    crystal = replace(nasicon.conventional, known_charges=nasicon.charges | {"Na": 2})
    with pytest.raises(ConfigError, match=r"1 Sc leave the charge -1, which whole Na of \+2 e cannot balance"):
        substituted(crystal, [Substitution("Zr", "Sc", 3, 1)], np.random.default_rng(1))


def test_a_name_that_is_none_says_what_there_is(tmp_path):
    with pytest.raises(ConfigError, match=r"host 'llzo.toml': there is no file .*the library holds lagp, latp, nzp;"):
        load_host("llzo.toml", tmp_path)


def test_files_that_name_no_host_are_about_the_default_one():
    assert with_host({"x": 1}, ".")["host"]["name"] == "latp"
    assert with_host({"host": "latp"}, ".") == with_host({}, ".")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('mobile = "Na"', 'mobil = "Na"', "mobil is no known key|mobile is missing"),
        ("Sc = 3, ", "", "Sc is an ion of this host, but charges does not name it"),
        ("O = -2", "O = 2", r"charges.O = \+2, but it is the anion of the polyanion"),
        ("Na = 1,", "Na = -1,", r"charges.Na = -1, but Na stands among the cations"),
        ('partner = "Sc"', 'partner = "P"', "substitution.partner = 'P' is not in framework"),
        ('partner = "Sc"', 'partner = "Zr"', "Zr cannot replace itself"),
        ('formula = "Na(1+x)', 'formula = "Li(1+x)', "names Li, O, P, Sc, Zr, the other entries Na, O, P, Sc, Zr"),
        ("mobile_d = { low = 1e-7", "mobile_d = { low = 1e-3", "low = 0.001 is above high = 0.0001"),
        ('reducible = "Zr"', 'reducible = "P"', "reducible = 'P' is not in framework"),
        ('framework = ["Zr", "Sc"]', 'framework = ["Zr", "Sc", "Na"]', "framework holds the mobile ion"),
        ('x = "1/2"', 'x = "0"', "cells: x = 0, 0 must rise"),
        ('x = "1/2"', 'x = "half"', 'must be a fraction as in "1/2"'),
        ('"Zr-O" = 2.07', '"Zr-N" = 2.07', 'peaks."Zr-N" is no pair of two ions'),
        ("count = 4", "count = 3", "polyanion: a P has 4 O within 2.0 Å, expected 3"),
        ("Zr = 4", "Zr = 3", r"crystal: its charges add up to -12 e, expected 0"),
        ("[[-1, 1, 1], [1, -1, 1]", "[[1, -1, 1], [-1, 1, 1]", "determinant -4, expected > 0"),
        ('["Zr", 0, 0, 0.1457]', '["Zr", 0, 0, "z"]', "crystal.prototype"),
        (
            "spacegroup = 167",
            "spacegroup = 267",
            "crystal.prototype.table.spacegroup = 267: Input should be less than or equal to 230",
        ),
        ("empty_sites = [[0.64, 0.0, 0.25]]", "", "has no empty_sites for the Na that Sc brings"),
        ("grain = { x = 0.25", "grain = { x = 2.25", "grain.x = 2.25 is more than the 2 Zr of a formula unit"),
        ("Zr = 1.6 }", "Zr = 1.7 }", r"amorphous.cations: \+9.4 e beside 3 PO4, expected \+9"),
        ("Na = 1.4, Sc = 0.4, Zr = 1.6", "Sc = 3.0", "there is no Na to take up what rounding leaves"),
        ("[crystal.prototype]\nspacegroup = 167", "[crystal.prototyp]\nspacegroup = 167", "crystal.prototyp"),
    ],
)
def test_a_host_that_contradicts_itself_is_refused_in_one_line(old, new, message, tmp_path):
    assert old in TEXT
    (tmp_path / "host.toml").write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message) as refused:
        load_host("host.toml", tmp_path)
    assert str(refused.value).startswith(str(tmp_path / "host.toml")) and "\n" not in str(refused.value)


def test_a_potential_of_other_ions_or_charges_is_refused(nasicon):
    latp = Potential.load("latp-2021")
    check_potential(load_host(), latp)
    with pytest.raises(ConfigError, match="potential latp-2021: has no Na, an ion of the host nasicon"):
        check_potential(nasicon, latp)
    other = load_host().model_copy(update={"charges": load_host().charges | {"Ti": 3}})
    with pytest.raises(ConfigError, match=r"Ti has the formal charge \+4, in the host latp \+3"):
        check_potential(other, latp)


def from_cif(more="empty_sites = [[0.64, 0.0, 0.25]]\n"):
    """The text of the host with its crystal in a CIF."""
    head, _, rest = TEXT.partition("[crystal.prototype]")
    _, _, tail = rest.partition("[[cells]]")
    return f'{head}structure = "host.cif"\n{more}\n[[cells]]{tail}'


@pytest.mark.filterwarnings("ignore:Site labels are not unique")  # of the CIF that pymatgen writes here
@pytest.mark.parametrize("cell", ["conventional", "primitive"])
def test_a_cif_in_place_of_the_prototype_gives_the_same_crystal(cell, tmp_path, nasicon):
    known = nasicon.conventional if cell == "conventional" else nasicon.conventional.primitive()
    structure_of(known.ions).to(filename=str(tmp_path / "host.cif"))
    empty = (known.empty @ np.linalg.inv(known.sites.cell.array))[0].tolist()
    (tmp_path / "host.toml").write_text(from_cif(f"empty_sites = [{empty}]\n"))
    found = load_host("host.toml", tmp_path)
    (tmp_path / "host.cif").unlink()  # the host holds its crystal itself
    ours, theirs = found.pseudo_cubic(1), nasicon.pseudo_cubic(1)
    assert labels_of(ours.ions) == labels_of(theirs.ions) and len(ours.empty) == len(theirs.empty)
    # All distances of the cell, empty sites included, whatever its orientation: to the digits of the CIF.
    distances = [np.sort(one.sites.get_all_distances(mic=True).ravel()) for one in (ours, theirs)]
    np.testing.assert_allclose(*distances, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Site labels are not unique")
def test_a_cif_with_partly_occupied_sites_is_refused_with_their_names(tmp_path, nasicon):
    mixed = structure_of(nasicon.conventional.primitive().ions)
    mixed.replace_species({"Zr": {"Zr": 0.75, "Sc": 0.25}})
    mixed.to(filename=str(tmp_path / "host.cif"))
    (tmp_path / "host.toml").write_text(from_cif())
    with pytest.raises(
        ConfigError, match=r"host.cif: sites are partly occupied: Sc33 \(Zr:0.75, Sc:0.25\), .*ordered cell"
    ):
        load_host("host.toml", tmp_path)


@pytest.mark.parametrize(
    ("symbol", "message"),
    [("Vac", "'Vac' is no chemical element"), ("Xx", "'Xx' is no chemical element")],
)
def test_a_cif_with_an_unknown_element_is_refused(symbol, message, tmp_path):
    lines = [f"_cell_length_{x} 4.2\n" for x in "abc"] + [f"_cell_angle_{x} 90\n" for x in ("alpha", "beta", "gamma")]
    columns = "label type_symbol fract_x fract_y fract_z occupancy".split()
    sites = f"A1 {symbol} 0 0 0 1\nO1 O 0.5 0.5 0.5 1\n"
    text = "data_x\n" + "".join(lines) + "loop_\n" + "".join(f"_atom_site_{one}\n" for one in columns) + sites
    (tmp_path / "host.cif").write_text(text)
    (tmp_path / "host.toml").write_text(from_cif())
    with pytest.raises(ConfigError, match=message):
        load_host("host.toml", tmp_path)


def test_a_crystal_is_given_once(tmp_path):
    (tmp_path / "host.toml").write_text(from_cif('prototype = "LiTi2P3O12"\n'))
    with pytest.raises(ConfigError, match="crystal: give either a prototype or a structure"):
        load_host("host.toml", tmp_path)
