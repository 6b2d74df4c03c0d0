"""Whether a potential may make boundaries: what the validation beside it says, or words that set it aside."""

from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.validate import require_valid
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import write_json_atomic

#: What `dopantfit validate` writes beside a fitted potential, and what a run folder keeps of it.
VALIDATION, STATUS = "validation.json", "validation-status.json"


def keep_validation_status(potential: str, waiver: str | None, folder: Path) -> None:
    """Write ``validation-status.json`` into the folder of a run with a fitted potential; published sets need none.

    potential: a file, or the name of a published set. waiver: why it is used although its validation is missing or
    failed; a sentence.
    Raises ConfigError when the validation beside the file does not speak for it and there is no waiver.
    """
    file = Path(potential)
    if not file.is_file():
        return
    try:
        status = require_valid(file, file.with_name(VALIDATION), waiver)
    except ConfigError as problem:
        raise ConfigError(f'{problem} (--unvalidated "...")') from None
    make_folder(folder)
    write_json_atomic(folder / STATUS, status.model_dump(mode="json"))
