"""The page that people read, out of the records that the other steps left: figures, tables, a verdict; no new physics.

`sources` finds them, `findings` puts them into words, the figures draw them, `page` writes the one HTML file.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily, make_verb

if TYPE_CHECKING:
    from dopantfit.report.record import ReportRecord
    from dopantfit.report.verb import report

__all__ = ["ReportRecord", "report"]

make_verb(__name__)
__getattr__ = lazily(__name__, {"ReportRecord": "record", "report": "verb"})
