"""The boundary of a study: sintered, divided into domains, and doped at every concentration."""

from typing import Self

import numpy as np
from ase import Atoms
from pydantic import JsonValue

from dopantfit.boundary.build.config import BuildConfig
from dopantfit.boundary.build.schedule import Schedule
from dopantfit.boundary.build.sinter import build_boundary
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.boundary.dope.sites import DopingResult, doped
from dopantfit.boundary.profile.domains import NAMES, Domains, Span
from dopantfit.boundary.profile.profiles import nearest_by_domain
from dopantfit.potential import Potential
from dopantfit.study.dynamics import Ions, counts_of, launcher_of
from dopantfit.study.files import STRUCTURE, read_structure, write_structure
from dopantfit.workflow.progress import SilentObserver, WorkProgress
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

Spans = tuple[tuple[float, float], ...]


class DomainSpans(Model):
    """The stretches of every domain as fractions of the cell along z, and the order that told them apart."""

    grain: Spans
    complexion: Spans
    amorphous: Spans
    order_grain: float
    order_amorphous: float

    @classmethod
    def of(cls, domains: Domains) -> Self:
        """Return the spans of domains that were found."""
        spans = {
            name: tuple((one.low / one.period, one.high / one.period) for one in domains.intervals[name])
            for name in NAMES
        }
        return cls(**spans, order_grain=domains.order_grain, order_amorphous=domains.order_amorphous)

    def within(self, atoms: Atoms) -> Domains:
        """Return the domains in a structure whose cell may have changed since."""
        period = float(atoms.cell[2, 2])
        spans: dict[str, Spans] = {name: getattr(self, name) for name in NAMES}
        intervals = {
            name: tuple(Span(low * period, high * period, period) for low, high in found)
            for name, found in spans.items()
        }
        none = np.empty(0)
        return Domains(intervals, self.order_grain, self.order_amorphous, none, none)


class BoundaryBuild(Model):
    """The undoped boundary. reducible: label whose distances are reported."""

    build: BuildConfig
    reducible: str


class BuiltBoundary(Ions):
    """A sintered boundary: cell [Å], domains, width of the complexion [Å].

    nearest_A: by domain, mean distance to the nearest other reducible ion [Å], its standard error, and of how many.
    health: `dopantfit.boundary.build.health.Checkup`.
    """

    cell_A: tuple[float, float, float]
    domains: DomainSpans
    complexion_A: float
    nearest_A: dict[str, tuple[float, float, int] | None]
    health: dict[str, JsonValue]


class BoundaryDoping(Model):
    """One concentration, one realisation, both from 1."""

    dope: DopeConfig
    level: int
    realisation: int
    boundary: TaskOutput[BuiltBoundary]


class DopedBoundary(DopingResult):
    """A doped and relaxed boundary.

    amorphous_per_unit: ions of its amorphous domain for the polyanions of one formula unit, by label.
    """

    atoms: int
    amorphous_per_unit: dict[str, float]


@typed_action(BoundaryBuild, BuiltBoundary, version=1)
def build(here: Here, want: BoundaryBuild) -> Product[BuiltBoundary]:
    """Sinter the undoped boundary and find its domains."""
    potential, folder = Potential.load(here.path("potential")), here.folder / "sintering"
    built = build_boundary(want.build, potential, folder, launcher_of(here), observer=_RunsOfASchedule(here))
    atoms, domains = built.atoms, built.domains
    write_structure(here.folder / STRUCTURE, atoms)
    x, y, z = atoms.cell.lengths().tolist()
    result = BuiltBoundary(
        atoms=len(atoms),
        counts=counts_of(atoms),
        cell_A=(x, y, z),
        domains=DomainSpans.of(domains),
        complexion_A=domains.width("complexion"),
        nearest_A=nearest_by_domain(atoms, domains, want.reducible),
        health=built.record.health.as_dict(),
    )
    return Product(result, (STRUCTURE,), {"ions": len(atoms), "ranks": here.resources.ranks})


@typed_action(BoundaryDoping, DopedBoundary, version=1)
def dope(here: Here, want: BoundaryDoping) -> Product[DopedBoundary]:
    """Dope the boundary and relax it: one concentration, one realisation."""
    boundary, config = here.made(want.boundary), want.dope
    potential = Potential.load(here.path("potential"))
    host = read_structure(boundary.file(STRUCTURE))
    spans = boundary.result.domains
    start, doping = doped(host, spans.within(host), potential, config, want.level, want.realisation)
    seed = config.seed + want.realisation
    schedule = Schedule(potential, config.host, config.stages, config.health, seed, launcher_of(here))
    atoms, _ = schedule.run(start, here.folder / "relaxation", _RunsOfASchedule(here))
    write_structure(here.folder / STRUCTURE, atoms)
    counts = counts_of(atoms[spans.within(atoms).members(atoms, "amorphous")])
    whole, centres = config.host.polyanions_per_unit, counts[config.host.polyanion.centre]
    per_unit = {label: whole * count / centres for label, count in counts.items()}
    result = DopedBoundary(**doping.as_dict(), atoms=len(atoms), amorphous_per_unit=per_unit)
    return Product(result, (STRUCTURE,), {"ions": len(atoms), "ranks": here.resources.ranks})


class _RunsOfASchedule(SilentObserver):
    """Adds up the molecular dynamics of a schedule, run by run."""

    def __init__(self, here: Here) -> None:
        self._here, self._before = here, 0.0
        self._run, self._last = "", 0.0

    def show(self, work: str, progress: WorkProgress) -> None:
        """Say how far all runs together are [ps]."""
        if work != self._run:
            self._before, self._run = self._before + self._last, work
        self._last = progress.done
        self._here.report(self._before + progress.done, progress.per_hour)
