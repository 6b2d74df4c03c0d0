"""A ladder of walkers on one doped boundary: run it, resume it, and say what it found."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from dopantfit.boundary.swap.bleeding import acceptance, mean_profiles, occupied_sites, penetration
from dopantfit.boundary.swap.config import SwapConfig
from dopantfit.boundary.swap.layers import depths
from dopantfit.boundary.swap.record import (
    RECORD,
    SETTINGS,
    SETTINGS_FORMAT,
    SwapRecord,
    read_settings,
    require_settings_format,
)
from dopantfit.boundary.swap.temper import LADDER_FILE, Ladder, read_ladder, temper
from dopantfit.boundary.swap.walker import Replicas, ReplicaState, statistics_of
from dopantfit.energy.frame import species_of
from dopantfit.errors import ConfigError
from dopantfit.lammps import Launcher
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import Provenance, hash_of
from dopantfit.workflow.step import Step
from dopantfit.workflow.task import Submits

START, STRUCTURE = "start.json", "start.extxyz"


def run_swaps(
    atoms: Atoms,
    config: SwapConfig,
    potential: Potential,
    folder: Path,
    executor: Submits,
    launcher: Launcher,
    observer: ProgressObserver = NOBODY,
    rounds: int | None = None,
) -> Ladder:
    """Plays the protocol on a doped boundary (normal along z), or goes on where ``folder`` was left.

    rounds: play only so many, all of the protocol by default. Every walker starts from ``atoms``.
    Raises ConfigError for a structure without the dopant, layers that do not fit, a folder of another run or
    version, or one that another process holds.
    """
    began = time.time()
    _check(atoms, config, potential)
    folder = folder.resolve()  # Workers may run elsewhere.
    settings = {"config": config.model_dump(mode="json"), "potential": potential.dumps()}
    with run_folder(folder):
        SwapRecord.require_version(folder / RECORD)
        _same_or_new(folder, atoms, settings)
        ladder = Ladder.new(config.temperatures, [str(folder / START)] * config.walkers, config.seed)
        play = Replicas(config, potential.dumps(), folder, launcher)
        ladder = temper(play, ladder, rounds or config.layers.rounds, folder, executor, observer)
        inputs = {name: folder / name for name in (START, LADDER_FILE)}
        made = Provenance.of(inputs, settings["config"], seed=config.seed, started=began)  # type: ignore[arg-type]
        SwapRecord(results=summary(ladder), record=made).write(folder / RECORD)
    return ladder


def _check(atoms: Atoms, config: SwapConfig, potential: Potential) -> None:
    labels = set(labels_of(atoms))
    if config.dopant not in labels:
        raise ConfigError(f"the structure holds no {config.dopant}; dope it first (dopantfit boundary dope)")
    for partner in config.burst.partners:
        if partner not in potential.species:
            raise ConfigError(
                f"burst.partners: {partner!r} is not in potential {potential.name}, which has "
                f"{', '.join(sorted(potential.species))}; choose partners among its cations"
            )
    species_of(atoms, potential, "the structure")  # refuses unknown ions and a charged cell
    depths(config.layers, atoms.positions[:, 2], float(atoms.cell[2, 2]), float(atoms.cell[2, 2]))


def _same_or_new(folder: Path, atoms: Atoms, settings: dict[str, Any]) -> None:
    """Writes start and settings, or damaged ones anew; ConfigError where the folder holds those of another run."""
    structure = hash_of([labels_of(atoms), atoms.cell.array.tolist(), atoms.positions.tolist()])

    def other(known: Mapping[str, Any]) -> str:
        require_settings_format(known, folder)
        return f"{folder}: holds a run of another structure, potential or configuration; use another folder"

    step = Step(folder / SETTINGS, {"format": SETTINGS_FORMAT, **settings, "structure": structure}, other)
    kept = step.kept()
    ReplicaState.of(atoms).write(folder / START)
    ase.io.write(folder / STRUCTURE, atoms, format="extxyz")
    if kept is None:
        step.keep({})


def summary(ladder: Ladder) -> dict[str, Any]:
    """What is worth knowing at one look (JSON-like)."""
    statistics = statistics_of(ladder.history)
    drifts = [one["drift"] for played in ladder.history for one in played["records"] if one is not None]
    total = statistics.total
    return {
        "acceptance": {partner: asdict(one) for partner, one in acceptance(statistics.pairs).items()},
        "acceptance_across": {partner: asdict(one) for partner, one in acceptance(statistics.across).items()},
        "counts": statistics.as_dict(),
        "largest_drift_eV": max((abs(one) for one in drifts), default=0.0),
        "hysteresis": {"undone": total.undone, "did_not_come_back": total.hysteretic},
        "exchanges": {"attempted": ladder.attempted, "accepted": ladder.accepted},
        "round_trips": ladder.round_trips(),
        "missed_rounds": [one for played in ladder.history for one in played["missed"]],
    }


def analyse(folder: Path, lowest: int) -> dict[str, Any]:
    """Bleeding of a run: acceptance, mean profiles, penetration and occupied sites of its lowest walkers (JSON-like).

    Raises ReferenceDataError when there is no run in the folder, ConfigError when another version made it.
    """
    config = read_settings(folder)
    ladder = read_ladder(folder / LADDER_FILE)
    replicas = ladder.lowest(lowest)
    walkers = [ReplicaState.read(Path(ladder.configurations[replica])) for replica in replicas]
    found = mean_profiles([one.atoms for one in walkers])
    reference = ReplicaState.read(folder / START).atoms
    return {
        **summary(ladder),
        "walkers": [
            {
                "replica": replica,
                "energy_eV": one.energy,
                "penetration": asdict(penetration(one.atoms, config.layers, one.start_length, config.dopant)),
                "sites": _sites(one, reference, config),
            }
            for replica, one in zip(replicas, walkers, strict=True)
        ],
        "profiles": {
            "height_A": found.height.tolist(),
            "mean_atomic_percent": {label: values.tolist() for label, values in found.mean.items()},
            "spread_atomic_percent": {
                label: None if np.isnan(values).any() else values.tolist() for label, values in found.spread.items()
            },
        },
    }


def _sites(walker: ReplicaState, reference: Atoms, config: SwapConfig) -> dict[str, int]:
    """How many dopants in the opened layers of the grain sit on each kind of site."""
    length = float(walker.atoms.cell[2, 2])
    depth = depths(config.layers, walker.atoms.positions[:, 2], length, walker.start_length)
    inside = np.flatnonzero((depth >= 0.0) & (depth < config.layers.count * config.layers.width))
    kinds = [
        one.kind
        for one in occupied_sites(walker.atoms, reference, config.dopant, inside.tolist(), config.burst.partners)
    ]
    return {kind: kinds.count(kind) for kind in (*config.burst.partners, "between")}
