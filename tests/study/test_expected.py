"""How wide the intervals of a planned study will be, from one that exists."""

import json
import math

import pytest

from dopantfit.statistics import Interval, half_width
from dopantfit.structures import load_host
from dopantfit.study.config import parse_study
from dopantfit.study.expected import MobileCounts, expected_widths, hops_in, longer, rough_widths, widths_of
from dopantfit.study.verdict import Basis, CompositionAnswer, Requirement, Verdict, at_least
from dopantfit.validate.record_schema import HostIdentity

LEAST = 'seed = 1\ndopant = "Mg"\npotential = "p.toml"\nvalidation = "v.json"\n'
RULES = parse_study(LEAST, preset="quick").rules


class Existing:
    """The parts of a record that are read."""

    rounds = None

    def __init__(self, basis):
        check = at_least("σ", "", Interval(0.8, 1.5, 1.1), 1.0).resting_on(basis)
        one = Requirement.of("conducts", (check,))
        answer = CompositionAnswer(answer=one.answer, requirements=(one,))
        self.verdict = Verdict(
            answer=one.answer,
            rule="",
            requirements={},
            compositions={"GB_1": answer},
            limits=RULES,
            tail=0.025,
        )


def test_runs_twenty_times_as_long_keep_only_the_spread_between_structures_and_a_twentieth_of_the_rest():
    basis = Basis(source="glass runs", count=6, mean=0.1, spread=0.09, within=0.08)
    assert longer(basis, 20.0).spread == pytest.approx(0.01 + 0.004)
    quick, night = (parse_study(LEAST, preset=preset) for preset in ("quick", "night"))
    assert night.amorphous.production == 20.0 * quick.amorphous.production
    (found,) = widths_of(Existing(basis), quick, night)
    assert (found.composition, found.structures, found.unit) == ("GB_1", 4, "logarithm")
    assert found.half_width == pytest.approx(half_width((0.014 / 4) ** 0.5, 4, 0.025))


def test_bounds_and_single_structures_tell_no_width():
    quick, paper = (parse_study(LEAST, preset=preset) for preset in ("quick", "paper"))
    (bound,) = widths_of(Existing(Basis(source="glass runs", count=4)), quick, quick)
    (alone,) = widths_of(Existing(Basis(source="crystal runs", count=4, spread=0.1, within=0.1)), quick, paper)
    assert bound.half_width is None and alone.half_width is None


def test_without_a_study_nothing_is_expected(tmp_path):
    assert expected_widths(tmp_path, parse_study(LEAST, preset="quick")) == ()


def test_before_any_run_the_hops_of_a_rough_diffusion_tell_how_wide_ratios_of_conductivities_will_be():
    night, host = parse_study(LEAST, preset="night"), load_host("latp")
    crystals, glasses = rough_widths(host, night, MobileCounts(69, 40))
    assert (crystals.composition, crystals.quantity) == ("GB_1", "σ(Li) of C_1 over C_ref")
    assert glasses.quantity == "σ(Li) of A_1 over A_ref" and crystals.rough
    # 6 × 0.1 Å²/ps × 50 ps / (3.5 Å)² = 2.45 hops of every ion.
    assert hops_in(host, 1, 50.0, 700.0) == pytest.approx(2.449, rel=1e-3)
    for found, part, count, ions in (
        (crystals, night.crystals, night.crystals.arrangements, 69),
        (glasses, night.amorphous, night.boundary.quenches, 40),
    ):
        hops = ions * hops_in(host, 1, part.production, part.temperature)
        assert found.half_width == pytest.approx(half_width((2 * 3.3 / hops / count) ** 0.5, count, 0.025), rel=1e-3)


def test_hops_are_rarer_where_it_is_cold_and_few_hops_give_a_bound():
    quick, host = parse_study(LEAST, preset="quick"), load_host("latp")
    rate = hops_in(host, 1, 1.0, 700.0) / hops_in(host, 1, 1.0, 350.0)
    assert rate == pytest.approx(math.exp(0.35 / 8.617e-5 / 700.0), rel=1e-3)
    assert [one.half_width for one in rough_widths(host, quick, MobileCounts(9, 9))] == [None, None]


def test_what_only_plans_look_at_may_be_left_out_and_makes_no_gate_stale():
    host, night = load_host("latp"), parse_study(LEAST, preset="night")
    without = type(host).model_validate_json(json.dumps(host.model_dump(mode="json")))
    assert without.mobility.diffusion_at(700.0) is None
    assert rough_widths(without, night, MobileCounts(69, 40)) == ()
    assert HostIdentity.of(without) == HostIdentity.of(host)
