"""The gates: a potential may be rejected here, never changed.

``dopantfit.validate(folder)`` holds it against them; `record_schema` says what ``validation.json`` holds.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily, make_verb

if TYPE_CHECKING:
    from dopantfit.validate.gate import Check, Gate, Threshold
    from dopantfit.validate.record import require_valid
    from dopantfit.validate.record_schema import ValidationRecord, ValidationStatus
    from dopantfit.validate.verb import validate

__all__ = ["Check", "Gate", "Threshold", "ValidationRecord", "ValidationStatus", "require_valid", "validate"]

make_verb(__name__)
__getattr__ = lazily(
    __name__,
    {
        "Check": "gate",
        "Gate": "gate",
        "Threshold": "gate",
        "ValidationRecord": "record_schema",
        "ValidationStatus": "record_schema",
        "require_valid": "record",
        "validate": "verb",
    },
)
