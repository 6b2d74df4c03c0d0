"""One figure for each verb of `dopantfit transport`; the suffix of the file sets its format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dopantfit.transport.density import Density
from dopantfit.transport.pairs import PairDistribution
from dopantfit.transport.summary import Summary
from dopantfit.transport.tables import UNITS, ArrheniusPoints
from dopantfit.transport.window import LONGEST
from dopantfit.workflow.figures import COLOURS, label, new_row
from dopantfit.workflow.outputs import write_figure


def draw_msd(summary: Summary, path: Path) -> None:
    """Draw the MSD [Å²] of every species with the lags of each fit; ConfigError when it cannot be written."""
    figure, (panel,) = new_row(1)
    for number, (name, runs) in enumerate(summary.msd.items()):
        for i, run in enumerate(runs):
            part = slice(0, int(LONGEST * run.n_frames))
            colour = COLOURS[number % len(COLOURS)]
            panel.axvspan(*summary.diffusion[name].window, color=colour, alpha=0.06, linewidth=0.0)
            panel.plot(run.times[part], run.total[part], color=colour, linewidth=1.2, label=None if i else name)
    panel.legend()
    label(panel, "time (ps)", "MSD (Å²)", f"{summary.temperature:g} K")
    _save(figure, path)


def draw_pairs(found: Sequence[PairDistribution], path: Path) -> None:
    """Draw g(r) with its standard error; ConfigError when it cannot be written."""
    figure, (panel,) = new_row(1)
    for number, one in enumerate(found):
        colour = COLOURS[number % len(COLOURS)]
        panel.plot(one.radii, one.values, color=colour, linewidth=1.2, label="-".join(one.pair))
        panel.fill_between(one.radii, one.values - one.error, one.values + one.error, color=colour, alpha=0.3)
    panel.legend()
    label(panel, "r (Å)", "g(r)", "pair distributions")
    _save(figure, path)


def draw_density(found: Density, path: Path, minus: Path | None = None) -> None:
    """Draw the density averaged along each cell vector, over the two others; ConfigError when it cannot be written.

    minus: what a difference was taken from.
    """
    figure, panels = new_row(3)
    lengths = np.linalg.norm(found.cell, axis=1)
    for axis, panel in enumerate(panels):
        across, up = (i for i in range(3) if i != axis)
        extent = (0.0, lengths[across], 0.0, lengths[up])
        image = panel.imshow(found.values.mean(axis=axis).T, origin="lower", extent=extent, cmap="viridis")
        figure.colorbar(image, ax=panel, shrink=0.7, label="1/Å³")
        label(panel, f"along {'abc'[across]} (Å)", f"along {'abc'[up]} (Å)", f"mean along {'abc'[axis]}")
    what = f"number density of {found.species}{'' if minus is None else f', less that in {minus.name}'}"
    figure.suptitle(f"{what}; axes of oblique cells are drawn at right angles")
    _save(figure, path)


def draw_arrhenius(points: ArrheniusPoints, path: Path) -> None:
    """Draw points and line over 1000/T, upper bounds as arrows; ConfigError when it cannot be written."""
    figure, (panel,) = new_row(1)
    line = points.line()
    inverse = [1000.0 / one.temperature for one in line]
    panel.plot(inverse, [one.value.value for one in line], color=COLOURS[0], linewidth=1.2)
    panel.fill_between(
        inverse, [one.value.low for one in line], [one.value.high for one in line], color=COLOURS[0], alpha=0.2
    )
    for temperature, one in zip(points.temperatures, points.values, strict=True):
        where = 1000.0 / temperature
        if one.value is None:
            panel.plot([where], [one.high], "v", color=COLOURS[1])
        else:
            bars = [[one.value - one.low], [one.high - one.value]]
            panel.errorbar([where], [one.value], bars, fmt="o", color=COLOURS[0], capsize=3)
    panel.set_yscale("log")
    title = f"{points.species}: E_a = {points.fit.activation_energy} eV"
    label(panel, "1000/T (1/K)", f"{points.quantity} ({UNITS[points.quantity]})", title)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    write_figure(figure, path, dpi=150)
