"""From ``boundary.toml`` to a sintered boundary in a folder: structures, record and figures."""

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.boundary.build.config import BuildConfig
from dopantfit.boundary.build.health import checkup
from dopantfit.boundary.build.record import BOUNDARY_RECORD, BoundaryRecord
from dopantfit.boundary.build.schedule import Schedule, StageRecord
from dopantfit.boundary.build.start import composition, initial_boundary
from dopantfit.boundary.profile.description import describe
from dopantfit.boundary.profile.domains import Domains, find_domains
from dopantfit.boundary.profile.figures import draw_boundary
from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.lammps import Launcher
from dopantfit.potential import Potential
from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import Provenance, write_text_atomic
from dopantfit.workflow.step import Step

INITIAL, IDENTITY, BOUNDARY = "initial.extxyz", "identity.json", "boundary.extxyz"


@dataclass(frozen=True)
class SinteredBoundary:
    """A boundary as built: its end, its domains, what every stage showed, and the record."""

    atoms: Atoms
    domains: Domains
    stages: tuple[StageRecord, ...]
    record: BoundaryRecord


def build_boundary(
    config: BuildConfig,
    potential: Potential,
    folder: Path,
    launcher: Launcher,
    *,
    observer: ProgressObserver = NOBODY,
) -> SinteredBoundary:
    """Build and sinter a boundary in `folder`, or go on with the one that is there.

    Writes ``initial.extxyz``, a folder for every stage, ``boundary.extxyz``, ``boundary.json`` and figures.
    Raises ConfigError for a composition or gap that cannot be, for a folder of another build or version, and for one
    that another process holds, CollapseError and ConvergenceError naming the stage.
    """
    with run_folder(folder):
        return _build(config, potential, folder, launcher, observer)


def _build(
    config: BuildConfig, potential: Potential, folder: Path, launcher: Launcher, observer: ProgressObserver
) -> SinteredBoundary:
    started = time.time()
    BoundaryRecord.require_version(folder / BOUNDARY_RECORD)
    start = initial_boundary(config, potential, np.random.default_rng(config.seed))
    text = dump_frames([start])
    first = folder / INITIAL
    step = Step(
        folder / IDENTITY,
        {"start": hashlib.sha256(text.encode()).hexdigest()},
        lambda _: f"{folder}: holds another boundary than {config.name!r} with this seed; choose another folder",
    )
    step.kept() or step.keep({})
    write_text_atomic(first, text)
    schedule = Schedule(potential, config.host, config.stages, config.health, config.seed, launcher)
    end, stages = schedule.run(start, folder, observer)
    write_text_atomic(folder / BOUNDARY, dump_frames([end]))
    domains = find_domains(end, config.host, (config.grain.in_plane, config.grain.in_plane))
    draw_boundary(end, domains, config.host, folder / "figures")
    record = BoundaryRecord(
        name=config.name,
        host=config.host.name,
        potential=potential.name,
        ions=len(end),
        composition=dict(composition(end)),
        health=checkup(end, potential, config.host),
        domains=describe(end, domains, config.host),
        stages=tuple(stages),
        record=Provenance.of(
            {"initial": first, "boundary": folder / BOUNDARY},
            config.model_dump(mode="json"),
            seed=config.seed,
            started=started,
        ),
    )
    record.write(folder / BOUNDARY_RECORD)
    return SinteredBoundary(end, domains, tuple(stages), record)


def read_boundary(path: Path) -> Atoms:
    """Return the structure of a folder with ``boundary.extxyz``, or of such a file, with its ``info``.

    Raises ConfigError when it is no boundary of this program, or another version built what is in the folder.
    """
    if path.is_dir():
        BoundaryRecord.require_version(path / BOUNDARY_RECORD)
    file = path / BOUNDARY if path.is_dir() else path
    try:
        atoms = read_frames(file)[-1]
    except ReferenceDataError as problem:
        raise ConfigError(f"{problem}; name a folder of `dopantfit boundary build`, or a structure") from None
    return atoms


def copy_config(source: Path, folder: Path, name: str) -> None:
    """Keep what a person wrote beside what came of it."""
    make_folder(folder)
    if source.is_file() and source.resolve() != (folder / name).resolve():
        shutil.copyfile(source, folder / name)
