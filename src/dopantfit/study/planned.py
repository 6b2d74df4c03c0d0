"""The tasks of a study by what they are about, so that others can refer to what these make."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dopantfit.structures import Host
from dopantfit.study.bleeding_stage import GrainPenetration
from dopantfit.study.boundary_stage import BuiltBoundary, DopedBoundary
from dopantfit.study.conduction import NearestNeighbours, Segments, Transported
from dopantfit.study.crystals import BuiltCrystal
from dopantfit.study.dynamics import Equilibrated, Ions, Produced
from dopantfit.study.ensemble import SystemRuns
from dopantfit.study.spectrum_stage import ExchangeSpectrum
from dopantfit.study.swap_stage import Tempered
from dopantfit.study.systems import Kind, System
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import TaskOutput, TypedTask

AnyJob = TypedTask[Model]


@dataclass(frozen=True)
class LadderTasks:
    """One ladder of walkers of a GB_i, out of one boundary: realisations, their exchange, the bleeding, a spectrum."""

    boundary: TypedTask[BuiltBoundary]
    doped: tuple[TypedTask[DopedBoundary], ...]
    swaps: TypedTask[Tempered]
    bleeding: TypedTask[GrainPenetration]
    spectrum: TypedTask[ExchangeSpectrum]

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        yield from (*self.doped, self.swaps, self.bleeding, self.spectrum)


@dataclass(frozen=True)
class BoundaryTasks:
    """One GB_i: a ladder of walkers for every boundary."""

    system: System
    ladders: tuple[LadderTasks, ...]

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        for ladder in self.ladders:
            yield from ladder

    @property
    def bleedings(self) -> tuple[TaskOutput[GrainPenetration], ...]:
        """References to the bleeding, by boundary."""
        return tuple(one.bleeding.output for one in self.ladders)

    @property
    def spectra(self) -> tuple[TaskOutput[ExchangeSpectrum], ...]:
        """References to the spectra, by boundary."""
        return tuple(one.spectrum.output for one in self.ladders)


@dataclass(frozen=True)
class RunTasks:
    """Molecular dynamics of one structure of a system, and what it says of transport.

    produced: segments of each run. hotter: the same at the second temperature of the study, where it has one.
    """

    system: System
    equilibrated: TypedTask[Equilibrated]
    produced: tuple[tuple[TypedTask[Produced], ...], ...]
    transport: TypedTask[Transported]
    hotter: "HotterTasks | None" = None

    @property
    def outputs(self) -> SystemRuns:
        """References to what it makes."""
        return SystemRuns(
            system=self.system,
            volume=self.equilibrated.output,
            transport=self.transport.output,
            hotter=None if self.hotter is None else self.hotter.transport.output,
        )

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        yield from (self.equilibrated, *(one for segments in self.produced for one in segments), self.transport)
        yield from self.hotter or ()

    @property
    def segments(self) -> tuple[Segments, ...]:
        """References to the segments of every run."""
        return tuple(tuple(one.output for one in segments) for segments in self.produced)


@dataclass(frozen=True)
class HotterTasks:
    """Runs of one structure at the second temperature, from the same equilibration."""

    produced: tuple[tuple[TypedTask[Produced], ...], ...]
    transport: TypedTask[Transported]

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        yield from (*(one for segments in self.produced for one in segments), self.transport)


@dataclass(frozen=True)
class CrystalTasks:
    """One arrangement of C_ref or C_i."""

    built: TypedTask[BuiltCrystal]
    runs: RunTasks

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        yield from (self.built, *self.runs)


@dataclass(frozen=True)
class GlassTasks:
    """One amorphous cell of a system. is_new: whether its structure is not that of the first cell."""

    built: TypedTask[Ions]
    is_new: bool
    runs: RunTasks
    structure: TypedTask[NearestNeighbours]

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        if self.is_new:
            yield self.built
        yield from (*self.runs, self.structure)


@dataclass(frozen=True)
class Planned:
    """All tasks that study a system; those of the results come on top.

    boundaries: undoped, one for each quench. doped: by composition. crystals: arrangements by system.
    glasses: cells by system. hotter: production and transport of one glass at other temperatures.
    ensemble: by other potential and system.
    """

    host: Host
    boundaries: tuple[TypedTask[BuiltBoundary], ...]
    doped: tuple[BoundaryTasks, ...]
    crystals: Mapping[System, tuple[CrystalTasks, ...]]
    glasses: Mapping[System, tuple[GlassTasks, ...]]
    hotter: tuple[tuple[TypedTask[Produced], TypedTask[Transported]], ...]
    ensemble: Mapping[str, Mapping[System, RunTasks]]

    def runs_of(self, system: System) -> RunTasks:
        """Runs of the first structure of a system, with the study's own potential."""
        return (self.crystals[system] if system in self.crystals else self.glasses[system])[0].runs

    def by_kind(self) -> Iterator[tuple[Kind, Iterable[AnyJob]]]:
        """Tasks of crystals and of glasses, by what they work on."""
        for crystal in (one for found in self.crystals.values() for one in found):
            yield Kind.CRYSTAL, crystal
        for cell in (cell for cells in self.glasses.values() for cell in cells):
            yield Kind.AMORPHOUS, cell
        for pair in self.hotter:
            yield Kind.AMORPHOUS, pair
        for system, runs in ((system, runs) for systems in self.ensemble.values() for system, runs in systems.items()):
            yield system.kind, runs

    def __iter__(self) -> Iterator[AnyJob]:
        """In the order of the work."""
        yield from self.boundaries
        for dosed in self.doped:
            yield from dosed
        for crystal in (one for found in self.crystals.values() for one in found):
            yield from crystal
        for cells in self.glasses.values():
            for cell in cells:
                yield from cell
        for pair in self.hotter:
            yield from pair
        for systems in self.ensemble.values():
            for runs in systems.values():
                yield from runs
