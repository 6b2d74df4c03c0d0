"""What a study adds after a look: the cheapest that answers what is open, at most a doubling at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dopantfit.study.config import Rules
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.outlook import Prices, Prospect, Size, leaning, predicted_error, prospect_of, sizes_from
from dopantfit.study.round_record import Ending
from dopantfit.study.verdict import Criterion, Verdict, at_least, at_most

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
    """A check that is open. prospect: what would answer it. target: what the next round has of what it rests on."""

    check: Criterion
    prospect: Prospect
    target: Size | None


def prices(cost_of: CostOf, extent: Extent, index: int) -> dict[str, Prices]:
    """Return what more glasses and crystals of composition `index` cost, by what a check rests on."""
    own, now = extent.compositions[index - 1], cost_of(extent)

    def more(**change: int) -> float:
        return cost_of(extent.with_composition(index, own.model_copy(update=change))) - now

    longer = more(glass_segments=own.glass_segments + 1) / own.quenches
    glasses = Prices(more(quenches=own.quenches + 1) - own.glass_segments * longer, longer)
    longer = more(crystal_segments=own.crystal_segments + 1) / own.arrangements
    crystals = Prices(more(arrangements=own.arrangements + 1) - own.crystal_segments * longer, longer)
    glass = dict.fromkeys(("walkers", "share", "depths", "spectra", "glasses", "glass runs"), glasses)
    return {**glass, "crystals": crystals, "crystal runs": crystals}


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


def looked_at(
    check: Criterion, extent: CompositionExtent, costs: Mapping[str, Prices], rules: Rules, tail: float
) -> OpenCheck:
    """Say what would answer a check, and what the next round should have of what it rests on."""
    if check.basis is None:
        return OpenCheck(check, Prospect.none("undecided", ""), None)
    now, price = Size.of(extent, check.basis), costs[check.basis.source]
    if check.basis.source == "share":
        return OpenCheck(check, _something(check, 0.0, now, "answered with the dopant's share"), now)
    if _barred(check):
        few = rules.structures - check.basis.count
        if check.basis.source in ("walkers", "depths") or few <= 0:
            return OpenCheck(check, Prospect.none("undecided", "no more of this study would answer it"), None)
        target = Size(now.structures + few, now.segments)
        hours = price.between(now, target)
        return OpenCheck(check, _something(check, hours, target, "more structures are asked for"), target)
    prospect = prospect_of(check, extent, price, tail)
    if prospect.optimistic is None and check.interval.value is None and check.basis.is_of_runs:
        target = Size(now.structures, 2 * now.segments)
        words = "only bounds are known: runs of twice the length come first"
        return OpenCheck(check, _something(check, price.between(now, target), target, words), target)
    return OpenCheck(check, prospect, _doubled(check, now, price) if prospect.optimistic is not None else None)


def _barred(check: Criterion) -> bool:
    """Whether a rule other than the limit leaves a check open: its interval alone would answer it."""
    if check.limit is None:
        return True
    hold = at_most if check.at_most else at_least
    return hold(check.quantity, check.unit, check.interval, check.limit).answer != "undecided"


def _something(check: Criterion, hours: float, size: Size, words: str) -> Prospect:
    return Prospect(
        leans=leaning(check),
        core_hours=None,
        optimistic=hours,
        structures=size.structures,
        segments=size.segments,
        words=f"{words}, {hours:.2g} core-hours" if hours else words,
    )


def _doubled(check: Criterion, now: Size, price: Prices) -> Size:
    """Return the cheapest size at which there is twice the information: the variance of the mean is halved.

    Smaller steps would spend looks on no news.
    """
    basis, twice = check.basis, Size(2 * now.structures, now.segments)
    before = None if basis is None else predicted_error(basis, now, now)
    if basis is None or before is None:
        return twice
    best = twice
    for then in sizes_from(now, basis):
        if then.structures > 2 * now.structures or then.segments > _LONGER * now.segments:
            continue
        after = predicted_error(basis, now, then)
        if after is not None and after**2 <= _HALF * before**2 and price.between(now, then) < price.between(now, best):
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
        needs = sum(one.prospect.optimistic or 0.0 for one in _dearest(wanted))
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
    hours = [_dearest(_wanted(checks)) for checks in found.values()]
    open_now = [each.prospect for one in hours for each in one]
    if any(one.core_hours is None for one in open_now):
        step = sum(one.optimistic or 0.0 for one in open_now)
        return f"{step:.2g} more core-hours at least, before anybody can tell what would answer all that is open"
    needs = sum(one.core_hours or 0.0 for one in open_now)
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
    # What is answered with the share alone asks for nothing of its own.
    return known if any(one.check.basis and one.check.basis.source != "share" for one in known) else []


def _dearest(wanted: Sequence[OpenCheck]) -> list[OpenCheck]:
    """Return the dearest check of glasses and of crystals: the others are answered on the way."""
    found: dict[bool, OpenCheck] = {}
    for one in wanted:
        kind = one.check.basis is not None and one.check.basis.is_of_crystals
        if kind not in found or (one.prospect.optimistic or 0.0) > (found[kind].prospect.optimistic or 0.0):
            found[kind] = one
    return list(found.values())


def _affordable(extent: Extent, index: int, wanted: Sequence[OpenCheck], cost_of: CostOf, budget: float) -> Extent:
    """Return the extent with what the checks want, or with the largest part of it that the budget carries."""
    for part in _PARTS:
        found = _grown(extent, index, wanted, part)
        if cost_of(found) <= budget:
            return found
    return extent


def _grown(extent: Extent, index: int, wanted: Sequence[OpenCheck], part: float) -> Extent:
    own = before = extent.compositions[index - 1]
    for one in wanted:
        if one.target is not None and one.check.basis is not None:
            target = one.target.part_way(Size.of(before, one.check.basis), part)
            own = target.put_into(own, one.check.basis)
    return extent.with_composition(index, own)


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
