"""What each result says, in one sentence with its error: generated from its numbers, undecided where they are.

A comparison is stated only where a whole 95 % interval lies on one side, and where the run is as long and has as many
structures as the rules of the verdict ask for; otherwise the sentence says "undecided", and why.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dopantfit.report.draw_boundary import by_system, numbers, period
from dopantfit.report.draw_crystals import is_shown, shell_change
from dopantfit.report.guards import held_back, too_few, too_few_attempts, too_short
from dopantfit.report.records import Item, Study
from dopantfit.report.scene import mean_change
from dopantfit.report.words import (
    direction,
    interval,
    listed,
    percent_change,
    placed,
    ranged,
    rounded,
)
from dopantfit.statistics import Interval, standard_error, weighted_sum
from dopantfit.study.files import ACROSS, Cell
from dopantfit.study.host import MOBILE, REDUCIBLE
from dopantfit.study.items import BETWEEN

Row = Mapping[str, Cell]


def dopant_profiles(item: Item, study: Study) -> str:
    """Where the dopant was put, and how much of it."""
    parts = []
    for system, rows in by_system(item.rows).items():
        top = max(rows, key=lambda row: float(row["mean"] or 0.0))
        height, spread = float(top["mean"] or 0.0), top["deviation"]
        error = f" ± {rounded(float(spread), 2)}" if isinstance(spread, int | float) else ""
        parts.append(f"{rounded(height)}{error} at% in {system}")
    count = max(int(row["structures"] or 0) for row in item.rows)
    return (
        f"Before any exchange the profile of {study.dopant} peaks at {listed(parts)} "
        f"(± standard deviation over {counted(count, 'realisation')})."
    )


def acceptance(item: Item, study: Study) -> str:
    """How often Metropolis accepts relaxed exchanges, and whether one partner is preferred."""
    rows = [row for row in item.rows if row["sites"] == ACROSS]
    partners = sorted({str(row["partner"]) for row in rows})
    pooled = {one: share_of([row for row in rows if row["partner"] == one]) for one in partners}
    if not pooled:
        return "Undecided: no exchange across the interface was tried."
    told = listed([f"{ranged(share, '%', 100.0)} with {one}" for one, share in pooled.items()])
    best = max(pooled, key=lambda one: pooled[one].value or 0.0)
    others = [share for one, share in pooled.items() if one != best]
    clear = bool(others) and all(pooled[best].low > other.high for other in others)
    tried = sum(int(row["attempts"] or 0) for row in rows)
    preferred = f"{study.dopant} prefers the places of {best}" if clear else "which partner is preferred is undecided"
    attempts = counted(tried, "attempt")
    return f"Of relaxed exchanges across the interface ({attempts}) Metropolis accepts {told}: {preferred}."


def share_of(rows: Sequence[Row]) -> Interval:
    """Share of all attempts together with its 95 % interval, the systems taken as independent."""
    tried = sum(int(row["attempts"] or 0) for row in rows)
    if not tried:
        return Interval.unknown()
    weights = [int(row["attempts"] or 0) / tried for row in rows]
    shares, errors = ([float(row[f"acceptance_{name}"] or 0.0) for row in rows] for name in ("value", "error"))
    found = weighted_sum(shares, errors, weights)
    return Interval(max(0.0, found.low), min(1.0, found.high), found.value)


def host_profile(item: Item, study: Study) -> str:
    """How much of an ion there is in each domain of the undoped boundary."""
    z, mean = numbers(item.rows, "z"), numbers(item.rows, "mean")
    length, ion = period(z), item.facts["label"]
    parts = []
    for domain in ("grain", "complexion", "amorphous"):
        inside = [
            value for at, value in zip(z, mean, strict=True) if _inside(at / length, item.facts["domains"][domain])
        ]
        if len(inside) > 1 and not any(inside):
            parts.append(f"none in the {len(inside)} layers of the {domain}")
        elif len(inside) > 1:
            average = sum(inside) / len(inside)
            error = standard_error(inside)
            parts.append(f"{rounded(average, 2)} ± {rounded(error, 1)} at% in the {domain}")
    told = listed(parts) if parts else "too few layers for a mean in any domain"
    return f"{ion} of the undoped boundary: {told} (± standard error over layers)."


def _inside(place: float, spans: Sequence[Sequence[float]]) -> bool:
    return any(low <= place + image <= high for low, high in spans for image in (-1.0, 0.0, 1.0))


def site_occupancy(item: Item, study: Study) -> str:
    """Which sites the dopant took, and how far the crystals grew."""
    return f"{_sites_taken(item, study)} {_growth(item, study)}"


def _sites_taken(item: Item, study: Study) -> str:
    """How many dopants are in the grain, and where they sit there."""
    sites: dict[str, int] = {}
    for row in item.rows:
        sites[str(row["site"])] = sites.get(str(row["site"]), 0) + int(row["count"] or 0)
    whole = sum(sites.values())
    told = listed([f"{count} {placed(site)}" for site, count in sorted(sites.items(), key=_between_last)])
    found = f"No {study.dopant} was found in the grain"
    if whole:
        found = f"{counted(whole, f'{study.dopant} ion')} {'was' if whole == 1 else 'were'} found in the grain: {told}"
    early = too_few_attempts(study, min(item.facts["attempts_per_dopant"].values(), default=0.0))
    found += f" (undecided whether it stays so: {early})" if early else ""
    lost = [name for name, rows in by_system(item.rows).items() if _all_between(rows)]
    if not lost:
        return f"{found}."
    hold = "holds" if len(lost) == 1 else "hold"
    return f"{found}; what {listed(lost)} {hold} of it sits where its partners of exchange sat."


def _between_last(entry: tuple[str, int]) -> tuple[bool, str]:
    return entry[0] == BETWEEN, entry[0]


def _all_between(rows: Sequence[Row]) -> bool:
    """Whether dopants were found, and none of them on a site."""
    return {str(row["site"]) for row in rows if row["count"]} == {BETWEEN}


def _growth(item: Item, study: Study) -> str:
    """How far the crystals grew."""
    changes = {name: interval(rows[0], "volume_change") for name, rows in by_system(item.rows).items()}
    known = {name: one for name, one in changes.items() if one.value is not None}
    if not known:
        return "The volume change of the crystals is undecided."
    name = max(known, key=lambda one: abs(known[one].value or 0.0))
    ratio = Interval(known[name].low + 1.0, known[name].high + 1.0)
    word = {"higher": "it grows", "lower": "it shrinks"}.get(direction(ratio), "undecided whether it grows")
    word = held_back(word, too_short(study, item.facts["constant_pressure_ps"][name]))
    return f"The largest volume change is {ranged(known[name], '%', 100.0)} in {name} ({word})."


def li_density(item: Item, study: Study) -> str:
    """Whether Li gathers around the dopants: whether more of it came there than into the cell as a whole."""
    sites = sorted({str(row["site"]) for row in item.rows})
    if not sites:
        return f"Undecided: {item.facts['system']} holds no {study.dopant} to look around."
    shells = sorted({(float(row["from"] or 0.0), float(row["to"] or 0.0)) for row in item.rows})
    # A study that does not say how many runs it looked at has looked at one of each.
    few = too_few(study, min(item.facts.get("runs", {"doped": 1}).values()), "run")
    system, whole = item.facts["system"], mean_change(item)
    unknown = "the change over the whole cell is not known" if whole is None else ""
    parts = []
    for site in sites:
        low, high = shells[min(1, len(shells) - 1)]
        change = shell_change(item, site, low, high)
        mean = whole or 0.0
        word = (
            f"{MOBILE} gathers" if change.low > mean else f"{MOBILE} stays away" if change.high < mean else "undecided"
        )
        word = _unmoved(study, system) or held_back(word, few, unknown)
        parts.append(
            f"{ranged(change, '10⁻³ Å⁻³', 1e3)} within {low:g}–{high:g} Å of {study.dopant} on {site} ({word})"
        )
    return f"The {MOBILE} density of {system} changes by {listed(parts)}. {_whole_cell(system, study, whole)}"


def _unmoved(study: Study, system: str) -> str:
    """Why a Li density says nothing: σ(Li) of the crystal or of C_ref is no more than a bound; else empty."""
    sigma = study.items.get("06-crystal-conductivities")
    rows = [row for row in sigma.rows if row["species"] == MOBILE] if sigma else []
    moved = {str(row["system"]) for row in rows if row["sigma_value"] is not None}
    if {system, "C_ref"} <= moved:
        return ""
    if not {system, "C_ref"} <= {str(row["system"]) for row in rows}:
        return f"undecided: result 6 does not say whether {MOBILE} has moved"
    return f"undecided: {MOBILE} has not moved a hop, so that its density shows where it was put"


def _whole_cell(system: str, study: Study, whole: float | None) -> str:
    """What the change around a dopant is held against."""
    if whole is None:
        return f"By charge balance {system} holds another amount of {MOBILE} than C_ref."
    balance = f", by the {MOBILE} that balances the charge of {study.dopant}" if whole else ""
    return f"Over the whole cell it changes by {rounded(1e3 * whole)} 10⁻³ Å⁻³{balance}."


def conductivities(item: Item, study: Study) -> str:
    """Li conductivity against the reference: how many systems are higher, lower, undecided, and the extreme dose."""
    ratios = {name: Interval.from_dict(one) for name, one in item.facts["ratios"].items() if not name.endswith("_ref")}
    reference = next((name for name in item.facts["ratios"] if name.endswith("_ref")), "the reference")
    if not ratios:
        return f"Undecided: there is nothing to compare with {reference}."
    doped = [name for name in ratios if not name.endswith("_0")] or list(ratios)
    few = {name: _few_runs(item, study, name, reference) for name in doped}
    words = ["undecided" if few[name] else direction(ratios[name]) for name in doped]
    told = listed([f"{one} in {words.count(one)}" for one in ("higher", "lower", "undecided") if one in words])
    why = next((f" ({one})" for one in few.values() if one), "")
    last = doped[-1]
    rest = [name for name in ratios if name not in doped]
    # One structure stands for the reference and one for the glass without Ti: runs have a spread, structures have none.
    more = "".join(f"; {name}: {percent_change(ratios[name])}, undecided from one structure each" for name in rest)
    return (
        f"The {MOBILE} conductivity against {reference} is {told} of {counted(len(doped), 'system')}{why}; "
        f"{last}: {percent_change(ratios[last])}{more}.{_without_dopant(item, study)}"
    )


def _few_runs(item: Item, study: Study, *names: str) -> str:
    """Why two systems do not compare: too few runs of one of them."""
    return too_few(study, min(item.facts["runs"].get(name, 0) for name in names), "run")


def _without_dopant(item: Item, study: Study) -> str:
    """Say which systems hold no dopant, so that they tell of the scatter between runs and of nothing else."""
    plain = [
        name
        for name, rows in by_system(item.rows).items()
        if not name.endswith(("_ref", "_0")) and not any(str(row["species"]).startswith(study.dopant) for row in rows)
    ]
    if plain:
        return f" {listed(plain)}: no {study.dopant} inside, the reference run once more."
    return ""


def arrhenius(item: Item, study: Study) -> str:
    """Activation energies, or why there is none."""
    parts = []
    for name, found in item.facts["activation_energy_eV"].items():
        if not is_shown(item, name):
            continue
        if found.get("value") is not None:
            low, high = found["interval_95"]
            parts.append(f"{ranged(Interval(low, high, found['value']), 'eV')} for {name}")
        elif name == MOBILE:
            parts.append(f"undecided for {name}: {found.get('reason', 'only a bound is known')}")
    told = listed(parts) if parts else "undecided, too few conductivities are numbers"
    return f"Activation energy in {item.facts['system']}: {told}."


def ternary(item: Item, study: Study) -> str:
    """How the share of Ti goes with dose."""
    groups = by_system(item.rows)
    column = f"x_{REDUCIBLE}"
    shares = {name: sum(numbers(rows, column)) / len(rows) for name, rows in groups.items() if not name.endswith("_0")}
    reference = next((name for name in shares if name.endswith("_ref")), None)
    doped = [name for name in shares if name != reference]
    if reference is None or not doped:
        return f"Undecided: no doped amorphous cell stands beside {reference or 'the reference'}."
    spread = [
        max(numbers(groups[name], column)) - min(numbers(groups[name], column)) for name in (reference, doped[-1])
    ]
    return (
        f"x({REDUCIBLE}) goes from {rounded(shares[reference], 2)} in {reference} to "
        f"{rounded(shares[doped[-1]], 2)} in {doped[-1]} (counted; range over structures {rounded(max(spread), 2)})."
    )


def reducible_distance(item: Item, study: Study) -> str:
    """Whether Ti ions are farther apart."""
    return _against_reference(
        item,
        study,
        (("nearest", f"The distance of {REDUCIBLE} to the next {REDUCIBLE}", "Å", ("longer", "shorter")),
         ("density", f"the {REDUCIBLE} density", "Å⁻³", ("higher", "lower"))),
    )  # fmt: skip


def densities(item: Item, study: Study) -> str:
    """Whether doping makes the glass denser."""
    return _against_reference(
        item,
        study,
        (("mass_density", "The mass density", "g/cm³", ("higher", "lower")),
         ("number_density", "the number of ions per volume", "Å⁻³", ("higher", "lower"))),
    )  # fmt: skip


def _against_reference(item: Item, study: Study, quantities: Sequence[tuple[str, str, str, tuple[str, str]]]) -> str:
    """Compare the highest dose with the reference, quantity by quantity."""
    rows = {str(row["system"]): row for row in item.rows}
    reference = next((name for name in rows if name.endswith("_ref")), None)
    doped = [name for name in rows if name != reference and not name.endswith("_0")]
    if reference is None or not doped:
        return f"Undecided: no doped amorphous cell stands beside {reference or 'the reference'}."
    volumes = [item.facts["volumes"][name] for name in (reference, doped[-1])]
    few = too_few(study, min(one["structures"] for one in volumes), "structure")
    short = too_short(study, min(one["constant_pressure_ps"] for one in volumes))
    parts = []
    for prefix, name, unit, words in quantities:
        before, after = interval(rows[reference], prefix), interval(rows[doped[-1]], prefix)
        word = held_back(direction(after.over(before), *words), few, short)
        parts.append(
            f"{name} is {ranged(before, unit)} in {reference} and {ranged(after, unit)} in {doped[-1]} ({word})"
        )
    return "; ".join(parts) + "."


def walkers(item: Item, study: Study) -> str:
    """How far energies fell, and how many exchanges there were."""
    parts = []
    for system, rows in by_system(item.rows).items():
        ends = []
        for walker in sorted({int(row["walker"] or 0) for row in rows}):
            energies = numbers([row for row in rows if row["walker"] == walker], "energy")
            ends.append(energies[-1] - energies[0])
        found = item.facts[system]["exchanges"]
        tried, accepted = (sum(_flat(found[name])) for name in ("attempted", "accepted"))
        rounds = len({row["round"] for row in rows}) - 1  # the first row is the start
        moved = f"energies moved by {rounded(min(ends), 2)} to {rounded(max(ends), 2)} eV in {counted(rounds, 'round')}"
        if not rounds:
            moved = "undecided how energies move, without a round"
        exchanged = f"{accepted} of {counted(tried, 'exchange')} between temperatures accepted"
        parts.append(f"{system}: {moved}, {exchanged}")
    return "; ".join(parts) + "."


def _flat(found: Any) -> list[int]:
    return [int(one) for one in found] if isinstance(found, list) else [int(found)]


def counted(count: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
