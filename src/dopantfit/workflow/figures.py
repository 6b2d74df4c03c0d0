"""Figures without a screen, and the numbers of each beside it as CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dopantfit.workflow.outputs import write_csv, write_figure


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, share_y: bool = False
) -> tuple[Figure, Any]:
    """An empty figure and its panels, an array of axes with ``shape=(rows, columns)``.

    width, height: of the whole figure [inch]. share_y: all panels have one y axis.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=share_y)


def save_with_csv(
    figure: Figure, folder: Path, name: str, dpi: float, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write ``<name>.png`` and ``<name>.csv`` into a folder; the same numbers give the same bytes."""
    write_figure(figure, folder / f"{name}.png", dpi, undated=True)
    write_csv(folder / f"{name}.csv", header, rows)
