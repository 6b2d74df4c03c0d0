"""Whole verdicts on constructed results: what is known, what is not, and what a short run must not claim."""

import json
from pathlib import Path

import pytest

from dopantfit.statistics import Estimate
from dopantfit.study.verdict_stage import NAMES, verdict
from dopantfit.workflow.graph import Task
from dopantfit.workflow.records import Record
from dopantfit.workflow.work import Finished, Work

RULES = {
    "grain_share": 0.2,
    "penetration": 50.0,
    "attempts_per_dopant": 20.0,
    "equilibration": 10.0,
    "bulk_conductivity": 0.9,
    "volume_change": 0.01,
    "boundary_conductivity": 1.0,
    "titanium_density": 1.0,
    "structures": 2,
}


def number(value, error):
    return Estimate(value, error, value - 1.96 * error, value + 1.96 * error).as_dict()


def bound(limit):
    return Estimate.upper_bound(limit).as_dict()


def finished(name, result):
    return Finished(Path(name), Record(name, "", result, {}))


def volume(value, titanium=0):
    counts = {"Ti": titanium}
    return {"volume_A3": number(value, 1e-4 * value), "counts": counts, "atoms": 1000, "duration_ps": 40.0}


def transport(sigma, runs=2):
    return {"species": {"Li": {"tracer_conductivity_S_per_cm": sigma}}, "runs": runs}


def good():
    """A dopant that is everything it should be, with small errors."""
    results = {
        "bleeding:GB_1": {
            "grain_share": number(0.02, 0.005),
            "penetration_A": number(35.0, 2.0),
            "penetration_unknown": "",
            "grain_fraction": 0.001,
            "explored_A": 52.5,
            "attempts_per_dopant": 100.0,
        },
        "volume:C_ref": volume(1000.0),
        "volume:C_1": volume(1003.0),
        "transport:C_ref": transport(number(2e-2, 4e-4)),
        "transport:C_1": transport(number(1.99e-2, 4e-4)),
    }
    for k in (1, 2):
        results[f"volume:A_ref#{k}"] = volume(1000.0, 80)
        results[f"volume:A_1#{k}"] = volume(1000.0, 60)
        results[f"transport:A_ref#{k}"] = transport(number(1.0e-3, 2e-5), 1)
        results[f"transport:A_1#{k}"] = transport(number(1.3e-3, 2e-5), 1)
    return results


def answer(results, folder):
    needs = {role: finished(role, result) for role, result in results.items()}
    settings = {"rules": RULES, "compositions": [1], "mobile": "Li", "reducible": "Ti"}
    outcome = verdict(Work(Task("verdict", "verdict", "", settings), folder, needs))
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
        ("bleeding:GB_1", {"attempts_per_dopant": 1.0}, 0, "undecided"),
        ("bleeding:GB_1", {"grain_share": number(0.6, 0.05), "attempts_per_dopant": 1.0}, 0, "undecided"),
        ("bleeding:GB_1", {"penetration_A": number(80.0, 5.0)}, 0, "no"),
        ("transport:C_1", transport(number(1.0e-2, 4e-4)), 1, "no"),
        ("transport:C_1", transport(number(1.85e-2, 1e-3)), 1, "undecided"),
        ("transport:C_1", transport(bound(1.0e-2)), 1, "no"),
        ("transport:C_1", transport(bound(5.0e-2)), 1, "undecided"),
        ("transport:C_1", transport(number(1.99e-2, 4e-4), runs=1), 1, "undecided"),
        ("transport:C_ref", transport(bound(5.0e-2)), 1, "undecided"),
        ("volume:C_1", volume(1030.0), 1, "no"),
        ("volume:C_1", volume(970.0), 1, "no"),
        ("volume:C_1", {"duration_ps": 2.0}, 1, "undecided"),
        ("volume:A_ref#2", {"duration_ps": 2.0}, 2, "undecided"),
        ("transport:A_1#2", transport(number(0.7e-3, 2e-5), 1), 2, "undecided"),
        ("transport:A_1#2", transport(bound(1.0e-2), 1), 2, "undecided"),
        ("volume:A_1#1", volume(1000.0, 100), 2, "undecided"),
    ],
)
def test_one_changed_number_changes_its_requirement_only(tmp_path, role, change, requirement, expected):
    results = good()
    results[role] = {**results[role], **change}
    found = answer(results, tmp_path)
    assert found["requirements"] == {name: expected if i == requirement else "yes" for i, name in enumerate(NAMES)}
    assert found["answer"] == expected


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
    results["bleeding:GB_1"] |= {**NOBODY, "grain_share": share, "attempts_per_dopant": attempts}
    found = answer(results, tmp_path)
    assert found["requirements"][NAMES[0]] == found["answer"] == expected
    depth = checks(found)[DEPTH]
    assert (depth["answer"], depth["reason"], depth["interval"]["value"]) == (expected, reason, None)


def test_a_depth_says_how_far_the_grain_was_open(tmp_path):
    results = good()
    assert checks(answer(results, tmp_path))[DEPTH]["reason"] == ""
    results["bleeding:GB_1"] |= {"penetration_A": number(3.0, 0.2), "explored_A": 7.0}
    depth = checks(answer(results, tmp_path))[DEPTH]
    assert (depth["answer"], depth["reason"]) == ("yes", "only 7 Å of the grain were open to it")
    last = "a walker's dopant reached the last layer that was open, which ends at 7 Å"
    results["bleeding:GB_1"] |= {"penetration_A": None, "penetration_unknown": last}
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
    results["ensemble:draw-1:C_ref"] = transport(number(2e-2, 4e-4))
    results["ensemble:draw-1:C_1"] = transport(number(1e-2, 4e-4))
    check = checks(answer(results, tmp_path))["σ(Li) of C_1 over C_ref"]
    assert check["answer"] == "undecided" and "draw-1" in check["reason"]
    results["ensemble:draw-1:C_1"] = transport(number(1.99e-2, 4e-4))
    assert answer(results, tmp_path)["answer"] == "yes"


def test_one_good_composition_is_enough_for_the_dopant(tmp_path):
    results = good()
    for role in list(results):
        if "_1" in role:
            results[role.replace("_1", "_2")] = results[role]
    results["bleeding:GB_1"] = {**results["bleeding:GB_1"], "grain_share": number(0.6, 0.05)}
    needs = {role: finished(role, result) for role, result in results.items()}
    settings = {"rules": RULES, "compositions": [1, 2], "mobile": "Li", "reducible": "Ti"}
    found = verdict(Work(Task("verdict", "verdict", "", settings), tmp_path, needs)).result
    assert found["answer"] == "yes"
    assert found["requirements"][NAMES[0]] == "no"
    assert (found["compositions"]["GB_1"]["answer"], found["compositions"]["GB_2"]["answer"]) == ("no", "yes")
