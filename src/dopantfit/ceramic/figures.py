"""Figures of the room: what a pellet conducts and its spectrum, and what a study's boundaries do."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from dopantfit.ceramic.measured import MeasuredSample
from dopantfit.ceramic.pellet import Pellet
from dopantfit.ceramic.settings import ROOM
from dopantfit.ceramic.study_pellet import StudyPellet
from dopantfit.ceramic.tables import Numbers
from dopantfit.workflow.figures import label, logarithmic, new_row
from dopantfit.workflow.names import drawn
from dopantfit.workflow.outputs import write_csv, write_figure

if TYPE_CHECKING:
    from dopantfit.ceramic.window import Window

#: Okabe & Ito's colours, told apart by all common kinds of colour vision; markers tell them apart in grey.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "^", "s", "D", "v", "h", "x")
_GREY = "#777777"


def draw_pellet(pellet: Pellet, spectrum: Numbers | None, measured: Sequence[MeasuredSample]) -> Figure:
    """Draw conductivities over 1000/T with what was measured, and the spectrum as Nyquist and Bode plots."""
    figure, panels = new_row(3 if spectrum else 1)
    _conductivities(panels[0], pellet, measured)
    if spectrum:
        _spectrum(panels[1], panels[2], spectrum)
    return figure


def _conductivities(panel: Any, pellet: Pellet, measured: Sequence[MeasuredSample]) -> None:
    points = [pellet.at(temperature) for temperature in pellet.settings.asked]
    inverse = [1000.0 / one.temperature for one in points]
    for name, colour, marker in zip(("total", "bulk", "boundary"), COLOURS, MARKERS, strict=False):
        found = [getattr(one, name) for one in points]
        values = np.array([[one.low, one.value, one.high] for one in found], dtype=float)
        panel.plot(inverse, values[:, 1], marker + "-", color=colour, markersize=4, linewidth=1.2, label=name)
        panel.fill_between(inverse, values[:, 0], values[:, 2], color=colour, alpha=0.15, linewidth=0)
    legend: str | None = "measured totals"
    for sample in measured:
        if sample.total is not None:
            at, fill = 1000.0 / (sample.temperature or ROOM), _GREY if sample.temperature else "white"
            panel.plot([at], [sample.total], "d", color=_GREY, markerfacecolor=fill, markersize=5, label=legend)
            legend = None
    logarithmic(panel, "y")
    panel.legend(fontsize=8)
    label(panel, "1000/T (1/K)", "conductivity (S/cm)", f"{drawn(pellet.name)}; bands and bars are 95 %")


def _spectrum(nyquist: Any, bode: Any, spectrum: Numbers) -> None:
    temperature = spectrum[1][0][0]
    table = np.array([row[1:] for row in spectrum[1]], dtype=float)
    nyquist.plot(table[:, 1], -table[:, 2], color=COLOURS[0], linewidth=1.2)
    nyquist.set_aspect("equal", adjustable="box")
    nyquist.locator_params(nbins=5)
    nyquist.ticklabel_format(scilimits=(-3, 4))
    label(nyquist, "Re Z (Ω cm)", "−Im Z (Ω cm)", f"Nyquist plot at {temperature:g} K")
    bode.loglog(table[:, 0], table[:, 3], color=COLOURS[0], linewidth=1.2)
    bode.fill_between(table[:, 0], table[:, 4], table[:, 5], color=COLOURS[0], alpha=0.2, linewidth=0)
    phase = bode.twinx()
    phase.semilogx(table[:, 0], np.degrees(np.arctan2(table[:, 2], table[:, 1])), "--", color=COLOURS[2], linewidth=1)
    phase.set_ylabel("phase (°, dashed)")
    label(bode, "frequency (Hz)", "|Z| (Ω cm)", "Bode plot")


def draw_study(found: StudyPellet) -> Figure:
    """Draw total conductivity, and its ratio to pellets with undoped boundaries, over grain size."""
    figure, panels = new_row(2)
    draw_totals(panels[0], found)
    draw_gains(panels[1], found)
    return figure


def draw_totals(panel: Any, found: StudyPellet, colours: Sequence[Any] = COLOURS) -> None:
    """Draw conductivities with bands; where only a bound is known, its line is dotted."""
    _lines(panel, found, "total", colours)
    logarithmic(panel, "y")
    if found.bulk.value:
        panel.axhline(found.bulk.value, color=_GREY, linewidth=0.8, linestyle="--", label="grains alone")
    panel.legend(fontsize=8)
    title = f"{found.temperature:g} K, boundaries of {found.thickness:.3g} nm"
    label(panel, "grain size (µm)", "conductivity (S/cm)", title)


def draw_gains(panel: Any, found: StudyPellet, colours: Sequence[Any] = COLOURS) -> None:
    """Draw ratios to the reference with bands."""
    panel.axhline(1.0, color=_GREY, linewidth=0.8, linestyle="--")
    _lines(panel, found, "gain", colours)
    unknown = [
        drawn(one) for one in found.boundaries if any(r.gain.value is None for r in found.rows if r.system == one)
    ]
    if unknown:
        told = f"no ratio for {', '.join(unknown)}: only bounds are known"
        panel.text(0.5, 0.9, told, transform=panel.transAxes, ha="center", fontsize=8)
    label(panel, "grain size (µm)", f"σ over that with {found.reference}", "what changing the boundary does")


def _lines(panel: Any, found: StudyPellet, name: str, colours: Sequence[Any]) -> None:
    for number, system in enumerate(found.boundaries):
        rows = [row for row in found.rows if row.system == system]
        sizes, ends = [row.grain_size for row in rows], [getattr(row, name) for row in rows]
        colour = colours[number % len(colours)]
        if all(one.value is not None for one in ends):
            panel.plot(sizes, [one.value for one in ends], color=colour, linewidth=1.3, label=drawn(system))
            panel.fill_between(
                sizes, [one.low for one in ends], [one.high for one in ends], color=colour, alpha=0.15, linewidth=0
            )
        elif all(isfinite(one.high) for one in ends):
            panel.plot(sizes, [one.high for one in ends], ":", color=colour, label=f"{drawn(system)} (bound)")
    logarithmic(panel, "x")


def save_with_numbers(figure: Figure, path: Path, *tables: Numbers | None) -> None:
    """Write the figure, and its numbers beside it: ``<stem>.csv``, then ``<stem>-2.csv``."""
    write_figure(figure, path, dpi=150)
    for number, table in enumerate((one for one in tables if one is not None), 1):
        write_csv(path.with_name(f"{path.stem}{'' if number == 1 else f'-{number}'}.csv"), *table)


def draw_windows(found: Sequence["Window"], mobile: str) -> Figure:
    """Draw mobile ions in the phases over the potential, and of the composition itself; windows are shaded."""
    figure, (panel,) = new_row(1)
    for number, one in enumerate(found):
        colour = COLOURS[number % len(COLOURS)]
        ends = [one.stages[0].low, *(stage.high for stage in one.stages)]
        panel.stairs([stage.content for stage in one.stages], ends, color=colour, linewidth=1.3, label=drawn(one.name))
        panel.axhline(one.content, color=colour, linewidth=0.7, linestyle="--")
        low, high = one.reduced_below or 0.0, ends[-1] if one.oxidised_above is None else one.oxidised_above
        panel.axvspan(low, max(low, high), color=colour, alpha=0.1, linewidth=0)
    panel.legend(fontsize=8)
    label(panel, f"potential against {mobile} (V)", f"{mobile} per formula", "dashed: as made; shaded: its window")
    return figure
