"""Figures of the doped crystals, and of conductivities anywhere: results 4, 5, 6 and both parts of 10."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from dopantfit.report import style
from dopantfit.report.words import is_known, placed
from dopantfit.statistics import Interval
from dopantfit.study.ions import MovingIon
from dopantfit.study.item import Item
from dopantfit.study.item_schemas import BETWEEN, ArrheniusFacts, ConductivityFacts, DensityMapFacts, OccupancyFacts
from dopantfit.study.readings import by_system, interval, numbers, shell_change, shells_of
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import System


def site_occupancy(item: Item[OccupancyFacts], study: StudySummary) -> Figure:
    """Shares of the sites that the dopant took, and the volume of the crystals against C_ref."""
    figure, (shares, volumes) = style.new_figure(2, height=2.3)
    groups = by_system(item.rows)
    below = [0.0] * len(groups)
    for site in sorted({str(row["site"]) for row in item.rows}):
        found = [next((row["share"] for row in rows if row["site"] == site), None) for rows in groups.values()]
        heights = [100.0 * float(share or 0.0) for share in found]
        colour = style.GREY if site == BETWEEN else style.palette(study).colour(site)
        shares.bar(range(len(groups)), heights, 0.7, below, color=colour, label=f"{study.dopant} {placed(site)}")
        below = [a + b for a, b in zip(below, heights, strict=True)]
    for number, total in enumerate(below):
        if not total:
            shares.text(number, 4.0, "none in\nthe grain", ha="center", fontsize=7, color=style.GREY)
    shares.set_ylim(0.0, 100.0)
    style.named_ticks(shares, list(groups))
    style.label(shares, "", "dopants in the grain (%)")
    style.legend(shares)
    changes = [interval(rows[0], "volume_change") for rows in groups.values()]
    style.points(volumes, range(len(groups)), changes, style.GREY, "o", None, 100.0)
    volumes.axhline(0.0, color=style.GREY, linewidth=0.7, linestyle="--")
    style.named_ticks(volumes, list(groups))
    style.label(volumes, "", "volume change from C_ref (%)")
    return figure


def mobile_density(item: Item[DensityMapFacts], study: StudySummary) -> Figure:
    """Change of the mobile ion's density in shells around dopants, by the site that they sit on."""
    figure, (panel,) = style.new_figure()
    shells = shells_of(item)
    sites = sorted({str(row["site"]) for row in item.rows})
    for place, site in enumerate(sites):
        shift = 0.2 * (place - 0.5 * (len(sites) - 1))
        found = [shell_change(item, site, *shell) for shell in shells]
        ion = MovingIon(study.dopant, site).name
        marker = style.palette(study).marker(ion)
        colour = style.palette(study).colour(site)
        places = [number + shift for number in range(len(shells))]
        style.points(panel, places, found, colour, marker, ion, 1e3)
    panel.axhline(0.0, color=style.GREY, linewidth=0.7, linestyle="--")
    style.named_ticks(panel, [f"{low:g}–{high:g} Å" for low, high in shells])
    style.label(panel, f"distance from {study.dopant}", f"change of {study.host.mobile} density (10⁻³ Å⁻³)")
    style.legend(panel)
    return figure


def shell_numbers(item: Item[DensityMapFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Means over the dopants on one kind of site, as they are drawn [1/Å³]."""
    kinds = sorted({(str(row["site"]), float(row["from"] or 0.0), float(row["to"] or 0.0)) for row in item.rows})
    found = [(kind, shell_change(item, *kind)) for kind in kinds]
    rows = [(*kind, one.value, one.low, one.high) for kind, one in found]
    return {"means": (("site", "from_A", "to_A", "change", "change_low", "change_high"), rows)}


def conductivities(item: Item[ConductivityFacts], study: StudySummary) -> Figure:
    """Conductivity of every cation, and that of the mobile ion against the reference."""
    ratios = against_reference(item)
    known = any(is_known(one) for one in ratios.values())
    figure, panels = style.new_figure(1 + known)
    sigma, groups = panels[0], by_system(item.rows)
    _species(sigma, item, groups, style.palette(study))
    if known:
        colour = style.palette(study).colour(study.host.mobile)
        style.points(panels[1], range(len(ratios)), list(ratios.values()), colour, "o", "at the study's temperature")
        second = _second_ratios(item)
        if second:
            places = [list(ratios).index(name) + 0.2 for name in second]
            kelvin = f"at {item.facts.second_temperature_K:g} K"
            style.points(panels[1], places, list(second.values()), colour, "s", kelvin)
            style.legend(panels[1])
        panels[1].axhline(1.0, color=style.GREY, linewidth=0.7, linestyle="--")
        style.named_ticks(panels[1], list(ratios))
        style.label(panels[1], "", f"σ({study.host.mobile}) over the reference")
    return figure


def against_reference(item: Item[ConductivityFacts]) -> dict[str, Interval]:
    """Ratios of the systems that are held against the reference."""
    return {name: one for name, one in item.facts.ratios.items() if not System.named(name).is_reference}


def ratio_numbers(item: Item[ConductivityFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Numbers of the panel of the mobile ion against the reference; nothing where none of them is known."""
    rows = [(name, one.value, one.low, one.high) for name, one in against_reference(item).items() if is_known(one)]
    second = [(name, one.value, one.low, one.high) for name, one in _second_ratios(item).items()]
    heads = ("system", "ratio", "ratio_low", "ratio_high")
    found = {"ratios": rows, f"ratios-{item.facts.second_temperature_K or 0.0:g}K": second}
    return {name: (heads, lines) for name, lines in found.items() if lines}


def _second_ratios(item: Item[ConductivityFacts]) -> dict[str, Interval]:
    """Known ratios at the second temperature of the systems that are held against the reference."""
    shown = against_reference(item)
    return {name: one for name, one in item.facts.second_ratios.items() if name in shown and is_known(one)}


def _species(sigma: Any, item: Item[ConductivityFacts], groups: Any, palette: style.Palette) -> None:
    """Conductivities of every species that something is known about, system by system."""
    species = [one for one in dict.fromkeys(str(row["species"]) for row in item.rows) if is_shown(item, one)]
    for place, name in enumerate(species):
        shift = 0.11 * (place - 0.5 * (len(species) - 1))
        chosen = [
            (number + shift, interval(row, "sigma"))
            for number, rows in enumerate(groups.values())
            for row in rows
            if row["species"] == name
        ]
        colour, marker = palette.colour(name), palette.marker(name)
        style.points(sigma, [x for x, _ in chosen], [one for _, one in chosen], colour, marker, name)
    if species:
        style.logarithmic(sigma)
    style.named_ticks(sigma, list(groups))
    style.label(sigma, "", "conductivity (S/cm)")
    style.legend(sigma)


def is_shown(item: Item[ConductivityFacts | ArrheniusFacts], species: str) -> bool:
    """Whether anything at all is known about a species."""
    return any(is_known(interval(row, "sigma")) for row in item.rows if row["species"] == species)


def arrhenius(item: Item[ArrheniusFacts], study: StudySummary) -> Figure:
    """Conductivities of one amorphous cell against 1000 K / T, with lines and their 95 % bands where there are any."""
    figure, (panel,) = style.new_figure(height=3.2)
    for name in dict.fromkeys(str(row["species"]) for row in item.rows):
        if not is_shown(item, name):
            continue
        rows = [row for row in item.rows if row["species"] == name]
        places = [1000.0 / temperature for temperature in numbers(rows, "temperature")]
        colour, marker = style.palette(study).colour(name), style.palette(study).marker(name)
        style.points(panel, places, [interval(row, "sigma") for row in rows], colour, marker, name)
        _line(panel, item.facts.lines.get(name, ()), colour)
    style.logarithmic(panel)
    style.label(panel, "1000 K / T", f"conductivity of {item.facts.system} (S/cm)")
    style.legend(panel)
    return figure


def _line(panel: Any, line: Sequence[Sequence[float]], colour: str) -> None:
    """Draw a line and its band: rows of temperature, value, low and high."""
    if line:
        kelvin, value, low, high = zip(*line, strict=True)
        places = [1000.0 / one for one in kelvin]
        panel.plot(places, value, color=colour, linewidth=1.0)
        panel.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)


def line_numbers(item: Item[ArrheniusFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Numbers of the lines and their bands [K, S/cm]; nothing where there is no line."""
    rows = [(name, *point) for name, line in item.facts.lines.items() if is_shown(item, name) for point in line]
    columns = ("species", "temperature_K", "sigma", "sigma_low", "sigma_high")
    return {"lines": (columns, rows)} if rows else {}
