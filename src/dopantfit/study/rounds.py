"""A study that grows until it can tell: rounds, each a look at the verdict, and what is added after it.

After a round the checks that are open are known, with what would answer each of them (`outlook`). What is added
(`growth`) depends on results and on a model of costs, never on the clock, so that the same study takes the same rounds
wherever it runs and whenever it is killed. A look spends its part of the error of 5 % that all looks share.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.statistics import TAIL_95, Looks
from dopantfit.study.config import Rules, StudyConfig
from dopantfit.study.cost import MODEL, seconds_of
from dopantfit.study.extent import Extent
from dopantfit.study.growth import CostOf, Decision, decide, open_checks, whole
from dopantfit.study.outlook import Prospect
from dopantfit.study.record import STUDY_RECORD, SUMMARY, StudyRecord
from dopantfit.study.round_record import Round, RoundCheck, Rounds
from dopantfit.study.run import CheckedStudy, plan_study
from dopantfit.study.tasks import Planner
from dopantfit.study.verdict import ONE_LOOK, Answered, Look, Verdict
from dopantfit.workflow.provenance import hash_of, read_sealed, write_sealed
from dopantfit.workflow.schema import parse_content

#: File of a run folder with the rounds that its study has taken.
ROUNDS = "rounds.json"
#: Runs all tasks of a study, and returns its record.
RunStudy = Callable[[CheckedStudy], StudyRecord]


def tail_of(looks: int, number: int) -> float:
    """Return the probability beyond each end of the intervals at a look, from 1, of so many."""
    return TAIL_95 if looks == 1 else Looks.doubling(looks, spending="even").tail(number)


def cost_function(config: StudyConfig, base: Path) -> CostOf:
    """Return the core-hours of a study by its extent, from the model of costs."""

    @cache
    def cost(extent: Extent) -> float:
        planner = Planner(config, base, extent)
        return sum(seconds_of(planner, planner.graph()).values()) / 3600.0

    return cost


def until_decided(config: StudyConfig, file: Path, folder: Path, budget: float, run: RunStudy) -> StudyRecord:
    """Take rounds until every composition has its answer, or the budget [core-hours] does not carry farther.

    Goes on where the rounds in `folder` ended. Raises ConfigError for a budget below what has been spent.
    """
    cost_of, known = cost_function(config, file.parent), read_rounds(folder, config)
    looks = config.rules.looks if known is None else known.looks
    done = [] if known is None else list(known.rounds)
    extent = Extent.first(config)
    if done:
        spent, following = cost_of(done[-1].extent), done[-1].following
        check_budget(spent, budget, "the rounds so far")
        extent = following or extent
        # A look that nothing followed, that other rules answered, or that a smaller budget must decide on comes again.
        if following is None or done[-1].rules != config.rules or cost_of(following) > budget:
            extent = done.pop().extent
    check_budget(cost_of(extent), budget, "the first round alone")
    while True:
        number = len(done) + 1
        record = run(plan_study(config, file, extent, next_look(done, looks, config.rules)))
        if record.verdict is None or record.failed:
            return record  # what failed is tried again before anything is concluded from what there is
        done.append(look(record.verdict, number, looks, extent, cost_of, budget))
        rounds = Rounds(
            looks=looks,
            seconds_per_ion_ps=MODEL.dynamics,
            seconds_per_swap_of_1000_ions=MODEL.swaps,
            rounds=tuple(done),
        )
        write_sealed(folder / ROUNDS, {"of": rounds_key(config), **rounds.model_dump(mode="json")})
        record = concluded(record, folder, config, file.parent)
        if done[-1].following is None:
            return record
        extent = done[-1].following


def next_look(done: Sequence[Round], looks: int, rules: Rules) -> Look:
    """Return the look after some others: with its part of the error, and what they have answered by the same rules."""
    answered: dict[tuple[str, str], Answered] = {}
    for one in (each for each in done if each.rules == rules):
        for check in one.checks:
            if check.answer != "undecided":
                found = Answered(
                    composition=check.composition,
                    quantity=check.quantity,
                    answer=check.answer,
                    interval=check.interval,
                    look=one.number,
                )
                answered.setdefault((check.composition, check.quantity), found)
    return Look(tail=tail_of(looks, len(done) + 1), answered=tuple(answered.values()))


def concluded(record: StudyRecord, folder: Path, config: StudyConfig, base: Path) -> StudyRecord:
    """Return the record with its rounds and what would answer what is open; so it is written in folder and summary."""
    rounds, verdict = read_rounds(folder, config), record.verdict
    if verdict is None:
        return record
    if rounds is not None and rounds.rounds:
        last = rounds.last
        extent, tail = last.extent, tail_of(rounds.looks, min(last.number + 1, rounds.looks))
        words = last.words or f"the next round adds {'; '.join(last.added)}"
    else:
        extent, tail, words = Extent.first(config), verdict.tail, ""
    cost_of = cost_function(config, base)
    prospects = prospects_of(verdict, extent, cost_of, tail)
    conclusion = words or whole(verdict, extent, cost_of, tail)
    record = record.model_copy(update={"rounds": rounds, "prospects": prospects, "conclusion": conclusion})
    for place in (folder, folder / SUMMARY):
        record.write(place / STUDY_RECORD)
    return record


def prospects_of(verdict: Verdict, extent: Extent, cost_of: CostOf, tail: float) -> dict[str, dict[str, Prospect]]:
    """Return what would answer the open checks, by composition and quantity."""
    opened, names = open_checks(verdict, extent, cost_of, tail), list(verdict.compositions)
    return {names[i - 1]: {one.check.quantity: one.prospect for one in checks} for i, checks in opened.items()}


def look(verdict: Verdict, number: int, looks: int, extent: Extent, cost_of: CostOf, budget: float) -> Round:
    """Return a round: what its checks say, what would answer those that are open, and what follows."""
    last = number >= looks
    tail = tail_of(looks, min(number + 1, looks))
    decision = decide(verdict, extent, cost_of, budget, tail)
    if last and decision.ended != "answered":
        decision = Decision(None, (), "looks", f"{looks} looks were taken: no more would keep the 5 % of wrong answers")
    return Round(
        number=number,
        extent=extent,
        tail=verdict.tail,
        core_hours=cost_of(extent),
        answer=verdict.answer,
        rules=verdict.limits,
        checks=tuple(checks_of(verdict, extent, cost_of, tail)),
        added=decision.added,
        following=decision.following,
        ended=decision.ended,
        words=decision.words,
    )


def checks_of(verdict: Verdict, extent: Extent, cost_of: CostOf, tail: float) -> Iterator[RoundCheck]:
    """Return every check of a verdict, with what would answer it where it is open and matters."""
    prospects = prospects_of(verdict, extent, cost_of, tail)
    for name, composition in verdict.compositions.items():
        for check in composition.checks:
            yield RoundCheck(
                composition=name,
                quantity=check.quantity,
                interval=check.interval,
                limit=check.limit,
                at_most=check.at_most,
                answer=check.answer,
                prospect=prospects.get(name, {}).get(check.quantity),
            )


def check_budget(spent: float, budget: float, what: str) -> None:
    """Raise ConfigError where a budget [core-hours] is less than what has been spent, or has to be."""
    if budget < spent:
        raise ConfigError(
            f"--core-hours {budget:g}: {what} takes {spent:.3g} core-hours by the model of costs; give more, or a "
            "smaller study"
        )


def read_rounds(folder: Path, config: StudyConfig) -> Rounds | None:
    """Return the rounds that the study in a folder has taken; None where there are none, or of other settings.

    Rules may change: they decide what results mean, not what they are.
    """
    content = read_sealed(folder / ROUNDS)
    if content is None or content.pop("of", None) != rounds_key(config):
        return None
    try:
        return parse_content(Rounds, content)
    except ValueError:
        return None  # of another version: taken anew, of the same results


def grown(folder: Path, config: StudyConfig) -> tuple[Extent | None, Look]:
    """Return how far the study in a folder has grown, and its last look; for one that has not, the only one."""
    return last_look(read_rounds(folder, config), config.rules)


def last_look(rounds: Rounds | None, rules: Rules) -> tuple[Extent | None, Look]:
    """Return how far a study has grown by its rounds, and the last look, by these rules; without any, the only look."""
    if rounds is None or not rounds.rounds:
        return None, ONE_LOOK
    return rounds.last.extent, next_look(rounds.rounds[:-1], rounds.looks, rules)


def rounds_key(config: StudyConfig) -> str:
    """Return the hash of all settings that rounds are of: all but the rules."""
    return hash_of({name: value for name, value in config.model_dump(mode="json").items() if name != "rules"})
