"""The three requirements of the published work, held against the numbers of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dopantfit.statistics import Interval, estimate_from, interval_of
from dopantfit.study.items import conductivity, number_density, systems
from dopantfit.study.verdict import (
    Answer,
    Check,
    Requirement,
    all_of,
    any_of,
    at_least,
    at_most,
    only_if,
)
from dopantfit.workflow.graph import action
from dopantfit.workflow.provenance import write_json_atomic
from dopantfit.workflow.work import Finished, Outcome, Work

VERDICT = "verdict.json"
NAMES = (
    "the dopant stays out of the grains",
    "the grains keep their conductivity",
    "the boundary has less Ti and conducts better",
)


@action(version=4)
def verdict(work: Work) -> Outcome:
    """Answer the three requirements for every composition, and the question for the dopant.

    needs, by role: ``bleeding:GB_i``, ``volume:C_i``, ``transport:C_i``, ``volume:A_i#k``, ``transport:A_i#k``, and
    the references C_ref and A_ref. settings: rules, compositions, mobile, reducible.
    """
    found = [requirements(index, work.needs, work.settings) for index in work.settings["compositions"]]
    return _outcome(work, found)


def _outcome(work: Work, found: list[tuple[Requirement, ...]]) -> Outcome:
    by_composition = {
        f"GB_{index}": {
            "answer": all_of(one.answer for one in three),
            "requirements": [one.as_dict() for one in three],
        }
        for index, three in zip(work.settings["compositions"], found, strict=True)
    }
    overall = {name: all_of(three[i].answer for three in found) for i, name in enumerate(NAMES)}
    answer = any_of(all_of(one.answer for one in three) for three in found)
    content: dict[str, Any] = {
        "answer": answer,
        "rule": "yes where some composition meets all three requirements, no where none can",
        "requirements": overall,
        "compositions": by_composition,
        "limits": dict(work.settings["rules"]),
    }
    write_json_atomic(work.folder / VERDICT, content)
    return Outcome(content, (VERDICT,))


def requirements(index: int, needs: Mapping[str, Finished], settings: Mapping[str, Any]) -> tuple[Requirement, ...]:
    """Return the three requirements for composition `index`."""
    rules, mobile, reducible = settings["rules"], settings["mobile"], settings["reducible"]
    return (
        Requirement(NAMES[0], _confinement(needs.get(f"bleeding:GB_{index}"), rules)),
        Requirement(NAMES[1], _bulk(index, needs, rules, mobile)),
        Requirement(NAMES[2], _boundary(index, needs, rules, mobile, reducible)),
    )


def _confinement(bleeding: Finished | None, rules: Mapping[str, Any]) -> tuple[Check, ...]:
    result = {} if bleeding is None else bleeding.result
    share = interval_of(estimate_from(result.get("grain_share")))
    tried = result.get("attempts_per_dopant", 0.0)
    enough = tried >= rules["attempts_per_dopant"]
    reason = (
        f"{tried:.3g} of the {rules['attempts_per_dopant']:g} attempts per dopant ion and walker that are asked for"
    )
    less = only_if(at_most("dopant fraction, grain over boundary", "", share, rules["grain_share"]), enough, reason)
    depth = _depth(result, less.answer, rules)
    return less, only_if(depth, enough or depth.answer == "undecided", reason)


def _depth(result: Mapping[str, Any], share: Answer, rules: Mapping[str, Any]) -> Check:
    """Check of the depth of the dopant in the grain. share: what the check of its fraction says.

    Without any dopant there no depth can break the rule, so that it follows the fraction: however long a run is, it
    could never measure one.
    """
    depth = interval_of(estimate_from(result.get("penetration_A")))
    check = at_most("depth of 95 % of the dopant in the grain", "Å", depth, rules["penetration"])
    unknown, opened = result.get("penetration_unknown", ""), result.get("explored_A", rules["penetration"])
    if result.get("grain_fraction") == 0.0:
        if share == "yes":
            return replace(check, answer="yes", reason=f"{unknown}: its fraction alone answers")
        return only_if(check, False, f"{unknown}, and its fraction is undecided")
    if opened < rules["penetration"] and not unknown:
        unknown = f"only {opened:g} Å of the grain were open to it"
    return replace(check, reason=unknown or check.reason)


def _bulk(index: int, needs: Mapping[str, Finished], rules: Mapping[str, Any], mobile: str) -> tuple[Check, ...]:
    runs = {name: needs.get(f"transport:C_{name}") for name in ("ref", str(index))}
    ratio = _ratio(*(interval_of(None if run is None else conductivity([run], mobile)) for run in runs.values()))
    counts = [0 if run is None else int(run.result["runs"]) for run in runs.values()]
    check = at_least(f"σ({mobile}) of C_{index} over C_ref", "", ratio, rules["bulk_conductivity"])
    check = agreed(check, _by_potential(index, "C", needs, mobile), rules["bulk_conductivity"])
    volumes = [needs.get(f"volume:C_{name}") for name in ("ref", str(index))]
    growth = _ratio(*(interval_of(None if v is None else estimate_from(v.result["volume_A3"])) for v in volumes))
    size = _magnitude(growth)
    return (
        only_if(check, min(counts) >= rules["structures"], _few(min(counts), "run", rules)),
        _settled(at_most(f"|volume change| of C_{index}", "", size, rules["volume_change"]), volumes, rules),
    )


def _boundary(
    index: int, needs: Mapping[str, Finished], rules: Mapping[str, Any], mobile: str, reducible: str
) -> tuple[Check, ...]:
    runs, volumes = (
        systems({role.removeprefix(kind): need for role, need in needs.items() if role.startswith(f"{kind}A_")})
        for kind in ("transport:", "volume:")
    )
    pair = ("A_ref", f"A_{index}")
    counts = [len(kind.get(name, [])) for name in pair for kind in (runs, volumes)]
    sigma = _ratio(*(interval_of(conductivity(runs.get(name, []), mobile)) for name in pair))
    amount = _ratio(*(interval_of(number_density(volumes.get(name, []), reducible)) for name in pair))
    enough, reason = min(counts) >= rules["structures"], _few(min(counts), "structure", rules)
    gain = at_least(f"σ({mobile}) of A_{index} over A_ref", "", sigma, rules["boundary_conductivity"])
    gain = agreed(gain, _by_potential(index, "A", needs, mobile), rules["boundary_conductivity"])
    less = at_most(f"{reducible} per volume of A_{index} over A_ref", "", amount, rules["titanium_density"])
    cells = [cell for name in pair for cell in volumes.get(name, [])]
    return _settled(only_if(less, enough, reason), cells, rules), only_if(gain, enough, reason)


def _settled(check: Check, volumes: Sequence[Finished | None], rules: Mapping[str, Any]) -> Check:
    """Return the check, undecided where a volume that it rests on had no time to settle."""
    shortest = min((one.result["duration_ps"] for one in volumes if one is not None), default=0.0)
    reason = f"{shortest:g} ps at constant pressure, {rules['equilibration']:g} are asked for"
    return only_if(check, check.answer == "undecided" or shortest >= rules["equilibration"], reason)


def agreed(check: Check, others: Mapping[str, Interval], limit: float) -> Check:
    """Return the check, undecided where another potential of the fit gives the opposite answer."""
    for label, interval in others.items():
        answer = at_least(check.quantity, check.unit, interval, limit).answer
        if "undecided" not in (answer, check.answer) and answer != check.answer:
            return only_if(check, False, f"potential {label} of the ensemble says {answer}")
    return check


def _by_potential(index: int, kind: str, needs: Mapping[str, Finished], mobile: str) -> dict[str, Interval]:
    """Conductivity over that of the reference, with every other potential that ran both."""
    runs = {role.removeprefix("ensemble:"): need for role, need in needs.items() if role.startswith("ensemble:")}
    found = {}
    for role, run in runs.items():
        label, _, system = role.rpartition(":")
        reference = runs.get(f"{label}:{kind}_ref")
        if system == f"{kind}_{index}" and reference is not None:
            doped, before = (interval_of(conductivity([one], mobile)) for one in (run, reference))
            found[label] = _ratio(before, doped)
    return found


def _ratio(reference: Interval, doped: Interval) -> Interval:
    return doped.over(reference)


def _magnitude(ratio: Interval) -> Interval:
    """Interval of |ratio - 1|."""
    ends = (abs(ratio.low - 1.0), abs(ratio.high - 1.0))
    low = 0.0 if ratio.low <= 1.0 <= ratio.high else min(ends)
    return Interval(low, max(ends), None if ratio.value is None else abs(ratio.value - 1.0))


def _few(count: int, what: str, rules: Mapping[str, Any]) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}, {rules['structures']} are asked for to see the spread"
