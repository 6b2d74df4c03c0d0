"""The graph of a study: which tasks there are and what each needs, in the order of the science."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dopantfit.boundary.build.stages import total_duration
from dopantfit.study import amorphous_stage, boundary_stage, conduction, dynamics, places
from dopantfit.study.amorphous_stage import GlassCut, GlassExchange
from dopantfit.study.bleeding_stage import GrainPenetration, PenetrationAnalysis, bleed
from dopantfit.study.boundary_stage import BoundaryBuild, BoundaryDoping, BuiltBoundary, DopedBoundary
from dopantfit.study.conduction import GlassStructure, TransportAnalysis, Transported
from dopantfit.study.config import AmorphousCells, Crystals
from dopantfit.study.crystals import BuiltCrystal, CrystalBuild, build_crystal
from dopantfit.study.dynamics import Continuation, Equilibration, Ions, Produced, Production
from dopantfit.study.inputs import StudyInputs
from dopantfit.study.item_tasks import result_jobs
from dopantfit.study.planned import (
    AnyJob,
    BoundaryTasks,
    CrystalTasks,
    GlassTasks,
    HotterTasks,
    LadderTasks,
    Planned,
    RunTasks,
)
from dopantfit.study.spectrum_stage import HOST_RELAXATIONS, ExchangeSpectrum, SpectrumOfExchanges, find_spectrum
from dopantfit.study.swap_stage import Tempered, Tempering, temper_walkers
from dopantfit.study.systems import EXCHANGED, Kind, System, boundary, crystal, glass
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.schema import Model
from dopantfit.workflow.task import FilePart
from dopantfit.workflow.typed import TaskOutput, TypedTask

Files = Mapping[str, Path | FilePart]


@dataclass(frozen=True)
class Planner(StudyInputs):
    """Makes the tasks of one study."""

    @cached_property
    def planned(self) -> Planned:
        """The tasks by what they are about.

        Raises ConfigError when a potential or boundary that is named is not there, or the dopant cannot be one.
        """
        self.check_dopant()
        quenches = range(1, self.extent.of(boundary()).quenches + 1)
        built = tuple(self.boundary(quench) for quench in quenches)
        doped = tuple(self.dosed(boundary(i), built) for i in self.study.compositions)
        crystals = self.crystals(doped)
        glasses = self.glasses(built, doped)
        return Planned(
            self.host, built, doped, crystals, glasses, self.hotter(glasses), self.ensemble(crystals, glasses)
        )

    @cached_property
    def jobs(self) -> tuple[AnyJob, ...]:
        """All tasks, those that gather results last."""
        return (*self.planned, *result_jobs(self.study, self.planned, self.accuracy, self.look))

    def graph(self) -> Graph:
        """Return all tasks as a graph; ConfigError as `planned`."""
        return Graph(job.task() for job in self.jobs)

    def boundary(self, quench: int) -> TypedTask[BuiltBoundary]:
        """One undoped boundary."""
        config, name = self.build_config(quench), places.of_quench(places.BOUNDARY, quench)
        settings = BoundaryBuild(build=config, reducible=self.host.reducible)
        cost = total_duration(config.stages)
        return TypedTask(name, "boundary", boundary_stage.build, settings, self.undoped_potential, cost, "ps")

    def dosed(self, system: System, built: tuple[TypedTask[BuiltBoundary], ...]) -> BoundaryTasks:
        """Dope every boundary at one concentration, exchange, and measure the bleeding."""
        count = self.extent.of(system).quenches
        return BoundaryTasks(system, tuple(self.ladder(system, k, one) for k, one in enumerate(built[:count], 1)))

    def ladder(self, system: System, quench: int, built: TypedTask[BuiltBoundary]) -> LadderTasks:
        """One boundary doped at one concentration, with its walkers."""
        study, files, config = self.study, self.own_potential, self.dope_config(quench)
        partners, index = self.host.exchangeable, system.composition or 0
        doped = tuple(
            TypedTask(
                places.doped(system, k, quench),
                "doping",
                boundary_stage.dope,
                BoundaryDoping(dope=config, level=index, realisation=k, boundary=built.output),
                files,
                study.doping.relaxation,
                "ps",
            )
            for k in range(1, study.doping.realisations + 1)
        )
        name = places.swaps(system, quench)
        tempering = Tempering(
            swaps=study.swaps,
            pressure=study.engine.pressure,
            dopant=study.dopant,
            partners=partners,
            seed=self.seed(name),
            boundary=built.output,
            walkers=tuple(one.output for one in doped),
        )
        cost = float(study.swaps.attempts * study.doping.realisations)
        swaps = TypedTask(name, "swaps", temper_walkers, tempering, files, cost, "swaps", coordinates=True)
        analysis = PenetrationAnalysis(
            lowest=study.swaps.lowest_walkers,
            dopant=study.dopant,
            partners=partners,
            boundary=built.output,
            swaps=swaps.output,
        )
        bleeding = TypedTask(places.bleeding(system, quench), "bleeding", bleed, analysis, files)
        return LadderTasks(built, doped, swaps, bleeding, self.spectrum(system, quench, built, doped[0], swaps))

    def spectrum(
        self,
        system: System,
        quench: int,
        built: TypedTask[BuiltBoundary],
        doped: TypedTask[DopedBoundary],
        swaps: TypedTask[Tempered],
    ) -> TypedTask[ExchangeSpectrum]:
        """Where the dopant of one boundary goes by the energies of its exchange, from its first realisation on."""
        settings, name = self.study.spectrum, places.spectrum(system, quench)
        want = SpectrumOfExchanges(
            host=self.host,
            dopant=self.study.dopant,
            partners=self.host.exchangeable,
            spectra=settings,
            temperature=self.study.swaps.coldest,
            seed=self.seed(name),
            boundary=built.output,
            doped=doped.output,
            swaps=swaps.output,
        )
        cost = float(settings.sites * settings.arrangements + HOST_RELAXATIONS * settings.settling)
        return TypedTask(
            name, "spectrum", find_spectrum, want, self.own_potential, cost, "relaxations", coordinates=True
        )

    def crystals(self, doped: tuple[BoundaryTasks, ...]) -> dict[System, tuple[CrystalTasks, ...]]:
        """C_ref, and C_i with the dopants that bled out of GB_i, in several arrangements.

        What bled is that of the first ladders: more of them, later, leave the crystals as they are.
        """
        first = self.study.boundary.quenches
        bleedings: dict[System, tuple[TaskOutput[GrainPenetration], ...]] = {crystal(): ()}
        for one in doped:
            bleedings[one.system.as_kind(Kind.CRYSTAL)] = tuple(each.bleeding.output for each in one.ladders[:first])
        return {
            system: tuple(self.crystal(system, k, bled) for k in range(1, self.extent.of(system).arrangements + 1))
            for system, bled in bleedings.items()
        }

    def crystal(self, system: System, number: int, bleeding: tuple[TaskOutput[GrainPenetration], ...]) -> CrystalTasks:
        """One arrangement of a crystal."""
        settings, system = self.study.crystals, system.model_copy(update={"cell": number})
        want = CrystalBuild(
            host=self.host,
            edge=settings.edge,
            x=settings.x,
            dopant=self.study.dopant,
            # One seed for all of a number, so that all have their partners on the same sites.
            seed=self.seed("C" if number == 1 else f"C/{number}"),
            bleeding=bleeding,
        )
        name = places.runs(system)
        built = TypedTask(f"{name}/build", "crystals", build_crystal, want, self.own_potential)
        return CrystalTasks(built, self.runs(name, "crystals", system, built, built.output))

    def runs(
        self,
        name: str,
        stage: str,
        system: System,
        source: TypedTask[Model],
        sites: TaskOutput[BuiltCrystal] | None,
        files: Files | None = None,
    ) -> RunTasks:
        """Equilibration of one structure, production runs from it, and the transport of all of them.

        sites: the crystal that tells dopants on different sites apart. files: the potential, the study's own by
        default.
        """
        own = files is None
        files = self.potential_of(system) if files is None else files
        settings = self.settings_of(system)
        replicas = self.study.crystals.replicas if system.kind is Kind.CRYSTAL else 1
        equilibration = Equilibration(
            engine=self.study.engine,
            temperature=settings.equilibration_temperature,
            duration=settings.equilibration,
            seed=self.seed(f"{name}/equilibrate"),
            structure=source.output,
        )
        equilibrated = TypedTask(
            f"{name}/equilibrate", stage, dynamics.equilibrate, equilibration, files, settings.equilibration, "ps"
        )
        segments = self.segments_of(system) if own else 1

        def at(kelvin: float, mark: str) -> HotterTasks:
            produced = tuple(
                self.production(f"{name}/run{k}{mark}", stage, system, kelvin, equilibrated.output, files, segments)
                for k in range(1, replicas + 1)
            )
            return HotterTasks(
                produced, self.transport(f"{name}/transport{mark}", stage, kelvin, produced, sites, files)
            )

        found, kelvin = at(settings.temperature, ""), self.study.second_temperature
        again = own and kelvin is not None and system.kind is not Kind.EXCHANGED
        hotter = at(kelvin, f"_{kelvin:g}K") if again and kelvin is not None else None
        return RunTasks(system, equilibrated, found.produced, found.transport, hotter)

    def potential_of(self, system: System) -> Files:
        """Return the study's own potential, for a reference what it is without the dopant."""
        return self.undoped_potential if system.is_reference else self.own_potential

    def segments_of(self, system: System) -> int:
        """Of how many segments a production run of a system consists."""
        if system.kind is Kind.EXCHANGED:
            return 1
        extent = self.extent.of(system)
        return extent.crystal_segments if system.kind is Kind.CRYSTAL else extent.glass_segments

    def settings_of(self, system: System) -> Crystals | AmorphousCells:
        """Return the table of the study that a system runs by."""
        return self.study.crystals if system.kind is Kind.CRYSTAL else self.study.amorphous

    def production(
        self,
        name: str,
        stage: str,
        system: System,
        temperature: float,
        source: TaskOutput[Model],
        files: Files,
        segments: int = 1,
    ) -> tuple[TypedTask[Produced], ...]:
        """Molecular dynamics at constant volume, in segments that go on from one another."""
        settings, engine = self.settings_of(system), self.study.engine
        want = Production(
            engine=engine,
            temperature=temperature,
            heating=settings.heating,
            duration=settings.production,
            seed=self.seed(name),
            structure=source,
        )
        found = [TypedTask(name, stage, dynamics.conduct, want, files, settings.heating + settings.production, "ps")]
        for number in range(2, segments + 1):
            next_one = Continuation(
                engine=engine,
                temperature=temperature,
                duration=settings.production,
                seed=self.seed(f"{name}.{number}"),
                before=found[-1].output,
            )
            found.append(
                TypedTask(f"{name}.{number}", stage, dynamics.go_on, next_one, files, settings.production, "ps")
            )
        return tuple(found)

    def transport(
        self,
        name: str,
        stage: str,
        temperature: float,
        runs: tuple[tuple[TypedTask[Produced], ...], ...],
        sites: TaskOutput[BuiltCrystal] | None,
        files: Files,
    ) -> TypedTask[Transported]:
        """Transport out of independent runs of one structure, each in segments."""
        want = TransportAnalysis(
            temperature=temperature,
            dopant=self.study.dopant,
            centre=self.host.polyanion.centre,
            runs=tuple(tuple(one.output for one in segments) for segments in runs),
            crystal=sites,
        )
        return TypedTask(name, stage, conduction.transport, want, files)

    def glasses(
        self, built: tuple[TypedTask[BuiltBoundary], ...], doped: tuple[BoundaryTasks, ...]
    ) -> dict[System, tuple[GlassTasks, ...]]:
        """A_ref, A_1 ... A_N, and T_0, with so many cells out of every boundary.

        Those of A_ref of one boundary are one structure with other velocities, those of A_i other walkers; T_0, which
        no requirement asks for, is made of the first boundary alone.
        """
        references = [self.cut(glass(cell=self.cell(q, 1)), one, None) for q, one in enumerate(built, 1)]
        found = {glass(): self.repeated(glass(), references)}
        for one in doped:
            pairs = [(q, each, rank) for q, each in enumerate(one.ladders, 1) for rank in self.ranks]
            own = [(glass(one.system.composition, self.cell(q, rank)), each, rank) for q, each, rank in pairs]
            found[glass(one.system.composition)] = tuple(
                self.glass(system, self.cut(system, each.boundary, each, rank), True) for system, each, rank in own
            )
        if self.study.amorphous.reducible_free:
            found[EXCHANGED] = self.repeated(EXCHANGED, [self.exchanged(references[0])])
        return found

    @property
    def ranks(self) -> range:
        """Numbers of the cells out of one boundary."""
        return range(1, self.study.amorphous.cells + 1)

    def cell(self, quench: int, rank: int) -> int:
        """Number of a cell among all of its system."""
        return (quench - 1) * self.study.amorphous.cells + rank

    def repeated(self, system: System, built: Sequence[TypedTask[Ions]]) -> tuple[GlassTasks, ...]:
        """Glasses that are one structure for each boundary, run with several velocities."""
        return tuple(
            self.glass(system.model_copy(update={"cell": self.cell(q, rank)}), one, rank == 1)
            for q, one in enumerate(built, 1)
            for rank in self.ranks
        )

    def cut(
        self, system: System, built: TypedTask[BuiltBoundary], ladder: LadderTasks | None, rank: int = 1
    ) -> TypedTask[amorphous_stage.CutGlass]:
        """Cut a cell out of an undoped boundary, or out of a walker of a doped one."""
        want = GlassCut(
            rank=rank,
            margin=self.study.amorphous.margin,
            host=self.host,
            boundary=built.output,
            bleeding=None if ladder is None else ladder.bleeding.output,
        )
        name, files = f"{places.runs(system)}/build", self.potential_of(system)
        return TypedTask(name, "amorphous", amorphous_stage.build_amorphous, want, files)

    def exchanged(self, reference: TypedTask[amorphous_stage.CutGlass]) -> TypedTask[Ions]:
        """T_0: the reference without its reducible ion."""
        name = f"{places.runs(EXCHANGED)}/build"
        want = GlassExchange(
            host=self.host,
            dopant=self.study.dopant,
            share=self.study.amorphous.reducible_free_dopant,
            seed=self.seed(name),
            reference=reference.output,
        )
        return TypedTask(name, "amorphous", amorphous_stage.build_without, want, self.own_potential)

    def glass(self, system: System, built: TypedTask[Ions], is_new: bool) -> GlassTasks:
        """Runs of one amorphous cell."""
        name = places.runs(system)
        runs = self.runs(name, "amorphous", system, built, None)
        want = GlassStructure(label=self.host.reducible, run=runs.produced[0][0].output)
        return GlassTasks(
            built, is_new, runs, TypedTask(f"{name}/glass", "amorphous", conduction.glass_structure, want)
        )

    def hotter(
        self, glasses: Mapping[System, tuple[GlassTasks, ...]]
    ) -> tuple[tuple[TypedTask[Produced], TypedTask[Transported]], ...]:
        """Runs of the first cell of one A_i at other temperatures, at the volume of its equilibration."""
        amorphous, files, found = self.study.amorphous, self.own_potential, []
        system = glass(amorphous.arrhenius_of)
        name, source = places.runs(system), glasses[system][0].runs.equilibrated.output
        for kelvin in amorphous.arrhenius_temperatures:
            if kelvin not in (amorphous.temperature, self.study.second_temperature):
                (run,) = self.production(f"{name}/run1_{kelvin:g}K", "amorphous", system, kelvin, source, files)
                transport = self.transport(f"{name}/transport_{kelvin:g}K", "amorphous", kelvin, ((run,),), None, files)
                found.append((run, transport))
        return tuple(found)

    def ensemble(
        self, crystals: Mapping[System, tuple[CrystalTasks, ...]], glasses: Mapping[System, tuple[GlassTasks, ...]]
    ) -> dict[str, dict[System, RunTasks]]:
        """The systems asked for, again with other potentials of the fit, from the same built structures."""

        def again(label: str, system: System, files: Files) -> RunTasks:
            name = places.runs_with(label, system)
            if system.kind is Kind.CRYSTAL:
                built = crystals[system][0].built
                return self.runs(name, "ensemble", system, built, built.output, files)
            return self.runs(name, "ensemble", system, glasses[system][0].built, None, files)

        return {
            label: {system: again(label, system, self.potential(file)) for system in self.study.ensemble.members}
            for label, file in self.study.ensemble.labels.items()
        }
