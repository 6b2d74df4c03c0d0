"""Numbers with their errors in the results of tasks: how they stand in JSON, and come back."""

from collections.abc import Mapping
from math import inf, isinf
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from dopantfit.study.verdict import Interval
from dopantfit.transport.estimate import Estimate


def _estimate(content: object) -> Estimate:
    if isinstance(content, Estimate):
        return content
    try:
        return Estimate.from_dict(content)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise ValueError("is no number with an error: value, error, interval_95; or upper_bound_95 alone") from None
