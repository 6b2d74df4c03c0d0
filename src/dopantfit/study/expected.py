"""How wide the intervals of the verdict will be for the runs that a study plans, from how runs that exist scatter."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from dopantfit.errors import ConfigError
from dopantfit.statistics import TAIL_95, half_width
from dopantfit.structures import Host
from dopantfit.study.config import StudyConfig
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.outlook import predicted_half_width, resized
from dopantfit.study.record import STUDY_RECORD, StudyRecord
from dopantfit.study.systems import Kind, System
from dopantfit.study.verdict import Basis
from dopantfit.transport.diffusion import CM2_PER_S

#: Relative variance of D* times the hops that count for it, 6 D* t N / ℓ²: 3.2 to 4.0 where ions hop back with
#: probability 0.6 (docs/diffusion.md; `python benchmarks/transport.py`).
SCATTER = 3.3
#: A run with fewer gives a bound, or nearly one.
FEWEST_HOPS = 10.0


@dataclass(frozen=True)
class ExpectedWidth:
    """A check of the verdict, and the half width of its 95 % interval that planned runs will have.

    half_width: of the logarithm of a ratio, or of a depth [Å] (`unit`); None where nothing tells.
    structures: pairs of structures, or walkers, that it will rest on. rough: from a rough D* alone, so that what
    structures differ by comes on top.
    """

    composition: str
    quantity: str
    half_width: float | None
    unit: str
    structures: int
    rough: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers."""
        return {
            "composition": self.composition,
            "quantity": self.quantity,
            "half_width": self.half_width,
            "unit": self.unit,
            "structures": self.structures,
            "rough": self.rough,
        }


class MobileCounts(NamedTuple):
    """Mobile ions of a crystal cell and of an amorphous cell."""

    crystal: int
    amorphous: int


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
            known = count > 1 and basis.source != "walkers"
            sizes = resized(now, basis, before, 1), resized(then, basis, after, 1)
            half = predicted_half_width(scaled, *sizes, TAIL_95) if known else None
            unit = "Å" if basis.source == "depths" else "logarithm"
            yield ExpectedWidth(name, check.quantity, half, unit, count)


def rough_widths(host: Host, planned: StudyConfig, mobile: MobileCounts) -> tuple[ExpectedWidth, ...]:
    """Return the half widths of the ratios of conductivities if ions diffuse as the host's file says, roughly.

    A run's D* has the relative variance ``SCATTER`` over its hops. What structures differ by is not known beforehand,
    so intervals will be wider. None of a host that does not tell its D*.
    """
    if host.mobility.diffusion is None:
        return ()
    runs = []
    for number, one in enumerate(Extent.first(planned).compositions, start=1):
        crystal, glass = planned.crystals, planned.amorphous
        cells = one.quenches * glass.cells
        hops = hops_in(host, mobile.crystal, crystal.production * crystal.replicas, crystal.temperature)
        runs.append((Kind.CRYSTAL, number, hops, one.arrangements))
        runs.append(
            (Kind.AMORPHOUS, number, hops_in(host, mobile.amorphous, glass.production, glass.temperature), cells)
        )
    return tuple(
        ExpectedWidth(
            System(kind=Kind.BOUNDARY, composition=number).name,
            f"σ({host.mobile}) of {kind}_{number} over {kind}_ref",
            _rough_half_width(hops, structures),
            "logarithm",
            structures,
            rough=True,
        )
        for kind, number, hops, structures in runs
    )


def hops_in(host: Host, ions: int, duration: float, temperature: float) -> float:
    """Hops that count for diffusion, 6 D* t per squared hop length, of so many ions in a run [ps], at a temperature.

    0 of a host that does not tell its D*.
    """
    diffusion = (host.mobility.diffusion_at(temperature) or 0.0) / CM2_PER_S
    return 6.0 * diffusion * duration * ions / host.mobility.hop_length**2


def _rough_half_width(hops: float, structures: int) -> float | None:
    """None for one structure, and where a run has so few hops that it gives a bound."""
    if structures < 2 or hops < FEWEST_HOPS:
        return None
    return half_width(sqrt(2.0 * SCATTER / hops / structures), structures, TAIL_95)


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
