"""Molecular dynamics that can be killed at any time: run it again, and it goes on from its last leg."""

import hashlib
import io
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
from ase import Atoms

from dopantfit.errors import CollapseError, ConfigError, EngineError
from dopantfit.lammps import collapse, recipes
from dopantfit.lammps.atom_types import atom_types
from dopantfit.lammps.data_file import Array, IonMap, data_text, species_labels
from dopantfit.lammps.guard import Patch, halting_energy, patches
from dopantfit.lammps.launcher import Launcher
from dopantfit.lammps.legs import Frames, Rows, difference
from dopantfit.lammps.outputs import ThermoTable, read_dump, read_thermo
from dopantfit.lammps.progress import DynamicsProgress
from dopantfit.lammps.settings import LONGEST_CORE_SHELL, Dynamics
from dopantfit.lammps.shell_masses import prepared, same_motion, shell_parts, suited, with_shell_masses
from dopantfit.potential import Potential, element_of
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import held
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import Provenance, holds, read_sealed, write_sealed, write_text_atomic
from dopantfit.workflow.step import Step

TRAJECTORY, THERMO, RECORD, STATE = "trajectory.dcd", "thermo.csv", "run.json", "progress.json"
#: Structure in the frame of the trajectory: species of its ions, for whatever reads it.
IONS = "ions.extxyz"

#: 1 Å/ps in ASE's unit of velocity.
_ASE_VELOCITY = 1.0 / (1000.0 * ase.units.fs)
#: How long a run waits for the process of a killed driver to leave its folder [s].
_PATIENCE = 5.0
#: Time that a leg is meant to take, and that a step takes on one rank for each site [s]. Not measured in the run: legs
#: of a length that follows the clock would end a run that was taken up again elsewhere than an undisturbed one.
_LEG_TIME, _SITE_TIME = 180.0, 1e-5
#: LAMMPS's words when ions fly apart.
_BLOWN_UP = ("Lost atoms", "Bond atoms", "Out of range atoms", "Non-numeric", "blown up", "table inner cutoff")


@dataclass(frozen=True)
class DynamicsResult:
    """What a finished run left.

    atoms: ions at its end, positions of the cores, unwrapped [Å], with cell, species and the velocities of the ions
        (of core and shell together) in ASE's unit.
    shells: positions of the shells beside their cores [Å], ``shape=(n, 3)``; nan for ions without one.
    trajectory: DCD file, float32, of the unwrapped cores and the cell every ``dump_every`` steps, in LAMMPS's frame
        (cell vectors lower triangular); `ions` is a structure in that frame, with species.
    thermo: CSV file, one row every ``thermo_every`` steps; its columns name their units.
    record: JSON file: hashes of the inputs, versions, seed, settings, wall time, ps/hour.
    largest_core_shell: largest distance of a shell from its core in any row of `thermo` [Å]; nan without shells.
    """

    atoms: Atoms
    shells: Array
    trajectory: Path
    ions: Path
    thermo: Path
    record: Path
    largest_core_shell: float


def run_dynamics(
    atoms: Atoms,
    potential: Potential,
    settings: Dynamics,
    folder: Path,
    *,
    launcher: Launcher | None = None,
    observer: ProgressObserver = NOBODY,
    name: str | None = None,
    start: Path | None = None,
) -> DynamicsResult:
    """Run molecular dynamics in `folder`, or return what is already there.

    atoms: ions only; the array ``species`` names them where symbols do not suffice.
    launcher: how LAMMPS is started, and on how many ranks; by default with MPI on this machine.
    observer: shown the state of the run about twice a second [ps], under `name`, that of the folder by default.
    start: folder of a finished run whose end (positions, shells, velocities, cell) is taken over; ions keep their
        velocities where shells had other masses.

    Called again with the same arguments on the same folder, it returns the finished result, or goes on from the last
    complete leg, also after the process was killed; where a file that it goes on from is damaged, the run is made anew,
    and its record says why. On the same number of ranks the end is bit for bit that of an undisturbed run; on another,
    the two differ by rounding, as any two runs on different machines do.
    Raises ConfigError for arguments that make no run or are not those of the run in the folder, CollapseError naming
    ions, shells and time when a shell leaves its core or a pair passes its turn-over radius, EngineError when LAMMPS
    fails.
    """
    folder, launcher = make_folder(Path(folder)), launcher or Launcher()
    with held(folder, _PATIENCE):
        run = _DynamicsRun(atoms, potential, settings, folder, start)
        if not run.finished:
            run.finish(launcher, launcher.ranks_for(len(atoms)), observer, name or folder.name)
        return run.result()


@dataclass(frozen=True)
class EndState:
    """Where a finished run ended, in the frame of its atoms: velocities of cores and shells [Å/ps].

    shell_mass: as in the settings of that run.
    """

    atoms: Atoms
    shells: Array
    core_velocities: Array
    shell_velocities: Array
    shell_mass: float | None


def end_state(folder: Path, potential: Potential) -> EndState:
    """Read the end of the finished run in `folder`; ConfigError when there is none, or it is damaged."""
    path = Path(folder) / recipes.LEG_SITES
    record = read_sealed(path.with_name(RECORD))
    if record is None or not holds(path, record["files"][path.name]):
        raise ConfigError(f"{folder}: holds no finished run, or a damaged one; run it before another starts from it")
    frame, sites = record["frame"], read_dump(path)[-1]
    labels = species_labels(sites)[: frame["ions"]]
    types = atom_types(potential, labels)
    has_shell = np.array([label in types.shell for label in labels], dtype=bool)
    ions = IonMap(
        labels,
        types,
        np.arange(1, len(labels) + 1),
        np.where(has_shell, len(labels) + np.cumsum(has_shell), 0),
        np.array(frame["rotation"]),
        np.array(frame["reduction"]),
        np.array(sites.cell),
    )
    # Runs of before shell masses were a setting had those of the potential.
    return _end(path, ions, record["configuration"].get("shell_mass"))


def _end(path: Path, ions: IonMap, shell_mass: float | None) -> EndState:
    frame = read_dump(path, ions)[-1]
    shells = recipes.shells_of(frame, ions)
    atoms = Atoms(frame.get_chemical_symbols(), positions=frame.positions, cell=frame.cell, pbc=True)
    atoms.set_array("species", np.array(ions.labels))
    cores = frame.arrays["site_velocities"]
    return EndState(atoms, shells, cores, frame.arrays.get("shell_velocities", np.zeros_like(cores)), shell_mass)


class _DynamicsRun:
    """One run folder: what goes in, how far it is, what came out."""

    def __init__(
        self, atoms: Atoms, potential: Potential, settings: Dynamics, folder: Path, start: Path | None
    ) -> None:
        if settings.frozen and settings.frozen[-1] >= len(atoms):
            raise ConfigError(f"frozen names ion {settings.frozen[-1]}, the structure has {len(atoms)}, from 0")
        settings = suited(settings, potential)
        given, potential = potential, prepared(potential, settings)
        self.settings, self.folder, self.potential = settings, folder, potential
        self.moving = start is not None
        shells, velocities, labels = None, None, species_labels(atoms)
        if start is not None:
            begin = end_state(start, potential)
            if species_labels(begin.atoms) != labels:
                raise ConfigError(f"{start}: holds other ions than the structure; start from a run of the same ions")
            atoms, shells = begin.atoms, begin.shells
            if settings.coulomb_table:
                shells = recipes.off_cores(atoms.positions, shells, settings.seed)
            parts = (shell_parts(one, labels) for one in (with_shell_masses(given, begin.shell_mass), potential))
            velocities = same_motion(begin.core_velocities, begin.shell_velocities, *parts)
        text, self.ions = data_text(atoms, potential, shells, velocities)
        types = self.ions.types
        self.inputs = {
            recipes.DATA_FILE: text,
            **recipes.potential_texts(potential, types, settings.guard, settings.coulomb_table),
        }
        self.patches: tuple[Patch, ...] = patches(potential, types.core) if settings.guard else ()
        self.frames, self.rows = Frames(folder / TRAJECTORY), Rows(folder / THERMO)
        self.state = self._known_state()
        self._write_inputs()

    def _known_state(self) -> dict[str, Any]:
        """How far the run in this folder is, if all that it goes on from is whole; ConfigError for another run."""
        hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.inputs.items()}
        asked = json.loads(json.dumps({"inputs": hashes, "settings": asdict(self.settings)}))
        self.step = Step(self.folder / STATE, asked, lambda known: difference(known, asked, self.folder))
        known, harmed = self.step.look()
        if known is not None:
            harmed = self._take_up(known)
            if not harmed:
                return known
        empty = {"step": -1, "wall_seconds": 0.0, "started": time.time(), "restart": None}
        why = f"{harmed} was not what had been written" if harmed else ""
        return {**asked, **empty, "largest_core_shell": 0.0, "made_anew": why}

    def _take_up(self, known: Mapping[str, Any]) -> str:
        """Go on from the files that have grown with the run; return the name of one that is damaged."""
        frames = Frames.taken_up(self.frames.path, known["trajectory"])
        rows = Rows.taken_up(self.rows.path, known["thermo"])
        if frames is None or rows is None:
            return TRAJECTORY if frames is None else THERMO
        self.frames, self.rows = frames, rows
        return ""

    def _write_inputs(self) -> None:
        """Write what LAMMPS reads, and the ions for whoever reads the trajectory, where they are not there whole."""
        for name, text in {**self.inputs, IONS: _ions_text(self.ions, self.inputs[recipes.DATA_FILE])}.items():
            if not holds(self.folder / name, hashlib.sha256(text.encode()).hexdigest()):
                write_text_atomic(self.folder / name, text)

    @property
    def finished(self) -> bool:
        """Whether all legs are done and the record is there whole."""
        return self.state["step"] >= self.settings.steps and read_sealed(self.folder / RECORD) is not None

    def finish(self, launcher: Launcher, ranks: int, observer: ProgressObserver, name: str) -> None:
        """Run all legs that are missing, then write the record."""
        if self.state["step"] < 0:
            self._begin(launcher, ranks)
        watch = _Watch(self, observer, name)
        while self.state["step"] < self.settings.steps:
            self._leg(launcher, ranks, watch)
            watch()
        self._write_record(ranks)

    def _begin(self, launcher: Launcher, ranks: int) -> None:
        (self.folder / RECORD).unlink(missing_ok=True)
        began = time.monotonic()
        self._lammps(launcher, "start.in", recipes.start(self.ions, self.settings, self.moving), ranks)
        self._accept(began, {"step": 0})

    def _lammps(self, launcher: Launcher, name: str, text: str, ranks: int, watch: "_Watch | None" = None) -> Path:
        script = self.folder / name
        script.write_text(text, encoding="ascii")
        try:
            return launcher.run(script, ranks, watch=watch)
        except EngineError as problem:
            if any(words in str(problem) for words in _BLOWN_UP):
                raise CollapseError(
                    f"{self.folder}: ions flew apart at {self._time(max(0, self.state['step']))} or soon after; "
                    f"relax the start, or shorten the time step ({problem})"
                ) from None
            raise

    def _leg(self, launcher: Launcher, ranks: int, watch: "_Watch") -> None:
        begun, settings = self.state["step"], self.settings
        end = min(settings.steps, begun + self._leg_length(ranks))
        (self.folder / recipes.LEG_TRAJECTORY).unlink(missing_ok=True)
        (self.folder / recipes.LEG_BEGIN).unlink(missing_ok=True)
        os.link(self.folder / self.state["restart"], self.folder / recipes.LEG_BEGIN)
        began = time.monotonic()
        text = recipes.leg(self.ions, settings, end, halting_energy(self.patches))
        table = read_thermo(self._lammps(launcher, "leg.in", text, ranks, watch))[-1]
        self._check_collapse(table, end)
        steps = [step for step in range(begun, end + 1) if step % settings.thermo_every == 0 or step == settings.steps]
        self.frames.append(self.folder / recipes.LEG_TRAJECTORY, begun)
        self.rows.append(table, [step for step in steps if step > begun or begun == 0], settings.timestep)
        longest = max([self.state["largest_core_shell"], *table.columns.get("v_core_shell", np.zeros(1)).tolist()])
        self._accept(began, {"step": end, "largest_core_shell": longest})

    def _leg_length(self, ranks: int) -> int:
        """Steps of the next leg, a multiple of the interval of rows."""
        if self.settings.restart_every is not None:
            return self.settings.restart_every
        every = self.settings.thermo_every
        return max(1, round(_LEG_TIME * ranks / (_SITE_TIME * self.ions.n_sites) / every)) * every

    def _accept(self, began: float, news: Mapping[str, Any]) -> None:
        """Make what a leg left the state of the run; the restart file before it stays until the next."""
        name = _other(self.state["restart"])
        os.replace(self.folder / recipes.LEG_END, self.folder / name)
        wall = self.state["wall_seconds"] + time.monotonic() - began
        self.state = {**self.state, **news, "restart": name, "wall_seconds": wall}
        # What the next leg begins from, or what is read at the end.
        needed = name if self.state["step"] < self.settings.steps else recipes.LEG_SITES
        grown = {"trajectory": self.frames.as_dict(), "thermo": self.rows.as_dict()}
        self.state = self.step.keep(self.state | grown, [needed])

    def _time(self, step: float) -> str:
        return f"{step * self.settings.timestep:.4g} ps"

    def _check_collapse(self, table: ThermoTable, end: int) -> None:
        step = table["Step"][-1]
        if step == end and not self._past_limits(table):
            return
        last = _end(self.folder / recipes.LEG_SITES, self.ions, self.settings.shell_mass)
        facts = (
            collapse.broken_shells(last.atoms, last.shells, self.ions.labels),
            collapse.crossed_pairs(last.atoms, last.shells, self.ions.labels, self.patches),
        )
        what = "; ".join(fact for fact in facts if fact) or "the run was halted"
        raise CollapseError(
            f"{self.folder}: collapse at {self._time(step)}: {what} (ions counted from 0); the structure or the "
            f"potential does not bear {table['Temp'][-1]:.0f} K: relax the start, run cooler, or mend the potential"
        )

    def _past_limits(self, table: ThermoTable) -> bool:
        shells, guard = table.columns.get("v_core_shell"), table.columns.get("v_guard")
        broken = shells is not None and shells[-1] > LONGEST_CORE_SHELL
        return bool(broken or (guard is not None and guard[-1] > halting_energy(self.patches)))

    def _write_record(self, ranks: int) -> None:
        names = {name: self.folder / name for name in self.inputs}
        state, settings = self.state, self.settings
        record = Provenance.of(names, asdict(settings), seed=settings.seed, started=state["started"])
        wall = state["wall_seconds"]
        payload = {
            **replace(record, wall_seconds=wall).as_dict(),
            "files": state["files"],
            "made_anew": state["made_anew"],
            "potential": self.potential.name,
            "ranks": ranks,
            "ps_per_hour": settings.steps * settings.timestep / wall * 3600.0,
            "largest_core_shell": state["largest_core_shell"] if self.ions.types.shell else None,
            "frame": {
                "ions": len(self.ions.labels),
                "rotation": self.ions.rotation.tolist(),
                "reduction": self.ions.reduction.tolist(),
            },
        }
        write_sealed(self.folder / RECORD, payload)

    def result(self) -> DynamicsResult:
        """Read what the finished run left."""
        last = _end(self.folder / recipes.LEG_SITES, self.ions, self.settings.shell_mass)
        kinds = [self.potential.species[label] for label in self.ions.labels]
        core_mass = np.array([kind.mass for kind in kinds])[:, None]
        total_mass = np.array([kind.total_mass for kind in kinds])[:, None]
        momentum = core_mass * last.core_velocities + (total_mass - core_mass) * last.shell_velocities
        last.atoms.set_velocities(momentum / total_mass * _ASE_VELOCITY)
        longest = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))["largest_core_shell"]
        return DynamicsResult(
            atoms=last.atoms,
            shells=last.shells,
            trajectory=self.folder / TRAJECTORY,
            ions=self.folder / IONS,
            thermo=self.folder / THERMO,
            record=self.folder / RECORD,
            largest_core_shell=float("nan") if longest is None else longest,
        )


def _other(restart: str | None) -> str:
    return "second.restart" if restart == "first.restart" else "first.restart"


def _ions_text(ions: IonMap, data: str) -> str:
    """Return the ions in the frame of the trajectory, as they start in the data file, as extended XYZ."""
    rows = data.split("Atoms  # full\n\n")[1].splitlines()[: len(ions.labels)]
    frame = Atoms(len(ions.labels) * "X", positions=np.array([row.split()[4:7] for row in rows], dtype=float))
    frame.set_cell(ions.cell)
    frame.pbc = True
    frame.set_chemical_symbols([element_of(label) for label in ions.labels])
    frame.set_array("species", np.array(ions.labels))
    stream = io.StringIO()
    frame.write(stream, format="extxyz")
    return stream.getvalue()


class _Watch:
    """Turns the growing log of a leg into reports of progress."""

    def __init__(self, run: _DynamicsRun, observer: ProgressObserver, name: str) -> None:
        self._run, self._observer, self._name = run, observer, name
        self._began, self._first_step = time.monotonic(), max(0, run.state["step"])

    def __call__(self) -> None:
        log = self._run.folder / "leg.log"
        if self._observer is NOBODY or not log.is_file():
            return
        try:
            tables = read_thermo(log)
        except EngineError:  # a row half written; what is really wrong is found when the leg has ended
            return
        if not tables or not len(tables[-1]["Step"]):
            return
        row = {name: float(values[-1]) for name, values in tables[-1].columns.items()}
        settings, step = self._run.settings, row["Step"]
        rate = (step - self._first_step) / max(time.monotonic() - self._began, 1e-9)
        left = (settings.steps - step) / rate if rate > 0.0 else float("inf")
        progress = DynamicsProgress(
            time=step * settings.timestep,
            duration=settings.steps * settings.timestep,
            rate=rate * settings.timestep * 3600.0,
            seconds_left=left,
            temperature=row["Temp"],
            density=row["Density"],
            pressure=row["Press"],
        )
        self._observer.show(self._name, progress.work)
