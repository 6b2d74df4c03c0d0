"""The glasses of a design as tasks of the study: the undoped ones of every boundary, and those of every composition."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dopantfit.design.inputs import DesignInputs
from dopantfit.design.space import Composition
from dopantfit.study import amorphous_stage, places
from dopantfit.study.amorphous_stage import GlassDose
from dopantfit.study.boundary_stage import BuiltBoundary
from dopantfit.study.planned import AnyJob, GlassTasks
from dopantfit.study.systems import System, glass
from dopantfit.study.tasks import Planner
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.typed import TypedTask


@dataclass(frozen=True)
class DesignTasks:
    """All tasks of a design. made: compositions by the number of their trial, from 0; segments: of their runs."""

    design: DesignInputs
    made: Mapping[int, Composition]
    segments: Mapping[int, int]

    @cached_property
    def planners(self) -> dict[str, Planner]:
        """What makes the tasks, by dopant."""
        grown = tuple(self.segments.get(number, 1) for number in range(max(self.made, default=0) + 1))
        return {one.name: one.planner(grown) for one in self.design.dopants}

    @property
    def first(self) -> Planner:
        """That of the first dopant, whose potential makes the boundaries and the undoped glasses of all."""
        return self.planners[self.design.dopants[0].name]

    @cached_property
    def undoped(self) -> dict[int, GlassTasks]:
        """The undoped glass of every boundary."""
        found = {}
        for quench in self.quenches:
            system = glass(cell=self.first.cell(quench, 1))
            cut = self.first.cut(system, self.boundaries[quench], None)
            found[quench] = self.first.glass(system, cut, True)
        return found

    @cached_property
    def boundaries(self) -> dict[int, TypedTask[BuiltBoundary]]:
        """The boundaries."""
        return {quench: self.first.boundary(quench) for quench in self.quenches}

    @property
    def quenches(self) -> range:
        """Numbers of the boundaries."""
        return range(1, self.design.settings.quenches + 1)

    @cached_property
    def doped(self) -> dict[int, dict[int, GlassTasks]]:
        """The glasses of every trial, by boundary."""
        return {
            number: {quench: self._doped(number, one, quench) for quench in self.quenches}
            for number, one in self.made.items()
        }

    def _doped(self, number: int, one: Composition, quench: int) -> GlassTasks:
        planner = self.planners[one.dopant]
        system = glass(number + 1, planner.cell(quench, 1))
        return planner.glass(system, self._dosed(planner, one, system, quench), True)

    def _dosed(
        self, planner: Planner, one: Composition, system: System, quench: int
    ) -> TypedTask[amorphous_stage.DosedGlass]:
        name = f"{places.runs(system)}/build"
        reference: TypedTask[amorphous_stage.CutGlass] = self.undoped[quench].built  # type: ignore[assignment]
        want = GlassDose(
            host=planner.host,
            dopant=one.dopant,
            percent=one.dose,
            share=one.share,
            seed=planner.seed(name),
            reference=reference.output,
        )
        return TypedTask(name, "amorphous", amorphous_stage.dose_glass, want, planner.own_potential)

    def graph(self) -> Graph:
        """Return all of them as a graph; ConfigError as the study's own."""
        return Graph(job.task() for job in self._jobs())

    def _jobs(self) -> Iterator[AnyJob]:
        yield from self.boundaries.values()
        for cells in (self.undoped, *self.doped.values()):
            for cell in cells.values():
                yield from (cell.built, *cell.runs)
