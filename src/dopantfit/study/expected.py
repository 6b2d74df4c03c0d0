"""How wide the intervals of the verdict will be for the runs that a study plans, from how runs that exist scatter."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.statistics import TAIL_95
from dopantfit.study.config import StudyConfig
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.outlook import Size, predicted_half_width
from dopantfit.study.record import STUDY_RECORD, StudyRecord
from dopantfit.study.verdict import Basis


@dataclass(frozen=True)
class ExpectedWidth:
    """A check of the verdict, and the half width of its 95 % interval that planned runs will have.

    half_width: of the logarithm of a ratio, or of a depth [Å] (`unit`); None where the runs that exist do not tell.
    structures: pairs of structures, or walkers, that it will rest on.
    """

    composition: str
    quantity: str
    half_width: float | None
    unit: str
    structures: int

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers."""
        return {
            "composition": self.composition,
            "quantity": self.quantity,
            "half_width": self.half_width,
            "unit": self.unit,
            "structures": self.structures,
        }


def expected_widths(run: Path, planned: StudyConfig) -> tuple[ExpectedWidth, ...]:
    """Return the half widths that a planned study will have, by the study in a run folder; none without its verdict.

    Structures scatter as they do there, whatever the size of cells; errors of runs fall with their length.
    """
    try:
        record = StudyRecord.read_if_there(run / STUDY_RECORD)
        return () if record is None else tuple(widths_of(record, record.config, planned))
    except (ConfigError, ValueError):
        return ()  # of another version: it tells nothing, and a plan needs it not


def widths_of(record: StudyRecord, existing: StudyConfig, planned: StudyConfig) -> Iterator[ExpectedWidth]:
    """Every check of a verdict with its half width in a planned study; existing: settings of the study it is of."""
    if record.verdict is None:
        return
    grown = Extent.first(existing) if record.rounds is None else record.rounds.last.extent
    then = Extent.first(planned).compositions[0]
    for (name, answer), now in zip(record.verdict.compositions.items(), grown.compositions, strict=True):
        for check in answer.checks:
            basis = check.basis
            if basis is None or basis.source == "share":
                continue  # answered with the dopant's share
            before, after = _structures(existing, now, basis), _structures(planned, then, basis)
            scaled = longer(basis, _length(planned, then, basis) / _length(existing, now, basis))
            count = basis.count * after // before
            half = predicted_half_width(scaled, Size(before, 1), Size(after, 1), TAIL_95) if count > 1 else None
            unit = "Å" if basis.source == "depths" else "logarithm"
            yield ExpectedWidth(name, check.quantity, half, unit, count)


def longer(basis: Basis, factor: float) -> Basis:
    """Return what a check rests on if each of its runs were so many times as long."""
    if basis.spread is None or basis.within is None:
        return basis
    within = basis.within / factor
    return basis.model_copy(update={"within": within, "spread": max(0.0, basis.spread - basis.within) + within})


def _structures(study: StudyConfig, extent: CompositionExtent, basis: Basis) -> int:
    if basis.is_of_crystals:
        return extent.arrangements
    each = study.amorphous.cells if basis.source in ("glasses", "glass runs") else study.doping.realisations
    return extent.quenches * each


def _length(study: StudyConfig, extent: CompositionExtent, basis: Basis) -> float:
    """Production of one structure [ps], or 1 where production does not matter."""
    if basis.source == "crystal runs":
        return study.crystals.production * study.crystals.replicas * extent.crystal_segments
    return study.amorphous.production * extent.glass_segments if basis.source == "glass runs" else 1.0
