"""Figures of the amorphous cells: results 7, 8 and 9."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from dopantfit.report import style
from dopantfit.study.item import Cell, Item
from dopantfit.study.item_schemas import TernaryFacts, VolumeFacts, share_column
from dopantfit.study.readings import interval, mean_shares
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import System


def ternary(item: Item[TernaryFacts], study: StudySummary) -> Figure:
    """Shares of the framework cations in a triangle, one point per system."""
    figure, (panel,) = style.new_figure(height=4.0)
    labels = item.facts.labels
    triangle(panel, labels, style.palette(study))
    shares = [mean_shares(item, label) for label in labels]
    for number, name in enumerate(shares[0]):
        system, (x, y) = System.named(name), place_of([share[name] for share in shares])
        colour = style.shade_of(number, len(shares[0])) if system.is_dosed else "black"
        panel.plot(x, y, "o" if system.is_dosed else "s" if system.is_reference else "D", color=colour)
        panel.annotate(name, (x, y), (6, 4), textcoords="offset points", fontsize=8)
    return figure


def share_numbers(item: Item[TernaryFacts], study: StudySummary) -> dict[str, style.Numbers]:
    """Means over the structures of a system, as they are drawn."""
    shares = [mean_shares(item, label) for label in item.facts.labels]
    rows: list[Sequence[Cell]] = [(system, *(share[system] for share in shares)) for system in shares[0]]
    return {"means": (("system", *(share_column(label) for label in item.facts.labels)), rows)}


def place_of(shares: Sequence[float]) -> tuple[float, float]:
    """Place of three shares that add up to one, in the triangle: the first at the top, then left, then right."""
    top, _, right = shares
    return right + 0.5 * top, 0.5 * math.sqrt(3.0) * top


def triangle(panel: Any, labels: Sequence[str], palette: style.Palette) -> None:
    """Draw the triangle of three shares, with lines every 20 % and the names of its corners."""
    corners = [place_of(one) for one in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    panel.fill(*zip(*corners, strict=True), facecolor="none", edgecolor="black", linewidth=1)
    for share in (0.2, 0.4, 0.6, 0.8):
        rest = 1.0 - share
        for ends in (
            ((share, rest, 0.0), (share, 0.0, rest)),
            ((rest, share, 0.0), (0.0, share, rest)),
            ((rest, 0.0, share), (0.0, rest, share)),
        ):
            panel.plot(*zip(*(place_of(end) for end in ends), strict=True), color="0.85", linewidth=0.6, zorder=0)
    for text, (x, y), (dx, dy) in zip(labels, corners, ((0, 7), (-10, -12), (10, -12)), strict=True):
        panel.annotate(
            f"100 % {text}",
            (x, y),
            (dx, dy),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=palette.colour(text),
            weight="bold",
        )
    panel.set_aspect("equal")
    panel.set_xlim(-0.12, 1.12)
    panel.set_ylim(-0.1, 1.0)
    panel.set_axis_off()


def reducible_distance(item: Item[VolumeFacts], study: StudySummary) -> Figure:
    """Distance of reducible ions to the next ones, and their number density."""
    ion = study.host.reducible
    quantities = (("nearest", f"{ion}–{ion} nearest (Å)", 1.0), ("density", f"{ion} density (10⁻³ Å⁻³)", 1e3))
    return _two(item, quantities, style.palette(study).colour(ion))


def densities(item: Item[VolumeFacts], study: StudySummary) -> Figure:
    """Mass and number density."""
    quantities = (("mass_density", "mass density (g/cm³)", 1.0), ("number_density", "ions per volume (Å⁻³)", 1.0))
    return _two(item, quantities, style.GREY)


def _two(item: Item[VolumeFacts], quantities: Sequence[tuple[str, str, float]], colour: str) -> Figure:
    figure, panels = style.new_figure(2, height=2.2)
    systems = [str(row["system"]) for row in item.rows]
    for panel, (prefix, name, factor) in zip(panels, quantities, strict=True):
        style.points(
            panel, range(len(systems)), [interval(row, prefix) for row in item.rows], colour, "o", None, factor
        )
        style.named_ticks(panel, systems)
        style.label(panel, "", name)
    return figure
