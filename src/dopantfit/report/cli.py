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
