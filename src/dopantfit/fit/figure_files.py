"""How the figures of a fit are made and saved: PNG and PDF, the numbers beside them as CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dopantfit.workflow import figures as workflow_figures
from dopantfit.workflow.outputs import write_csv, write_figure

#: Told apart by colour-blind eyes (Okabe & Ito); the fitted potential is the first everywhere.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f7f7f")
GREY = "#7f7f7f"


def new_figure(rows: int = 1, columns: int = 1, width: float = 4.5, height: float = 3.6) -> tuple[Figure, Any]:
    """A figure and its panels, ``shape=(rows, columns)``; width and height of one panel [inch]."""
    return workflow_figures.new_figure(width * columns, height * rows, rows, columns)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name.png`` and ``name.pdf``; the same numbers give the same bytes."""
    write_figure(figure, folder / f"{name}.png", dpi=120, undated=True)
    write_figure(figure, folder / f"{name}.pdf", dpi=200, undated=True)


def save_numbers(folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write ``name.csv``; floats by ``repr``."""
    write_csv(folder / f"{name}.csv", header, rows)
