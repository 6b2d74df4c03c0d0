"""``report.json``: what a report shows and what it was made from."""

from typing import ClassVar

from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.schema import VersionedRecord


class ReportRecord(VersionedRecord):
    """A report. bytes: size of the page. missing: what there was no record of."""

    what: ClassVar[str] = "record of a report"
    remedy: ClassVar[str] = "run `dopantfit report` again"

    format: int = 1
    page: str
    bytes: int
    answer: str | None
    figures: tuple[str, ...]
    missing: tuple[str, ...]
    record: Provenance
