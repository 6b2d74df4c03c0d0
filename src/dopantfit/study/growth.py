"""What a study adds after a look: the cheapest that answers what is open, at most a doubling at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dopantfit.study.config import Rules
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.outlook import (
    AnswerPath,
    Price,
    Prices,
    Prospect,
    extents_from,
    largest,
    leaning,
    path_to_answer,
    predicted_error,
    resized,
    segments_in,
    structures_in,
)
from dopantfit.study.round_record import Ending
from dopantfit.study.verdict import Basis, Criterion, Verdict, at_least, at_most

#: How many times as long runs may grow in a round, and what is left of a variance that counts as halved.
_LONGER, _HALF = 4, 0.51
#: Parts of what is wanted that are tried where the budget does not carry all.
_PARTS = (1.0, 0.75, 0.5, 0.25)
#: Core-hours of a study of some extent, by the model of costs.
CostOf = Callable[[Extent], float]


@dataclass(frozen=True)
class Decision:
    """What follows a look. following: None where no round does, for the reason in `ended` and `words`."""

    following: Extent | None
    added: tuple[str, ...]
    ended: Ending | None
    words: str


@dataclass(frozen=True)
class OpenCheck:
    """A check that is open. path: to what would answer it. target: what the next round has of what it rests on."""

    check: Criterion
    path: AnswerPath
    target: CompositionExtent | None

    @property
    def prospect(self) -> Prospect:
        """What would answer it, in words and numbers."""
        return self.path.prospect

    @property
    def is_of_share(self) -> bool:
        """Whether it is answered with the dopant's share, and asks for nothing of its own."""
        return self.check.basis is not None and self.check.basis.source == "share"


def prices(cost_of: CostOf, extent: Extent, index: int) -> Prices:
    """Return what more glasses and crystals of composition `index` cost."""
    own, now = extent.compositions[index - 1], cost_of(extent)

    def more(**change: int) -> float:
        return cost_of(extent.with_composition(index, own.model_copy(update=change))) - now

    longer = more(glass_segments=own.glass_segments + 1) / own.quenches
    glasses = Price(more(quenches=own.quenches + 1) - own.glass_segments * longer, longer)
    longer = more(crystal_segments=own.crystal_segments + 1) / own.arrangements
    return Prices(glasses, Price(more(arrangements=own.arrangements + 1) - own.crystal_segments * longer, longer))


def open_checks(verdict: Verdict, extent: Extent, cost_of: CostOf, tail: float) -> dict[int, list[OpenCheck]]:
    """Return the open checks of every composition that has no answer yet, by its number."""
    found: dict[int, list[OpenCheck]] = {}
    for index, one in enumerate(verdict.compositions.values(), 1):
        if one.answer != "undecided":
            continue
        costs, own = prices(cost_of, extent, index), extent.compositions[index - 1]
        checks = [check for check in one.checks if check.answer == "undecided"]
        found[index] = [looked_at(check, own, costs, verdict.limits, tail) for check in checks]
    return found


def looked_at(check: Criterion, now: CompositionExtent, costs: Prices, rules: Rules, tail: float) -> OpenCheck:
    """Say what would answer a check, and what the next round should have of what it rests on."""
    basis = check.basis
    if basis is None:
        return OpenCheck(check, AnswerPath(Prospect.none("undecided", "")), None)
    if basis.source == "share":
        return _first(check, now, now, costs, "answered with the dopant's share")
    if _barred(check):
        few = rules.structures - basis.count
        if basis.source in ("walkers", "depths") or few <= 0:
            return OpenCheck(
                check, AnswerPath(Prospect.none("undecided", "no more of this study would answer it")), None
            )
        target = resized(now, basis, structures_in(now, basis) + few, segments_in(now, basis))
        return _first(check, now, target, costs, "more structures are asked for")
    path = path_to_answer(check, now, costs, tail)
    if path.soonest is None and check.interval.value is None and basis.is_of_runs:
        target = resized(now, basis, structures_in(now, basis), 2 * segments_in(now, basis))
        return _first(check, now, target, costs, "only bounds are known: runs of twice the length come first")
    return OpenCheck(check, path, None if path.soonest is None else _doubled(basis, now, costs))


def _barred(check: Criterion) -> bool:
    """Whether a rule other than the limit leaves a check open: its interval alone would answer it."""
    if check.limit is None:
        return True
    hold = at_most if check.at_most else at_least
    return hold(check.quantity, check.unit, check.interval, check.limit).answer != "undecided"


def _first(check: Criterion, now: CompositionExtent, target: CompositionExtent, costs: Prices, words: str) -> OpenCheck:
    """What comes first, before anybody can tell what would answer the check."""
    hours, basis = costs.between(now, target), check.basis
    prospect = Prospect(
        leans=leaning(check),
        core_hours=None,
        optimistic=hours,
        structures=structures_in(target, basis) if basis else 0,
        segments=segments_in(target, basis) if basis else 0,
        words=f"{words}, {hours:.2g} core-hours" if hours else words,
    )
    return OpenCheck(check, AnswerPath(prospect, None, target), target)


def _doubled(basis: Basis, now: CompositionExtent, costs: Prices) -> CompositionExtent:
    """Return the cheapest extent at which there is twice the information: the variance of the mean is halved.

    Smaller steps would spend looks on no news.
    """
    twice = resized(now, basis, 2 * structures_in(now, basis), segments_in(now, basis))
    if basis.is_in_parts:
        twice = twice.model_copy(update={"quenches": 2 * now.quenches})
    before = predicted_error(basis, now, now)
    if before is None:
        return twice
    best = twice
    for then in extents_from(now, basis):
        if structures_in(then, basis) > structures_in(twice, basis) or then.quenches > twice.quenches:
            continue
        if segments_in(then, basis) > _LONGER * segments_in(now, basis):
            continue
        after = predicted_error(basis, now, then)
        if after is not None and after**2 <= _HALF * before**2 and costs.between(now, then) < costs.between(now, best):
            best = then
    return best


def decide(verdict: Verdict, extent: Extent, cost_of: CostOf, budget: float, tail: float) -> Decision:
    """Return what follows a look. budget: core-hours of the whole study. tail: of the next look."""
    found = open_checks(verdict, extent, cost_of, tail)
    if not found:
        return Decision(None, (), "answered", "every composition has its answer")
    left = budget - cost_of(extent)
    following, dear, stuck = extent, list[float](), list[int]()
    for index, checks in found.items():
        wanted = _wanted(checks)
        if not wanted:
            stuck.append(index)
            continue
        soonest = largest(one.path.soonest for one in wanted if one.path.soonest)
        needs = prices(cost_of, extent, index).between(extent.compositions[index - 1], soonest)
        grown = _affordable(following, index, wanted, cost_of, budget)
        if needs > left or grown == following:
            dear.append(max(needs, cost_of(_grown(extent, index, wanted, 1.0)) - cost_of(extent)))
        else:
            following = grown
    if following != extent:
        return Decision(following, _words(extent, following), None, "")
    if dear:
        words = f"what is open takes {min(dear):.2g} core-hours or more, {left:.2g} are left"
        return Decision(None, (), "budget", words)
    return Decision(None, (), "stuck", "nothing that the study could add would answer what is open")


def whole(verdict: Verdict, extent: Extent, cost_of: CostOf, tail: float) -> str:
    """Say what would answer all that is open, in words; empty where nothing is."""
    found = open_checks(verdict, extent, cost_of, tail)
    if not found:
        return ""
    if not all(_answerable(checks) for checks in found.values()):
        return "no more of this study would answer all that is open"
    wanted = [one for checks in found.values() for one in _wanted(checks)]
    stays = all(one.is_of_share or one.path.stays is not None for one in wanted)
    needs = 0.0
    for index, checks in found.items():
        sizes = ((one.path.stays if stays else None) or one.path.soonest for one in _wanted(checks))
        costs, now = prices(cost_of, extent, index), extent.compositions[index - 1]
        needs += costs.between(now, largest(one for one in sizes if one))
    if not stays:
        return f"{needs:.2g} more core-hours at least, before anybody can tell what would answer all that is open"
    return f"{needs:.2g} more core-hours would answer all that is open, if estimates stay where they are"


def _answerable(checks: Sequence[OpenCheck]) -> bool:
    """Whether more of the study can answer all of these, or one that leans to no, which is enough."""
    return bool(_wanted(checks)) and (bool(_against(checks)) or all(one.target is not None for one in checks))


def _against(checks: Sequence[OpenCheck]) -> list[OpenCheck]:
    return [one for one in checks if one.prospect.leans == "no" and one.target is not None]


def _wanted(checks: Sequence[OpenCheck]) -> list[OpenCheck]:
    """Return the checks to be answered next: the cheapest that leans to no, which is enough, or all that can be."""
    if against := _against(checks):
        return [min(against, key=lambda one: (one.prospect.optimistic or 0.0, one.check.quantity))]
    known = [one for one in checks if one.target is not None]
    return known if any(not one.is_of_share for one in known) else []


def _affordable(extent: Extent, index: int, wanted: Sequence[OpenCheck], cost_of: CostOf, budget: float) -> Extent:
    """Return the extent with what the checks want, or with the largest part of it that the budget carries."""
    for part in _PARTS:
        found = _grown(extent, index, wanted, part)
        if cost_of(found) <= budget:
            return found
    return extent


def _grown(extent: Extent, index: int, wanted: Sequence[OpenCheck], part: float) -> Extent:
    """The extent with so large a part of the way to what is wanted."""
    now = extent.compositions[index - 1]
    target = largest([now, *(one.target for one in wanted if one.target is not None)])
    steps = {name: int(part * (getattr(target, name) - start)) + start for name, start in now}
    return extent.with_composition(index, CompositionExtent(**steps))


def _words(before: Extent, after: Extent) -> tuple[str, ...]:
    """Say what one extent has more than another."""
    called = {
        "quenches": "boundaries with their walkers and glasses",
        "arrangements": "arrangements of the crystal",
        "glass_segments": "segments of every run of a glass",
        "crystal_segments": "segments of every run of a crystal",
    }
    found = []
    for index, (one, other) in enumerate(zip(before.compositions, after.compositions, strict=True), 1):
        for name, words in called.items():
            old, new = getattr(one, name), getattr(other, name)
            if new > old:
                found.append(f"GB_{index}: {words}, {old} → {new}")
    return tuple(found)
