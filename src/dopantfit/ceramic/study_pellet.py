"""What changing the boundary does to a pellet: the grains of a study in brick layers of every size.

Grains are the undoped crystal C_ref, since a dopant that stays in the boundary leaves a micrometre of crystal as it is;
boundaries are the glasses, as thick as the amorphous phase that was built. Complexions count as grain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dopantfit.ceramic.brick import BrickLayer
from dopantfit.ceramic.settings import NM_PER_UM
from dopantfit.errors import ConfigError
from dopantfit.statistics import Interval, carried_positive
from dopantfit.study.item_schemas import ConductivityFacts, HostProfileFacts
from dopantfit.study.readings import interval, numbers, period
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import crystal, glass

#: Grain sizes of the figure [µm].
SMALLEST, LARGEST, POINTS = 0.1, 10.0, 21
CRYSTALS, GLASSES, PROFILE = "06-crystal-conductivities", "10-amorphous-conductivities", "03-host-profile"
_ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True)
class PelletRow:
    """A pellet of one grain size [µm] with the boundary of one glass.

    total: conductivity [S/cm]. gain: that over the same pellet's with undoped boundaries.
    """

    system: str
    grain_size: float
    total: Interval
    gain: Interval


@dataclass(frozen=True)
class StudyPellet:
    """Pellets of a study. temperature: [K]. thickness: of a boundary [nm]. bulk, boundaries: conductivities [S/cm]."""

    temperature: float
    thickness: float
    bulk: Interval
    boundaries: Mapping[str, Interval]
    rows: Sequence[PelletRow]

    @property
    def reference(self) -> str:
        """The glass that others are held against."""
        return glass().name


def pellet_of(study: StudySummary, thickness: float | None = None) -> StudyPellet:
    """Return the pellets of a study; thickness: of a boundary [nm], that of its amorphous phase by default.

    Raises ConfigError with the reason of `why_no_pellet`, and when the boundary is not thinner than the smallest grain.
    """
    reason = why_no_pellet(study, thickness)
    if reason:
        raise ConfigError(f"{study.folder}: {reason}")
    bulk = _mobile(study, CRYSTALS).get(crystal().name, Interval.unknown())
    boundaries = _mobile(study, GLASSES)
    width = _amorphous_width(study) if thickness is None else thickness
    if width >= NM_PER_UM * SMALLEST:
        where = f"{study.folder}: its amorphous phase" if thickness is None else "--thickness"
        raise ConfigError(
            f"{where}: a boundary of {width:g} nm must be thinner than the smallest grain, {NM_PER_UM * SMALLEST:g} nm "
            "from boundary to boundary; give a thinner one with --thickness"
        )
    return StudyPellet(study.config.crystals.temperature, width, bulk, boundaries, _rows(bulk, boundaries, width))


def why_no_pellet(study: StudySummary, thickness: float | None = None) -> str:
    """Why there is no pellet of a study: a result is not there, or temperatures differ; empty where there is one."""
    for name in (CRYSTALS, GLASSES):
        if study.item(name, ConductivityFacts) is None:
            return f"a pellet needs the result {name}: {study.why_missing(name)}"
    if thickness is None and study.item(PROFILE, HostProfileFacts) is None:
        why = study.why_missing(PROFILE)
        return f"the thickness of the boundary comes from the result {PROFILE}: {why}; give it with --thickness"
    crystals, glasses = study.config.crystals.temperature, study.config.amorphous.temperature
    if crystals == glasses:
        return ""
    return (
        f"crystals ran at {crystals:g} K and glasses at {glasses:g} K, and a pellet has one temperature; run a study "
        "with the same in [crystals] and [amorphous]"
    )


def _rows(bulk: Interval, boundaries: Mapping[str, Interval], thickness: float) -> list[PelletRow]:
    reference = boundaries.get(glass().name, Interval.unknown())
    rows = []
    for system, boundary in boundaries.items():
        for size in np.geomspace(SMALLEST, LARGEST, POINTS).tolist():
            brick = BrickLayer.of(NM_PER_UM * size, thickness)
            total = carried_positive(brick.conductivity, [_positive(bulk), _positive(boundary)])
            rows.append(PelletRow(system, size, total, _gain(brick, bulk, boundary, reference)))
    return rows


def _gain(brick: BrickLayer, bulk: Interval, boundary: Interval, reference: Interval) -> Interval:
    """Ratio of two pellets with the same grains, which therefore cancel as far as they do.

    The reference against itself is exactly one.
    """
    if boundary is reference:
        return Interval(1.0, 1.0, 1.0)

    def ratio(grain: float, doped: float, undoped: float) -> float:
        below = brick.conductivity(grain, undoped)
        return brick.conductivity(grain, doped) / below if below else float("inf")

    return carried_positive(ratio, [_positive(one) for one in (bulk, boundary, reference)])


def _positive(one: Interval) -> Interval:
    """A conductivity is not below zero, known or not."""
    return Interval(max(0.0, one.low), one.high, one.value)


def _mobile(study: StudySummary, name: str) -> dict[str, Interval]:
    """Conductivity of the mobile ion by system, in a result."""
    item = study.item(name, ConductivityFacts)
    rows = item.rows if item else ()
    return {str(row["system"]): interval(row, "sigma") for row in rows if row["species"] == study.host.mobile}


def _amorphous_width(study: StudySummary) -> float:
    """Thickness of the amorphous phase [nm]."""
    item = study.item(PROFILE, HostProfileFacts)
    if item is None:
        return 0.0
    share = sum(high - low for low, high in item.facts.domains.amorphous)
    return share * period(numbers(item.rows, "z")) / _ANGSTROM_PER_NM
