"""Pair-energy curves of a potential, one panel per pair, with the turn-over radii marked."""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.potential.checks import Pair
from dopantfit.potential.model import Potential
from dopantfit.potential.turnover import TurnOver, is_dangerous, pair_energy, turn_overs
from dopantfit.workflow.figures import new_figure
from dopantfit.workflow.names import drawn
from dopantfit.workflow.outputs import write_figure

_COLUMNS = 4
_OUTERMOST = 5.0  # Å; beyond it every curve is its Coulomb tail
_WELL = 0.8  # Å; wells lie outside it, the collapse of most pairs inside
_TOP = 80.0  # eV; barriers below it are the ones that a simulation may cross


def plot_pairs(potential: Potential, path: str | Path) -> None:
    """Draw every pair energy [eV] over r [Å] into the image file `path` (its suffix sets the format).

    Raises ConfigError when the file cannot be written or its format is unknown.
    """
    found = turn_overs(potential)
    rows = ceil(len(found) / _COLUMNS)
    figure, grid = new_figure(3.2 * _COLUMNS, 2.5 * rows, rows, _COLUMNS)
    panels = grid.ravel()
    for panel, (pair, turn) in zip(panels, found.items(), strict=False):
        _draw(panel, potential, pair, turn)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    figure.suptitle(
        f"{drawn(potential.name)}: pair energies of the sites Buckingham terms act on, and where they turn over"
    )
    write_figure(figure, Path(path), dpi=120)


def _draw(panel: Any, potential: Potential, pair: Pair, turn: TurnOver | None) -> None:
    r = np.linspace(0.02, _OUTERMOST, 1200)
    energy = pair_energy(potential, *pair, r)
    panel.plot(r, energy, color="#1f4e79", linewidth=1.2)
    title = "-".join(pair)
    if turn:
        colour = "#c00000" if is_dangerous(potential, pair, turn) else "#7f7f7f"
        panel.plot([turn.radius], [turn.energy], "o", color=colour, markersize=5)
        title += f": {turn.radius:.2f} Å, {turn.energy:.3g} eV"
    panel.axhline(0.0, color="0.8", linewidth=0.6)
    panel.set_xlim(0.0, _OUTERMOST)
    panel.set_ylim(min(-5.0, 1.2 * float(energy[r > _WELL].min())), _TOP)
    panel.set_title(title, fontsize=9)
    panel.set_xlabel("r (Å)", fontsize=8)
    panel.set_ylabel("E (eV)", fontsize=8)
    panel.tick_params(labelsize=7)
