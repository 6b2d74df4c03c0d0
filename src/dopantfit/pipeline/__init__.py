"""Everything in one call, and what ties the steps together.

`run` takes the steps that are not up to date (`steps`), `trace` follows one parameter through all of them.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily

if TYPE_CHECKING:
    from dopantfit.pipeline.run import RunRecord, RunWatch
    from dopantfit.pipeline.trace import Link

__all__ = ["Link", "RunRecord", "RunWatch"]

__getattr__ = lazily(__name__, {"Link": "trace", "RunRecord": "run", "RunWatch": "run"})
