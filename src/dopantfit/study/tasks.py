"""The graph of a study: which tasks there are and what each needs, in the order of the science."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dopantfit.boundary.build.config import SIZES, BuildConfig, load_build
from dopantfit.boundary.build.stages import Anneal, total_duration
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.potential.files import locate
from dopantfit.study.config import StudyConfig
from dopantfit.study.files import seed_of
from dopantfit.study.host import FRAMEWORK, MOBILE, REDUCIBLE
from dopantfit.study.item_tasks import item_tasks
from dopantfit.workflow.graph import Graph, Task

_HERE = "dopantfit.study"


@dataclass(frozen=True)
class Planner:
    """Makes the tasks of one study. base: the folder that names in the study are relative to."""

    study: StudyConfig
    base: Path

    def graph(self) -> Graph:
        """Return all tasks; ConfigError when a potential or a boundary that the study names is not there."""
        return Graph(
            [
                *self.boundaries(),
                *self.crystals(),
                *self.amorphous(),
                *self.ensemble(),
                *item_tasks(self),
                self.verdict(),
            ]
        )

    def potential(self, name: str) -> dict[str, Path]:
        """Return the potential as the file of a task."""
        beside = self.base / name
        found = beside if beside.is_file() else locate(name)
        return {"potential": Path(str(found))}

    def seed(self, name: str) -> int:
        """Seed of a task."""
        return seed_of(self.study.seed, name)

    def boundaries(self) -> Iterator[Task]:
        """Build, dope, exchange, and see what bled."""
        study, files = self.study, self.potential(self.study.potential)
        config = self.build_config()
        settings = {"build": config.model_dump(mode="json"), "reducible": REDUCIBLE}
        cost = total_duration(config.stages)
        yield Task("boundary", "boundary", f"{_HERE}.boundary_stage:build", settings, files, cost=cost, unit="ps")
        dope = self.dope_settings()
        for i in study.compositions:
            for k in range(1, study.doping.realisations + 1):
                yield Task(
                    f"doping/GB_{i}/{k}",
                    "doping",
                    f"{_HERE}.boundary_stage:dope",
                    {"dope": dope, "level": i, "realisation": k},
                    files,
                    {"boundary": "boundary"},
                    study.doping.relaxation,
                    "ps",
                )
            yield from self.swaps(i, files)

    def build_config(self) -> BuildConfig:
        """Return the build of the boundary, with a seed of this study."""
        name = self.study.boundary.build
        config = load_build(name if name in SIZES else self.base / name)
        return config.model_copy(update={"seed": self.seed("boundary")})

    def dope_settings(self) -> dict[str, Any]:
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
        config = DopeConfig(
            dopant=self.study.dopant,
            mobile=MOBILE,
            replaces=FRAMEWORK,
            concentrations=doping.concentrations,
            realisations=doping.realisations,
            seed=self.seed("doping"),
            stages=(relaxation,),
        )
        return config.model_dump(mode="json")

    def swaps(self, i: int, files: Mapping[str, Path]) -> Iterator[Task]:
        """Monte Carlo of composition i, and its analysis."""
        study = self.study
        walkers = {f"walker{k:03d}": f"doping/GB_{i}/{k}" for k in range(1, study.doping.realisations + 1)}
        settings = {
            "swaps": study.swaps.model_dump(mode="json"),
            "pressure": study.engine.pressure,
            "dopant": study.dopant,
            "partners": [*FRAMEWORK, MOBILE],
            "seed": self.seed(f"swaps/GB_{i}"),
        }
        needs = {"boundary": "boundary", **walkers}
        cost = float(study.swaps.attempts * study.doping.realisations)
        action = f"{_HERE}.swap_stage:temper_walkers"
        yield Task(f"swaps/GB_{i}", "swaps", action, settings, files, needs, cost, "swaps", coordinates=True)
        analysis = {"lowest": study.swaps.lowest_walkers, "dopant": study.dopant, "partners": [*FRAMEWORK, MOBILE]}
        needs = {"boundary": "boundary", "swaps": f"swaps/GB_{i}"}
        yield Task(f"bleeding/GB_{i}", "bleeding", f"{_HERE}.bleeding_stage:bleed", analysis, files, needs)

    def crystals(self) -> Iterator[Task]:
        """C_ref and C_1 ... C_N."""
        crystals, files = self.study.crystals, self.potential(self.study.potential)
        for system in ("C_ref", *(f"C_{i}" for i in self.study.compositions)):
            # One seed for all, so that all have their Al on the same sites.
            settings = {"edge": crystals.edge, "x": crystals.x, "dopant": self.study.dopant, "seed": self.seed("C")}
            needs = {} if system == "C_ref" else {"bleeding": f"bleeding/{system.replace('C', 'GB')}"}
            name = f"crystals/{system}"
            yield Task(f"{name}/build", "crystals", f"{_HERE}.crystals:build_crystal", settings, files, needs)
            yield from self.runs(name, "crystals", crystals, f"{name}/build", crystals.replicas, files)

    def runs(
        self, name: str, stage: str, settings: Any, build: str, replicas: int, files: Mapping[str, Path]
    ) -> Iterator[Task]:
        """Equilibration of one structure, production runs from it, and the transport of all of them.

        settings: the table ``crystals`` or ``amorphous`` of the study.
        """
        yield self.equilibration(name, stage, settings, build, files)
        runs = [f"{name}/run{k}" for k in range(1, replicas + 1)]
        for run in runs:
            yield self.production(run, stage, settings, settings.temperature, f"{name}/equilibrate", files)
        yield self.transport(f"{name}/transport", stage, settings.temperature, runs, build, files)

    def equilibration(self, name: str, stage: str, settings: Any, build: str, files: Mapping[str, Path]) -> Task:
        """Molecular dynamics at constant pressure."""
        content = {
            "engine": self.study.engine.model_dump(mode="json"),
            "temperature": settings.equilibration_temperature,
            "duration": settings.equilibration,
            "seed": self.seed(f"{name}/equilibrate"),
        }
        action, needs = f"{_HERE}.dynamics:equilibrate", {"structure": build}
        return Task(f"{name}/equilibrate", stage, action, content, files, needs, settings.equilibration, "ps")

    def production(
        self, name: str, stage: str, settings: Any, temperature: float, source: str, files: Mapping[str, Path]
    ) -> Task:
        """Molecular dynamics at constant volume."""
        content = {
            "engine": self.study.engine.model_dump(mode="json"),
            "temperature": temperature,
            "heating": settings.heating,
            "duration": settings.production,
            "seed": self.seed(name),
        }
        cost = settings.heating + settings.production
        return Task(name, stage, f"{_HERE}.dynamics:conduct", content, files, {"structure": source}, cost, "ps")

    def transport(
        self, name: str, stage: str, temperature: float, runs: list[str], build: str, files: Mapping[str, Path]
    ) -> Task:
        """Transport out of independent runs of one structure."""
        needs = {f"run{k:03d}": run for k, run in enumerate(runs, 1)}
        content = {"temperature": temperature, "dopant": self.study.dopant}
        return Task(name, stage, f"{_HERE}.conduction:transport", content, files, {"build": build, **needs})

    def amorphous_cells(self) -> Iterator[tuple[str, str]]:
        """Roles (``A_1#2``) and folders of the amorphous cells; A_ref and T_0 are repeated with other velocities."""
        names = ["A_ref", *(f"A_{i}" for i in self.study.compositions)]
        if self.study.amorphous.titanium_free:
            names.append("T_0")
        for system in names:
            for k in range(1, self.study.amorphous.cells + 1):
                yield f"{system}#{k}", f"amorphous/{system}/{k}"

    def amorphous(self) -> Iterator[Task]:
        """A_ref, A_1 ... A_N, T_0, and one of them at other temperatures."""
        amorphous, files = self.study.amorphous, self.potential(self.study.potential)
        for role, name in self.amorphous_cells():
            system, _, rank = role.partition("#")
            build = self.amorphous_build(system, int(rank), files)
            if build is not None:
                yield build
            source = f"{name}/build" if build is not None else f"amorphous/{system}/1/build"
            yield from self.runs(name, "amorphous", amorphous, source, 1, files)
            content = {"label": REDUCIBLE}
            yield Task(
                f"{name}/glass", "amorphous", f"{_HERE}.conduction:glass", content, needs={"run": f"{name}/run1"}
            )
        yield from self.arrhenius(files)

    def amorphous_build(self, system: str, rank: int, files: Mapping[str, Path]) -> Task | None:
        """Return the task that makes the structure of a cell; None where the first cell's serves."""
        name, amorphous = f"amorphous/{system}/{rank}/build", self.study.amorphous
        if system in ("A_ref", "T_0") and rank > 1:
            return None
        if system == "T_0":
            content: dict[str, Any] = {
                "removed": REDUCIBLE,
                "dopant": self.study.dopant,
                "share": amorphous.titanium_free_dopant,
                "mobile": MOBILE,
                "seed": self.seed(name),
            }
            needs = {"reference": "amorphous/A_ref/1/build"}
            return Task(name, "amorphous", f"{_HERE}.amorphous_stage:build_without", content, files, needs)
        content = {"rank": rank, "margin": amorphous.margin, "mobile": MOBILE}
        needs = {"boundary": "boundary"}
        if system != "A_ref":
            needs["bleeding"] = f"bleeding/{system.replace('A', 'GB')}"
        return Task(name, "amorphous", f"{_HERE}.amorphous_stage:build_amorphous", content, files, needs)

    def arrhenius(self, files: Mapping[str, Path]) -> Iterator[Task]:
        """Runs of the first cell of one A_i at other temperatures, at the volume of its equilibration."""
        amorphous = self.study.amorphous
        name = f"amorphous/A_{amorphous.arrhenius_of}/1"
        for temperature in self.other_temperatures():
            run = f"{name}/run1_{temperature:g}K"
            yield self.production(run, "amorphous", amorphous, temperature, f"{name}/equilibrate", files)
            yield self.transport(
                f"{name}/transport_{temperature:g}K", "amorphous", temperature, [run], f"{name}/build", files
            )

    def other_temperatures(self) -> tuple[float, ...]:
        """Temperatures of the Arrhenius line beside that of all other runs [K]."""
        return tuple(t for t in self.study.amorphous.arrhenius_temperatures if t != self.study.amorphous.temperature)

    def ensemble(self) -> Iterator[Task]:
        """The systems asked for, again with other potentials of the fit, from the same built structures."""
        for label, potential in self.study.ensemble.labels.items():
            files = self.potential(potential)
            for system in self.study.ensemble.systems:
                crystal = system.startswith("C")
                source = f"crystals/{system}/build" if crystal else f"amorphous/{system}/1/build"
                settings = self.study.crystals if crystal else self.study.amorphous
                replicas = self.study.crystals.replicas if crystal else 1
                yield from self.runs(f"ensemble/{label}/{system}", "ensemble", settings, source, replicas, files)

    def verdict(self) -> Task:
        """The three requirements."""
        needs: dict[str, str] = {f"bleeding:GB_{i}": f"bleeding/GB_{i}" for i in self.study.compositions}
        for system in ("C_ref", *(f"C_{i}" for i in self.study.compositions)):
            needs[f"volume:{system}"] = f"crystals/{system}/equilibrate"
            needs[f"transport:{system}"] = f"crystals/{system}/transport"
        for role, name in self.amorphous_cells():
            needs[f"volume:{role}"], needs[f"transport:{role}"] = f"{name}/equilibrate", f"{name}/transport"
        for label in self.study.ensemble.labels:
            for system in self.study.ensemble.systems:
                needs[f"ensemble:{label}:{system}"] = f"ensemble/{label}/{system}/transport"
        settings = {
            "rules": self.study.rules.model_dump(mode="json"),
            "compositions": list(self.study.compositions),
            "mobile": MOBILE,
            "reducible": REDUCIBLE,
        }
        return Task("verdict", "verdict", f"{_HERE}.verdict_stage:verdict", settings, needs=needs, tolerant=True)
