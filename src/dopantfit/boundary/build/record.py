"""``boundary.json``: what a boundary is made of, its domains, and what every stage of its sintering showed."""

from typing import ClassVar

from dopantfit.boundary.build.health import Checkup
from dopantfit.boundary.build.schedule import StageRecord
from dopantfit.boundary.profile.description import DomainsRecord
from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.schema import VersionedRecord

BOUNDARY_RECORD = "boundary.json"


class BoundaryRecord(VersionedRecord):
    """A boundary as built. ions: all of them; composition: by label. health: at the end; stages: after each."""

    what: ClassVar[str] = "record of a boundary"
    remedy: ClassVar[str] = "build it again with `dopantfit boundary build` into another folder"

    format: int = 1
    name: str
    host: str
    potential: str
    ions: int
    composition: dict[str, int]
    health: Checkup
    domains: DomainsRecord
    stages: tuple[StageRecord, ...]
    record: Provenance
