"""What a study adds after a look: the cheapest that answers what is open, at most a doubling at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, log

from dopantfit.study.config import Rules
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.outlook import (
    Prices,
    Prospect,
    Size,
    cheapest,
    leaning,
    outlook_of,
    predicted_half_width,
    sizes_from,
)
from dopantfit.study.round_record import Ending
from dopantfit.study.verdict import Criterion, Verdict, at_least, at_most

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
    """A check that is open. outlook: what would answer it. target: what the next round has of what it rests on."""

    check: Criterion
    outlook: Prospect
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
        checks = [check for part in one.requirements for check in part.checks if check.answer == "undecided"]
        found[index] = [looked_at(check, own, costs, verdict.limits, tail) for check in checks]
    return found


def looked_at(
    check: Criterion, extent: CompositionExtent, costs: Mapping[str, Prices], rules: Rules, tail: float
) -> OpenCheck:
    """Say what would answer a check, and what the next round should have of what it rests on."""
    if check.basis is None:
        nothing = Prospect(leans="undecided", core_hours=None, optimistic=None, structures=0, segments=0, words="")
        return OpenCheck(check, nothing, None)
    now, price = Size.of(extent, check.basis), costs[check.basis.source]
    if check.basis.source == "share":
        return OpenCheck(check, _something(check, 0.0, now, "answered with the dopant's share"), now)
    if _barred(check):
        few = rules.structures - check.basis.count
        if check.basis.source in ("walkers", "depths") or few <= 0:
            words = f"no more of this study would answer it: {check.reason}"
            return OpenCheck(check, _nothing(check, words), None)
        target = Size(now.structures + few, now.segments)
        hours = price.between(now, target)
        return OpenCheck(check, _something(check, hours, target, "more structures are asked for"), target)
    outlook = outlook_of(check, extent, price, tail)
    if (
        outlook.optimistic is None
        and check.interval.value is None
        and check.basis.source in ("glass runs", "crystal runs")
    ):
        target = Size(now.structures, 2 * now.segments)
        words = "only bounds are known: runs of twice the length come first"
        return OpenCheck(check, _something(check, price.between(now, target), target, words), target)
    return OpenCheck(check, outlook, _step(check, now, price, tail) if outlook.optimistic is not None else None)


def _barred(check: Criterion) -> bool:
    """Whether a rule other than the limit leaves a check open: its interval alone would answer it."""
    if check.limit is None:
        return True
    hold = at_most if check.at_most else at_least
    return hold(check.quantity, check.unit, check.interval, check.limit).answer != "undecided"


def _nothing(check: Criterion, words: str) -> Prospect:
    return Prospect(leans=leaning(check), core_hours=None, optimistic=None, structures=0, segments=0, words=words)


def _something(check: Criterion, hours: float, size: Size, words: str) -> Prospect:
    return Prospect(
        leans=leaning(check),
        core_hours=None,
        optimistic=hours,
        structures=size.structures,
        segments=size.segments,
        words=f"{words}, {hours:.2g} core-hours" if hours else words,
    )


def _step(check: Criterion, now: Size, price: Prices, tail: float) -> Size:
    """Return the size of the next round: what answers the check, or the most for its cost within a doubling."""
    found = cheapest(check, now, price, tail) or cheapest(check, now, price, tail, 1.0)
    wanted = found[0] if found else Size(2 * now.structures, now.segments)
    within = [
        one
        for one in sizes_from(now, check.basis)  # type: ignore[arg-type]
        if one != now and one.structures <= 2 * now.structures and one.segments <= 2 * now.segments
    ]
    if wanted in within:
        return wanted
    return max(within, key=lambda one: _worth(check, now, one, price, tail))


def _worth(check: Criterion, now: Size, then: Size, price: Prices, tail: float) -> float:
    """How much an interval narrows per core-hour, in logarithms."""
    basis, cost = check.basis, price.between(now, then)
    if basis is None or cost <= 0.0:
        return -inf
    before, after = (predicted_half_width(basis, now, size, tail) for size in (now, then))
    if before is None or after is None:
        return log(then.structures / now.structures) / cost
    return log(before / after) / cost


def decide(verdict: Verdict, extent: Extent, cost_of: CostOf, budget: float, tail: float) -> Decision:
    """Return what follows a look. budget: core-hours of the whole study. tail: of the next look."""
    found = open_checks(verdict, extent, cost_of, tail)
    if not found:
        return Decision(None, (), "answered", "every composition has its answer")
    left = budget - cost_of(extent)
    following, dear, stuck = extent, [], []
    for index, checks in found.items():
        wanted = _wanted(checks)
        if not wanted:
            stuck.append(index)
            continue
        needs = sum(one.outlook.optimistic or 0.0 for one in _dearest(wanted))
        grown = _grown(following, index, wanted)
        if max(needs, 0.0) > left or cost_of(grown) > budget:
            dear.append((index, max(needs, cost_of(grown) - cost_of(extent))))
        else:
            following = grown
    if following != extent:
        return Decision(following, _words(extent, following), None, "")
    if dear:
        least = min(hours for _, hours in dear)
        return Decision(None, (), "budget", f"what is open takes {least:.2g} core-hours or more, {left:.2g} are left")
    return Decision(None, (), "stuck", "nothing that the study could add would answer what is open")


def _wanted(checks: Sequence[OpenCheck]) -> list[OpenCheck]:
    """Return the checks to be answered next: the cheapest that leans to no, which is enough, or all that can be."""
    against = [one for one in checks if one.outlook.leans == "no" and one.target is not None]
    if against:
        return [min(against, key=lambda one: (one.outlook.optimistic or 0.0, one.check.quantity))]
    known = [one for one in checks if one.target is not None]
    # What is answered with the share alone asks for nothing of its own.
    return known if any(one.check.basis and one.check.basis.source != "share" for one in known) else []


def _dearest(wanted: Sequence[OpenCheck]) -> list[OpenCheck]:
    """Return the dearest check of glasses and of crystals: the others are answered on the way."""
    found: dict[bool, OpenCheck] = {}
    for one in wanted:
        kind = one.check.basis is not None and one.check.basis.source.startswith("crystal")
        if kind not in found or (one.outlook.optimistic or 0.0) > (found[kind].outlook.optimistic or 0.0):
            found[kind] = one
    return list(found.values())


def _grown(extent: Extent, index: int, wanted: Sequence[OpenCheck]) -> Extent:
    own = extent.compositions[index - 1]
    for one in wanted:
        if one.target is not None and one.check.basis is not None:
            own = one.target.put_into(own, one.check.basis)
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
