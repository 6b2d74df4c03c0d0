"""The gates: a potential may be rejected here, never changed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dopantfit.validate.gate import Check, Gate, Threshold
    from dopantfit.validate.record import require_valid
    from dopantfit.validate.record_schema import ValidationRecord, ValidationStatus

_ROOM_OF = {
    "Check": "gate",
    "Gate": "gate",
    "Threshold": "gate",
    "ValidationRecord": "record_schema",
    "ValidationStatus": "record_schema",
    "require_valid": "record",
}
__all__ = ["Check", "Gate", "Threshold", "ValidationRecord", "ValidationStatus", "require_valid"]


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first asked for, so that the command line starts at once."""
    if name in _ROOM_OF:
        return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
