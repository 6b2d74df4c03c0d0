"""Molecular dynamics as the gates need it: a run, what came of it, and means with errors from time blocks."""

import csv
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.lammps import Dynamics, DynamicsResult, Launcher, run_dynamics
from dopantfit.lammps.launcher import suitable_ranks
from dopantfit.potential import Potential
from dopantfit.statistics import standard_error
from dopantfit.structures import labels_of, with_labels
from dopantfit.transport import Trajectory, read_trajectory
from dopantfit.transport.reading import species_of
from dopantfit.transport.trajectory import Floats
from dopantfit.validate.gate import GateWork, PartObserver
from dopantfit.validate.presets import GatePreset
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import hash_of, read_sealed, write_sealed

#: Part of a run that is left out as equilibration.
EQUILIBRATION = 0.25
_BLOCKS = 4


@dataclass(frozen=True)
class Share:
    """The part of a gate's work that one run is: it begins when `done` of it is done and is `part` of it."""

    name: str
    done: float
    part: float


def recipe_sha256(preset: GatePreset | None) -> str:
    """Hash of what makes a run beside its gate: sizes and durations of a preset, and the defaults of `Dynamics`.

    preset: None for one that there is no more.
    """
    defaults = {one.name: one.default for one in fields(Dynamics) if one.default is not MISSING}
    return hash_of({"dynamics": defaults, "level": asdict(preset) if preset else None})


def run(
    atoms: Atoms, potential: Potential, settings: Dynamics, work: GateWork, share: Share, start: str | None = None
) -> DynamicsResult:
    """Run in the folder of that name, or return what is there. start: name of the run whose end is taken over."""
    return run_dynamics(
        _remembered(atoms, work.runs / f"{share.name}.start.json"),
        potential,
        settings,
        work.runs / share.name,
        launcher=Launcher(ranks=work.ranks or min(work.cores, suitable_ranks(len(atoms)))),
        observer=PartObserver(work.part(share.done, share.part), share.name),
        start=None if start is None else work.runs / start,
    )


def _remembered(atoms: Atoms, path: Path) -> Atoms:
    """The ions that a run began with, kept in a file: a relaxation done again differs in its last bits on other code.

    A damaged file is written anew. Raises ConfigError when it cannot be written.
    """
    kept = read_sealed(path)
    if kept is None:
        make_folder(path.parent)
        numbers = {"cell": atoms.cell.array.tolist(), "positions": atoms.positions.tolist()}
        write_sealed(path, {"labels": labels_of(atoms), **numbers})
        return atoms
    ions = Atoms(["X"] * len(kept["labels"]), kept["positions"], cell=kept["cell"], pbc=True)
    return with_labels(ions, kept["labels"])


def trajectory_of(result: DynamicsResult, skip: float = EQUILIBRATION) -> Trajectory:
    """The trajectory of a run without its first part."""
    whole = read_trajectory(result.trajectory, species_of(result.ions))
    first = int(skip * whole.n_frames)
    return Trajectory(whole.positions[first:], whole.species, whole.cells[first:], whole.interval, whole.source)


def frame_of(trajectory: Trajectory, number: int) -> Atoms:
    """One frame as ions; labels stand in ``species``."""
    ions = Atoms(["X"] * len(trajectory.species), trajectory.positions[number], cell=trajectory.cells[number], pbc=True)
    return with_labels(ions, trajectory.species)


def mean_with_error(series: Floats) -> tuple[float, float]:
    """Mean of a series in time, and its standard error from four blocks."""
    blocks = np.array([part.mean() for part in np.array_split(np.asarray(series, dtype=np.float64), _BLOCKS)])
    return float(np.mean(series)), standard_error(blocks)


def slope_with_error(times: Floats, values: Floats) -> tuple[float, float]:
    """Slope of a series in time and its standard error, from a line through the means of eight blocks."""
    parts = [(float(t.mean()), float(v.mean())) for t, v in zip(_split(times), _split(values), strict=True)]
    t, v = np.array(parts).T
    slope, offset = np.polyfit(t, v, 1)
    spread = np.square(v - slope * t - offset).sum() / (len(t) - 2)
    return float(slope), float(np.sqrt(spread / np.square(t - t.mean()).sum()))


def _split(values: Floats) -> Sequence[Floats]:
    return np.array_split(values, 2 * _BLOCKS)


def thermo_columns(path: Path, *names: str) -> list[Floats]:
    """Columns of the table of a run."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [np.array([float(row[name]) for row in rows]) for name in names]


def seed_of(rng: np.random.Generator) -> int:
    """A seed for initial velocities."""
    return int(rng.integers(1, 2**31))
