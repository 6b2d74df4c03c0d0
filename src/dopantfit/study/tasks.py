"""The graph of a study: which tasks there are and what each needs, in the order of the science."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dopantfit.boundary.build.config import SIZES, BuildConfig, load_build
from dopantfit.boundary.build.stages import Anneal, total_duration
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.files import locate, named_in
from dopantfit.structures import Host, load_host
from dopantfit.study import amorphous_stage, boundary_stage, conduction, dynamics, places
from dopantfit.study.amorphous_stage import GlassCut, GlassExchange
from dopantfit.study.bleeding_stage import BleedingAnalysis, bleed
from dopantfit.study.boundary_stage import BoundaryBuild, BoundaryDoping, BuiltBoundary
from dopantfit.study.conduction import GlassStructure, TransportAnalysis, Transported
from dopantfit.study.config import AmorphousCells, Crystals, StudyConfig
from dopantfit.study.crystals import BuiltCrystal, CrystalBuild, build_crystal
from dopantfit.study.dynamics import Equilibration, Ions, Produced, Production
from dopantfit.study.files import seed_of
from dopantfit.study.item_tasks import result_jobs
from dopantfit.study.planned import AnyJob, BoundaryTasks, CrystalTasks, GlassTasks, Planned, RunTasks
from dopantfit.study.swap_stage import Tempering, temper_walkers
from dopantfit.study.systems import EXCHANGED, Kind, System, boundary, crystal, glass
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import TaskOutput, TypedTask

Files = Mapping[str, Path]


@dataclass(frozen=True)
class Planner:
    """Makes the tasks of one study. base: the folder that names in the study are relative to."""

    study: StudyConfig
    base: Path

    @cached_property
    def host(self) -> Host:
        """What is doped; ConfigError when there is no such host, or its file contradicts itself."""
        return load_host(self.study.host, self.base)

    @cached_property
    def planned(self) -> Planned:
        """The tasks by what they are about.

        Raises ConfigError when a potential or boundary that is named is not there, or the dopant cannot be one.
        """
        self.check_dopant()
        built = self.boundary()
        boundaries = tuple(self.dosed(boundary(i), built) for i in self.study.compositions)
        crystals = self.crystals(boundaries)
        glasses = self.glasses(built, boundaries)
        return Planned(
            self.host, built, boundaries, crystals, glasses, self.hotter(glasses), self.ensemble(crystals, glasses)
        )

    @cached_property
    def jobs(self) -> tuple[AnyJob, ...]:
        """All tasks, those that gather results last."""
        return (*self.planned, *result_jobs(self.study, self.planned))

    def graph(self) -> Graph:
        """Return all tasks as a graph; ConfigError as `planned`."""
        return Graph(job.task() for job in self.jobs)

    def potential(self, name: str) -> dict[str, Path]:
        """Return the potential as the file of a task."""
        return {"potential": Path(str(locate(named_in(self.base, name))))}

    @cached_property
    def own_potential(self) -> dict[str, Path]:
        """The study's own potential as the file of a task."""
        return self.potential(self.study.potential)

    def host_ions(self) -> tuple[str, ...]:
        """Labels of the ions of the undoped boundary and crystal."""
        build = self.build_config()
        return tuple(sorted({*build.host.charges, *build.cations}))

    def check_dopant(self) -> None:
        """Raise ConfigError when the dopant is no cation of every potential of the study, or an ion of the host."""
        dopant, host_ions = self.study.dopant, self.host_ions()
        cations = [ion for ion, z in self.host.charges.items() if z > 0 and ion != self.host.polyanion.centre]
        wrong = [ion for ion in self.study.replaces or () if ion not in cations]
        if wrong:
            raise ConfigError(
                f"study: replaces = {wrong[0]!r} is no cation of the host {self.host.name} beside its "
                f"{self.host.polyanion.formula}; name some of {', '.join(cations)}"
            )
        for name in (self.study.potential, *self.study.ensemble.potentials):
            potential = Potential.load(self.potential(name)["potential"])
            if dopant not in potential.species:
                raise ConfigError(
                    f"study: {dopant} is not in potential {potential.name!r} ({', '.join(potential.species)}); "
                    "name a potential with the dopant"
                )
            if dopant in host_ions or potential.species[dopant].formal_charge <= 0:
                what = "an ion of the host" if dopant in host_ions else "no cation"
                raise ConfigError(
                    f"study: dopant = {dopant!r} is {what}; name a cation of the potential that the host "
                    f"({', '.join(host_ions)}) does not hold"
                )

    def seed(self, name: str) -> int:
        """Seed of a task."""
        return seed_of(self.study.seed, name)

    def boundary(self) -> TypedTask[BuiltBoundary]:
        """The undoped boundary."""
        config = self.build_config()
        settings = BoundaryBuild(build=config, reducible=self.host.reducible)
        cost = total_duration(config.stages)
        return TypedTask(places.BOUNDARY, "boundary", boundary_stage.build, settings, self.own_potential, cost, "ps")

    def build_config(self) -> BuildConfig:
        """Return the build of the boundary, with a seed of this study."""
        name = self.study.boundary.build
        config = load_build(name if name in SIZES else self.base / name, self.host)
        if config.host != self.host:
            raise ConfigError(
                f"{self.base / name}: is about the host {config.host.name}, the study about {self.host.name}; "
                "name the same host in both"
            )
        return config.model_copy(update={"seed": self.seed("boundary")})

    @property
    def replaces(self) -> tuple[str, ...]:
        """Host ions whose places the dopant takes in the boundary."""
        if self.study.replaces is not None:
            return self.study.replaces
        potential = Potential.load(self.own_potential["potential"])
        return self.host.places_of(potential.species[self.study.dopant].formal_charge)

    def dope_config(self) -> DopeConfig:
        """Return the doping of the study as boundary/ has it."""
        doping = self.study.doping
        relaxation = Anneal(
            name="relax",
            reason="energetic relaxation of the doped structure",
            kind="anneal",
            temperature=doping.temperature,
            duration=doping.relaxation,
            ensemble="npt",
            cell="aniso",
            pressure=self.study.engine.pressure,
        )
        return DopeConfig(
            host=self.host,
            dopant=self.study.dopant,
            replaces=self.replaces,
            concentrations=doping.concentrations,
            realisations=doping.realisations,
            seed=self.seed("doping"),
            stages=(relaxation,),
        )

    def dosed(self, system: System, built: TypedTask[BuiltBoundary]) -> BoundaryTasks:
        """Dope the boundary at one concentration, exchange, and see what bled."""
        study, files, config = self.study, self.own_potential, self.dope_config()
        partners, index = self.host.exchangeable, system.composition or 0
        doped = tuple(
            TypedTask(
                places.doped(system, k),
                "doping",
                boundary_stage.dope,
                BoundaryDoping(dope=config, level=index, realisation=k, boundary=built.output),
                files,
                study.doping.relaxation,
                "ps",
            )
            for k in range(1, study.doping.realisations + 1)
        )
        tempering = Tempering(
            swaps=study.swaps,
            pressure=study.engine.pressure,
            dopant=study.dopant,
            partners=partners,
            seed=self.seed(places.swaps(system)),
            boundary=built.output,
            walkers=tuple(one.output for one in doped),
        )
        cost = float(study.swaps.attempts * study.doping.realisations)
        swaps = TypedTask(
            places.swaps(system), "swaps", temper_walkers, tempering, files, cost, "swaps", coordinates=True
        )
        analysis = BleedingAnalysis(
            lowest=study.swaps.lowest_walkers,
            dopant=study.dopant,
            partners=partners,
            boundary=built.output,
            swaps=swaps.output,
        )
        return BoundaryTasks(
            system, doped, swaps, TypedTask(places.bleeding(system), "bleeding", bleed, analysis, files)
        )

    def crystals(self, boundaries: tuple[BoundaryTasks, ...]) -> dict[System, CrystalTasks]:
        """C_ref, and C_i with what bled of GB_i."""
        settings, found = self.study.crystals, dict[System, CrystalTasks]()
        bleedings = {crystal(): None} | {one.system.as_kind(Kind.CRYSTAL): one.bleeding.output for one in boundaries}
        for system, bleeding in bleedings.items():
            # One seed for all, so that all have their partners on the same sites.
            want = CrystalBuild(
                host=self.host,
                edge=settings.edge,
                x=settings.x,
                dopant=self.study.dopant,
                seed=self.seed("C"),
                bleeding=bleeding,
            )
            name = places.runs(system)
            built = TypedTask(f"{name}/build", "crystals", build_crystal, want, self.own_potential)
            runs = self.runs(name, "crystals", system, built, built.output)
            found[system] = CrystalTasks(built, runs)
        return found

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
        files = files or self.own_potential
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
        produced = tuple(
            self.production(f"{name}/run{k}", stage, system, settings.temperature, equilibrated.output, files)
            for k in range(1, replicas + 1)
        )
        transport = self.transport(f"{name}/transport", stage, settings.temperature, produced, sites, files)
        return RunTasks(system, equilibrated, produced, transport)

    def settings_of(self, system: System) -> Crystals | AmorphousCells:
        """Return the table of the study that a system runs by."""
        return self.study.crystals if system.kind is Kind.CRYSTAL else self.study.amorphous

    def production(
        self, name: str, stage: str, system: System, temperature: float, source: TaskOutput[Model], files: Files
    ) -> TypedTask[Produced]:
        """Molecular dynamics at constant volume."""
        settings = self.settings_of(system)
        want = Production(
            engine=self.study.engine,
            temperature=temperature,
            heating=settings.heating,
            duration=settings.production,
            seed=self.seed(name),
            structure=source,
        )
        return TypedTask(name, stage, dynamics.conduct, want, files, settings.heating + settings.production, "ps")

    def transport(
        self,
        name: str,
        stage: str,
        temperature: float,
        runs: tuple[TypedTask[Produced], ...],
        sites: TaskOutput[BuiltCrystal] | None,
        files: Files,
    ) -> TypedTask[Transported]:
        """Transport out of independent runs of one structure."""
        want = TransportAnalysis(
            temperature=temperature,
            dopant=self.study.dopant,
            centre=self.host.polyanion.centre,
            runs=tuple(run.output for run in runs),
            crystal=sites,
        )
        return TypedTask(name, stage, conduction.transport, want, files)

    def glasses(
        self, built: TypedTask[BuiltBoundary], boundaries: tuple[BoundaryTasks, ...]
    ) -> dict[System, tuple[GlassTasks, ...]]:
        """A_ref, A_1 ... A_N, and T_0; A_ref and T_0 are repeated with other velocities, A_i with other walkers."""
        cells = range(1, self.study.amorphous.cells + 1)
        reference = self.cut(glass(), built, None)
        found = {glass(): tuple(self.glass(glass(cell=k), reference, k == 1) for k in cells)}
        for dosed in boundaries:
            own = [glass(dosed.system.composition, cell=k) for k in cells]
            found[own[0]] = tuple(self.glass(one, self.cut(one, built, dosed), True) for one in own)
        if self.study.amorphous.reducible_free:
            exchanged = self.exchanged(reference)
            own = [EXCHANGED.model_copy(update={"cell": k}) for k in cells]
            found[EXCHANGED] = tuple(self.glass(one, exchanged, one.cell == 1) for one in own)
        return found

    def cut(
        self, system: System, built: TypedTask[BuiltBoundary], dosed: BoundaryTasks | None
    ) -> TypedTask[amorphous_stage.CutGlass]:
        """Cut a cell out of the undoped boundary, or out of a walker of a doped one."""
        want = GlassCut(
            rank=system.cell,
            margin=self.study.amorphous.margin,
            host=self.host,
            boundary=built.output,
            bleeding=None if dosed is None else dosed.bleeding.output,
        )
        name = f"{places.runs(system)}/build"
        return TypedTask(name, "amorphous", amorphous_stage.build_amorphous, want, self.own_potential)

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
        want = GlassStructure(label=self.host.reducible, run=runs.produced[0].output)
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
            if kelvin != amorphous.temperature:
                run = self.production(f"{name}/run1_{kelvin:g}K", "amorphous", system, kelvin, source, files)
                transport = self.transport(f"{name}/transport_{kelvin:g}K", "amorphous", kelvin, (run,), None, files)
                found.append((run, transport))
        return tuple(found)

    def ensemble(
        self, crystals: Mapping[System, CrystalTasks], glasses: Mapping[System, tuple[GlassTasks, ...]]
    ) -> dict[str, dict[System, RunTasks]]:
        """The systems asked for, again with other potentials of the fit, from the same built structures."""

        def again(label: str, system: System, files: Files) -> RunTasks:
            name = places.runs_with(label, system)
            if system.kind is Kind.CRYSTAL:
                built = crystals[system].built
                return self.runs(name, "ensemble", system, built, built.output, files)
            return self.runs(name, "ensemble", system, glasses[system][0].built, None, files)

        return {
            label: {system: again(label, system, self.potential(file)) for system in self.study.ensemble.members}
            for label, file in self.study.ensemble.labels.items()
        }
