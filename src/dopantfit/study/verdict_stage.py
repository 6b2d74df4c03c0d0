"""The three requirements of the published work, held against the numbers of a study."""

from collections.abc import Mapping, Sequence

from dopantfit.statistics import Interval, interval_of
from dopantfit.study.bleeding_stage import Bled
from dopantfit.study.conduction import Transported
from dopantfit.study.config import Rules
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.ensemble import PotentialRuns, SystemRuns
from dopantfit.study.glass_items import number_density
from dopantfit.study.systems import boundary
from dopantfit.study.transport_items import conductivity
from dopantfit.study.verdict import (
    Answer,
    CompositionAnswer,
    Criterion,
    Requirement,
    Verdict,
    all_of,
    any_of,
    at_least,
    at_most,
    only_if,
)
from dopantfit.workflow.provenance import write_json_atomic
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

VERDICT = "verdict.json"


def names(reducible: str) -> tuple[str, str, str]:
    """What is required."""
    return (
        "the dopant stays out of the grains",
        "the grains keep their conductivity",
        f"the boundary has less {reducible} and conducts better",
    )


class CompositionRuns(Model):
    """What is known of composition `index`: what bled, its crystal, and its glasses."""

    index: int
    bleeding: TaskOutput[Bled]
    crystal: SystemRuns
    glasses: tuple[SystemRuns, ...]


class Question(Model):
    """All that the verdict rests on. crystal, glasses: the references. ensemble: other potentials of the fit."""

    rules: Rules
    mobile: str
    reducible: str
    crystal: SystemRuns
    glasses: tuple[SystemRuns, ...]
    compositions: tuple[CompositionRuns, ...]
    ensemble: tuple[PotentialRuns, ...] = ()


@typed_action(Question, Verdict, version=4)
def verdict(here: Here, want: Question) -> Product[Verdict]:
    """Answer the three requirements for every composition, and the question for the dopant."""
    found = {one.index: requirements(one, here, want) for one in want.compositions}
    answers = {
        boundary(index).name: CompositionAnswer(answer=all_of(one.answer for one in three), requirements=three)
        for index, three in found.items()
    }
    called = names(want.reducible)
    result = Verdict(
        answer=any_of(one.answer for one in answers.values()),
        rule="yes where some composition meets all three requirements, no where none can",
        requirements={name: all_of(three[i].answer for three in found.values()) for i, name in enumerate(called)},
        compositions=answers,
        limits=want.rules,
    )
    write_json_atomic(here.folder / VERDICT, result.model_dump(mode="json"))
    return Product(result, (VERDICT,))


def requirements(runs: CompositionRuns, here: Here, want: Question) -> tuple[Requirement, ...]:
    """Return the three requirements for one composition."""
    bled = here.if_made(runs.bleeding)
    called = names(want.reducible)
    return (
        Requirement.of(called[0], _confinement(None if bled is None else bled.result, want.rules)),
        Requirement.of(called[1], _bulk(runs, here, want)),
        Requirement.of(called[2], _boundary(runs, here, want)),
    )


def _confinement(bled: Bled | None, rules: Rules) -> tuple[Criterion, ...]:
    share = interval_of(None if bled is None else bled.grain_share)
    tried = 0.0 if bled is None else bled.attempts_per_dopant
    enough = tried >= rules.attempts_per_dopant
    reason = f"{tried:.3g} of the {rules.attempts_per_dopant:g} attempts per dopant ion and walker that are asked for"
    less = only_if(at_most("dopant fraction, grain over boundary", "", share, rules.grain_share), enough, reason)
    depth = _depth(bled, less.answer, rules)
    return less, only_if(depth, enough or depth.answer == "undecided", reason)


def _depth(bled: Bled | None, share: Answer, rules: Rules) -> Criterion:
    """Check of the depth of the dopant in the grain. share: what the check of its fraction says.

    Without any dopant there no depth can break the rule, so that it follows the fraction: however long a run is, it
    could never measure one.
    """
    depth = interval_of(None if bled is None else bled.penetration_A)
    check = at_most("depth of 95 % of the dopant in the grain", "Å", depth, rules.penetration)
    if bled is None:
        return check
    unknown = bled.penetration_unknown
    if bled.grain_fraction == 0.0:
        if share == "yes":
            return check.answering("yes", f"{unknown}: its fraction alone answers")
        return check.answering("undecided", f"{unknown}, and its fraction is undecided")
    if bled.explored_A < rules.penetration and not unknown:
        unknown = f"only {bled.explored_A:g} Å of the grain were open to it"
    return check.answering(check.answer, unknown or check.reason)


def _bulk(runs: CompositionRuns, here: Here, want: Question) -> tuple[Criterion, ...]:
    rules, name, pair = want.rules, runs.crystal.system.name, (want.crystal, runs.crystal)
    transports = [_transports(here, [one]) for one in pair]
    ratio = _ratio(*(interval_of(conductivity(one, want.mobile)) for one in transports))
    fewest = min(sum(run.runs for run in one) for one in transports)
    check = at_least(f"σ({want.mobile}) of {name} over C_ref", "", ratio, rules.bulk_conductivity)
    check = agreed(check, _by_potential(runs.crystal, here, want), rules.bulk_conductivity)
    volumes = [_volumes(here, [one]) for one in pair]
    growth = _ratio(*(interval_of(one[0].volume_A3 if one else None) for one in volumes))
    size = at_most(f"|volume change| of {name}", "", _magnitude(growth), rules.volume_change)
    return (
        only_if(check, fewest >= rules.structures, _few(fewest, "run", rules)),
        _settled(size, [cell for one in volumes for cell in one], rules),
    )


def _boundary(runs: CompositionRuns, here: Here, want: Question) -> tuple[Criterion, ...]:
    rules, name, pair = want.rules, runs.glasses[0].system.name, (want.glasses, runs.glasses)
    transports, volumes = [_transports(here, one) for one in pair], [_volumes(here, one) for one in pair]
    sigma = _ratio(*(interval_of(conductivity(one, want.mobile)) for one in transports))
    amount = _ratio(*(interval_of(number_density(one, want.reducible)) for one in volumes))
    fewest = min(len(one) for kind in (transports, volumes) for one in kind)
    enough, reason = fewest >= rules.structures, _few(fewest, "structure", rules)
    gain = at_least(f"σ({want.mobile}) of {name} over A_ref", "", sigma, rules.boundary_conductivity)
    gain = agreed(gain, _by_potential(runs.glasses[0], here, want), rules.boundary_conductivity)
    less = at_most(f"{want.reducible} per volume of {name} over A_ref", "", amount, rules.reducible_density)
    cells = [cell for one in volumes for cell in one]
    return _settled(only_if(less, enough, reason), cells, rules), only_if(gain, enough, reason)


def _transports(here: Here, runs: Sequence[SystemRuns]) -> list[Transported]:
    return [made.result for made in here.all_made(one.transport for one in runs)]


def _volumes(here: Here, runs: Sequence[SystemRuns]) -> list[Equilibrated]:
    return [made.result for made in here.all_made(one.volume for one in runs)]


def _settled(check: Criterion, volumes: Sequence[Equilibrated], rules: Rules) -> Criterion:
    """Return the check, undecided where a volume that it rests on had no time to settle."""
    shortest = min((one.duration_ps for one in volumes), default=0.0)
    reason = f"{shortest:g} ps at constant pressure, {rules.equilibration:g} are asked for"
    return only_if(check, check.answer == "undecided" or shortest >= rules.equilibration, reason)


def agreed(check: Criterion, others: Mapping[str, Interval], limit: float) -> Criterion:
    """Return the check, undecided where another potential of the fit gives the opposite answer."""
    for label, interval in others.items():
        answer = at_least(check.quantity, check.unit, interval, limit).answer
        if "undecided" not in (answer, check.answer) and answer != check.answer:
            return only_if(check, False, f"potential {label} of the ensemble says {answer}")
    return check


def _by_potential(runs: SystemRuns, here: Here, want: Question) -> dict[str, Interval]:
    """Conductivity over that of the reference, with every other potential that ran both."""
    found = {}
    for one in want.ensemble:
        pair = one.of(runs.system.reference), one.of(runs.system.first_cell)
        made = [_transports(here, [part]) if part else [] for part in pair]
        if all(made):
            found[one.potential] = _ratio(*(interval_of(conductivity(part, want.mobile)) for part in made))
    return found


def _ratio(reference: Interval, doped: Interval) -> Interval:
    return doped.over(reference)


def _magnitude(ratio: Interval) -> Interval:
    """Interval of |ratio - 1|."""
    ends = (abs(ratio.low - 1.0), abs(ratio.high - 1.0))
    low = 0.0 if ratio.low <= 1.0 <= ratio.high else min(ends)
    return Interval(low, max(ends), None if ratio.value is None else abs(ratio.value - 1.0))


def _few(count: int, what: str, rules: Rules) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}, {rules.structures} are asked for to see the spread"
