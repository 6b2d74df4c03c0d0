"""``validation.json``: what it holds, and who may go on with a potential on the strength of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dopantfit.errors import ConfigError
from dopantfit.fit.inputs import set_files
from dopantfit.structures.hosts import Host, load_host
from dopantfit.validate import thresholds
from dopantfit.validate.gate import Gate
from dopantfit.validate.settings import SETTINGS_FILE, load_settings
from dopantfit.validate.subject import Subject, potential_sha256
from dopantfit.workflow.provenance import Provenance, hash_of, sha256_of, write_json_atomic

if TYPE_CHECKING:
    from rich.table import Table

FORMAT = 1
#: Words that say why a potential is used without a passed validation; fewer say nothing.
_FEWEST_WORDS = 3


def stem(subject: Subject) -> str:
    """Name of the record and of the folder of its figures: of a fit's own potential, or of another one."""
    return "validation" if subject.own else f"validation-{subject.potential.name}"


def write_validation(subject: Subject, gates: Sequence[Gate], started: float) -> dict[str, Any]:
    """Write the record beside ``fit.toml``; returns what it holds. started: ``time.time()`` at the start [s]."""
    folder = subject.file.parent
    payload = {
        "format": FORMAT,
        "name": subject.config.name,
        "level": subject.level_name,
        "host": {"name": subject.host.name, "sha256": _hash_of(subject.host)},
        "passed": all(gate.passed for gate in gates),
        "potential": {"name": subject.potential.name, "sha256": subject.sha256, "source": Path(subject.source).name},
        "compared_with": subject.peer.name if subject.peer else None,
        "thresholds": thresholds.sha256(subject.host),
        "gates": [gate.as_dict() for gate in gates],
        "record": _record(subject, started).as_dict(),
    }
    write_json_atomic(folder / f"{stem(subject)}.json", payload)
    return payload


def _record(subject: Subject, started: float) -> Provenance:
    folder = subject.file.parent
    inputs = {path.name: path for path in (subject.file, folder / SETTINGS_FILE) if path.is_file()}
    if Path(subject.source).is_file():
        inputs[Path(subject.source).name] = Path(subject.source)
    inputs |= set_files(subject.config, folder)
    settings = {"level": {subject.level_name: asdict(subject.level)}, **subject.settings.model_dump(mode="json")}
    return Provenance.of(inputs, settings, seed=subject.config.seed, started=started)


@dataclass(frozen=True)
class Standing:
    """On what grounds a potential is used; goes into the record of whatever uses it.

    problem: what the validation lacked, None where it passed. waiver: why it is used nevertheless.
    """

    potential_sha256: str
    level: str | None
    passed: bool
    problem: str | None = None
    waiver: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


def require_valid(potential: str | Path, validation: str | Path, waiver: str | None = None) -> Standing:
    """Return the standing of a potential that passed every gate.

    potential: its file, or a library name. validation: the ``validation.json`` made for it.
    waiver: why it may be used without; it stays in the standing together with what is wrong.
    Raises ConfigError when the record is missing, damaged, incomplete, failed, or of another potential and no waiver of
    at least three words is given.
    """
    path, found = Path(validation), potential_sha256(potential)
    record, problem = _read(path)
    if problem is None:
        problem = _objection(record, found, path)
    level = record.get("level") if record else None
    if problem is None:
        return Standing(found, level, True)
    if waiver is None:
        raise ConfigError(f"{problem}; run `dopantfit validate {path.parent}`, or say why to go on without")
    if len(waiver.split()) < _FEWEST_WORDS:
        raise ConfigError(f"{problem}; the reason to go on without, {waiver!r}, says nothing: give a sentence")
    return Standing(found, level, False, problem, waiver)


def _read(path: Path) -> tuple[dict[str, Any], str | None]:
    """The record, or what is wrong with the file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, f"{path}: there is no validation"
    except (OSError, ValueError):
        return {}, f"{path}: cannot be read as JSON"
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        return {}, f"{path}: is no validation of format {FORMAT}"
    return record, None


def stale(record: Mapping[str, Any], potential: str, folder: Path) -> str:
    """Say what the record in a fit's folder was made with that is no longer so; empty where all still holds.

    potential: SHA-256 of what is to be used. Raises KeyError and TypeError for a damaged record.
    """
    settings = folder / SETTINGS_FILE
    if record["potential"]["sha256"] != potential:
        return "another potential, or an earlier one"
    if record["record"]["inputs"].get(SETTINGS_FILE) != (sha256_of(settings) if settings.is_file() else None):
        return f"another {SETTINGS_FILE}"
    host = load_settings(folder).host
    # Records of before hosts were files are about the one that there was.
    if (record["host"]["sha256"] != _hash_of(host)) if "host" in record else host != load_host():
        return f"another host than {host.name} as it is now"
    return "" if record.get("thresholds") == thresholds.sha256(host) else "other thresholds than those of this version"


def _hash_of(host: Host) -> str:
    return hash_of(host.model_dump(mode="json"))


def _objection(record: dict[str, Any], potential: str, path: Path) -> str | None:
    """Why this record does not speak for this potential; None when it does."""
    from dopantfit.validate.run import GATES

    try:
        why = stale(record, potential, path.parent)
        gates = {one["name"]: bool(one["passed"]) for one in record["gates"]}
    except (KeyError, TypeError, AttributeError):
        return f"{path}: is damaged"
    if why:
        return f"{path}: was made with {why} (stale)"
    missing = [name for name in GATES if name not in gates]
    if missing:
        return f"{path}: lacks the gate {', '.join(missing)}"
    failed = [name for name, passed in gates.items() if not passed]
    return f"{path}: the potential failed {', '.join(failed)}" if failed else None


def tables(gates: Sequence[Gate]) -> list["Table"]:
    """What ``validate`` prints: every number beside its limits."""
    from rich.table import Table

    table = Table(title_justify="left")
    for name in ("gate", "number", "value", "limits", "unit", ""):
        table.add_column(name, justify="right" if name in ("value", "limits") else "left", no_wrap=name == "gate")
    for gate in gates:
        if gate.problem:
            table.add_row(gate.name, gate.problem, "", "", "", "FAILED")
        for check in gate.checks:
            error = "" if check.error is None else f" ± {check.error:.2g}"
            limits = f"{check.threshold.low:.3g} to {check.threshold.high:.3g}"
            word = ("passed" if check.passed else "FAILED") + ("" if check.decided else ", within its error")
            table.add_row(gate.name, check.name, f"{check.value:.4g}{error}", limits, check.threshold.unit, word)
        table.add_section()
    return [table]
