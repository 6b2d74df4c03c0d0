"""The three requirements of the published work, held against the numbers of a study."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

from dopantfit.statistics import Estimate, Interval, LogRatio, interval_of, ratio_of
from dopantfit.study.bleeding_stage import GrainPenetration, merged
from dopantfit.study.conduction import Transported
from dopantfit.study.config import Rules
from dopantfit.study.confinement import SHARE, confinement
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.ensemble import PotentialRuns, SystemRuns
from dopantfit.study.exchange_error import under_error
from dopantfit.study.glass_items import density_of
from dopantfit.study.second_temperature import ratio_at_both, remark
from dopantfit.study.spectrum_stage import ExchangeSpectrum
from dopantfit.study.systems import boundary
from dopantfit.study.transport_items import conductivity
from dopantfit.study.uptake import Uptake, as_change, as_ratio
from dopantfit.study.verdict import (
    ONE_LOOK,
    Basis,
    CompositionAnswer,
    Criterion,
    ExchangeAccuracy,
    Hotter,
    Look,
    Requirement,
    Source,
    Verdict,
    all_of,
    any_of,
    at_least,
    at_most,
    only_if,
)
from dopantfit.terminal import counted
from dopantfit.workflow.provenance import write_json_atomic
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

VERDICT = "verdict.json"
Result = TypeVar("Result", bound=Model)
#: Transport of both sides of pairs.
Transports: TypeAlias = tuple[list[Transported], list[Transported]]


def names(reducible: str) -> tuple[str, str, str]:
    """What is required."""
    return (
        "the dopant stays out of the grains",
        "the grains keep their conductivity",
        f"the boundary has less {reducible} and conducts better",
    )


class CompositionRuns(Model):
    """What is known of composition `index`: the bleeding of every boundary, its spectra, crystals and glasses."""

    index: int
    bleedings: tuple[TaskOutput[GrainPenetration], ...]
    spectra: tuple[TaskOutput[ExchangeSpectrum], ...] = ()
    crystals: tuple[SystemRuns, ...]
    glasses: tuple[SystemRuns, ...]


class Question(Model):
    """All that the verdict rests on.

    crystals, glasses: the references, one for each of a composition, with which it is compared; a composition may have
    fewer. accuracy: of the energies that place the dopant. ensemble: other potentials of the fit. look: at all this,
    one of several or the only one.
    """

    rules: Rules
    dopant: str
    mobile: str
    reducible: str
    crystals: tuple[SystemRuns, ...]
    glasses: tuple[SystemRuns, ...]
    compositions: tuple[CompositionRuns, ...]
    accuracy: ExchangeAccuracy
    ensemble: tuple[PotentialRuns, ...] = ()
    look: Look = ONE_LOOK


@typed_action(Question, Verdict, version=9)
def verdict(here: Here, want: Question) -> Product[Verdict]:
    """Answer the three requirements for every composition, and the question for the dopant."""
    found = {one.index: as_answered(one.index, requirements(one, here, want), want) for one in want.compositions}
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
        tail=want.look.tail,
    )
    write_json_atomic(here.folder / VERDICT, result.model_dump(mode="json"))
    return Product(result, (VERDICT,))


def as_answered(index: int, three: tuple[Requirement, ...], want: Question) -> tuple[Requirement, ...]:
    """Return requirements with the answers that earlier looks have given to their checks.

    What the potential's error does to the share is said of the answer that stands.
    """
    before = {one.quantity: one for one in want.look.answered if one.composition == boundary(index).name}
    found = []
    for one in three:
        checks = [before[c.quantity].applied(c) if c.quantity in before else c for c in one.checks]
        told = (under_error(c, want.accuracy, want.look.tail) if c.quantity == SHARE else c for c in checks)
        found.append(Requirement.of(one.name, tuple(told)))
    return tuple(found)


def requirements(runs: CompositionRuns, here: Here, want: Question) -> tuple[Requirement, ...]:
    """Return the three requirements for one composition."""
    bled = merged([made.result for made in here.all_made(runs.bleedings)])
    called = names(want.reducible)
    stays = confinement(bled, _spectra(runs, here), want.rules, want.look.tail)
    return (
        Requirement.of(called[0], stays),
        Requirement.of(called[1], _bulk(runs, stays[0], bled, here, want)),
        Requirement.of(called[2], _boundary(runs, here, want)),
    )


def _spectra(runs: CompositionRuns, here: Here) -> list[ExchangeSpectrum]:
    return [made.result for made in here.all_made(runs.spectra)]


def _bulk(
    runs: CompositionRuns, share: Criterion, bled: GrainPenetration | None, here: Here, want: Question
) -> tuple[Criterion, ...]:
    """Checks of the grain: what crystals do, for as much of their dopant as went into it. share: the check of that."""
    rules, pairs = want.rules, _pairs(runs.crystals, want.crystals)
    transports = _both(here, [(one.transport, other.transport) for one, other in pairs])
    volumes = _both(here, [(one.volume, other.volume) for one, other in pairs])
    uptake = Uptake.of(share, bled, volumes[0], want.dopant)
    ratio, why, hotter = _conductivities(here, pairs, transports, want)
    hotter, limit = uptake.hotter_in_grain(hotter), rules.bulk_conductivity
    check = at_least(f"σ({want.mobile}) of the grain over C_ref", "", uptake.in_grain(ratio), limit)
    others = _by_potential(runs.crystals[0], here, want)
    check = agreed(check, {label: uptake.in_grain(one) for label, one in others.items()}, limit)
    fewest = min(sum(run.runs for run in side) for side in transports)
    check = only_if(check, fewest >= rules.structures, _few(fewest, "run", rules))
    basis = uptake.basis(_basis("crystal runs", ratio, why, transports))
    check = uptake.told(check, as_ratio(ratio), want.dopant).resting_on(basis).beside(hotter, remark(hotter))

    after, before = ([one.volume_A3 for one in side] for side in volumes)
    growth, wider = ratio_of(after, before, want.look.tail)
    size = at_most("|volume change| of the grain", "", _magnitude(uptake.in_grain(growth)), rules.volume_change)
    size = _equilibrated(size, [cell for side in volumes for cell in side], rules)
    basis = uptake.basis(_basis("crystals", growth, wider, volumes))
    size = uptake.told(size, as_change(growth), want.dopant).resting_on(basis)
    return _tried(check, uptake, rules), _tried(size, uptake, rules)


def _tried(check: Criterion, uptake: Uptake, rules: Rules) -> Criterion:
    """Return the check, undecided where the chain tried too little to say how much went into the grain."""
    enough = check.answer == "undecided" or uptake.attempts >= rules.attempts_per_dopant
    return only_if(check, enough, "the chain tried too little to say how much goes into the grain")


def _boundary(runs: CompositionRuns, here: Here, want: Question) -> tuple[Criterion, ...]:
    rules, name, pairs = want.rules, runs.glasses[0].system.name, _pairs(runs.glasses, want.glasses)
    transports = _both(here, [(one.transport, other.transport) for one, other in pairs])
    volumes = _both(here, [(one.volume, other.volume) for one, other in pairs])
    sigma, why, hotter = _conductivities(here, pairs, transports, want)
    label = want.reducible
    densities = [[density_of(one.counts.get(label, 0), one.volume_A3) for one in side] for side in volumes]
    amount, denser = ratio_of(densities[0], densities[1], want.look.tail)
    fewest = min(len(side) for kind in (transports, volumes) for side in kind)
    enough, reason = fewest >= rules.structures, _few(fewest, "structure", rules)
    gain = at_least(f"σ({want.mobile}) of {name} over A_ref", "", sigma, rules.boundary_conductivity)
    gain = agreed(gain, _by_potential(runs.glasses[0], here, want), rules.boundary_conductivity)
    less = at_most(f"{label} per volume of {name} over A_ref", "", amount, rules.reducible_density)
    cells = [cell for side in volumes for cell in side]
    return (
        _equilibrated(only_if(less, enough, reason), cells, rules).resting_on(
            _basis("glasses", amount, denser, volumes)
        ),
        only_if(gain, enough, reason)
        .resting_on(_basis("glass runs", sigma, why, transports))
        .beside(hotter, remark(hotter)),
    )


def _pairs(doped: Sequence[SystemRuns], references: Sequence[SystemRuns]) -> list[tuple[SystemRuns, SystemRuns]]:
    """Runs of a composition, and of the reference with the same number: the same quench, the same arrangement."""
    by_number = {one.system.cell: one for one in references}
    return [(one, by_number[one.system.cell]) for one in doped if one.system.cell in by_number]


def _both(
    here: Here, pairs: Sequence[tuple[TaskOutput[Result], TaskOutput[Result]]]
) -> tuple[list[Result], list[Result]]:
    """What the tasks of pairs made, of those that both finished."""
    found = [(here.if_made(one), here.if_made(other)) for one, other in pairs]
    known = [(one.result, other.result) for one, other in found if one is not None and other is not None]
    return [one for one, _ in known], [other for _, other in known]


def _conductivities(
    here: Here, pairs: Sequence[tuple[SystemRuns, SystemRuns]], own: Transports, want: Question
) -> tuple[Interval, LogRatio | None, Hotter | None]:
    """Conductivity of a composition over that of its reference, and what a second temperature says of it.

    own: transport of those of the pairs that ran at the study's own temperature.
    """
    at_own = _sides(own, want.mobile)
    hot = _both(here, [(one.hotter, other.hotter) for one, other in pairs if one.hotter and other.hotter])
    if not own[0] or not hot[0]:
        return *ratio_of(*at_own, want.look.tail), None
    whole = len(own[0]) == len(hot[0]) == len(pairs)
    temperatures = own[0][0].temperature_K, hot[0][0].temperature_K
    return ratio_at_both(at_own, _sides(hot, want.mobile), temperatures, want.look.tail, joinable=whole)


def _sides(transports: Transports, mobile: str) -> tuple[list[Estimate], list[Estimate]]:
    """Conductivities of the mobile ion of both sides of pairs."""
    above, below = ([conductivity([run], mobile) for run in side] for side in transports)
    return [one for one in above if one is not None], [one for one in below if one is not None]


def _basis(source: Source, ratio: Interval, found: LogRatio | None, sides: Sequence[Sequence[object]]) -> Basis:
    count = min(len(side) for side in sides)
    return Basis.of_pooled(source, count, ratio) if found is None else Basis.of_ratio(source, count, found)


def _transports(here: Here, runs: Sequence[SystemRuns]) -> list[Transported]:
    return [made.result for made in here.all_made(one.transport for one in runs)]


def _equilibrated(check: Criterion, volumes: Sequence[Equilibrated], rules: Rules) -> Criterion:
    """Return the check, undecided where a volume that it rests on had no time to equilibrate."""
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
        pair = one.of(runs.system.first_cell), one.of(runs.system.reference)
        made = [_transports(here, [part]) if part else [] for part in pair]
        if all(made):
            after, before = (interval_of(conductivity(part, want.mobile)) for part in made)
            found[one.potential] = after.over(before)
    return found


def _magnitude(ratio: Interval) -> Interval:
    """Interval of |ratio - 1|."""
    less_one = Interval(ratio.low - 1.0, ratio.high - 1.0, None if ratio.value is None else ratio.value - 1.0)
    return less_one.magnitude()


def _few(count: int, what: str, rules: Rules) -> str:
    return f"{counted(count, what)}, {rules.structures} are asked for to see the spread"
