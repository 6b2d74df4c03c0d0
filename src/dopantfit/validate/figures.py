"""Figures of the gates: one image and one CSV of the same stem each."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dopantfit.workflow import figures as workflow_figures
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.names import drawn

#: Okabe & Ito's colours, told apart by all common kinds of colour vision; markers tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "x")


def new_figure(columns: int = 1, rows: int = 1, width: float = 4.6, height: float = 3.6) -> tuple[Figure, list[Any]]:
    """Return an empty figure and its panels, row by row."""
    figure, panels = workflow_figures.new_figure(width * columns, height * rows, rows, columns)
    return figure, list(panels.ravel())


def save_figure(
    figure: Figure, folder: Path, name: str, title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> str:
    """Write ``<name>.png`` with the finding as its title, and ``<name>.csv``; returns the name of the image."""
    make_folder(folder)
    figure.suptitle(drawn(title), fontsize=10)
    workflow_figures.save_with_csv(figure, folder, name, 130, header, rows)
    return f"{name}.png"


def label(panel: Any, x: str, y: str, title: str = "") -> None:
    """Name the axes, with units, and the panel."""
    panel.set_xlabel(x, fontsize=9)
    panel.set_ylabel(y, fontsize=9)
    panel.set_title(title, fontsize=9)
    panel.tick_params(labelsize=8)
