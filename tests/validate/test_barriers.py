"""Turn-over radii and the barriers in front of them."""

import dataclasses

import pytest

from dopantfit.potential import Parameter
from dopantfit.potential.turnover import pair_energy
from dopantfit.validate.barriers import CATIONS_MEET, barriers, turn_over
from dopantfit.validate.subject import load_subject


def test_the_barrier_of_repelling_ions_is_measured_from_where_they_meet(published):
    found = {one.pair: one for one in barriers(published)}
    one = found["Mg", "P"]
    start = float(pair_energy(published, "Mg", "P", CATIONS_MEET))
    assert one.radius == pytest.approx(1.74, abs=0.005)  # two decimals are published
    assert one.height == pytest.approx(one.energy - start, rel=1e-12)
    assert one.repels


def test_the_barrier_of_attracting_ions_is_measured_from_the_bottom_of_their_well(published):
    one = next(o for o in barriers(published) if o.pair == ("O", "P"))
    bond = float(pair_energy(published, "P", "O", 1.5))
    assert not one.repels
    assert one.height >= one.energy - bond  # the well is at least as deep as the bond


def test_a_longer_dispersion_term_fails_the_gate(folder, work):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    gate = turn_over(subject, work)
    assert gate.passed
    assert (work.figures / "turn-over.png").stat().st_size > 5000 and (work.figures / "turn-over.csv").is_file()
    worse = subject.potential.with_values({Parameter.parse("C Mg-P"): 250.0})
    assert not turn_over(dataclasses.replace(subject, potential=worse), work).passed
