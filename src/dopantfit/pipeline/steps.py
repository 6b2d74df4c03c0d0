"""Which steps from DFT frames to a verdict are up to date, told by the hashes of what each was made from."""

from pathlib import Path

from dopantfit.fit.config import load_config
from dopantfit.fit.inputs import fit_files, input_digest
from dopantfit.fit.record import POTENTIAL_FILE, RECORD_FILE
from dopantfit.fit.record_schema import FitRecord
from dopantfit.validate.presets import GATE_PRESETS, gate_preset
from dopantfit.validate.record import VALIDATION_FILE, stale
from dopantfit.validate.record_schema import ValidationRecord
from dopantfit.workflow.provenance import holds, sha256_of


def why_fit(folder: Path) -> str:
    """Say why the fit in `folder` has to be made (again); empty when it is up to date.

    Raises ConfigError when there is no fit.toml that can be read, or a record that cannot.
    """
    record = FitRecord.read_if_there(folder / RECORD_FILE)
    if record is None or not (folder / POTENTIAL_FILE).is_file():
        load_config(folder)
        return "there is none yet"
    return stale_fit(folder, record)


def stale_fit(folder: Path, record: FitRecord) -> str:
    """Say which input of a fit, or what it wrote, is no longer what its record says; empty when all are."""
    config, file = load_config(folder)
    known, files = record.record.inputs, fit_files(config, file)
    for name in sorted({*known, *files}):
        if name not in files:
            return f"{name} is no input any more"
        if name not in known:
            return f"{files[name]} is a new input"
        if not files[name].is_file():
            return f"{files[name]} is missing"
        if input_digest(files[name]) != known[name]:
            return f"{files[name]} has changed since"
    potential = folder / POTENTIAL_FILE
    return "" if holds(potential, record.potential_sha256) else f"{potential} is not what it wrote"


def why_validate(folder: Path, preset: str) -> str:
    """Say why the gates have to be held against the potential (again); empty when the record need not be made again.

    It need not when it is of this potential and these settings, and of this preset or a more thorough one.
    Raises ConfigError when there is no such preset, or a record that cannot be read.
    """
    asked = gate_preset(preset)
    record = ValidationRecord.read_if_there(folder / VALIDATION_FILE)
    if record is None:
        return "there is no validation yet"
    why = stale(record, sha256_of(folder / POTENTIAL_FILE), folder)
    if why:
        return f"it was made with {why}"
    enough = list(GATE_PRESETS)[list(GATE_PRESETS.values()).index(asked) :]
    return "" if record.level in enough else f"it was made with the preset {record.level}"
