"""``dopantfit report``: one page and a folder of figures out of the records of a study, a fit and its gates."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dopantfit.terminal import JsonOption, print_json, print_parts

if TYPE_CHECKING:
    from dopantfit.report.record import ReportRecord


def report(
    folder: Annotated[
        Path,
        typer.Argument(help="Run folder of a study, or folder of a fit and the study kept in it."),
    ],
    fit: Annotated[
        Path | None, typer.Option(help="Folder with fit.json and validation.json; found by hash where it is in fits/.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write here.", show_default="<folder>/report")] = None,
    json: JsonOption = False,
) -> None:
    """Write report.html (opens without a network) and figures/ (PDF and CSV). What is not there is named as missing."""
    from dopantfit.report import verb

    record, page = verb.report(folder, fit=fit, output=output), verb.page_of(folder, output)
    print_json({**record.as_dict(), "page": str(page)}) if json else print_parts(*report_lines(record, page))


def report_lines(record: "ReportRecord", page: Path) -> list[str]:
    """What people read when a report is made."""
    from rich.markup import escape

    lines = [f"missing  {one}" for one in record.missing]
    lines += [f"verdict  {record.answer or 'none'}"]
    return [
        escape(line)
        for line in (*lines, f"page     {page} ({record.bytes / 1e6:.1f} MB, {len(record.figures)} figures)")
    ]


def compare(
    folders: Annotated[list[Path], typer.Argument(help="Folders of fits, as in fits/*.")],
    output: Annotated[
        Path | None, typer.Option(help="Page to write.", show_default="compare.html beside the first folder")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown, a column a fit.")] = False,
    json: JsonOption = False,
) -> None:
    """Put dopants side by side: errors, gates, verdicts, numbers and cost; a table, and one HTML page with figures."""
    from rich.markup import escape
    from rich.table import Table

    from dopantfit.report import dopants, dopants_page

    rows = dopants.compare_dopants(folders)
    page = output or folders[0].resolve().parent / dopants.PAGE
    dopants_page.write_page(rows, page)
    if json:
        print_json({"dopants": [row.as_dict() for row in rows], "page": str(page)})
        return
    if markdown:
        typer.echo(dopants.markdown_of(rows), nl=False)
        return
    columns = dopants.columns_of(rows)
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(escape, dopants.cells_of(row, columns, rows)))
    print_parts(table, escape(f"page     {page}"))
