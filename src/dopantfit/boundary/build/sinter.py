"""From ``boundary.toml`` to a sintered boundary in a folder: structures, record and figures."""

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.boundary.build.config import BuildConfig
from dopantfit.boundary.build.health import checkup
from dopantfit.boundary.build.schedule import Schedule, StageRecord
from dopantfit.boundary.build.start import composition, initial_boundary
from dopantfit.boundary.profile.domains import NAMES, Domains, find_domains
from dopantfit.boundary.profile.figures import draw_boundary
from dopantfit.boundary.profile.profiles import composition_by_domain, nearest_by_domain
from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.lammps import Launcher
from dopantfit.potential import Potential
from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.structures.hosts import Host
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import Provenance, write_json_atomic, write_text_atomic
from dopantfit.workflow.step import Step

INITIAL, IDENTITY, BOUNDARY, RECORD = "initial.extxyz", "identity.json", "boundary.extxyz", "boundary.json"


@dataclass(frozen=True)
class SinteredBoundary:
    """A boundary as built: its end, its domains, what every stage showed, and the record (JSON-like)."""

    atoms: Atoms
    domains: Domains
    stages: tuple[StageRecord, ...]
    record: dict[str, Any]


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
    Raises ConfigError for a composition or gap that cannot be, for a folder of another build and for one that another
    process holds, CollapseError and ConvergenceError naming the stage.
    """
    with run_folder(folder):
        return _build(config, potential, folder, launcher, observer)


def _build(
    config: BuildConfig, potential: Potential, folder: Path, launcher: Launcher, observer: ProgressObserver
) -> SinteredBoundary:
    started = time.time()
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
    record: dict[str, Any] = {
        "name": config.name,
        "host": config.host.name,
        "potential": potential.name,
        "ions": len(end),
        "composition": dict(composition(end)),
        "health": checkup(end, potential, config.host).as_dict(),
        "domains": describe(end, domains, config.host),
        "stages": [stage.as_dict() for stage in stages],
        "record": Provenance.of(
            {"initial": first, "boundary": folder / BOUNDARY},
            config.model_dump(mode="json"),
            seed=config.seed,
            started=started,
        ).as_dict(),
    }
    write_json_atomic(folder / RECORD, record)
    return SinteredBoundary(end, domains, tuple(stages), record)


def describe(atoms: Atoms, domains: Domains, host: Host) -> dict[str, Any]:
    """Return widths, order, composition and distances of the reducible ions of the domains, ready for JSON."""
    distances = nearest_by_domain(atoms, domains, host.reducible)
    percent = composition_by_domain(atoms, domains)
    return {
        "framework": list(domains.framework),
        "nearest_of": host.reducible,
        "order_grain": domains.order_grain,
        "order_amorphous": domains.order_amorphous,
        **{
            name: {
                "intervals_A": [[one.low, one.high] for one in domains.intervals[name]],
                "width_A": domains.width(name),
                "ions": int(domains.members(atoms, name).sum()),
                "atomic_percent": percent[name],
                "nearest_A": None if (found := distances[name]) is None else {"mean": found[0], "error": found[1]},
            }
            for name in NAMES
        },
    }


def read_boundary(path: Path) -> Atoms:
    """Return the structure of a folder with ``boundary.extxyz``, or of such a file, with its ``info``.

    Raises ConfigError when it is no boundary of this program.
    """
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
