"""Figures of the gates: one image and one CSV of the same stem each."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dopantfit.workflow import figures as workflow_figures
from dopantfit.workflow.figures import COLOURS as COLOURS
from dopantfit.workflow.figures import MARKERS as MARKERS
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.names import drawn


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
    workflow_figures.label(panel, x, y, title, 9)
    panel.tick_params(labelsize=8)
