"""Figures of the boundary and of what Monte Carlo did to it: results 1, 2, 3 and 11."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from dopantfit.report import style
from dopantfit.study import places
from dopantfit.study.boundary_stage import DomainSpans
from dopantfit.study.files import PROFILE
from dopantfit.study.item import Cell, Item
from dopantfit.study.item_schemas import ACROSS, AcceptanceFacts, HostProfileFacts, ProfileFacts, WalkerFacts
from dopantfit.study.readings import by_system, interval, numbers, period
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import boundary


def domains_of(study: StudySummary) -> DomainSpans | None:
    """Domains along the normal, as fractions of the cell; None where the profile of the host is not there."""
    item = study.item("03-host-profile", HostProfileFacts)
    return item.facts.domains if item else None


def dopant_profiles(item: Item[ProfileFacts], study: StudySummary) -> Figure:
    """Profile of the dopant of every GB_i before exchange, and the compositions."""
    figure, (profile, bars) = style.new_figure(2)
    groups = by_system(item.rows)
    _profiles(profile, groups, domains_of(study))
    style.label(profile, "along the normal (Å)", f"{study.dopant} before exchange (at%)")
    style.legend(profile)
    _compositions(bars, item.facts.compositions, study)
    return figure


def _profiles(panel: Any, groups: Mapping[str, Sequence[Mapping[str, Cell]]], domains: DomainSpans | None) -> None:
    for number, (system, rows) in enumerate(groups.items()):
        z, mean, deviation = (numbers(rows, name) for name in ("z", "mean", "deviation"))
        if not number:
            style.shade_domains(panel, domains, period(z))
        colour = style.shade_of(number, len(groups))
        panel.plot(z, mean, color=colour, linewidth=1.3, marker=".", markersize=3, label=system)
        band = [0.0 if d != d else d for d in deviation]
        low, high = [m - d for m, d in zip(mean, band, strict=True)], [m + d for m, d in zip(mean, band, strict=True)]
        panel.fill_between(z, low, high, color=colour, alpha=0.2, linewidth=0)
    panel.set_ylim(bottom=0.0)


def _compositions(panel: Any, compositions: Mapping[str, Mapping[str, float]], study: StudySummary) -> None:
    host = study.host
    names = [name for name, found in compositions.items() if found]
    below = [0.0] * len(names)
    for ion in (*host.exchangeable, study.dopant):
        heights = [compositions[name].get(ion, 0.0) for name in names]
        colour = style.palette(study).colour(ion)
        panel.bar(range(len(names)), heights, 0.7, below, color=colour, label=ion, edgecolor="white", linewidth=0.5)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    style.named_ticks(panel, names)
    style.label(panel, "", f"cations per {host.polyanions_per_unit} {host.polyanion.printed}, amorphous")
    style.legend(panel)


def composition_numbers(item: Item[ProfileFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Numbers of the compositions: cations of the amorphous domain beside the polyanions of a formula unit."""
    host, ions = study.host, (*study.host.exchangeable, study.dopant)
    per = f"per_{host.polyanions_per_unit}{host.polyanion.formula}"
    rows: list[tuple[Cell, ...]] = [
        (system, *(found.get(ion, 0.0) for ion in ions)) for system, found in item.facts.compositions.items() if found
    ]
    return {"compositions": (("system", *(f"{ion}_{per}" for ion in ions)), rows)}


def acceptance(item: Item[AcceptanceFacts], study: StudySummary) -> Figure:
    """Share of exchanges that Metropolis accepts by partner; below it the profiles after exchange."""
    after = profiles_after(study)
    figure, panels = style.new_figure(2 if after else 1)
    across = [row for row in item.rows if row["sites"] == ACROSS]
    groups = by_system(across)
    partners = sorted({str(row["partner"]) for row in across})
    for place, partner in enumerate(partners):
        shift = 0.18 * (place - 0.5 * (len(partners) - 1))
        chosen = [
            (number + shift, interval(row, "acceptance"))
            for number, rows in enumerate(groups.values())
            for row in rows
            if row["partner"] == partner
        ]
        colour, marker = style.palette(study).colour(partner), style.palette(study).marker(partner)
        places, found = [x for x, _ in chosen], [one for _, one in chosen]
        style.points(panels[0], places, found, colour, marker, f"{study.dopant} ↔ {partner}", 100.0)
    style.named_ticks(panels[0], list(groups))
    style.label(panels[0], "", "acceptance across the interface (%)")
    panels[0].set_ylim(bottom=0.0)
    style.legend(panels[0])
    if after:
        _profiles(panels[1], after, domains_of(study))
        style.label(panels[1], "along the normal (Å)", f"{study.dopant} after exchange (at%)")
        style.legend(panels[1])
    return figure


def profiles_after(study: StudySummary) -> dict[str, list[Mapping[str, Cell]]]:
    """Profiles of the walkers of lowest energy, by composition."""
    found: dict[str, list[Mapping[str, Cell]]] = {}
    for system in map(boundary, study.doses):
        rows = study.table_of(places.bleeding(system), PROFILE)
        if rows:
            names = {"z": "z_A", "mean": "mean_percent", "deviation": "deviation_percent"}
            found[system.name] = [{name: row[column] for name, column in names.items()} for row in rows]
    return found


def profile_numbers(item: Item[AcceptanceFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Numbers of the profiles after exchange [Å, at%]."""
    rows = [(system, *row.values()) for system, found in profiles_after(study).items() for row in found]
    return {"profiles": (("system", "z_A", "mean_percent", "deviation_percent"), rows)} if rows else {}


def host_profile(item: Item[HostProfileFacts], study: StudySummary) -> Figure:
    """Profile of the partner in the undoped boundary."""
    figure, (panel,) = style.new_figure()
    z, mean = numbers(item.rows, "z"), numbers(item.rows, "mean")
    style.shade_domains(panel, item.facts.domains, period(z))
    ion = item.facts.label
    panel.plot(z, mean, color=style.palette(study).colour(ion), linewidth=1.3, marker=".", markersize=4)
    panel.set_ylim(bottom=0.0)
    style.label(panel, "along the normal (Å)", f"{ion} of the undoped boundary (at%)")
    style.legend(panel)
    return figure


def domain_numbers(item: Item[HostProfileFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Where the domains begin and end along the normal [Å]."""
    length = period(numbers(item.rows, "z"))
    spans = [(name, *span) for name in style.SHADES for span in style.spans_of(item.facts.domains, name)]
    rows = [(name, low * length, high * length) for name, low, high in spans]
    return {"domains": (("domain", "from_A", "to_A"), rows)}


def walkers(item: Item[WalkerFacts], study: StudySummary) -> Figure:
    """Energy of every walker against its start, round by round, coloured by the temperature that it had."""
    import matplotlib

    groups = by_system(item.rows)
    figure, panels = style.new_figure(len(groups), height=2.2)
    temperatures = numbers(item.rows, "temperature")
    scale = matplotlib.colors.Normalize(min(temperatures), max(temperatures))
    for panel, (system, rows) in zip(panels, groups.items(), strict=True):
        for walker in sorted({int(row["walker"] or 0) for row in rows}):
            own = [row for row in rows if row["walker"] == walker]
            rounds, energies = numbers(own, "round"), numbers(own, "energy")
            change = [energy - energies[0] for energy in energies]
            panel.plot(rounds, change, color="0.75", linewidth=0.7, zorder=1)
            dots = panel.scatter(rounds, change, c=numbers(own, "temperature"), cmap="cividis", norm=scale, s=10)
        panel.xaxis.get_major_locator().set_params(integer=True)
        style.label(panel, "round", f"{system}: E − E(first) (eV)")
        figure.colorbar(dots, ax=panel, label="K").ax.tick_params(labelsize=7)
    return figure
