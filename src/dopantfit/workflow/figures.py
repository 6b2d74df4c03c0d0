"""Figures without a screen, and the numbers of each beside it as CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from dopantfit.workflow.outputs import write_csv, write_figure

#: Logarithmic axes within these have plain numbers at their ticks.
_PLAIN = (1e-3, 1e4)


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, share_y: bool = False
) -> tuple[Figure, Any]:
    """An empty figure and its panels, an array of axes with ``shape=(rows, columns)``.

    width, height: of the whole figure [inch]. share_y: all panels have one y axis.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=share_y)


class PlainLogFormatter(LogFormatterSciNotation):
    """Ticks of a logarithmic axis without powers of ten where all of them are short numbers: 1.6, not 1.6 × 10⁰."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the text of a tick; empty where Matplotlib thins them out."""
        text: str = super().__call__(x, pos)
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        return f"{x:g}" if text and _PLAIN[0] <= low and high <= _PLAIN[1] else text


def logarithmic(panel: Any, name: str) -> None:
    """Make an axis of a panel logarithmic, ``x`` or ``y``."""
    panel.set(**{f"{name}scale": "log"})
    axis = getattr(panel, f"{name}axis")
    axis.set_major_formatter(PlainLogFormatter())
    axis.set_minor_formatter(PlainLogFormatter(labelOnlyBase=False))


def save_with_csv(
    figure: Figure, folder: Path, name: str, dpi: float, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write ``<name>.png`` and ``<name>.csv`` into a folder; the same numbers give the same bytes."""
    write_figure(figure, folder / f"{name}.png", dpi, undated=True)
    write_csv(folder / f"{name}.csv", header, rows)
