"""How wide the intervals of a planned study will be, from one that exists."""

import pytest

from dopantfit.statistics import Interval, half_width
from dopantfit.study.config import parse_study
from dopantfit.study.expected import expected_widths, longer, widths_of
from dopantfit.study.verdict import Basis, CompositionAnswer, Requirement, Verdict, at_least

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
    basis = Basis(source="glass runs", count=4, mean=0.1, spread=0.09, within=0.08)
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
