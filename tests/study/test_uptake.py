"""How much of a crystal's dopant went into the grain, from walkers and from spectra."""

from math import inf

import pytest

from dopantfit.statistics import Interval
from dopantfit.study.confinement import confinement
from dopantfit.study.uptake import Uptake, as_change, as_ratio
from dopantfit.study.verdict import Hotter
from made_up_results import bled, bound, equilibrated, number, rules, spectrum

#: 5 at% of the dopant are in the boundary of `bled`, and 1 at% of it in this crystal: a share of 0.2 is all of it.
CRYSTAL = equilibrated(1000.0, Mg=10, O=990)


def uptake(chain, *spectra, crystals=(CRYSTAL,)):
    share, _ = confinement(chain, spectra, rules(), 0.025)
    return Uptake.of(share, chain, crystals, "Mg")


def test_walkers_tell_it_by_the_dopants_that_they_count():
    found = uptake(bled(grain_share=number(0.02, 0.005)))
    assert (found.held, found.part.value) == (0.01, pytest.approx(0.1))
    # Two dopants among 2000 ions of two grains, 0.001 of 0.05: of the crystal's 0.01 each is worth 0.05.
    assert found.dopants == 2 and found.exposure == pytest.approx(0.05)
    nobody = uptake(bled(grain_share=bound(0.04)))
    assert nobody.part == Interval(0.0, pytest.approx(0.2), 0.0)


def test_spectra_tell_it_where_they_answer_the_share_and_need_no_attempts():
    found = uptake(bled(attempts_per_dopant=1.0), spectrum(0.01, 0.02, 0.04))
    assert (found.part.low, found.part.value, found.part.high) == pytest.approx((0.05, 0.1, 0.2))
    assert found.exposure is None and found.attempts == inf


def test_where_spectra_and_chain_contradict_each_other_it_is_anything_of_both():
    found = uptake(bled(grain_share=number(0.6, 0.05)), spectrum(0.01, 0.02, 0.04))
    assert (found.part.low, found.part.high) == pytest.approx((0.05, 5.0 * 0.698), rel=1e-3)


@pytest.mark.parametrize(("chain", "crystals"), [(None, (CRYSTAL,)), (bled(), ()), (bled(), (equilibrated(1.0, O=9),))])
def test_without_walkers_or_dopant_in_crystals_nothing_is_known(chain, crystals):
    assert uptake(chain, crystals=crystals).in_grain(Interval(0.5, 0.7, 0.6)) == Interval(0.0, 1.0)


def test_what_crystals_have_is_said_as_a_ratio_or_as_a_change():
    assert as_ratio(Interval(0.34, 0.78, 0.525)) == "0.525 (0.34 to 0.78)"
    assert as_change(Interval(0.9937, 0.9943, 0.994)) == "-0.60 % (-0.63 to -0.57)"
    assert as_ratio(Interval(0.0, 0.7)) == "(0 to 0.7)" and as_ratio(Interval(0.0, inf)) == "not known"


def test_what_a_second_temperature_says_counts_in_parts_too():
    half = Uptake(Interval(0.5, 0.5, 0.5), 0.01, 1, 0.5, 100.0)
    told = Hotter(
        temperature_K=1000.0,
        ratio=Interval(0.25, 1.44, 0.81),
        alone=Interval(0.16, 0.64, 0.36),
        energy_eV=Interval(-0.1, 0.3, 0.1),
        joined=True,
    )
    found = half.hotter_in_grain(told)
    assert (found.ratio.value, found.alone.low) == pytest.approx((0.9, 0.4))
    assert (found.energy_eV.low, found.energy_eV.high) == pytest.approx((-0.05, 0.15))
    assert half.hotter_in_grain(None) is None


def test_half_of_it_does_half_in_logarithms():
    half = Uptake(Interval(0.5, 0.5, 0.5), 0.01, 1, 0.5, 100.0)
    assert half.in_grain(Interval(0.25, 1.44, 0.81)) == Interval(*(pytest.approx(end) for end in (0.5, 1.2, 0.9)))
    assert half.in_grain(Interval(0.0, inf)) == Interval(0.0, inf)
    assert half.in_grain(Interval(-inf, inf)) == Interval(-inf, inf)
    none = Uptake(Interval(0.0, 0.0, 0.0), 0.01, 0, 0.5, 100.0)
    assert none.in_grain(Interval(0.0, 4.0)) == Interval(1.0, 1.0)
