"""The published potentials, against numbers typed independently from the tables they were published in."""

import pytest

from dopantfit.potential import Buckingham, Potential, library_names


@pytest.fixture
def host():
    return Potential.load("latp-2021")


@pytest.fixture
def doped():
    return Potential.load("latp-mg-2022")


def test_the_library_holds_the_host_and_the_doped_set():
    assert library_names() == ("latp-2021", "latp-mg-2022")


def test_the_doped_set_is_the_host_and_one_species(host, doped):
    assert set(doped.species) - set(host.species) == {"Mg"}
    assert all(doped.species[label] == ion for label, ion in host.species.items())
    assert all(doped.pairs[pair] == term for pair, term in host.pairs.items())
    assert len(host.pairs) == 15
    assert len(doped.pairs) == 21


@pytest.mark.parametrize(
    ("a", "b", "term"),
    [
        ("Li", "Li", (38533.955, 0.100, 0.0)),
        ("Ti", "O", (18448.156, 0.194, 12.59)),
        ("O", "O", (11782.885, 0.234, 30.22)),
        ("P", "O", (32397.875, 0.155, 7.831)),
        ("P", "P", (53210.8, 0.284, 0.0)),
        ("Al", "P", (10580.062, 0.137, 114.906)),
        ("Mg", "O", (55835.77, 0.179, 12.62)),
        ("Mg", "P", (56162.41, 0.130, 120.0)),
        ("Mg", "Al", (21485.92, 0.230, 0.58)),
    ],
)
def test_pair_terms_are_the_published_ones(doped, a, b, term):
    A, rho, C = term
    assert doped.pair(a, b) == doped.pair(b, a) == Buckingham(A=A, rho=rho, C=C)


def test_oxygen_is_the_published_core_and_shell(host):
    oxygen = host.species["O"]
    assert (oxygen.charge, oxygen.mass) == (0.5, 15.698)
    assert (oxygen.shell.charge, oxygen.shell.mass, oxygen.shell.spring) == (-1.598, 0.301, 88.6)
    assert oxygen.buckingham_charge == -1.598
    assert oxygen.total_mass == pytest.approx(15.999, abs=1e-12)  # one rounding of a sum


def test_every_ion_has_the_same_part_of_its_formal_charge(doped):
    for ion in doped.species.values():
        assert ion.total_charge == pytest.approx(0.549 * ion.formal_charge, abs=1e-12)  # rounding of a sum
    assert doped.charge_scale == pytest.approx(0.549, abs=1e-12)


def test_both_name_the_paper_they_come_from(host, doped):
    assert "Adv. Energy Mater. 2021, 11, 2100707" in host.citation
    assert "doi 10.3390/nano12172912" in doped.citation
    assert host.cutoff == doped.cutoff == 9.0
