"""Figures of dopants side by side: the share in the grain against temperature, and every check of the verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from matplotlib.figure import Figure

from dopantfit.report import style
from dopantfit.report.dopants import DopantRow, names_of
from dopantfit.report.draw_rounds import COLOURS as ANSWERS
from dopantfit.report.draw_share import CEILING, FLOOR, shown
from dopantfit.report.words import is_known
from dopantfit.statistics import Interval
from dopantfit.study.item import Cell
from dopantfit.study.verdict import Criterion
from dopantfit.workflow import figures
from dopantfit.workflow.names import drawn
from dopantfit.workflow.outputs import csv_of

#: Height of a dopant's row, and of all else in its figure [inch].
_ROW, _REST = 0.27, 0.75
_SIGNS = {"yes": "✓", "no": "✗", "undecided": "?"}
_SHARES = ("dopant", "temperature_K", "value", "low", "high", "counts", "limit")
_CHECKS = ("dopant", "quantity", "unit", "value", "low", "high", "rule", "answer")


@dataclass(frozen=True)
class DopantFigure:
    """A figure of the page. source, csv: the image and its numbers as data addresses."""

    name: str
    title: str
    alt: str
    source: str
    csv: str


def figures_of(rows: Sequence[DopantRow]) -> list[DopantFigure]:
    """What there is to draw: the share against temperature, then one figure for each check, a row a dopant."""
    named = {name: row for name, row in zip(names_of(rows), rows, strict=True) if row.checks}
    shares = {name: row for name, row in named.items() if row.grain_shares}
    quantities = dict.fromkeys(quantity for row in rows for quantity in row.checks)
    checks = [
        _checks(f"check-{number}", quantity, {name: row.checks.get(quantity) for name, row in named.items()})
        for number, quantity in enumerate(quantities, start=1)
    ]
    return [_shares(shares), *checks] if shares else checks


def _made(
    figure: Figure, name: str, title: str, alt: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> DopantFigure:
    source = style.data_address(style.svg_of(figure, name).encode(), "image/svg+xml")
    return DopantFigure(name, title, alt, source, style.data_address(csv_of(header, rows).encode(), "text/csv"))


def _shares(rows: dict[str, DopantRow]) -> DopantFigure:
    """A curve with its band for each dopant; dotted where too few sampled sites carry it to count."""
    figure, (panel,) = style.new_figure(height=3.6)
    for number, (name, row) in enumerate(rows.items()):
        _curve(panel, row, name, number)
    for limit in {row.grain_limit for row in rows.values()}:
        panel.axhline(limit, color="0.3", linewidth=0.8, linestyle="--")
    panel.plot([], [], color="0.3", linewidth=0.8, linestyle="--", label="limit")
    figures.logarithmic(panel, "y")
    panel.set_ylim(FLOOR, CEILING)
    style.label(panel, "temperature (K)", "dopant fraction, grain over amorphous")
    style.legend(panel)
    table = [
        (name, one.temperature_K, one.ratio.value, one.ratio.low, one.ratio.high, str(one.counts), row.grain_limit)
        for name, row in rows.items()
        for one in row.grain_shares
    ]
    alt = f"Share of the dopant in the grain against temperature, by spectra, with 95 % bands: {', '.join(rows)}."
    return _made(figure, "grain-shares", "Share in the grain against temperature", alt, _SHARES, table)


def _curve(panel: Any, row: DopantRow, name: str, number: int) -> None:
    colour, marker = (kind[number % len(kind)] for kind in (figures.COLOURS, figures.MARKERS))
    kelvin = [one.temperature_K for one in row.grain_shares]
    inside = [shown(one.ratio) for one in row.grain_shares]
    low, high = [one.low for one in inside], [one.high for one in inside]
    values = [nan if one.value is None else one.value for one in inside]
    panel.fill_between(kelvin, low, high, color=colour, alpha=0.12, linewidth=0.0)
    panel.plot(kelvin, high, color=colour, linewidth=0.6)
    counted = [value if one.counts else nan for one, value in zip(row.grain_shares, values, strict=True)]
    panel.plot(kelvin, values, marker, color=colour, linestyle=":", markersize=3.5, label=drawn(name))
    panel.plot(kelvin, counted, color=colour, linewidth=1.4)


def _checks(name: str, quantity: str, checks: dict[str, Criterion | None]) -> DopantFigure:
    """A row for each dopant: the interval of one check, the answer, and the limit."""
    figure, (panel,) = style.new_figure(height=_REST + _ROW * len(checks))
    known = {dopant: check for dopant, check in checks.items() if check is not None}
    first = next(iter(known.values()))
    asked = f"asked: {first.rule} {first.unit}".rstrip()
    style.label(panel, f"{quantity} ({asked})", "")
    for place, check in enumerate(checks.values()):
        if check is None or not (is_known(check.interval) or check.interval.low > 0.0):
            where = panel.get_yaxis_transform()
            panel.text(0.5, place, "unknown", color="0.45", fontsize=7.5, ha="center", va="center", transform=where)
        else:
            _interval(panel, place, check.interval, ANSWERS[check.answer])
    for limit in {check.limit for check in known.values() if check.limit is not None}:
        panel.axvline(limit, color="0.3", linewidth=0.8, linestyle="--")
    told = [drawn(f"{one} {_SIGNS[check.answer]}" if check else one) for one, check in checks.items()]
    panel.set_yticks(range(len(checks)), told)
    panel.set_ylim(len(checks) - 0.5, -0.5)
    panel.margins(x=0.1)
    table = [
        (dopant, quantity, one.unit, one.interval.value, one.interval.low, one.interval.high, one.rule, one.answer)
        for dopant, one in known.items()
    ]
    alt = f"{quantity}, {asked}: the 95 % interval of {', '.join(known)}."
    return _made(figure, name, quantity, alt, _CHECKS, table)


def _interval(panel: Any, place: int, one: Interval, colour: str) -> None:
    """A number with its interval; a bound is an open marker with an arrow to where the number may be."""
    if one.value is not None and isfinite(one.high):
        panel.plot([one.low, one.high], [place, place], "|-", color=colour, markersize=6, linewidth=1.2)
        panel.plot(one.value, place, "o", color=colour, markersize=4.5)
        return
    end, way = (one.high, -16) if isfinite(one.high) else (one.low, 16)
    panel.plot(end, place, "o", color=colour, markerfacecolor="white", markersize=4.5)
    arrow = {"arrowstyle": "<-", "color": colour, "linewidth": 1}
    panel.annotate("", (end, place), (way, 0), textcoords="offset points", arrowprops=arrow)
