"""Figures without a screen, and the numbers of each beside it as CSV."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from dopantfit.workflow.outputs import write_csv, write_figure

#: Okabe & Ito's colours, told apart by all common kinds of colour vision; markers tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "x")
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


def new_row(columns: int) -> tuple[Figure, list[Any]]:
    """Return an empty figure and its panels, beside each other."""
    figure, (panels,) = new_figure(4.6 * columns, 3.8, columns=columns)
    return figure, list(panels)


def label(panel: Any, x: str, y: str, title: str = "", size: float = 10) -> None:
    """Name the axes, with units, and the panel; size: of the letters [points]."""
    panel.set_xlabel(x, fontsize=size)
    panel.set_ylabel(y, fontsize=size)
    panel.set_title(title, fontsize=size)


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
