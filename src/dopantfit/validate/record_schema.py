"""``validation.json``: what the gates said of a potential; whoever needs it reads it through these models."""

from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, JsonValue

from dopantfit.structures.hosts import Host
from dopantfit.validate.gate import Gate
from dopantfit.validate.presets import EARLIER
from dopantfit.workflow.provenance import Provenance, hash_of
from dopantfit.workflow.schema import Model, VersionedRecord, parse_content


class CheckRecord(Model):
    """One number of a gate and its limits; null for an open end, an exact number's error, or what is no number."""

    name: str
    value: float | None
    error: float | None
    unit: str
    low: float | None
    high: float | None
    reason: str
    passed: bool
    decided: bool


class GateRecord(Model):
    """One gate; see `dopantfit.validate.gate.Gate`."""

    name: str
    finding: str
    figures: tuple[str, ...]
    details: dict[str, JsonValue]
    problem: str | None
    final: bool
    seconds: float
    passed: bool
    checks: tuple[CheckRecord, ...]

    @classmethod
    def of(cls, gate: Gate) -> Self:
        """Return the record of a gate."""
        return parse_content(cls, gate.as_dict())


class PotentialIdentity(Model):
    """The potential that was validated. source: name of its file, or of the published set."""

    name: str
    sha256: str
    source: str


class HostIdentity(Model):
    """The host whose crystal was doped, and the hash of all that was known of it but what only plans look at."""

    name: str
    sha256: str

    @classmethod
    def of(cls, host: Host) -> Self:
        """Return the identity of a host as it is now."""
        return cls(name=host.name, sha256=hash_of(host.model_dump(mode="json")))


class ValidationRecord(VersionedRecord):
    """What the gates said of a potential.

    level: preset of the gates. thresholds: hash of all limits. recipe: hash of how molecular dynamics was run, None in
    earlier records.
    """

    what: ClassVar[str] = "validation"
    remedy: ClassVar[str] = "run `dopantfit validate` again"

    format: int = 1
    name: str
    level: Annotated[str, BeforeValidator(lambda name: EARLIER.get(name, name))]
    #: None in records of before hosts were files.
    host: HostIdentity | None = None
    passed: bool
    potential: PotentialIdentity
    compared_with: str | None
    thresholds: str
    recipe: str | None = None
    gates: tuple[GateRecord, ...]
    record: Provenance


class ValidationStatus(Model):
    """On what grounds a potential is used; goes into the record of whatever uses it.

    level: preset of the gates. problem: what the validation lacked, None where it passed. waiver: why it is used
    nevertheless.
    """

    potential_sha256: str
    level: str | None
    passed: bool
    problem: str | None = None
    waiver: str | None = None
