"""``dope.json``: one realisation of a doping."""

from typing import ClassVar

from dopantfit.boundary.build.schedule import StageRecord
from dopantfit.boundary.dope.sites import DopingResult
from dopantfit.boundary.profile.description import DomainsRecord
from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.schema import VersionedRecord

DOPE_RECORD = "dope.json"


class DopeRecord(VersionedRecord):
    """One realisation: what it got, and its end. error: why it was lost on the way, None where it was not.

    domains, record: None for one that was lost, of which nothing is written.
    """

    what: ClassVar[str] = "record of a doped boundary"
    remedy: ClassVar[str] = "dope it again with `dopantfit boundary dope` into another folder"

    format: int = 1
    folder: str
    doping: DopingResult
    error: str | None = None
    domains: DomainsRecord | None = None
    stages: tuple[StageRecord, ...] = ()
    record: Provenance | None = None
