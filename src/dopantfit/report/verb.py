"""The report as a Python function: records in, one page and a folder of figures out."""

from pathlib import Path

from dopantfit.report.page import PAGE, write_report
from dopantfit.report.record import ReportRecord
from dopantfit.report.sources import read_sources


def report(folder: str | Path, *, fit: str | Path | None = None, output: str | Path | None = None) -> ReportRecord:
    """Write ``report.html`` (opens without a network) and figures; what is not there is named as missing.

    folder: run folder of a study, or folder of a fit and the study kept in it. fit: folder with ``fit.json`` and
    ``validation.json``, found by hash where it is in ``fits`` by default. output: ``<folder>/report`` by default.
    Raises ConfigError, one line, when there is no record at all, one is not whole, or the folder cannot be written to.
    """
    sources = read_sources(Path(folder), None if fit is None else Path(fit))
    return write_report(sources, page_of(folder, output).parent)


def page_of(folder: str | Path, output: str | Path | None = None) -> Path:
    """Where the page of a report lies."""
    return (Path(folder) / "report" if output is None else Path(output)) / PAGE
