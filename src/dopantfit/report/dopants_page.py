"""The page of dopants side by side: the table and its figures in one HTML file that needs no network."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from dopantfit.report import style
from dopantfit.report.dopants import DopantRow, cells_of, columns_of, names_of
from dopantfit.report.draw_dopants import figures_of
from dopantfit.workflow.provenance import write_text_atomic


def write_page(rows: Sequence[DopantRow], path: Path) -> None:
    """Write the page. Raises ConfigError where it cannot be written."""
    environment = style.templates("dopantfit.report")
    columns = columns_of(rows)
    page = environment.get_template("compare.html").render(
        columns=columns,
        rows=[cells_of(row, columns, rows) for row in rows],
        figures=figures_of(rows),
        without=[name for name, row in zip(names_of(rows), rows, strict=True) if row.checks and not row.grain_shares],
        look=files("dopantfit.report").joinpath("templates", "style.css").read_text(encoding="utf-8"),
    )
    write_text_atomic(path, page)
