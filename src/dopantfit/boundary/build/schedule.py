"""Sintering: the stages of a schedule one after the other, each resumable, each followed by a check-up.

Every stage has a folder ``NN-name`` with ``state.extxyz`` (its end) and ``stage.json``, written last: a stage with its
record is not run again, unless one of the two is not what was written.
"""

import csv
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms

from dopantfit.boundary.build.health import Checkup, checkup, grain_centre, grain_thickness, require
from dopantfit.boundary.build.stages import Anneal, Compress, Health, Relax, Stage
from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.lammps import Launcher
from dopantfit.potential import Potential
from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.structures import labels_of, with_labels
from dopantfit.structures.hosts import Host, Polyanion
from dopantfit.structures.polyanions import polyanion_of
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import write_text_atomic
from dopantfit.workflow.step import Step

STATE, RECORD = "state.extxyz", "stage.json"
#: Long-range solver of a relaxation, and the force tolerance [eV/Å] from which on it is a start for molecular dynamics.
#: The rough one then serves: its errors are some 1e-3 eV/Å, and at 14,000 ions the fine one takes five sixths of the
#: time. Pairs that a random placement locked inside the guarded range then stay for the dynamics to drive apart.
FINE_KSPACE, ROUGH_KSPACE, ROUGH = "pppm 1e-6", "pppm 1e-4", 0.1
#: Steps between two checkpoints of molecular dynamics, 2 ps: legs of a fixed length make a run that was killed end as
#: an undisturbed one does.
CHECKPOINT = 5000


@dataclass(frozen=True)
class StageRecord:
    """One finished stage: its name, what was seen, and the mean pressure of its molecular dynamics [bar]."""

    name: str
    health: dict[str, Any]
    pressure_bar: float | None
    compression: tuple[dict[str, float], ...]
    wall_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, ready for JSON."""
        return {
            "name": self.name,
            "health": self.health,
            "pressure_bar": self.pressure_bar,
            "compression": list(self.compression),
            "wall_seconds": self.wall_seconds,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `as_dict` wrote."""
        steps = tuple(data["compression"])
        return cls(data["name"], data["health"], data["pressure_bar"], steps, data["wall_seconds"])


@dataclass(frozen=True)
class Schedule:
    """What every stage needs beside its own settings. title: what the names of its runs begin with, for observers."""

    potential: Potential
    host: Host
    stages: Sequence[Stage]
    health: Health
    seed: int
    launcher: Launcher
    title: str = ""

    def run(self, atoms: Atoms, folder: Path, observer: ProgressObserver = NOBODY) -> tuple[Atoms, list[StageRecord]]:
        """Run all stages in `folder`, or those that are not finished; return the end and the records.

        atoms: with ``info`` of `build_health.with_grain`.
        Raises ConfigError when the folder holds stages of other settings, CollapseError and ConvergenceError naming
        the stage.
        """
        records = []
        for number, stage in enumerate(self.stages):
            place = folder / f"{number + 1:02d}-{stage.name}"
            atoms, record = self._stage(atoms, stage, number, place, observer)
            records.append(record)
        return atoms, records

    def _stage(
        self, atoms: Atoms, stage: Stage, number: int, folder: Path, observer: ProgressObserver
    ) -> tuple[Atoms, StageRecord]:
        key = self._key(atoms, stage, number)
        step = Step(
            folder / RECORD,
            {"key": key},
            lambda _: (
                f"{folder}: holds this stage with another start, potential or settings; "
                "choose another folder, or remove this one and those after it"
            ),
        )
        known = step.kept()
        if known is not None:
            return read_frames(folder / STATE)[0], StageRecord.from_dict(known)
        make_folder(folder)
        started = time.time()
        seed = int(np.random.default_rng([self.seed, number]).integers(1, 2**31))
        run = _StageRun(self.potential, self.host.polyanion, folder, seed, self.launcher, self.title, observer)
        end, pressure, compression = run(atoms, stage)
        found = checkup(end, self.potential, self.host)
        write_text_atomic(folder / STATE, dump_frames([end]))
        require(found, self.health, self.host.polyanion, f"{folder} (stage {stage.name})")
        record = StageRecord(stage.name, found.as_dict(), pressure, compression, time.time() - started)
        step.keep({**record.as_dict(), "settings": stage.model_dump()}, [STATE])
        return end, record

    def _key(self, atoms: Atoms, stage: Stage, number: int) -> str:
        """Hash of everything the end of a stage depends on."""
        parts = [dump_frames([atoms]), stage.model_dump_json(exclude={"reason"}), self.health.model_dump_json()]
        parts += [self.host.model_dump_json(), self.potential.dumps(), f"{self.seed} {number}"]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _StageRun:
    """Runs one stage in its folder; returns its end, mean pressure [bar] and the steps of a compression."""

    potential: Potential
    unit: Polyanion
    folder: Path
    seed: int
    launcher: Launcher
    title: str
    observer: ProgressObserver

    def __call__(self, atoms: Atoms, stage: Stage) -> tuple[Atoms, float | None, tuple[dict[str, float], ...]]:
        held = tuple(range(int(atoms.info["grain_ions"]))) if stage.grains == "held" else ()
        if isinstance(stage, Relax):
            return self.relax(atoms, stage, held), None, ()
        if isinstance(stage, Anneal):
            end, pressure = self.dynamics(atoms, stage, held, self.folder / "md", stage.name)
            return end, pressure, ()
        return self.compress(atoms, stage, held)

    def relax(self, atoms: Atoms, stage: Relax, held: tuple[int, ...]) -> Atoms:
        from dopantfit.lammps import relax_structure

        rough = stage.force_tolerance >= ROUGH
        relaxed = relax_structure(
            atoms,
            self.potential,
            self.folder / "relax",
            frozen=held,
            force_tolerance=stage.force_tolerance,
            allow_guarded=rough,
            kspace=ROUGH_KSPACE if rough else FINE_KSPACE,
            launcher=self.launcher,
        )
        return _like(atoms, relaxed.atoms)

    def dynamics(
        self, atoms: Atoms, stage: Anneal | Compress, held: tuple[int, ...], folder: Path, label: str
    ) -> tuple[Atoms, float]:
        from dopantfit.lammps import Dynamics, run_dynamics

        settings = Dynamics(stage.temperature, stage.duration, self.seed, frozen=held, restart_every=CHECKPOINT)
        if isinstance(stage, Anneal):
            settings = Dynamics(
                temperature=stage.temperature,
                temperature_end=stage.temperature_end,
                duration=stage.duration,
                seed=self.seed,
                ensemble=stage.ensemble,
                cell=stage.cell,
                pressure=stage.pressure,
                pressure_end=stage.pressure_end,
                frozen=held,
                restart_every=CHECKPOINT,
            )
        name = f"{self.title}{label}"
        result = run_dynamics(
            atoms, self.potential, settings, folder, observer=self.observer, name=name, launcher=self.launcher
        )
        return _like(atoms, result.atoms), _mean_pressure(result.thermo)

    def compress(
        self, atoms: Atoms, stage: Compress, held: tuple[int, ...]
    ) -> tuple[Atoms, float, tuple[dict[str, float], ...]]:
        """Shorten, run, look; until the volume per ion or the pressure is reached."""
        outside = len(atoms) - int(atoms.info["grain_ions"])
        area = float(atoms.cell[0, 0] * atoms.cell[1, 1])
        steps: list[dict[str, float]] = []
        for number in range(stage.max_steps):
            excess = (atoms.cell[2, 2] - grain_thickness(atoms, self.unit)) - stage.volume_per_atom * outside / area
            if excess <= 0.0:
                return atoms, steps[-1]["pressure_bar"] if steps else 0.0, tuple(steps)
            atoms = compressed(atoms, min(stage.step, float(excess)), self.unit)
            where = self.folder / f"step-{number + 1:03d}"
            atoms, pressure = self.dynamics(atoms, stage, held, where, f"{stage.name} {number + 1}")
            steps.append({"length_A": float(atoms.cell[2, 2]), "pressure_bar": pressure})
            if pressure >= stage.pressure_limit or excess <= stage.step:
                return atoms, pressure, tuple(steps)
        raise ConvergenceError(
            f"{self.folder}: {stage.max_steps} steps of {stage.step} Å did not reach {stage.volume_per_atom} Å³ per "
            f"ion or {stage.pressure_limit} bar; raise step or max_steps"
        )


def compressed(atoms: Atoms, by: float, unit: Polyanion) -> Atoms:
    """Return a copy with the cell `by` [Å] shorter along z, taken from between the faces of the grain.

    Polyanions keep their shape: ligands move as their centre does. What lies in the grain stays.
    Raises ConfigError when there is less than `by` between the faces.
    """
    thickness, centre = grain_thickness(atoms, unit), grain_centre(atoms, unit)
    length = float(atoms.cell[2, 2])
    gap = length - thickness
    if by >= gap:
        raise ConfigError(f"the gap of {gap:.2f} Å between the faces of the grain cannot be shortened by {by:.2f} Å")
    owner, shift = polyanion_of(atoms, unit)
    bound = owner >= 0
    # Height above the middle of the grain; the gap lies between half a thickness and that below a cell length.
    height = (atoms.positions[:, 2] - centre) % length
    height[bound] = height[owner[bound]]
    inside = np.clip(height - 0.5 * thickness, 0.0, gap)
    result = atoms.copy()
    result.positions[:, 2] = centre + height - by * inside / gap
    result.positions[bound, 2] += shift[bound, 2]
    result.cell[2, 2] = length - by
    return result


def _like(before: Atoms, after: Atoms) -> Atoms:
    """Return the positions and cell of `after` with the labels and info of `before`."""
    result = with_labels(Atoms(after.numbers, positions=after.positions, cell=after.cell, pbc=True), labels_of(before))
    result.info = dict(before.info)
    return result


def _mean_pressure(thermo: Path) -> float:
    """Mean pressure of the second half of a run [bar]."""
    with thermo.open(encoding="utf-8", newline="") as stream:
        values = [float(row["pressure_bar"]) for row in csv.DictReader(stream)]
    return float(np.mean(values[len(values) // 2 :]))


__all__ = ["Checkup", "Schedule", "StageRecord", "compressed"]
