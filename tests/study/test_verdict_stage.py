"""Whole verdicts on constructed results: what is known, what is not, and what a short run must not claim."""

import json
from math import log

import numpy as np
import pytest

from dopantfit.statistics import Interval, half_width, poisson_interval, poisson_limit
from dopantfit.study.bleeding_stage import GrainPenetration
from dopantfit.study.conduction import Transported
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.ensemble import PotentialRuns, SystemRuns
from dopantfit.study.systems import crystal, glass
from dopantfit.study.verdict_stage import CompositionRuns, Question, names, verdict
from dopantfit.workflow.typed import TaskOutput, TypedTask
from made_up_results import ACCURACY, bled, bound, equilibrated, number, outcome_of, rules, transported

NAMES = names("Ti")

RULES = rules()


def volume(value, titanium=0, dopants=0):
    counts = {"Ti": titanium, "Mg": dopants, "O": 1000 - titanium - dopants}
    return equilibrated(value, 1e-4 * value, duration=40.0, **counts)


def doped_crystal(value, dopants=1):
    """A crystal with 0.1 at% for every dopant: of the grain of `good`, with 0.02 of 5 at%, as much as went in."""
    return volume(value, dopants=dopants)


def transport(sigma, runs=2):
    return transported(sigma, runs)


def good():
    """A dopant that is everything it should be, with small errors."""
    results = {
        "bleeding:GB_1": bled(),
        "volume:C_ref": volume(1000.0),
        "volume:C_1": doped_crystal(1003.0),
        "transport:C_ref": transport(number(2e-2, 4e-4)),
        "transport:C_1": transport(number(1.99e-2, 4e-4)),
    }
    for k in (1, 2):
        results[f"volume:A_ref#{k}"] = volume(1000.0, 80)
        results[f"volume:A_1#{k}"] = volume(1000.0, 60)
        results[f"transport:A_ref#{k}"] = transport(number(1.0e-3, 2e-5), 1)
        results[f"transport:A_1#{k}"] = transport(number(1.3e-3, 2e-5), 1)
    return results


def runs_of(system, name, kind=""):
    return SystemRuns(
        system=system,
        volume=TaskOutput[Equilibrated](task=f"volume:{kind}{name}"),
        transport=TaskOutput[Transported](task=f"transport:{kind}{name}"),
        hotter=None if kind else TaskOutput[Transported](task=f"hotter:{name}"),
    )


def cells_of(composition):
    return tuple(runs_of(glass(composition, cell=k), f"{glass(composition).name}#{k}") for k in (1, 2))


def question(count):
    """All that so many compositions are judged by; needs have the names of `good`, and ``draw-1:`` before them."""
    drawn = PotentialRuns(
        potential="draw-1",
        systems=tuple(runs_of(system, system.name, "draw-1:") for system in (crystal(), crystal(1))),
    )
    return Question(
        rules=RULES,
        dopant="Mg",
        mobile="Li",
        reducible="Ti",
        crystals=(runs_of(crystal(), "C_ref"),),
        glasses=cells_of(None),
        compositions=tuple(
            CompositionRuns(
                index=i,
                bleedings=(TaskOutput[GrainPenetration](task=f"bleeding:GB_{i}"),),
                crystals=(runs_of(crystal(i), f"C_{i}"),),
                glasses=cells_of(i),
            )
            for i in range(1, count + 1)
        ),
        accuracy=ACCURACY,
        ensemble=(drawn,),
    )


def answer(results, folder, count=1):
    outcome = outcome_of(TypedTask("verdict", "verdict", verdict, question(count), tolerant=True), results, folder)
    assert json.loads((folder / "verdict.json").read_text()) == json.loads(json.dumps(outcome.result))
    return outcome.result


def checks(result):
    return {c["quantity"]: c for r in result["compositions"]["GB_1"]["requirements"] for c in r["checks"]}


def test_a_good_dopant_is_a_yes(tmp_path):
    result = answer(good(), tmp_path)
    assert result["answer"] == "yes"
    assert result["requirements"] == dict.fromkeys(NAMES, "yes")


@pytest.mark.parametrize(
    ("role", "change", "requirement", "expected"),
    [
        ("bleeding:GB_1", {"grain_share": number(0.6, 0.05)}, 0, "no"),
        ("bleeding:GB_1", {"grain_share": number(0.2, 0.05)}, 0, "undecided"),
        ("bleeding:GB_1", {"grain_share": bound(0.1)}, 0, "yes"),
        ("bleeding:GB_1", {"grain_share": bound(0.5)}, 0, "undecided"),
        ("bleeding:GB_1", {"penetration_A": number(80.0, 5.0)}, 0, "no"),
        ("transport:C_1", transport(number(1.0e-2, 4e-4)), 1, "no"),
        ("transport:C_1", transport(number(1.85e-2, 1e-3)), 1, "undecided"),
        ("transport:C_1", transport(bound(1.0e-2)), 1, "no"),
        ("transport:C_1", transport(bound(5.0e-2)), 1, "undecided"),
        ("transport:C_1", transport(number(1.99e-2, 4e-4), runs=1), 1, "undecided"),
        ("transport:C_ref", transport(bound(5.0e-2)), 1, "undecided"),
        ("volume:C_1", doped_crystal(1030.0), 1, "no"),
        ("volume:C_1", doped_crystal(970.0), 1, "no"),
        ("volume:C_1", {"duration_ps": 2.0}, 1, "undecided"),
        ("volume:A_ref#2", {"duration_ps": 2.0}, 2, "undecided"),
        ("transport:A_1#2", transport(number(0.7e-3, 2e-5), 1), 2, "undecided"),
        ("transport:A_1#2", transport(bound(1.0e-2), 1), 2, "undecided"),
        ("volume:A_1#1", volume(1000.0, 100), 2, "undecided"),
    ],
)
def test_one_changed_number_changes_its_requirement_only(tmp_path, role, change, requirement, expected):
    results = good()
    if role == "bleeding:GB_1":  # with so much dopant that any share of it has done no more
        results["volume:C_1"] = doped_crystal(1003.0, 40)
    results[role] = results[role].model_copy(update=change) if isinstance(change, dict) else change
    found = answer(results, tmp_path)
    assert found["requirements"] == {name: expected if i == requirement else "yes" for i, name in enumerate(NAMES)}
    assert found["answer"] == expected


@pytest.mark.parametrize("share", [number(0.02, 0.005), number(0.6, 0.05)])
def test_a_chain_that_tried_too_little_answers_neither_what_went_in_nor_what_that_does(tmp_path, share):
    results = good()
    results["volume:C_1"] = doped_crystal(1003.0, 40)
    results["bleeding:GB_1"] = bled(grain_share=share, attempts_per_dopant=1.0)
    found = answer(results, tmp_path)
    assert list(found["requirements"].values()) == ["undecided", "undecided", "yes"]
    assert checks(found)[GRAIN]["reason"].startswith("the chain tried too little")


GRAIN, SIZE = "σ(Li) of the grain over C_ref", "|volume change| of the grain"


@pytest.mark.parametrize(("dopants", "expected"), [(1, "no"), (2, "undecided"), (40, "yes")])
@pytest.mark.parametrize(("role", "quantity", "bad"), [("transport:C_1", GRAIN, 0.73), ("volume:C_1", SIZE, 1.03)])
def test_a_crystal_counts_for_the_grain_by_as_much_of_its_dopant_as_went_in(
    tmp_path, dopants, expected, role, quantity, bad
):
    # 0.1 at% (0.05 to 0.15) went in.
    results = good()
    results["transport:C_1"] = transport(number(bad * 2e-2 if role == "transport:C_1" else 2e-2, 2e-5))
    results["transport:C_ref"] = transport(number(2e-2, 2e-5))
    results["volume:C_1"] = doped_crystal(1000.0 * bad if role == "volume:C_1" else 1000.0, dopants)
    check = checks(answer(results, tmp_path))[quantity]
    assert check["answer"] == expected
    value = bad ** (1 / dopants)
    assert check["interval"]["value"] == pytest.approx(value if quantity == GRAIN else value - 1.0, rel=1e-3)
    low, high = (0.1 + end * 1.96 * 0.025 for end in (-1.0, 1.0))
    assert f"crystals with {0.1 * dopants:.2g} at% Mg" in check["reason"]
    assert f"the grain has 0.1 at%, {high:.2g} at most" in check["reason"]
    if quantity == GRAIN:
        ends = [check["interval"][end] for end in ("low", "high")]
        assert ends == pytest.approx([bad ** (at / 0.1 / dopants) for at in (high, low)], rel=5e-3)


def test_of_a_grain_without_dopant_the_limit_of_its_share_counts(tmp_path):
    results = good()
    results["transport:C_1"] = transport(number(1.46e-2, 2e-5))
    results["bleeding:GB_1"] = bled(**NOBODY, grain_share=bound(0.01))
    check = checks(answer(results, tmp_path))[GRAIN]
    # 0.05 at% at most, half of what the crystal has.
    assert (check["answer"], check["interval"]["value"]) == ("undecided", 1.0)
    assert check["interval"]["low"] == pytest.approx(0.73**0.5, rel=0.03)


@pytest.mark.parametrize("loss", [log(0.9) / 0.16, 0.0, -0.1])
def test_the_interval_of_the_grain_holds_the_truth_in_95_of_100(loss):
    # Counts of 2 dopants, which are 0.16 of what a crystal holds; sixteen pairs of crystals that scatter by half.
    rng = np.random.default_rng(3)
    truth, missed = loss * 0.16, [0, 0]
    for _ in range(2000):
        counted = int(rng.poisson(2.0))
        logs = rng.normal(loss, 0.5, 16)
        half = half_width(float(logs.std(ddof=1)) / 4.0, 16)
        low, high = poisson_interval(counted) if counted else (0.0, poisson_limit(0))
        found = Interval(logs.mean() - half, logs.mean() + half).times(Interval(0.08 * low, 0.08 * high))
        missed[0] += found.low > truth
        missed[1] += found.high < truth
    assert sum(missed) <= 0.05 * 2000


DEPTH = "depth of 95 % of the dopant in the grain"
NONE = "no dopant in the grain whose depth could be measured"
NOBODY = {"penetration_A": None, "penetration_unknown": NONE, "grain_fraction": 0.0}


@pytest.mark.parametrize(
    ("share", "attempts", "expected", "reason"),
    [
        (bound(0.1), 100.0, "yes", f"{NONE}: its fraction alone answers"),
        (bound(0.5), 100.0, "undecided", f"{NONE}, and its fraction is undecided"),
        (bound(0.1), 1.0, "undecided", f"{NONE}, and its fraction is undecided"),
        (None, 100.0, "undecided", f"{NONE}, and its fraction is undecided"),
    ],
)
def test_a_dopant_that_did_not_enter_is_judged_by_its_fraction(tmp_path, share, attempts, expected, reason):
    results = good()
    results["volume:C_1"] = doped_crystal(1003.0, 40)
    results["bleeding:GB_1"] = bled(**NOBODY, grain_share=share, attempts_per_dopant=attempts)
    found = answer(results, tmp_path)
    assert found["requirements"][NAMES[0]] == found["answer"] == expected
    depth = checks(found)[DEPTH]
    assert (depth["answer"], depth["reason"], depth["interval"]["value"]) == (expected, reason, None)


def test_a_depth_says_how_far_the_grain_was_open(tmp_path):
    results = good()
    assert checks(answer(results, tmp_path))[DEPTH]["reason"] == ""
    results["bleeding:GB_1"] = bled(penetration_A=number(3.0, 0.2), explored_A=7.0)
    depth = checks(answer(results, tmp_path))[DEPTH]
    assert (depth["answer"], depth["reason"]) == ("yes", "only 7 Å of the grain were open to it")
    last = "a walker's dopant reached the last layer that was open, which ends at 7 Å"
    results["bleeding:GB_1"] = bled(penetration_A=None, penetration_unknown=last, explored_A=7.0)
    depth = checks(answer(results, tmp_path))[DEPTH]
    assert (depth["answer"], depth["reason"]) == ("undecided", last)


def test_more_titanium_in_every_cell_is_a_no(tmp_path):
    results = good()
    for k in (1, 2):
        results[f"volume:A_1#{k}"] = volume(1000.0, 100)
    assert answer(results, tmp_path)["requirements"][NAMES[2]] == "no"


@pytest.mark.parametrize("role", sorted(good()))
def test_what_is_missing_is_never_claimed(tmp_path, role):
    results = good()
    del results[role]
    found = answer(results, tmp_path)
    assert found["answer"] == "undecided"
    assert "no" not in found["requirements"].values()


def test_nothing_at_all_is_undecided(tmp_path):
    found = answer({}, tmp_path)
    assert found["answer"] == "undecided"
    assert all(check["reason"] for check in checks(found).values())


def test_one_structure_shows_no_spread(tmp_path):
    results = {role: result for role, result in good().items() if not role.endswith("#2")}
    check = checks(answer(results, tmp_path))["σ(Li) of A_1 over A_ref"]
    assert check["answer"] == "undecided" and "1 structure," in check["reason"]


def test_a_potential_of_the_ensemble_that_disagrees_leaves_it_undecided(tmp_path):
    results = good()
    results["transport:draw-1:C_ref"] = transport(number(2e-2, 4e-4))
    results["transport:draw-1:C_1"] = transport(number(1e-2, 4e-4))
    check = checks(answer(results, tmp_path))[GRAIN]
    assert check["answer"] == "undecided" and "draw-1" in check["reason"]
    results["transport:draw-1:C_1"] = transport(number(1.99e-2, 4e-4))
    assert answer(results, tmp_path)["answer"] == "yes"


def test_one_good_composition_is_enough_for_the_dopant(tmp_path):
    results = good()
    for role in list(results):
        if "_1" in role:
            results[role.replace("_1", "_2")] = results[role]
    results["bleeding:GB_1"] = bled(grain_share=number(0.6, 0.05))
    found = answer(results, tmp_path, count=2)
    assert found["answer"] == "yes"
    assert found["requirements"][NAMES[0]] == "no"
    assert (found["compositions"]["GB_1"]["answer"], found["compositions"]["GB_2"]["answer"]) == ("no", "yes")


GAIN = "σ(Li) of A_1 over A_ref"


def at_1000(*gains, error=0.01):
    """Glasses at 1000 K whose conductivities are so many times those of the reference."""
    found = {}
    for k, gain in enumerate(gains, 1):
        for name, value in ((f"hotter:A_ref#{k}", 1e-2), (f"hotter:A_1#{k}", 1e-2 * gain)):
            found[name] = transported(number(value, error * value), 1, temperature=1000.0)
    return found


def test_a_second_temperature_is_in_the_answer_where_the_mechanism_is_the_same(tmp_path):
    results = good()
    results["transport:A_1#2"] = transport(number(1.32e-3, 2e-5), 1)
    alone = checks(answer(results, tmp_path))[GAIN]
    both = checks(answer(results | at_1000(1.315, 1.304), tmp_path))[GAIN]
    assert alone["hotter"] is None and both["hotter"]["joined"]
    assert both["hotter"]["alone"] == alone["interval"]
    # Mean of 1.3 with 1.315 and of 1.32 with 1.304: closer together than 1.3 and 1.32.
    assert both["interval"]["low"] > alone["interval"]["low"] and both["interval"]["high"] < alone["interval"]["high"]
    assert "at 1000 K" in both["reason"] and "both in the answer" in both["reason"]


def test_a_second_temperature_with_another_activation_energy_is_told_and_not_joined(tmp_path):
    results = good()
    alone = checks(answer(results, tmp_path))[GAIN]
    other = checks(answer(results | at_1000(0.65, 0.651), tmp_path))[GAIN]
    assert other["interval"] == alone["interval"] and other["answer"] == "yes"
    assert not other["hotter"]["joined"] and other["hotter"]["ratio"]["value"] == pytest.approx(0.65, rel=0.01)
    # ln(0.65 / 1.3) over the difference of 1/kT at 700 and at 1000 K, 4.973 per eV.
    assert other["hotter"]["energy_eV"]["value"] == pytest.approx(-0.693 / 4.973, rel=0.01)
    assert "another mechanism" in other["reason"]


def test_a_second_temperature_that_not_all_structures_ran_at_is_not_joined(tmp_path):
    results = good() | at_1000(1.3, 1.3)
    del results["hotter:A_1#2"]
    check = checks(answer(results, tmp_path))[GAIN]
    assert not check["hotter"]["joined"] and "not in the answer" in check["reason"]
