"""``validation.json``: what it holds, and who may go on with a potential on the strength of it."""

from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from dopantfit.errors import ConfigError
from dopantfit.fit.inputs import input_digest, set_files
from dopantfit.validate import presets, thresholds
from dopantfit.validate.dynamics import recipe_sha256
from dopantfit.validate.exchange_labels import exchange_files
from dopantfit.validate.gate import Gate
from dopantfit.validate.record_schema import CheckRecord, GateRecord, HostIdentity, ValidationRecord, ValidationStatus
from dopantfit.validate.settings import SETTINGS_FILE, Settings, load_settings
from dopantfit.validate.subject import Subject, potential_sha256
from dopantfit.workflow.provenance import Provenance, sha256_of
from dopantfit.workflow.schema import parse_content

if TYPE_CHECKING:
    from rich.table import Table

VALIDATION_FILE = "validation.json"
#: Words that say why a potential is used without a passed validation; fewer say nothing.
_FEWEST_WORDS = 3


def stem(subject: Subject) -> str:
    """Name of the record and of the folder of its figures: of a fit's own potential, or of another one."""
    return "validation" if subject.own else f"validation-{subject.potential.name}"


def write_validation(subject: Subject, gates: Sequence[Gate], started: float) -> ValidationRecord:
    """Write the record beside ``fit.toml``; return it. started: ``time.time()`` at the start [s]."""
    potential = {"name": subject.potential.name, "sha256": subject.sha256, "source": Path(subject.source).name}
    payload = {
        "name": subject.config.name,
        "level": subject.preset_name,
        "host": HostIdentity.of(subject.host).model_dump(),
        "passed": all(gate.passed for gate in gates),
        "potential": potential,
        "compared_with": subject.peer.name if subject.peer else None,
        "thresholds": _limits(subject.settings),
        "recipe": recipe_sha256(subject.preset),
        "gates": [gate.as_dict() for gate in gates],
        "record": _record(subject, started).as_dict(),
    }
    record = parse_content(ValidationRecord, payload)
    record.write(subject.file.parent / f"{stem(subject)}.json")
    return record


def _record(subject: Subject, started: float) -> Provenance:
    folder = subject.file.parent
    inputs = {path.name: path for path in (subject.file, folder / SETTINGS_FILE) if path.is_file()}
    if Path(subject.source).is_file():
        inputs[Path(subject.source).name] = Path(subject.source)
    inputs |= set_files(subject.config, folder) | exchange_files(subject.settings, folder)
    settings = {"level": {subject.preset_name: asdict(subject.preset)}, **subject.settings.model_dump(mode="json")}
    return Provenance.of(inputs, settings, seed=subject.config.seed, started=started, digest=input_digest)


def _limits(settings: Settings) -> str:
    """Hash of the limits that these settings are judged by."""
    return thresholds.sha256(settings.host, settings.exchange is not None)


def require_valid(potential: str | Path, validation: str | Path, waiver: str | None = None) -> ValidationStatus:
    """Return the status of a potential that passed every gate.

    potential: its file, or a library name. validation: the ``validation.json`` made for it.
    waiver: why it may be used without; it stays in the status together with what is wrong.
    Raises ConfigError when the record is missing, damaged, incomplete, failed, or of another potential and no waiver of
    at least three words is given.
    """
    path, found = Path(validation), potential_sha256(potential)
    record, problem = _read(path)
    if record is not None:
        problem = _objection(record, found, path)
    level = None if record is None else record.level
    if not problem:
        return ValidationStatus(potential_sha256=found, level=level, passed=True)
    if waiver is None:
        raise ConfigError(f"{problem}; run `dopantfit validate {path.parent}`, or say why to go on without")
    if len(waiver.split()) < _FEWEST_WORDS:
        raise ConfigError(f"{problem}; the reason to go on without, {waiver!r}, says nothing: give a sentence")
    return ValidationStatus(potential_sha256=found, level=level, passed=False, problem=problem, waiver=waiver)


def _read(path: Path) -> tuple[ValidationRecord | None, str]:
    """The record, or what is wrong with the file."""
    if not path.exists():
        return None, f"{path}: there is no validation"
    try:
        return ValidationRecord.read(path), ""
    except ConfigError as problem:
        return None, str(problem).removesuffix(f"; {ValidationRecord.remedy}")


def known_exchange_error(potential: str | Path, validation: str | Path) -> CheckRecord | None:
    """RMS error [eV] by gate ``exchange``; None without it, or where the record is damaged or of another potential."""
    record, _ = _read(Path(validation))
    if record is None or record.potential.sha256 != potential_sha256(potential):
        return None
    checks = (check for gate in record.gates if gate.name == "exchange" for check in gate.checks)
    named = (check for check in checks if check.name.startswith(thresholds.EXCHANGE_ERROR_OF))
    return next((check for check in named if check.value is not None), None)


def stale(record: ValidationRecord, potential: str, folder: Path) -> str:
    """Say what the record in a fit's folder was made with that is no longer so; empty where all still holds.

    potential: SHA-256 of what is to be used.
    """
    settings = folder / SETTINGS_FILE
    if record.potential.sha256 != potential:
        return "another potential, or an earlier one"
    if record.record.inputs.get(SETTINGS_FILE) != (sha256_of(settings) if settings.is_file() else None):
        return f"another {SETTINGS_FILE}"
    if record.recipe != recipe_sha256(presets.GATE_PRESETS.get(record.level)):
        return "other runs of molecular dynamics than those of this version"
    now = load_settings(folder)
    if record.host != HostIdentity.of(now.host):
        return f"another host than {now.host.name} as it is now"
    return "" if record.thresholds == _limits(now) else "other thresholds than those of this version"


def _objection(record: ValidationRecord, potential: str, path: Path) -> str:
    """Why this record does not speak for this potential; empty when it does."""
    from dopantfit.validate.run import gates_of

    why = stale(record, potential, path.parent)
    if why:
        return f"{path}: was made with {why} (stale)"
    gates = {one.name: one.passed for one in record.gates}
    missing = [name for name in gates_of(load_settings(path.parent)) if name not in gates]
    if missing:
        return f"{path}: lacks the gate {', '.join(missing)}"
    failed = [name for name, passed in gates.items() if not passed]
    return f"{path}: the potential failed {', '.join(failed)}" if failed else ""


def gate_tables(gates: Sequence[GateRecord]) -> list["Table"]:
    """What ``validate`` prints: every number beside its limits."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title_justify="left")
    for name in ("gate", "number", "value", "limits", "unit", ""):
        table.add_column(name, justify="right" if name in ("value", "limits") else "left", no_wrap=name == "gate")
    for gate in gates:
        if gate.problem:
            table.add_row(gate.name, escape(gate.problem), "", "", "", "FAILED")
        for check in gate.checks:
            value = "nan" if check.value is None else f"{check.value:.4g}"
            error = "" if check.error is None else f" ± {check.error:.2g}"
            low, high = (-inf if check.low is None else check.low), (inf if check.high is None else check.high)
            word = ("passed" if check.passed else "FAILED") + ("" if check.decided else ", within its error")
            table.add_row(gate.name, check.name, f"{value}{error}", f"{low:.3g} to {high:.3g}", check.unit, word)
        table.add_section()
    return [table]


def gate_findings(gates: Sequence[GateRecord]) -> list[str]:
    """What ``validate`` prints below the table: what each gate found."""
    from rich.markup import escape

    return [escape(f"{one.name}: {one.finding}") for one in gates]
