"""``fit.json``: what a fit says of itself; whoever needs it reads it through these models."""

from typing import Any, ClassVar

from pydantic import Field

from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.schema import Model, VersionedRecord


class FittedParameter(Model):
    """One free parameter, in its own unit; standard_error is null where it is infinite.

    frames: how many training frames tell it. closest: shortest distance of its pair in them [Å].
    """

    name: str
    unit: str
    start: float
    value: float
    standard_error: float | None
    bounds: tuple[float, float]
    scale: str
    at_bound: bool
    identified: bool
    correlated_with: str
    correlation: float
    frames: int
    closest: float | None


class CostRecord(Model):
    """½ Σ residual² at the start and at the minimum."""

    start: float
    cost: float
    reduced_chi2: float | None
    degrees_of_freedom: int


class SearchCourse(Model):
    """How the search went. generations: best so far, best, median, rejected, spread."""

    method: str
    evaluations: int
    rejected: dict[str, int]
    expansion: dict[str, float | int | None]
    generations: tuple[tuple[float, float, float, int, float], ...]


class Refinement(Model):
    """One local refinement; see `dopantfit.fit.local.Refined`."""

    start_cost: float
    cost: float
    iterations: int
    converged: bool
    gradient: float
    expected_gain: float
    values: dict[str, float]


class CellQuantity(Model):
    """One number of the compound's cell, or one parameter, before and after."""

    quantity: str
    reference: float | None
    start: float | None
    preoptimised: float | None
    fitted: float | None


class CostChange(Model):
    """A cost at the start and at the end."""

    start: float
    cost: float


class PreoptimisationRecord(Model):
    """The cell before and after, beside its reference, and the parameters that were varied."""

    parameters: dict[str, float]
    source: str
    cell: tuple[CellQuantity, ...]
    objective: CostChange
    relaxations: int


class ForceError(Model):
    """RMS error of the forces of one group, and the RMS of DFT [eV/Å]."""

    kind: str
    name: str
    components: int
    rms_error: float
    rms_reference: float


class EnergyError(Model):
    """RMS error of the energies of one group, and the RMS of DFT [eV/atom]."""

    kind: str
    name: str
    frames: int
    rms_error: float
    rms_reference: float


class StressError(ForceError):
    """The same of the stresses [GPa]."""


class ExchangeOutcome(Model):
    """One exchange: what the reference and each potential say of it [eV], null where an end does not come to rest.

    energies, farthest: by potential; the second is how far an ion moves from the reference's ends [Å].
    """

    name: str
    partner: str
    held_out: bool
    reference: float
    energies: dict[str, float | None]
    farthest: dict[str, float | None]


class ExchangeErrors(Model):
    """Errors of the exchange energies with one partner, or with all, on one side, by potential [eV].

    bias: mean of potential less reference. rms_error: its root mean square. Null where an end does not come to rest.
    """

    side: str
    partner: str
    exchanges: int
    reference: float
    bias: dict[str, float | None]
    rms_error: dict[str, float | None]


class ExchangeRecord(Model):
    """Exchange energies of a fit; ``reference`` of the errors is the mean of the reference's.

    entered: the step from which on the fit was held to them; the search before it knows the frames alone.
    """

    entered: str = "local"
    energies: tuple[ExchangeOutcome, ...]
    errors: tuple[ExchangeErrors, ...]


class SideErrors(Model):
    """Errors of the frames of one side, training or held out; collapsed: names of frames without any.

    stresses: where some are fitted.
    """

    forces: tuple[ForceError, ...]
    energies: tuple[EnergyError, ...]
    stresses: tuple[StressError, ...] = ()
    collapsed: tuple[str, ...]


class TurnOverRecord(Model):
    """Where a pair turns over: radius [Å], energy [eV]."""

    radius: float
    energy: float


class Sensitivities(Model):
    """Norms of the residuals' derivatives by kind of residual."""

    kinds: tuple[str, ...]
    norms: dict[str, tuple[float, ...]]


class EnsembleMember(Model):
    """One potential of the ensemble."""

    name: str
    kind: str
    cost: float
    values: dict[str, float]


class LevelErrors(Model):
    """Errors of one level of the budget, or of a potential that is compared; forces by side and species."""

    name: str
    free: int
    cost: float | None
    forces: dict[str, dict[str, float]]
    energies: dict[str, float]
    #: RMS error of all exchange energies [eV] by side, where there are any.
    exchanges: dict[str, float | None] = Field(default_factory=dict)
    converged: bool | None = None


class FrameNames(Model):
    """Names of the frames."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


class HeldParameter(Model):
    """A parameter that was kept at its start, since its ions do not come near in the frames.

    closest: their nearest distance [Å], null beyond the cutoff.
    """

    name: str
    unit: str
    value: float
    closest: float | None


class LabelSource(Model):
    """What made the labels of a set. held_against_dft: whether they are DFT's, or were compared with DFT."""

    set: str
    code: str
    held_against_dft: bool


class FitRecord(VersionedRecord):
    """A fit: parameters with errors, how they were found, and how good the potential is.

    errors: by potential (fitted, and published or start) and side. compared: names of these potentials.
    seconds: by step. potential_sha256: of ``potential.toml`` as it was written.
    """

    what: ClassVar[str] = "record of a fit"
    remedy: ClassVar[str] = "run `dopantfit fit` again"

    format: int = 1
    name: str
    units: dict[str, str]
    parameters: tuple[FittedParameter, ...]
    correlation: tuple[tuple[float, ...], ...]
    objective: CostRecord
    search: SearchCourse
    local: tuple[Refinement, ...]
    preoptimisation: PreoptimisationRecord | None
    errors: dict[str, dict[str, SideErrors]]
    compared: dict[str, str]
    turn_over: dict[str, TurnOverRecord]
    sensitivity: Sensitivities
    ensemble: tuple[EnsembleMember, ...]
    frames: FrameNames
    labels: tuple[LabelSource, ...] = ()
    seconds: dict[str, float]
    record: Provenance
    budget: tuple[LevelErrors, ...]
    potential_sha256: str
    held: tuple[HeldParameter, ...] = ()
    exchanges: ExchangeRecord | None = None

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; without what is said of exchanges where there are none."""
        written = super().as_dict()
        if self.exchanges is None:
            del written["exchanges"]
            for level in written["budget"]:
                del level["exchanges"]
        return written
