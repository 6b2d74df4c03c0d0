"""How large an error of exchange energies an answer on the dopant's share bears, and what the known one makes of it."""

import json
from math import exp, inf, log
from pathlib import Path

import pytest

from dopantfit.boundary.spectrum.occupation import FermiSites
from dopantfit.statistics import Interval
from dopantfit.study.config import parse_study
from dopantfit.study.confinement import confinement
from dopantfit.study.exchange_error import accuracy_of, under_error
from dopantfit.study.verdict import Answered, ExchangeAccuracy, KnownError, at_most
from dopantfit.units import BOLTZMANN
from made_up_results import bled, bound, rules, spectrum

TAIL, KELVIN = 0.025, 1000.0
UNKNOWN = ExchangeAccuracy(temperature_K=KELVIN)
STUDY = 'dopant = "Mg"\nseed = 1\npotential = "p.toml"\nvalidation = "v.json"\n'


def known(error):
    return ExchangeAccuracy(temperature_K=KELVIN, error=KnownError(energy_eV=error, source="given"))


def share(interval, accuracy=UNKNOWN):
    return under_error(at_most("share", "", interval, 0.2), accuracy, TAIL)


@pytest.mark.parametrize(
    ("interval", "factor"),
    [(Interval(0.01, 0.05, 0.02), 4.0), (Interval(0.0, 0.1), 2.0), (Interval(0.5, 2.0, 1.0), 2.5)],
)
def test_an_answer_bears_what_brings_the_near_end_to_the_limit(interval, factor):
    assert share(interval).field.bears_eV == pytest.approx(BOLTZMANN * KELVIN * log(factor))


def test_a_dilute_dopant_is_moved_by_the_factor_of_boltzmann():
    """The limit in which the factor is exact: hardly any dopants on many sites, by the statistics of spectra."""
    import numpy as np

    sites = FermiSites(np.array([1000.0, 1000.0]), np.array([0, 1]), 1e-3, 0.0, np.zeros(2))
    plain, moved = (sites.occupation(np.array([[shift, 0.0]]), KELVIN)[0] for shift in (0.2, 0.1))
    factor = (moved[0] / moved[1]) / (plain[0] / plain[1])
    assert factor == pytest.approx(exp(0.1 / (BOLTZMANN * KELVIN)), rel=1e-4)


def test_an_error_widens_logarithms_in_quadrature_and_decides_nothing():
    check = share(Interval(0.01, 0.04, 0.02), known(0.1))
    assert check.answer == "yes" and check.interval == Interval(0.01, 0.04, 0.02)
    spread = 1.959964 * 0.1 / (BOLTZMANN * KELVIN)
    assert check.field.interval.high == pytest.approx(0.02 * exp((log(2.0) ** 2 + spread**2) ** 0.5))
    assert check.field.answer == "undecided"
    assert "with 0.1 eV as one standard deviation (given) it would be undecided (0.0019 to 0.22)" in check.reason


def test_a_small_error_leaves_the_answer_and_a_bound_a_bound():
    check = share(Interval(0.0, 0.04), known(0.03))
    assert check.field.answer == "yes" and check.field.interval.low == 0.0
    # Even an error that no exponential holds has its words.
    assert share(Interval(0.0, 0.04), known(9.0)).field.answer == "undecided"


def test_an_open_check_has_nothing_to_lose():
    check = share(Interval(0.1, 0.3, 0.2), known(0.1))
    assert check.field is None and check.reason == "its interval holds the limit"


def test_spectra_and_chain_alike_say_what_they_bear():
    chain = bled(grain_share=bound(0.1))
    given = [], [spectrum(0.01, 0.02, 0.1)]
    shares = (confinement(chain, spectra, rules(), TAIL)[0] for spectra in given)
    alone, both = (under_error(one, known(0.3), TAIL) for one in shares)
    assert alone.answer == both.answer == "yes"
    assert alone.field.bears_eV == both.field.bears_eV == pytest.approx(BOLTZMANN * KELVIN * log(2.0))


@pytest.mark.parametrize("now", [Interval(0.25, 0.3, 0.27), Interval(0.1, 0.3, 0.2), Interval(0.0, 0.1999)])
def test_what_an_earlier_look_has_answered_bears_what_that_answer_bears(now):
    before = Answered(composition="GB_1", quantity="share", answer="yes", interval=Interval(0.0, 0.1), look=1)
    again = under_error(before.applied(at_most("share", "", now, 0.2)), UNKNOWN, TAIL)
    assert again.reason.startswith("answered at look 1; bears an error of 0.06 eV")


def test_the_studys_own_word_goes_before_the_gates(tmp_path):
    from dopantfit.potential import Potential

    Potential.load("latp-mg-2022").save(tmp_path / "p.toml")
    files = tmp_path / "p.toml", tmp_path / "v.json"
    assert accuracy_of(parse_study(STUDY), *files).error is None
    own = accuracy_of(parse_study(STUDY + "[spectrum]\nexchange_error = 0.2\n"), *files)
    assert own.error == KnownError(energy_eV=0.2, source="given in study.toml")
    assert inf > own.temperature_K > 0.0


def test_the_gates_error_is_taken_with_where_it_is_from():
    """Of the fit that comes with the project, whose record and potential lie side by side."""
    folder = Path(__file__).parents[2] / "fits" / "Mg"
    found = accuracy_of(parse_study(STUDY), folder / "potential.toml", folder / "validation.json").error
    record = json.loads((folder / "validation.json").read_text(encoding="utf-8"))
    (gate,) = [one for one in record["gates"] if one["name"] == "exchange"]
    (error,) = [one["value"] for one in gate["checks"] if one["name"] == found.source.removeprefix("gate exchange: ")]
    assert found.energy_eV == error > 0.0
