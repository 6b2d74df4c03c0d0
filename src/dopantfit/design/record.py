"""``design.json``: what a design made, where it stands, and what comes next."""

from typing import ClassVar, Literal

from pydantic import Field

from dopantfit.design.grain import GrainShare
from dopantfit.study.values import Number, Range
from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.schema import Model, VersionedRecord

DESIGN_RECORD = "design.json"
#: front: no other is better in both by the best estimates. possible: none surely is. dominated: one surely is.
#: excluded: too much of the dopant stays in the grain. failed: too few of its glasses came to an end.
TrialStatus = Literal["front", "possible", "dominated", "excluded", "failed"]


class GlassRecord(Model):
    """Glasses of one composition. counts: ions of all of them together; replaced: those that gave their places.

    glasses: how many. production_ps: of each. percent: dopant in all ions [at%]. shares: of the framework's ions and of
    the dopant.
    """

    counts: dict[str, int]
    replaced: dict[str, int]
    glasses: int
    production_ps: float
    percent: float
    shares: dict[str, float]
    sigma_S_per_cm: Number | None
    density_per_A3: Number | None


class TrialRecord(Model):
    """One composition: asked for, and what its glasses showed; None where too few came to an end.

    number: from 1. dose: at% of all ions. share: of the reducible ion among what is replaced.
    """

    number: int
    dopant: str
    dose: float
    share: float
    glass: GlassRecord | None
    sigma_over_undoped: Range
    density_over_undoped: Range
    grain: GrainShare | None
    status: TrialStatus
    remark: str = ""


class NextComposition(Model):
    """The composition worth making next, with what is expected of it; gain: of hypervolume, as a part.

    shares: of the framework's ions and of the dopant.
    """

    dopant: str
    dose: float
    share: float
    sigma_S_per_cm: Range
    density_per_A3: Range
    gain: float
    shares: dict[str, float]


class DesignRecord(VersionedRecord):
    """A design as it stands. batch: trials between two looks; hypervolumes: of the front after each, in logarithms.

    grain: on what the shares in the grain rest, by dopant. gates: problems of potentials that are used all the same.
    """

    what: ClassVar[str] = "record of a design"
    remedy: ClassVar[str] = "run `dopantfit design` again"

    format: int = 2

    host: str
    mobile: str
    reducible: str
    framework: tuple[str, ...]
    temperature_K: float
    undoped: GlassRecord | None
    trials: tuple[TrialRecord, ...]
    batch: int
    hypervolumes: tuple[float, ...]
    following: NextComposition | None
    grain: dict[str, str]
    gates: dict[str, str] = Field(default_factory=dict)
    record: Provenance

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The compositions on the front, the best conductor first."""
        found = [one for one in self.trials if one.status == "front"]
        return tuple(sorted(found, key=lambda one: -(_value(one) or 0.0)))

    @property
    def has_failed(self) -> bool:
        """Whether a composition is not known for want of its glasses."""
        return any(one.status == "failed" for one in self.trials)


def _value(trial: TrialRecord) -> float | None:
    sigma = None if trial.glass is None else trial.glass.sigma_S_per_cm
    return None if sigma is None else sigma.value
