"""The name of a parameter reads back from its text, whatever the order of the pair."""

import pytest

from dopantfit.errors import ConfigError
from dopantfit.potential import Parameter, Potential


def test_text_and_parameter_are_each_other():
    for parameter in Potential.load("latp-mg-2022").parameters():
        assert Parameter.parse(str(parameter)) == parameter
    assert str(Parameter("rho", ("O", "Mg"))) == "rho Mg-O"
    assert str(Parameter("spring", ("O",))) == "spring O"


def test_the_order_of_a_pair_does_not_matter():
    assert Parameter("A", ("P", "Al")) == Parameter("A", ("Al", "P")) == Parameter.parse("A P-Al")
    assert hash(Parameter("A", ("P", "Al"))) == hash(Parameter("A", ("Al", "P")))


def test_p_is_not_pd():
    # Names are looked up exactly, never by substring.
    assert Parameter.parse("rho P-O") != Parameter.parse("rho Pd-O")


def test_a_parameter_knows_its_unit():
    units = [Parameter.parse(text).unit for text in ("A Mg-O", "rho Mg-O", "C Mg-O", "charge O", "spring O")]
    assert units == ["eV", "Å", "eV Å⁶", "e", "eV/Å²"]


@pytest.mark.parametrize("text", ["", "rho", "rho Mg", "rho Mg-O-P", "spring Mg-O", "k O", "rho Mg - O", "Rho Mg-O"])
def test_text_that_names_none_is_refused(text):
    with pytest.raises(ConfigError, match="names no parameter; write a quantity of a pair"):
        Parameter.parse(text)
