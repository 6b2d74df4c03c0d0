"""Studies that grow until they can tell: how often they are wrong, what they save, and what they add."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.statistics import Estimate, Interval, ratio_of
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.growth import decide, open_checks, whole
from dopantfit.study.outlook import Price, Prices, cheapest, predicted_half_width
from dopantfit.study.rounds import check_budget, look, next_look, tail_of
from dopantfit.study.verdict import (
    Basis,
    CompositionAnswer,
    Look,
    Requirement,
    Verdict,
    at_least,
    at_most,
    only_if,
)
from made_up_results import rules

LOOKS = 4
N_STUDIES = 300
RULES = rules(structures=4, looks=LOOKS)
FIRST = Extent(compositions=(CompositionExtent(quenches=4, arrangements=4),))
#: Core-hours: a quench with its walkers and glasses, one segment of its production; nothing for crystals.
QUENCH, SEGMENT = 1.0, 0.2
GAIN = "σ(Li) of A_1 over A_ref"


def glasses(quenches, segments=1):
    """So many, and four crystals."""
    return CompositionExtent(quenches=quenches, arrangements=4, glass_segments=segments)


def core_hours(extent):
    one = extent.compositions[0]
    return one.quenches * (QUENCH + SEGMENT * one.glass_segments)


class World:
    """Glasses whose conductivities are known: a ratio, how far quenches scatter, and how far segments of runs do."""

    def __init__(self, rng, ratio, between=0.1, within=0.2):
        self.ratio, self.within = log(ratio), within
        self.quenches = rng.normal(0.0, between, 64)
        # One number for each side, quench and segment.
        self.noise = rng.normal(0.0, within / 2**0.5, (2, 64, 64))

    def sides(self, extent):
        """Conductivities of the doped glasses and of the others [any unit]."""
        one = extent.compositions[0]
        error = self.within / (2.0 * one.glass_segments) ** 0.5
        means = self.noise[:, : one.quenches, : one.glass_segments].mean(axis=2)
        means[0] += self.ratio + self.quenches[: one.quenches]
        return [[Estimate.symmetric(exp(m), exp(m) * error) for m in side] for side in means - 0.5 * error**2]

    def verdict(self, extent, look):
        """What is said of them."""
        interval, found = ratio_of(*self.sides(extent), look.tail)
        basis = Basis(source="glass runs", count=found.count, mean=found.mean, spread=found.spread, within=found.within)
        check = at_least(GAIN, "", interval, RULES.boundary_conductivity).resting_on(basis)
        for one in look.answered:
            check = one.applied(check)
        return verdict_of((check,), look)


def verdict_of(checks, look):
    requirement = Requirement.of("the boundary conducts better", checks)
    composition = CompositionAnswer(answer=requirement.answer, requirements=(requirement,))
    return Verdict(
        answer=composition.answer,
        rule="",
        requirements={requirement.name: requirement.answer},
        compositions={"GB_1": composition},
        limits=RULES,
        tail=look.tail,
    )


def rounds_of(world, budget=200.0, tails=None):
    """Take all rounds of a study of this world. tails: of the looks, instead of those that share the error out."""
    done, extent = [], FIRST
    while extent is not None:
        now = next_look(done, LOOKS, RULES)
        if tails is not None:
            now = Look(tail=tails, answered=now.answered)
        done.append(look(world.verdict(extent, now), len(done) + 1, LOOKS, extent, core_hours, budget))
        extent = done[-1].following
    return done


@pytest.fixture(scope="module")
def at_the_limit():
    """Studies of a ratio that is exactly what is asked for, so that no answer is right."""
    rng = np.random.default_rng(7)
    worlds = [World(rng, 1.0) for _ in range(N_STUDIES)]
    return [rounds_of(one) for one in worlds], [rounds_of(one, tails=0.025) for one in worlds]


def answered(studies):
    return np.mean([one[-1].answer != "undecided" for one in studies])


def test_at_the_limit_a_study_answers_5_times_in_100_at_most(at_the_limit):
    ours, naive = at_the_limit
    # Binomial standard deviation 1.3 %.
    assert answered(ours) <= 0.05 + 2 * 0.013
    # Looking with 95 % each time is what must not be done.
    assert answered(naive) > 0.08


def test_a_truth_far_from_the_limit_is_answered_for_a_part_of_the_cost(at_the_limit):
    rng = np.random.default_rng(8)
    far = [rounds_of(World(rng, 1.5)) for _ in range(60)]
    assert np.mean([one[-1].answer == "yes" for one in far]) > 0.95
    full = np.mean([one[-1].core_hours for one in at_the_limit[0]])
    assert np.mean([one[-1].core_hours for one in far]) < 0.5 * full
    assert all(one[-1].ended == "answered" for one in far if one[-1].answer == "yes")


def test_the_errors_of_all_looks_add_up_to_5_in_100():
    assert 2.0 * sum(tail_of(LOOKS, k) for k in range(1, LOOKS + 1)) == pytest.approx(0.05)
    assert tail_of(1, 1) == 0.025


def test_a_round_has_at_most_twice_the_structures_and_the_budget_holds():
    rng = np.random.default_rng(9)
    for budget in (6.0, 20.0, 60.0):
        done = rounds_of(World(rng, 1.1), budget)
        assert all(one.core_hours <= budget for one in done)
        for one, after in pairwise(done):
            before, later = one.extent.compositions[0], after.extent.compositions[0]
            assert later.quenches <= 2 * before.quenches and later.glass_segments <= 4 * before.glass_segments
            assert after.core_hours > one.core_hours and one.added
        # The first round takes 4.8 core-hours, any second one more than 1.2.
        assert (len(done) > 1) == (budget > 6.0)


def test_what_is_answered_stays_answered():
    rng = np.random.default_rng(10)
    world = World(rng, 1.5)
    first = look(world.verdict(FIRST, Look(tail=0.02)), 1, LOOKS, FIRST, core_hours, 100.0)
    assert first.answer == "yes"
    worse = World(rng, 1.0).verdict(FIRST, next_look([first], LOOKS, RULES))
    (check,) = worse.compositions["GB_1"].requirements[0].checks
    assert (check.answer, check.reason) == ("yes", "answered at look 1")
    # By other rules nothing has been answered yet.
    other = RULES.model_copy(update={"boundary_conductivity": 2.0})
    assert next_look([first], LOOKS, other).answered == ()


def test_the_predicted_half_width_is_that_of_the_intervals_found():
    # 16 quenches of 4 segments instead of 8 of 1: what is predicted from the smaller study, on average over worlds.
    small, large = glasses(8, 1), glasses(16, 4)
    rng = np.random.default_rng(11)
    predicted, found = [], []
    for _ in range(200):
        world = World(rng, 1.2)
        ends = []
        for one in (small, large):
            (check,) = world.verdict(Extent(compositions=(one,)), Look()).compositions["GB_1"].requirements[0].checks
            ends.append(check)
        predicted.append(predicted_half_width(ends[0].basis, small, large, 0.025))
        found.append(0.5 * log(ends[1].interval.high / ends[1].interval.low))
    # Spreads of 8 quenches scatter by a quarter; what they leave beyond the errors of runs is not below zero.
    assert np.median(predicted) == pytest.approx(np.median(found), rel=0.15)


def open_one(check, extent=FIRST):
    return open_checks(verdict_of((check,), Look()), extent, core_hours, 0.01)[1][0]


def ratio_check(mean, spread=0.04, within=0.03, count=4):
    half = 10.0 * (spread / count) ** 0.5
    ends = at_least(GAIN, "", _around(exp(mean), half), 1.0)
    basis = Basis(source="glass runs", count=count, mean=mean, spread=spread, within=within)
    return ends.resting_on(basis)


def _around(value, half):
    return Interval(value * exp(-half), value * exp(half), value)


def test_an_open_check_says_what_would_answer_it():
    near, far = (open_one(ratio_check(mean)).prospect for mean in (0.05, 0.3))
    assert near.leans == far.leans == "yes"
    assert near.core_hours > far.core_hours > 0.0 and far.optimistic <= far.core_hours
    assert far.words == f"{far.core_hours:.2g} more core-hours would answer it if it stays there"


def test_the_cheapest_is_longer_runs_where_runs_scatter_and_more_quenches_where_quenches_do():
    prices, now = Prices(Price(QUENCH, SEGMENT), Price(0.0, 0.0)), glasses(8)
    by_runs, _ = cheapest(ratio_check(0.15, 0.04, 0.04, count=8), now, prices, 0.01)
    by_quenches, _ = cheapest(ratio_check(0.15, 0.04, 0.0, count=8), now, prices, 0.01)
    assert by_runs.glass_segments > 1 and by_runs.quenches < by_quenches.quenches
    assert by_quenches.glass_segments == 1


def test_a_rule_that_no_run_can_meet_gets_nothing():
    check = only_if(ratio_check(3.0), False, "2 ps at constant pressure, 10 are asked for")
    sure = check.model_copy(update={"interval": _around(exp(3.0), 0.1)})
    assert open_one(sure).target is None
    decision = decide(verdict_of((sure,), Look()), FIRST, core_hours, 100.0, 0.01)
    assert (decision.following, decision.ended) == (None, "stuck")


def test_a_check_that_leans_to_no_comes_first_and_a_composition_that_failed_gets_nothing():
    good, bad = ratio_check(0.3), ratio_check(-0.4).model_copy(update={"quantity": "another"})
    both = decide(verdict_of((good, bad), Look()), FIRST, core_hours, 100.0, 0.01)
    alone = decide(verdict_of((bad,), Look()), FIRST, core_hours, 100.0, 0.01)
    assert both.following == alone.following
    failed = bad.answering("no", "")
    done = decide(verdict_of((good, failed), Look()), FIRST, core_hours, 100.0, 0.01)
    assert (done.following, done.ended) == (None, "answered")


def test_walkers_are_added_until_none_of_their_dopants_in_the_grain_is_an_answer():
    basis = Basis(source="walkers", count=8, dopants=0, exposure=0.1)
    check = at_most("dopant fraction, grain over boundary", "", _below(0.46), 0.2).resting_on(basis)
    found = open_one(check)
    # At this tail no dopant means fewer than 3.9 of them: 0.39 now, and below 0.2 from twice the walkers on.
    assert found.prospect.structures == found.target.quenches == 8


CRYSTALS = Extent(compositions=(CompositionExtent(quenches=4, arrangements=16),))


def crystal_check(dopants, worth=0.08, mean=-0.3, spread=0.02):
    """Crystals of which the grain has so many parts as dopants were counted in it."""
    basis = Basis(source="crystal runs", count=16, mean=mean, spread=spread, within=spread)
    basis = basis.model_copy(update={"dopants": dopants, "exposure": worth})
    value = exp(mean * dopants * worth)
    return at_least("σ(Li) of the grain over C_ref", "", Interval(0.6, 1.0, value), 0.9).resting_on(basis)


def both(extent):
    """Core-hours of boundaries and of crystals."""
    one = extent.compositions[0]
    return core_hours(extent) + 0.05 * one.arrangements * one.crystal_segments


def test_what_narrows_the_grain_is_the_count_of_its_dopants_where_crystals_are_well_known():
    basis = crystal_check(1).basis
    now = CRYSTALS.compositions[0]
    more_walkers, more_crystals = (now.model_copy(update=one) for one in ({"quenches": 16}, {"arrangements": 64}))
    half, by_walkers, by_crystals = (
        predicted_half_width(basis, now, then, 0.025) for then in (now, more_walkers, more_crystals)
    )
    assert by_walkers < 0.6 * half < 0.85 * half < by_crystals < half
    # One dopant in 4 walkers is 0.025 to 5.57 of them, and 0.3 of a logarithm is 0.225 to 0.375 by Student's t of 15.
    loss = 2.131 * (0.02 / 16) ** 0.5
    of_count, of_loss, of_both = 0.3 * 4.572, loss, loss * 4.572
    down = (of_count**2 + of_loss**2 + of_both**2) ** 0.5
    assert 2.0 * half == pytest.approx(0.08 * (down + 0.3 - (0.3 - loss) * 0.0253), rel=1e-3)


def test_a_grain_gets_boundaries_or_crystals_by_what_each_tells_for_its_price():
    said = open_checks(verdict_of((crystal_check(1),), Look()), CRYSTALS, both, 0.025)[1][0]
    assert said.prospect.leans == "yes" and said.prospect.core_hours > 0.0
    assert said.prospect.quenches > 4
    following = decide(verdict_of((crystal_check(1),), Look()), CRYSTALS, both, 500.0, 0.025).following
    assert following.compositions[0].quenches == 8
    # Crystals of which nothing is known but that they scatter: then they come first.
    wild = crystal_check(20, worth=0.008, spread=1.0)
    following = decide(verdict_of((wild,), Look()), CRYSTALS, both, 500.0, 0.025).following
    assert following.compositions[0].crystal_segments * following.compositions[0].arrangements > 16


def _below(high):
    return Interval(0.0, high)


def test_bounds_alone_make_runs_longer():
    check = at_least(GAIN, "", _below(float("inf")), 1.0).resting_on(Basis(source="glass runs", count=4))
    assert open_one(check).target == glasses(4, 2)


def test_the_whole_says_what_is_needed_or_what_comes_first_or_that_nothing_would_help():
    bounds = at_least(GAIN, "", _below(float("inf")), 1.0).resting_on(Basis(source="glass runs", count=4))
    barred = only_if(ratio_check(3.0), False, "no").model_copy(update={"interval": _around(exp(3.0), 0.1)})
    said = [whole(verdict_of((one,), Look()), FIRST, core_hours, 0.01) for one in (ratio_check(0.3), bounds, barred)]
    assert "would answer all that is open, if estimates stay where they are" in said[0]
    # A second segment of four quenches.
    assert said[1] == "0.8 more core-hours at least, before anybody can tell what would answer all that is open"
    other = ratio_check(0.3).model_copy(update={"quantity": "another"})
    beside = whole(verdict_of((other, barred), Look()), FIRST, core_hours, 0.01)
    assert said[2] == beside == "no more of this study would answer all that is open"


def test_a_budget_below_what_has_been_spent_is_refused():
    check_budget(3.0, 3.0, "the first round alone")
    with pytest.raises(ConfigError, match=r"--core-hours 2: the rounds so far takes 3 core-hours"):
        check_budget(3.0, 2.0, "the rounds so far")
