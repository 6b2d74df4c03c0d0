"""Requirement 1 from a chain of swaps and from spectra: who decides, who may veto, and what stands beside."""

import pytest

from dopantfit.study.config import parse_study
from dopantfit.study.confinement import confinement
from made_up_results import bled, bound, number, spectrum

TAIL = 0.025
RULES = parse_study('dopant = "Mg"\nseed = 1\npotential = "p.toml"\nvalidation = "v.json"\n').rules


def share(chain, *spectra):
    return confinement(chain, spectra, RULES, TAIL)[0]


FEW = {"attempts_per_dopant": 1.0}


@pytest.mark.parametrize(
    ("chain", "found", "answer", "words"),
    [
        # The limit is 0.2. A spectrum answers where the chain tried too little, and where nothing bled yet.
        (bled(**FEW), spectrum(0.01, 0.02, 0.04), "yes", "tried too little"),
        (bled(grain_share=bound(0.5)), spectrum(0.01, 0.02, 0.04), "yes", "chain of swaps: 0 to 0.5"),
        (None, spectrum(0.01, 0.02, 0.04), "yes", "tried too little"),
        (bled(**FEW), spectrum(0.3, 0.5, 0.7), "no", "0.3 to 0.7"),
        (bled(), spectrum(0.01, 0.1, 0.4), "undecided", "holds the limit"),
        # Both judged, and they do not meet: no answer. One that tried too little has no veto.
        (
            bled(grain_share=number(0.6, 0.05)),
            spectrum(0.01, 0.02, 0.04),
            "undecided",
            "contradicts it: 0.502 to 0.698",
        ),
        (bled(grain_share=number(0.6, 0.05), **FEW), spectrum(0.01, 0.02, 0.04), "yes", "tried too little"),
        # Too few sampled sites carry the dopants: the chain alone, as without spectra.
        (bled(), spectrum(0.3, 0.5, 0.7, carriers=1.5), "yes", "spectra do not count"),
        (bled(**FEW), spectrum(0.01, 0.02, 0.04, carriers=1.5), "undecided", "attempts per dopant"),
    ],
)
def test_the_spectrum_decides_and_a_chain_that_tried_enough_may_veto(chain, found, answer, words):
    check = share(chain, found)
    assert check.answer == answer
    assert words in check.reason


def test_both_intervals_stand_with_the_check():
    check = share(bled(), spectrum(0.01, 0.02, 0.04))
    assert (check.compared["spectrum"].low, check.compared["spectrum"].high) == (0.01, 0.04)
    assert check.compared["chain"].value == 0.02
    assert (check.interval.low, check.interval.high) == (0.01, 0.04)  # the one that decides
    assert share(bled()).compared == {}


def test_spectra_of_several_boundaries_scatter_as_boundaries_do():
    alike = share(bled(**FEW), *[spectrum(0.015, 0.02, 0.027)] * 4)
    apart = share(bled(**FEW), *[spectrum(0.9 * value, value, 1.1 * value) for value in (0.005, 0.02, 0.08, 0.02)])
    assert alike.interval.value == pytest.approx(0.02) and apart.interval.value == pytest.approx(0.02)
    # Student's t of three degrees of freedom over logarithms that scatter by 1.1: a factor of six each way.
    assert apart.interval.high / apart.interval.low > 20.0 > alike.interval.high / alike.interval.low
    assert apart.basis.source == "spectra" and apart.basis.count == 4


def test_wide_bands_leave_the_mean_of_their_logarithms_where_it_is():
    # A factor of a thousand each way: half the variance of a logarithm would be a factor of 500.
    wide = share(bled(**FEW), *[spectrum(2e-5, 0.02, 20.0)] * 4)
    assert wide.interval.value == pytest.approx(0.02)


def test_a_grain_without_dopant_has_its_depth_answered_with_the_share():
    nothing = {"grain_share": bound(0.5), "grain_fraction": 0.0, "penetration_A": None, "penetration_unknown": "none"}
    less, depth = confinement(bled(**nothing, **FEW), [spectrum(0.01, 0.02, 0.04)], RULES, TAIL)
    assert (less.answer, depth.answer) == ("yes", "yes")
    less, depth = confinement(bled(**nothing, **FEW), [], RULES, TAIL)
    assert (less.answer, depth.answer) == ("undecided", "undecided")
