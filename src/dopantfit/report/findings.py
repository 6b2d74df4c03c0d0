"""What each result says, in one sentence with its error: generated from its numbers, undecided where they are.

A comparison is stated only where a whole 95 % interval lies on one side, and where the run is as long and has as many
structures as the rules of the verdict ask for; otherwise the sentence says "undecided", and why.
"""

from collections.abc import Iterable, Sequence

from dopantfit.report.draw_crystals import against_reference, is_shown
from dopantfit.report.guards import held_back, too_few, too_few_attempts, too_short
from dopantfit.report.words import direction, listed, percent_change, placed, ranged, rounded
from dopantfit.statistics import Interval
from dopantfit.study import places
from dopantfit.study.ions import MovingIon
from dopantfit.study.item import Item
from dopantfit.study.item_schemas import (
    ACROSS,
    BETWEEN,
    AcceptanceFacts,
    ArrheniusFacts,
    ConductivityFacts,
    DensityMapFacts,
    HostProfileFacts,
    NoLine,
    OccupancyFacts,
    ProfileFacts,
    TernaryFacts,
    VolumeFacts,
    WalkerFacts,
)
from dopantfit.study.readings import (
    Row,
    acceptance_share,
    by_system,
    change_over_cell,
    energy_changes,
    interval,
    layers_of,
    mean_over_layers,
    mean_shares,
    range_of_shares,
    shell_change,
    shells_of,
)
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import System, crystal
from dopantfit.terminal import counted


def dopant_profiles(item: Item[ProfileFacts], study: StudySummary) -> str:
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
        f"(± standard deviation over {counted(count, 'realisation')}{_of_the_first(study)})."
    )


def acceptance(item: Item[AcceptanceFacts], study: StudySummary) -> str:
    """How often Metropolis accepts relaxed exchanges, and whether one partner is preferred."""
    rows = [row for row in item.rows if row["sites"] == ACROSS]
    partners = sorted({str(row["partner"]) for row in rows})
    pooled = {one: acceptance_share([row for row in rows if row["partner"] == one]) for one in partners}
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


def host_profile(item: Item[HostProfileFacts], study: StudySummary) -> str:
    """How much of an ion there is in each domain of the undoped boundary."""
    parts, domains = [], item.facts.domains
    for domain, spans in (
        ("grain", domains.grain),
        ("complexion", domains.complexion),
        ("amorphous", domains.amorphous),
    ):
        inside = layers_of(item, spans)
        if len(inside) > 1 and not any(inside):
            parts.append(f"none in the {len(inside)} layers of the {domain}")
        elif len(inside) > 1:
            average, error = mean_over_layers(inside)
            parts.append(f"{rounded(average, 2)} ± {rounded(error, 1)} at% in the {domain}")
    told = listed(parts) if parts else "too few layers for a mean in any domain"
    return f"{item.facts.label} of the undoped boundary: {told} (± standard error over layers{_of_the_first(study)})."


def site_occupancy(item: Item[OccupancyFacts], study: StudySummary) -> str:
    """Which sites the dopant took, and how far the crystals grew."""
    return f"{_sites_taken(item, study)} {_growth(item, study)}"


def _sites_taken(item: Item[OccupancyFacts], study: StudySummary) -> str:
    """How many dopants are in the grain, and where they sit there."""
    sites: dict[str, int] = {}
    for row in item.rows:
        sites[str(row["site"])] = sites.get(str(row["site"]), 0) + int(row["count"] or 0)
    whole = sum(sites.values())
    told = listed([f"{count} {placed(site)}" for site, count in sorted(sites.items(), key=_between_last)])
    found = f"No {study.dopant} was found in the grain"
    if whole:
        found = f"{counted(whole, f'{study.dopant} ion')} {'was' if whole == 1 else 'were'} found in the grain: {told}"
    early = too_few_attempts(study, min(item.facts.attempts_per_dopant.values(), default=0.0))
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


def _growth(item: Item[OccupancyFacts], study: StudySummary) -> str:
    """How far the crystals grew."""
    changes = {name: interval(rows[0], "volume_change") for name, rows in by_system(item.rows).items()}
    known = {name: one for name, one in changes.items() if one.value is not None}
    if not known:
        return "The volume change of the crystals is undecided."
    name = max(known, key=lambda one: abs(known[one].value or 0.0))
    ratio = Interval(known[name].low + 1.0, known[name].high + 1.0)
    word = {"higher": "it grows", "lower": "it shrinks"}.get(direction(ratio), "undecided whether it grows")
    word = held_back(word, too_short(study, item.facts.constant_pressure_ps[name]))
    return f"The largest volume change is {ranged(known[name], '%', 100.0)} in {name} ({word})."


def mobile_density(item: Item[DensityMapFacts], study: StudySummary) -> str:
    """Whether the mobile ion gathers around the dopants: more of it came there than into the cell as a whole."""
    sites = sorted({str(row["site"]) for row in item.rows})
    if not sites:
        return f"Undecided: {item.facts.system} holds no {study.dopant} to look around."
    shells, runs = shells_of(item), item.facts.runs
    few = too_few(study, min(runs.doped, runs.reference), "run")
    system, whole = item.facts.system, change_over_cell(item)
    unknown = "the change over the whole cell is not known" if whole is None else ""
    parts = []
    for site in sites:
        low, high = shells[min(1, len(shells) - 1)]
        change = shell_change(item, site, low, high)
        mean = whole or 0.0
        word = "gathers" if change.low > mean else "stays away" if change.high < mean else ""
        word = f"{study.host.mobile} {word}" if word else "undecided"
        word = _unmoved(study, system) or held_back(word, few, unknown)
        parts.append(
            f"{ranged(change, '10⁻³ Å⁻³', 1e3)} within {low:g}–{high:g} Å "
            f"of {MovingIon(study.dopant, site).name} ({word})"
        )
    changes = f"The {study.host.mobile} density of {system} changes by {listed(parts)}."
    return f"{changes} {_whole_cell(system, study, whole)}"


def _unmoved(study: StudySummary, system: str) -> str:
    """Why its density says nothing: σ of the mobile ion there or in C_ref is no more than a bound; else empty."""
    sigma = study.item("06-crystal-conductivities", ConductivityFacts)
    rows = [row for row in sigma.rows if row["species"] == study.host.mobile] if sigma else []
    moved = {str(row["system"]) for row in rows if row["sigma_value"] is not None}
    pair = {system, crystal().name}
    if pair <= moved:
        return ""
    if not pair <= {str(row["system"]) for row in rows}:
        return f"undecided: result 6 does not say whether {study.host.mobile} has moved"
    return f"undecided: {study.host.mobile} has not moved a hop, so that its density shows where it was put"


def _whole_cell(system: str, study: StudySummary, whole: float | None) -> str:
    """What the change around a dopant is held against."""
    if whole is None:
        return f"By charge balance {system} holds another amount of {study.host.mobile} than C_ref."
    balance = f", by the {study.host.mobile} that balances the charge of {study.dopant}" if whole else ""
    return f"Over the whole cell it changes by {rounded(1e3 * whole)} 10⁻³ Å⁻³{balance}."


def conductivities(item: Item[ConductivityFacts], study: StudySummary) -> str:
    """Conductivity of the mobile ion against the reference: how many are higher, lower, undecided; the extreme."""
    ratios = against_reference(item)
    reference = next((name for name in item.facts.ratios if name not in ratios), "the reference")
    if not ratios:
        return f"Undecided: there is nothing to compare with {reference}."
    doped = [name for name in ratios if System.named(name).is_dosed] or list(ratios)
    few = {name: _few_runs(item, study, name, reference) for name in doped}
    words = ["undecided" if few[name] else direction(ratios[name]) for name in doped]
    told = listed([f"{one} in {words.count(one)}" for one in ("higher", "lower", "undecided") if one in words])
    why = next((f" ({one})" for one in few.values() if one), "")
    last = doped[-1]
    rest = [name for name in ratios if name not in doped]
    # One structure stands for the reference and one for the exchanged glass: runs have a spread, structures have none.
    more = "".join(f"; {name}: {percent_change(ratios[name])}, undecided from one structure each" for name in rest)
    return (
        f"The {study.host.mobile} conductivity against {reference} is {told} of {counted(len(doped), 'system')}{why}; "
        f"{last}: {percent_change(ratios[last])}{more}.{_hotter(item, doped)}{_without_dopant(item, study)}"
    )


def _hotter(item: Item[ConductivityFacts], doped: Sequence[str]) -> str:
    """The same ratios at the second temperature, where there is one."""
    found = {name: item.facts.second_ratios[name] for name in doped if name in item.facts.second_ratios}
    if item.facts.second_temperature_K is None or not found:
        return ""
    told = listed([f"{percent_change(ratio)} in {name}" for name, ratio in found.items()])
    return f" At {item.facts.second_temperature_K:g} K: {told}."


def _moving(rows: Sequence[Row]) -> set[str]:
    """Labels of the ions that some rows are about, wherever they sit."""
    return {MovingIon.named(str(row["species"])).label for row in rows}


def _few_runs(item: Item[ConductivityFacts], study: StudySummary, *names: str) -> str:
    """Why two systems do not compare: too few runs of one of them."""
    return too_few(study, min(item.facts.runs.get(name, 0) for name in names), "run")


def _without_dopant(item: Item[ConductivityFacts], study: StudySummary) -> str:
    """Say which systems hold no dopant, so that they tell of the scatter between runs and of nothing else."""
    plain = [
        name
        for name, rows in by_system(item.rows).items()
        if System.named(name).is_dosed and study.dopant not in _moving(rows)
    ]
    if plain:
        return f" {listed(plain)}: no {study.dopant} inside, the reference run once more."
    return ""


def arrhenius(item: Item[ArrheniusFacts], study: StudySummary) -> str:
    """Activation energies, or why there is none."""
    parts = []
    for name, found in item.facts.activation_energy_eV.items():
        if not is_shown(item, name):
            continue
        if not isinstance(found, NoLine) and found.value is not None:
            parts.append(f"{ranged(Interval.of(found), 'eV')} for {name}")
        elif name == study.host.mobile:
            why = found.reason if isinstance(found, NoLine) else "only a bound is known"
            parts.append(f"undecided for {name}: {why}")
    told = listed(parts) if parts else "undecided, too few conductivities are numbers"
    return f"Activation energy in {item.facts.system}: {told}."


def ternary(item: Item[TernaryFacts], study: StudySummary) -> str:
    """How the share of the reducible ion goes with dose."""
    shares = mean_shares(item, study.host.reducible)
    reference, doped = _ends(shares)
    if reference is None or not doped:
        return f"Undecided: no doped amorphous cell stands beside {reference or 'the reference'}."
    spread = [range_of_shares(item, study.host.reducible, name) for name in (reference, doped[-1])]
    return (
        f"x({study.host.reducible}) goes from {rounded(shares[reference], 2)} in {reference} to "
        f"{rounded(shares[doped[-1]], 2)} in {doped[-1]} (counted; range over structures {rounded(max(spread), 2)})."
    )


def reducible_distance(item: Item[VolumeFacts], study: StudySummary) -> str:
    """Whether reducible ions are farther apart."""
    ion = study.host.reducible
    return _against_reference(
        item,
        study,
        (("nearest", f"The distance of {ion} to the next {ion}", "Å", ("longer", "shorter")),
         ("density", f"the {ion} density", "Å⁻³", ("higher", "lower"))),
    )  # fmt: skip


def densities(item: Item[VolumeFacts], study: StudySummary) -> str:
    """Whether doping makes the glass denser."""
    return _against_reference(
        item,
        study,
        (("mass_density", "The mass density", "g/cm³", ("higher", "lower")),
         ("number_density", "the number of ions per volume", "Å⁻³", ("higher", "lower"))),
    )  # fmt: skip


def _against_reference(
    item: Item[VolumeFacts], study: StudySummary, quantities: Sequence[tuple[str, str, str, tuple[str, str]]]
) -> str:
    """Compare the highest dose with the reference, quantity by quantity."""
    rows = {str(row["system"]): row for row in item.rows}
    reference, doped = _ends(rows)
    if reference is None or not doped:
        return f"Undecided: no doped amorphous cell stands beside {reference or 'the reference'}."
    volumes = [item.facts.volumes[name] for name in (reference, doped[-1])]
    few = too_few(study, min(one.structures for one in volumes), "structure")
    short = too_short(study, min(one.constant_pressure_ps for one in volumes))
    parts = []
    for prefix, name, unit, words in quantities:
        before, after = interval(rows[reference], prefix), interval(rows[doped[-1]], prefix)
        word = held_back(direction(after.over(before), *words), few, short)
        parts.append(
            f"{name} is {ranged(before, unit)} in {reference} and {ranged(after, unit)} in {doped[-1]} ({word})"
        )
    return "; ".join(parts) + "."


def walkers(item: Item[WalkerFacts], study: StudySummary) -> str:
    """How far energies fell, and how many exchanges there were."""
    parts = []
    for system, rows in by_system(item.rows).items():
        ends, found = energy_changes(rows), item.facts.root[system].exchanges
        tried, accepted = sum(found.attempted), sum(found.accepted)
        rounds = len({row["round"] for row in rows}) - 1  # the first row is the start
        moved = f"energies moved by {rounded(min(ends), 2)} to {rounded(max(ends), 2)} eV in {counted(rounds, 'round')}"
        if not rounds:
            moved = "undecided how energies move, without a round"
        exchanged = f"{accepted} of {counted(tried, 'exchange')} between temperatures accepted"
        parts.append(f"{system}: {moved}, {exchanged}")
    told = "; ".join(parts)
    return f"{told}{_of_the_first(study)}."


def _of_the_first(study: StudySummary) -> str:
    """Which boundary is shown where there are several: others have other heights, and no mean."""
    tasks = study.record.tasks
    count = sum(places.of_quench(places.BOUNDARY, quench) in tasks for quench in range(1, len(tasks) + 1))
    return f", of the first of {count} boundaries" if count > 1 else ""


def _ends(names: Iterable[str]) -> tuple[str | None, list[str]]:
    """The reference among systems, and those that hold the dopant at a dose."""
    found = list(names)
    reference = next((name for name in found if System.named(name).is_reference), None)
    return reference, [name for name in found if System.named(name).is_dosed]
