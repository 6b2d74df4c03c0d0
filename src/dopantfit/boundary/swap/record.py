"""``record.json`` and ``swap.json`` of a swap run: what came of it, and what was asked."""

from pathlib import Path
from typing import Any, ClassVar

from dopantfit.boundary.swap.config import SwapConfig, parse_swap
from dopantfit.errors import ReferenceDataError
from dopantfit.workflow.provenance import Provenance, read_sealed
from dopantfit.workflow.schema import VersionedRecord, require_format

SETTINGS, RECORD = "swap.json", "record.json"
#: Of ``swap.json``, which also says of which version the ladder and the walkers in its folder are.
SETTINGS_FORMAT = 1
_WHAT, _REMEDY = "swap run", "run `dopantfit boundary swap` again into another folder"


class SwapRecord(VersionedRecord):
    """What came of a swap run; results: see `dopantfit.boundary.swap.run.summary`."""

    what: ClassVar[str] = "record of a swap run"
    remedy: ClassVar[str] = _REMEDY

    format: int = 1
    results: dict[str, Any]
    record: Provenance


def require_settings_format(content: Any, folder: Path) -> None:
    """Raise ConfigError where the settings of the run in a folder are of another version."""
    require_format(content, str(folder / SETTINGS), SETTINGS_FORMAT, _WHAT, _REMEDY)


def read_settings(folder: Path) -> SwapConfig:
    """Return the configuration of the run in a folder.

    Raises ReferenceDataError where there is none, or it is damaged; ConfigError where another version made it.
    """
    settings = read_sealed(folder / SETTINGS)
    if settings is None:
        raise ReferenceDataError(
            f"{folder}: there is no swap run, or its {SETTINGS} is damaged; run dopantfit boundary swap there"
        )
    require_settings_format(settings, folder)
    return parse_swap(settings["config"], str(folder / SETTINGS))
