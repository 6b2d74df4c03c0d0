"""Exchange of dopants between boundary and grain by tempered Monte Carlo, one ladder of walkers per composition."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dopantfit.boundary.swap.config import SwapConfig, parse_swap
from dopantfit.boundary.swap.temper import Ladder, RoundReport, temper
from dopantfit.boundary.swap.walker import Replicas, ReplicaState, statistics_of
from dopantfit.errors import ConfigError
from dopantfit.study.boundary_stage import domains_in
from dopantfit.study.dynamics import launcher_of
from dopantfit.study.files import STRUCTURE, Cell, read_structure, write_structure
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Finished, Outcome, Work


@action(version=2)
def temper_walkers(work: Work) -> Outcome:
    """Play all rounds of one composition; its realisations are the walkers.

    needs: boundary, walker001, walker002, ... settings: swaps (the table of the study), pressure [bar], dopant,
    partners, seed. Walkers' ends are ``walker-<replica>.extxyz``.
    """
    doped = [need for role, need in sorted(work.needs.items()) if role != "boundary"]
    config = swap_config(work.settings, work.needs["boundary"], len(doped))
    starts = _starts(work, doped)
    potential = work.task.files["potential"].read_text(encoding="utf-8")
    play = Replicas(config, potential, work.folder / "walkers", launcher_of(work))
    rounds, attempts = config.layers.rounds, config.attempts * len(doped)
    if work.executor is None:
        raise ConfigError(f"task {work.task.name}: needs the executor; it must be one that coordinates")

    def report(done: RoundReport) -> None:
        work.report(float(done.round_number * attempts))

    ladder = Ladder.new(config.temperatures, starts, config.seed)
    ladder = temper(play, ladder, rounds, work.folder, work.executor, report)
    names = []
    for replica, path in enumerate(ladder.configurations):
        names.append(walker_file(replica))
        write_structure(work.folder / names[-1], ReplicaState.read(Path(path)).atoms)
    records = [record for played in ladder.history for record in played["records"] if record is not None]
    cost = {
        "core_seconds": sum(record.get("processor_seconds", 0.0) for record in records),
        "attempts": attempts * rounds,
        "ps": config.dynamics.duration * rounds * len(doped),
    }
    result = {**history_of(ladder), "layers": config.layers.model_dump(mode="json")}
    return Outcome(result, tuple(names), {**cost, "ions": doped[0].result["atoms"]})


def walker_file(replica: int) -> str:
    """Name of the file with the end of a walker."""
    return f"walker-{replica}.extxyz"


def swap_config(settings: Mapping[str, Any], boundary: Finished, walkers: int) -> SwapConfig:
    """Return the configuration of one ladder: layers of the grain above the amorphous domain.

    Heights are those of the undoped boundary, of whose cell `ReplicaState.start_length` is the length.
    """
    swaps = settings["swaps"]
    atoms = read_structure(boundary.file(STRUCTURE))
    domain = domains_in(boundary.result["domains"], atoms).amorphous
    content = {
        "dopant": settings["dopant"],
        "attempts": swaps["attempts_per_round"],
        "layers": {
            "interface": domain.high,
            "into_grain": 1,
            "reservoir": domain.width,
            "width": swaps["layer_width"],
            "count": swaps["layers"],
            "rounds_per_layer": swaps["rounds_per_layer"],
        },
        "walkers": walkers,
        "coldest": swaps["coldest"],
        # One walker has one temperature.
        "hottest": swaps["hottest"] if walkers > 1 else swaps["coldest"],
        "seed": settings["seed"],
        "burst": {
            "partners": sorted(settings["partners"]),
            "calibration": swaps["calibration"],
            "draw": swaps["draw"],
        },
        "dynamics": {
            "duration": swaps["relaxation"],
            "temperature": swaps["temperature"],
            "pressure": settings["pressure"],
        },
    }
    return parse_swap(content, "study: swaps")


def _starts(work: Work, doped: list[Finished]) -> list[str]:
    """Write the configurations that walkers start from; return their paths."""
    length = float(read_structure(work.needs["boundary"].file(STRUCTURE)).cell[2, 2])
    folder = work.folder / "starts"
    folder.mkdir(exist_ok=True)
    paths = []
    for number, one in enumerate(doped):
        atoms = read_structure(one.file(STRUCTURE))
        paths.append(str(folder / f"{number}.json"))
        ReplicaState(atoms, atoms.get_positions(), None, None, length).write(Path(paths[-1]))
    return paths


def history_of(ladder: Ladder) -> dict[str, Any]:
    """Return the story of a ladder: energies by round, exchanges, counts by partner, walkers by energy."""
    rounds: list[list[Cell]] = []
    for number, played in enumerate(ladder.history):
        for rung, replica in enumerate(played["replica_at"]):
            rounds.append([number, replica, ladder.temperatures[rung], played["energies"][rung]])
    return {
        "rounds": rounds,
        "exchanges": {
            "attempted": list(ladder.attempted),
            "accepted": list(ladder.accepted),
            "round_trips": ladder.round_trips(),
        },
        "statistics": statistics_of(list(ladder.history)).as_dict(),
        "lowest": ladder.lowest(len(ladder.configurations)),
        "missed": [line for played in ladder.history for line in played["missed"]],
    }
