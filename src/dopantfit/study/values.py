"""Numbers with their errors as the results of tasks hold them: objects in Python, the same JSON as ever in records."""

from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from dopantfit.statistics import Estimate, Interval


def _estimate(content: object) -> Estimate:
    try:
        return content if isinstance(content, Estimate) else Estimate.from_dict(dict(content))  # type: ignore[call-overload]
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            "is no number with its error (value, error, interval_95), nor a bound (upper_bound_95)"
        ) from None


def _interval(content: object) -> Interval:
    try:
        return content if isinstance(content, Interval) else Interval.from_dict(dict(content))  # type: ignore[call-overload]
    except (KeyError, TypeError, ValueError):
        raise ValueError("is no interval (value, low, high)") from None


#: A number with its error, or an upper bound.
Number: TypeAlias = Annotated[Estimate, PlainValidator(_estimate), PlainSerializer(Estimate.as_dict)]
#: A 95 % interval; null for an end at infinity.
Range: TypeAlias = Annotated[Interval, PlainValidator(_interval), PlainSerializer(Interval.as_dict)]
