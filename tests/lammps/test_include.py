"""What stands in a potential's LAMMPS include file, and what cannot get into one."""

import dataclasses

import pytest

from dopantfit.errors import ConfigError
from dopantfit.lammps import potential_include, syntax
from dopantfit.potential import Potential


def commands(text: str) -> list[list[str]]:
    """Words of every command, comments dropped as LAMMPS drops them."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [words for words in lines if words]


@pytest.fixture
def published() -> Potential:
    return Potential.load("latp-mg-2022")


def test_spring_constant_is_halved_and_core_and_shell_are_excluded(published):
    text = potential_include(published)
    assert ["bond_coeff", "1", "44.3", "0.0"] in commands(text)
    assert "special_bonds lj 0.0 0.0 0.0 coul 0.0 0.0 0.0".split() in commands(text)


def test_buckingham_terms_of_oxygen_act_on_the_shell_and_leave_the_core_bare(published):
    lines = commands(potential_include(published, ["Mg", "O"]))
    mass = {words[1]: words[2] for words in lines if words[0] == "mass"}
    assert mass == {"1": "24.305", "2": "15.698", "3": "0.301"}  # Mg, O core, O shell
    pairs = {(words[1], words[2]): words[3:] for words in lines if words[0] == "pair_coeff"}
    assert pairs.pop(("*", "*"))[:3] == ["0.0", "1.0", "0.0"]
    assert pairs == {
        ("1", "1"): ["20671.12", "0.148", "0.0", "9.0"],
        ("1", "3"): ["55835.77", "0.179", "12.62", "9.0"],
        ("3", "3"): ["11782.885", "0.234", "30.22", "9.0"],
    }


def test_every_digit_of_a_parameter_reaches_lammps(published):
    rho = 0.1 + 0.2 / 3
    pairs = dict(published.pairs)
    pairs[("Mg", "O")] = pairs[("Mg", "O")].model_copy(update={"rho": rho})
    text = potential_include(dataclasses.replace(published, pairs=pairs), ["Mg", "O"])
    assert float(next(w for w in commands(text) if w[:3] == ["pair_coeff", "1", "3"])[4]) == rho


def test_names_and_citations_cannot_smuggle_in_commands(published):
    for attack in (
        "x\nshell rm -rf x",
        "x &\nshell ls",
        "x\rshell ls",
        "a ${b} $(c) `d`",
        '"""\nshell ls\n"""',
    ):
        text = potential_include(dataclasses.replace(published, name=attack, citation=attack))
        known = {"mass", "pair_style", "pair_coeff", "bond_style", "bond_coeff", "special_bonds"}
        assert {words[0] for words in commands(text)} == known
        assert not set("&$`\"'\r") & set(text)
        assert text.isascii()


@pytest.mark.parametrize("label", ["Mg O", "Mg\nshell ls", "mg", "", "Mg$x", "1", "Mg-", "Mgö"])
def test_a_label_that_is_no_species_label_is_refused(label):
    with pytest.raises(ConfigError, match="species label"):
        syntax.label(label)


@pytest.mark.parametrize("name", ["a b", "../x", "x;y", "-x", "x\n", "$x"])
def test_a_file_name_with_folders_or_shell_characters_is_refused(name):
    with pytest.raises(ConfigError, match="file name"):
        syntax.file_name(name)


def test_an_unknown_species_is_named_with_the_known_ones(published):
    with pytest.raises(ConfigError, match=r"'Na'.*Al, Li, Mg"):
        potential_include(published, ["Na"])
