"""Results 1 to 4 and 11: the boundary before and after exchange, and the bleeding into the grain."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from dopantfit.boundary.profile.profiles import profiles
from dopantfit.statistics import Interval, ratio_of
from dopantfit.study.bleeding_stage import GrainPenetration, merged
from dopantfit.study.boundary_stage import BuiltBoundary, DopedBoundary
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.files import STRUCTURE, read_structure
from dopantfit.study.item import Cell
from dopantfit.study.item_schemas import (
    ACROSS,
    ALL_SITES,
    BETWEEN,
    AcceptanceFacts,
    HostProfileFacts,
    OccupancyFacts,
    PenetrationFacts,
    ProfileFacts,
    SystemExchanges,
    WalkerFacts,
)
from dopantfit.study.items import Gathered, finish, number, number_columns
from dopantfit.study.swap_stage import Tempered
from dopantfit.study.systems import System
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action


class DopedSystem(Model):
    """The realisations of one GB_i."""

    system: System
    structures: tuple[TaskOutput[DopedBoundary], ...]


class DopantProfiles(Model):
    """Boundaries before any exchange."""

    dopant: str
    boundaries: tuple[DopedSystem, ...]


class SystemPenetration(Model):
    """What bled of one GB_i, out of every boundary."""

    system: System
    bleedings: tuple[TaskOutput[GrainPenetration], ...]


class Penetrations(Model):
    """What bled of every composition."""

    boundaries: tuple[SystemPenetration, ...]


class TemperedSystem(Model):
    """The walkers of one GB_i."""

    system: System
    swaps: TaskOutput[Tempered]


class Walkers(Model):
    """Walkers of every composition."""

    boundaries: tuple[TemperedSystem, ...]


class HostProfile(Model):
    """An ion of the undoped boundary, by label."""

    label: str
    boundary: TaskOutput[BuiltBoundary]


class CrystalOccupancy(Model):
    """One C_i: the bleeding into it out of every boundary, and its volume in every arrangement."""

    system: System
    bleedings: tuple[TaskOutput[GrainPenetration], ...]
    volumes: tuple[TaskOutput[Equilibrated], ...]


class SiteOccupancy(Model):
    """Crystals against the reference."""

    references: tuple[TaskOutput[Equilibrated], ...]
    crystals: tuple[CrystalOccupancy, ...]


@typed_action(DopantProfiles, Gathered, version=1)
def dopant_profiles(here: Here, want: DopantProfiles) -> Product[Gathered]:
    """Item 1: profile of the dopant across the boundary before any exchange, and the composition of each GB_i."""
    rows: list[Sequence[Cell]] = []
    compositions: dict[str, dict[str, float]] = {}
    for one in want.boundaries:
        doped = here.all_made(one.structures)
        if doped:
            structures = [read_structure(made.file(STRUCTURE)) for made in doped]
            rows += profile_rows(one.system.name, structures, want.dopant)
            compositions[one.system.name] = doped[0].result.amorphous_per_unit
    columns = {"system": "", "z": "Å", "mean": "at%", "deviation": "at%", "structures": ""}
    facts = ProfileFacts(compositions=compositions)
    return finish(here, "Dopant across the boundary before exchange", columns, rows, facts)


@typed_action(HostProfile, Gathered, version=1)
def host_profile(here: Here, want: HostProfile) -> Product[Gathered]:
    """Item 3: profile of an ion of the undoped host across the boundary."""
    boundary = here.made(want.boundary)
    rows = [row[1:4] for row in profile_rows("", [read_structure(boundary.file(STRUCTURE))], want.label)]
    facts = HostProfileFacts(label=want.label, domains=boundary.result.domains)
    columns = {"z": "Å", "mean": "at%", "deviation": "at%"}
    return finish(here, f"{want.label} across the undoped boundary", columns, rows, facts)


def profile_rows(system: str, structures: Sequence[Atoms], label: str) -> list[Sequence[Cell]]:
    """Rows of a profile, mean and deviation over structures bin by bin; heights are those of the first."""
    found = [profiles(atoms) for atoms in structures]
    bins = min(len(one.height) for one in found)
    values = np.array([one.atomic_percent.get(label, np.zeros(len(one.height)))[:bins] for one in found])
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(bins, np.nan)
    return [
        (system, float(found[0].height[i]), float(values[:, i].mean()), _or_none(spread[i]), len(values))
        for i in range(bins)
    ]


@typed_action(Penetrations, Gathered, version=4)
def acceptance(here: Here, want: Penetrations) -> Product[Gathered]:
    """Item 2: acceptance of relaxed exchanges, and the profile of the dopant in the walkers of lowest energy."""
    rows: list[Sequence[Cell]] = []
    facts: dict[str, PenetrationFacts] = {}
    for one in want.boundaries:
        if (bled := merged([made.result for made in here.all_made(one.bleedings)])) is None:
            continue
        for sites, pairs in ((ALL_SITES, bled.acceptance), (ACROSS, bled.acceptance_across)):
            for label, pair in pairs.items():
                rows.append((one.system.name, sites, label, pair.attempts, pair.accepted, *number(pair.share)))
        facts[one.system.name] = PenetrationFacts(
            penetration_A=bled.penetration_A, grain_share=bled.grain_share, walkers=bled.walkers
        )
    columns = {"system": "", "sites": "", "partner": "", "attempts": "", "accepted": ""}
    columns |= number_columns("acceptance", "")
    return finish(here, "Acceptance of exchanges of the dopant by partner", columns, rows, AcceptanceFacts(facts))


@typed_action(SiteOccupancy, Gathered, version=3)
def site_occupancy(here: Here, want: SiteOccupancy) -> Product[Gathered]:
    """Item 4: which sites the dopant took in the grain, or that it sits between them, and how much the crystal grew."""
    before = [made.result for made in here.all_made(want.references)]
    rows: list[Sequence[Cell]] = []
    attempts, equilibrated = dict[str, float](), dict[str, float]()
    for one in want.crystals:
        if (bled := merged([made.result for made in here.all_made(one.bleedings)])) is None:
            continue
        name, after = one.system.name, [made.result for made in here.all_made(one.volumes)]
        counts = {**bled.sites, BETWEEN: bled.between_sites}
        change, whole = _less_one(growth(before, after)), sum(counts.values())
        for label, count in counts.items():
            share = count / whole if whole else None
            rows.append((name, label, count, share, change.value, change.low, change.high))
        attempts[name] = bled.attempts_per_dopant
        equilibrated[name] = min((volume.duration_ps for volume in (*before, *after)), default=0.0)
    columns = {"system": "", "site": "", "count": "", "share": ""}
    columns |= {"volume_change": "", "volume_change_low": "", "volume_change_high": ""}
    facts = OccupancyFacts(attempts_per_dopant=attempts, constant_pressure_ps=equilibrated)
    return finish(here, "Sites of the dopant in the grain, and the volume of the crystal", columns, rows, facts)


def growth(before: Sequence[Equilibrated], after: Sequence[Equilibrated]) -> Interval:
    """Volume of doped crystals over that of reference ones, arrangement by arrangement.

    Both have the same host sites, so that volumes compare directly.
    """
    return ratio_of([one.volume_A3 for one in after], [one.volume_A3 for one in before])[0]


def _less_one(ratio: Interval) -> Interval:
    return Interval(ratio.low - 1.0, ratio.high - 1.0, None if ratio.value is None else ratio.value - 1.0)


@typed_action(Walkers, Gathered, version=1)
def walkers(here: Here, want: Walkers) -> Product[Gathered]:
    """Item 11: energy of every walker, round by round, and its temperature, which exchanges change."""
    rows: list[Sequence[Cell]] = []
    facts: dict[str, SystemExchanges] = {}
    for one in want.boundaries:
        if (made := here.if_made(one.swaps)) is not None:
            rows += [(one.system.name, *row) for row in made.result.rounds]
            facts[one.system.name] = SystemExchanges(exchanges=made.result.exchanges)
    columns = {"system": "", "round": "", "walker": "", "temperature": "K", "energy": "eV"}
    return finish(here, "Energies and exchanges of the walkers", columns, rows, WalkerFacts(facts))


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
