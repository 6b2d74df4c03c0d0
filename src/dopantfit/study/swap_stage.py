"""Exchange of dopants between boundary and grain by tempered Monte Carlo, one ladder of walkers per composition."""

from collections.abc import Sequence
from pathlib import Path

from dopantfit.boundary.swap.acceptance import Statistics
from dopantfit.boundary.swap.config import Burst, Layers, RoundDynamics, SwapConfig
from dopantfit.boundary.swap.temper import Ladder, temper
from dopantfit.boundary.swap.walker import Replicas, ReplicaState, statistics_of
from dopantfit.errors import ConfigError
from dopantfit.study.boundary_stage import BuiltBoundary, DopedBoundary
from dopantfit.study.config import Swaps
from dopantfit.study.dynamics import TaskObserver, launcher_of
from dopantfit.study.files import STRUCTURE, read_structure, write_structure
from dopantfit.workflow.provenance import write_json_atomic
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Made, Product, TaskOutput, typed_action

RELAXED = "relaxed.json"


class Tempering(Model):
    """All rounds of one composition, whose realisations are the walkers. pressure: [bar]."""

    swaps: Swaps
    pressure: float
    dopant: str
    partners: tuple[str, ...]
    seed: int
    boundary: TaskOutput[BuiltBoundary]
    walkers: tuple[TaskOutput[DopedBoundary], ...]


class Exchanges(Model):
    """Exchanges of temperature between each rung and the next, and round trips of each replica."""

    attempted: tuple[int, ...]
    accepted: tuple[int, ...]
    round_trips: tuple[int, ...]


class Tempered(Model):
    """The story of a ladder of walkers.

    rounds: number, replica, temperature [K], energy [eV; None before its first round]. lowest: replicas by energy.
    """

    rounds: tuple[tuple[int, int, float, float | None], ...]
    exchanges: Exchanges
    statistics: Statistics
    lowest: tuple[int, ...]
    missed: tuple[str, ...]
    layers: Layers


@typed_action(Tempering, Tempered, version=3)
def temper_walkers(here: Here, want: Tempering) -> Product[Tempered]:
    """Play all rounds of one composition; the walkers' ends are ``walker-<replica>.extxyz``.

    Exchanges that were relaxed to their end are in ``relaxed.json``, by the state that they are of.
    """
    boundary, doped = here.made(want.boundary), [here.made(one) for one in want.walkers]
    config = swap_config(want, boundary)
    starts = _starts(here.folder / "starts", boundary, doped)
    potential = here.path("potential").read_text(encoding="utf-8")
    play = Replicas(config, potential, here.folder / "walkers", launcher_of(here))
    rounds, attempts = config.layers.rounds, config.attempts * len(doped)
    executor = here.executor
    if executor is None:
        raise ConfigError(f"task {here.task.name}: needs the executor; it must be one that coordinates")

    ladder = Ladder.new(config.temperatures, starts, config.seed)
    ladder = temper(play, ladder, rounds, here.folder, executor, TaskObserver(here, attempts))
    names = []
    for replica, path in enumerate(ladder.configurations):
        names.append(walker_file(replica))
        write_structure(here.folder / names[-1], ReplicaState.read(Path(path)).atoms)
    records = [record for played in ladder.history for record in played["records"] if record is not None]
    cost = {
        "core_seconds": sum(record.get("processor_seconds", 0.0) for record in records),
        "attempts": attempts * rounds,
        "ps": config.dynamics.duration * rounds * len(doped),
        "ions": doped[0].result.atoms,
    }
    relaxed = [{"start": record["start"], "relaxed": record["relaxed"]} for record in records if "start" in record]
    write_json_atomic(here.folder / RELAXED, {"rounds": relaxed})
    return Product(history_of(ladder, config.layers), (*names, RELAXED), cost)


def walker_file(replica: int) -> str:
    """Name of the file with the end of a walker."""
    return f"walker-{replica}.extxyz"


def swap_config(want: Tempering, boundary: Made[BuiltBoundary]) -> SwapConfig:
    """Return the configuration of one ladder: layers of the grain above the amorphous domain.

    Heights are those of the undoped boundary, of whose cell `ReplicaState.start_length` is the length.
    """
    swaps, walkers = want.swaps, len(want.walkers)
    domain = boundary.result.domains.within(read_structure(boundary.file(STRUCTURE))).amorphous
    return SwapConfig(
        dopant=want.dopant,
        attempts=swaps.attempts_per_round,
        layers=Layers(
            interface=domain.high,
            into_grain=1,
            reservoir=domain.width,
            width=swaps.layer_width,
            count=swaps.layers,
            rounds_per_layer=swaps.rounds_per_layer,
        ),
        walkers=walkers,
        coldest=swaps.coldest,
        # One walker has one temperature.
        hottest=swaps.hottest if walkers > 1 else swaps.coldest,
        seed=want.seed,
        burst=Burst(partners=tuple(sorted(want.partners)), calibration=swaps.calibration, draw=swaps.draw),
        dynamics=RoundDynamics(duration=swaps.relaxation, temperature=swaps.temperature, pressure=want.pressure),
    )


def _starts(folder: Path, boundary: Made[BuiltBoundary], doped: Sequence[Made[DopedBoundary]]) -> list[str]:
    """Write the configurations that walkers start from; return their paths."""
    length = float(read_structure(boundary.file(STRUCTURE)).cell[2, 2])
    folder.mkdir(exist_ok=True)
    paths = []
    for number, one in enumerate(doped):
        atoms = read_structure(one.file(STRUCTURE))
        paths.append(str(folder / f"{number}.json"))
        ReplicaState(atoms, atoms.get_positions(), None, None, length).write(Path(paths[-1]))
    return paths


def history_of(ladder: Ladder, layers: Layers) -> Tempered:
    """Return the story of a ladder: energies by round, exchanges, counts by partner, walkers by energy."""
    return Tempered(
        rounds=tuple(
            (number, replica, ladder.temperatures[rung], played["energies"][rung])
            for number, played in enumerate(ladder.history)
            for rung, replica in enumerate(played["replica_at"])
        ),
        exchanges=Exchanges(
            attempted=tuple(ladder.attempted),
            accepted=tuple(ladder.accepted),
            round_trips=tuple(ladder.round_trips()),
        ),
        statistics=statistics_of(list(ladder.history)),
        lowest=tuple(ladder.lowest(len(ladder.configurations))),
        missed=tuple(line for played in ladder.history for line in played["missed"]),
        layers=layers,
    )
