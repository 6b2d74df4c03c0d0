"""Molecular dynamics of a study: one structure is equilibrated at constant pressure, then run at constant volume."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import ConvergenceError
from dopantfit.lammps import Dynamics, DynamicsResult, Launcher, run_dynamics
from dopantfit.lammps.legs import read_table
from dopantfit.potential import Potential
from dopantfit.statistics import Estimate, standard_error
from dopantfit.structures import labels_of
from dopantfit.study.config import Engine
from dopantfit.study.files import STRUCTURE, read_structure, write_structure
from dopantfit.study.values import Number
from dopantfit.workflow.progress import SilentObserver, WorkProgress
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

TRAJECTORY, IONS = "trajectory.dcd", "ions.extxyz"
#: Folder of the run that transport is read from, inside that of its task; and sites and velocities at its end.
PRODUCTION, END_STATE = "production", "sites.dump"
#: Part of an equilibration that is left out of means.
_EQUILIBRATION = 0.5
#: Blocks that the error of a mean comes from.
_BLOCKS = 5
#: Rows of thermodynamic data per frame interval, and frames between two checkpoints.
_CHECKPOINT = 2.5  # ps; legs of a fixed length make a resumed run end as an undisturbed one does
_LONGEST_ROW_INTERVAL = 100  # steps; also how often collapse is looked for


class Ions(Model):
    """What is made has ions: how many, and of which labels."""

    atoms: int
    counts: dict[str, int]


class Equilibration(Model):
    """Molecular dynamics at constant pressure: temperature [K], duration [ps]."""

    engine: Engine
    temperature: float
    duration: float
    seed: int
    structure: TaskOutput[Model]


class Equilibrated(Ions):
    """A structure with the mean cell of the second half of its run: volume [Å³], mass [u]."""

    volume_A3: Number
    mass_u: float
    temperature_K: float
    duration_ps: float


class Production(Model):
    """Molecular dynamics at constant volume: temperature [K]; heating, then duration [ps]."""

    engine: Engine
    temperature: float
    heating: float
    duration: float
    seed: int
    structure: TaskOutput[Model]


class Continuation(Model):
    """Molecular dynamics that goes on from the end of a production run, as its next segment: duration [ps]."""

    engine: Engine
    temperature: float
    duration: float
    seed: int
    before: TaskOutput["Produced"]


class Produced(Model):
    """A run with its trajectory."""

    temperature_K: float
    volume_A3: float
    counts: dict[str, int]
    frame_interval_ps: float


def dynamics_settings(engine: Engine, seed: int, temperature: float, duration: float) -> Dynamics:
    """Return the settings of one run. temperature: [K]. duration: [ps]."""
    step = engine.timestep
    frames = max(1, round(engine.frame_interval / step))
    rows = next(n for n in range(min(frames, _LONGEST_ROW_INTERVAL), 0, -1) if frames % n == 0)
    return Dynamics(
        temperature=temperature,
        duration=max(1, round(duration / step / frames)) * frames * step,
        seed=seed,
        timestep=step,
        kspace=engine.kspace,
        thermo_every=rows,
        dump_every=frames,
        restart_every=max(1, round(_CHECKPOINT / step / frames)) * frames,
    )


@typed_action(Equilibration, Equilibrated, version=2)
def equilibrate(here: Here, want: Equilibration) -> Product[Equilibrated]:
    """Run a structure at constant pressure; what goes on has the mean cell of the second half."""
    atoms = read_structure(here.made(want.structure).file(STRUCTURE))
    settings = replace(
        dynamics_settings(want.engine, want.seed, want.temperature, want.duration),
        ensemble="npt",
        pressure=want.engine.pressure,
        cell="aniso",
    )
    run = run_here(here, atoms, settings, "npt")
    table = read_table(run.thermo)
    late = np.asarray(table["time_ps"]) >= _EQUILIBRATION * settings.duration
    volume = block_mean(np.asarray(table["volume_A3"])[late])
    write_structure(here.folder / STRUCTURE, _with_volume(run.atoms, volume.value or run.atoms.get_volume()))
    result = Equilibrated(
        volume_A3=volume,
        atoms=len(run.atoms),
        counts=counts_of(run.atoms),
        mass_u=float(sum(run.atoms.get_masses())),
        temperature_K=want.temperature,
        duration_ps=settings.duration,
    )
    return Product(result, (STRUCTURE,), _rates(run, len(atoms)))


@typed_action(Production, Produced, version=2)
def conduct(here: Here, want: Production) -> Product[Produced]:
    """Run a structure at constant volume: heated first, then the trajectory that transport is read from."""
    atoms = read_structure(here.made(want.structure).file(STRUCTURE))
    heating = dynamics_settings(want.engine, want.seed, want.temperature, want.heating)
    run_here(here, atoms, heating, "heating")
    production = dynamics_settings(want.engine, want.seed, want.temperature, want.duration)
    return _produced(here, run_here(here, atoms, production, PRODUCTION, here.folder / "heating"), production)


@typed_action(Continuation, Produced, version=1)
def go_on(here: Here, want: Continuation) -> Product[Produced]:
    """Run the next segment of a production run: from its last positions, shells and velocities, at its volume."""
    before = here.made(want.before)
    atoms = read_structure(before.file(f"{PRODUCTION}/{IONS}"))
    settings = dynamics_settings(want.engine, want.seed, want.temperature, want.duration)
    start = before.file(f"{PRODUCTION}/{END_STATE}").parent
    return _produced(here, run_here(here, atoms, settings, PRODUCTION, start), settings)


def _produced(here: Here, run: DynamicsResult, settings: Dynamics) -> Product[Produced]:
    """What a production run is to others: trajectory, ions, table, and the end that the next segment goes on from."""
    ends = (run.record, run.record.with_name(END_STATE))
    files = tuple(str(path.relative_to(here.folder)) for path in (run.trajectory, run.ions, run.thermo, *ends[1:]))
    result = Produced(
        temperature_K=settings.temperature,
        volume_A3=float(run.atoms.get_volume()),
        counts=counts_of(run.atoms),
        frame_interval_ps=settings.dump_every * settings.timestep,
    )
    return Product(result, files, _rates(run, len(run.atoms)))


def run_here(here: Here, atoms: Atoms, settings: Dynamics, name: str, start: Path | None = None) -> DynamicsResult:
    """Run (or go on with) molecular dynamics in a folder of the task, with its potential and resources.

    start: folder of the run that it goes on from.
    """
    return run_dynamics(
        atoms,
        Potential.load(here.path("potential")),
        settings,
        here.folder / name,
        launcher=launcher_of(here),
        observer=TaskObserver(here),
        start=start,
    )


@dataclass(frozen=True)
class TaskObserver(SilentObserver):
    """Says how much of a task is done. each: of its cost, for each unit of the work that is shown."""

    here: Here
    each: float = 1.0

    def show(self, work: str, progress: WorkProgress) -> None:
        """Say how much of its cost the work is worth."""
        self.here.report(progress.done * self.each, progress.per_hour)


def launcher_of(here: Here) -> Launcher:
    """How every run of a task is started: as its site says."""
    return Launcher(here.resources.launcher, here.resources.ranks)


def block_mean(series: NDArray[np.float64]) -> Estimate:
    """Mean of a time series, with Student's interval from the spread of five blocks.

    Raises ConvergenceError when there are fewer values than blocks.
    """
    if len(series) < _BLOCKS:
        raise ConvergenceError(f"{len(series)} values make no mean with an error, expected {_BLOCKS}; run longer")
    blocks = np.array([part.mean() for part in np.array_split(series, _BLOCKS)])
    return Estimate.symmetric(float(series.mean()), standard_error(blocks), _BLOCKS - 1)


def counts_of(atoms: Atoms) -> dict[str, int]:
    """Return the number of ions of every label."""
    labels, counts = np.unique(labels_of(atoms), return_counts=True)
    return {str(label): int(count) for label, count in zip(labels, counts, strict=True)}


def _with_volume(atoms: Atoms, volume: float) -> Atoms:
    """Return a copy scaled as a whole to a volume [Å³]."""
    scaled = atoms.copy()
    scaled.set_cell(atoms.cell.array * (volume / atoms.get_volume()) ** (1.0 / 3.0), scale_atoms=True)
    return scaled


def _rates(run: DynamicsResult, n_ions: int) -> dict[str, float]:
    record = json.loads(Path(run.record).read_text(encoding="utf-8"))
    return {"ps_per_hour": record["ps_per_hour"], "ranks": record["ranks"], "ions": n_ions}
