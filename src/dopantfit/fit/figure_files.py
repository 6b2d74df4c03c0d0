"""How the figures of a fit are made and saved: PNG and PDF, the numbers beside them as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dopantfit.workflow.provenance import write_text_atomic

#: Told apart by colour-blind eyes (Okabe & Ito); the fitted potential is the first everywhere.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7f7f7f")
GREY = "#7f7f7f"


def new_figure(rows: int = 1, columns: int = 1, width: float = 4.5, height: float = 3.6) -> tuple[Figure, Any]:
    """A figure and its panels, ``shape=(rows, columns)``; width and height of one panel [inch]."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name.png`` and ``name.pdf``."""
    # Without the date and the version of the library, the same numbers give the same bytes.
    figure.savefig(folder / f"{name}.png", dpi=120, metadata={"Software": None})
    figure.savefig(folder / f"{name}.pdf", dpi=200, metadata={"CreationDate": None, "Producer": None, "Creator": None})


def save_numbers(folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write ``name.csv``; floats by ``repr``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text_atomic(folder / f"{name}.csv", text.getvalue())
