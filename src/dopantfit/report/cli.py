"""``dopantfit report``: one page and a folder of figures out of the records of a study, a fit and its gates."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[
        Path,
        typer.Argument(help="Run folder of a study, or folder of a fit and the study kept in it."),
    ],
    fit: Annotated[
        Path | None, typer.Option(help="Folder with fit.json and validation.json; found by hash where it is in fits/.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write here.", show_default="<folder>/report")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """Write report.html (opens without a network) and figures/ (PDF and CSV). What is not there is named as missing."""
    from dopantfit.report.page import PAGE, write_report
    from dopantfit.report.records import read_sources

    target = output or folder / "report"
    record = write_report(read_sources(folder, fit), target)
    if json:
        import json as writer

        sys.stdout.write(writer.dumps({**record, "page": str(target / PAGE)}, indent=2, ensure_ascii=False) + "\n")
        return
    for one in record["missing"]:
        typer.echo(f"missing  {one}")
    typer.echo(f"verdict  {record['answer'] or 'none'}")
    typer.echo(f"page     {target / PAGE} ({record['bytes'] / 1e6:.1f} MB, {len(record['figures'])} figures)")
