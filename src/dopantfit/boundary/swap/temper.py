"""Parallel tempering: replicas on a ladder of temperatures play rounds on their own and exchange between them.

A round of a replica is one independent task. After each round neighbours on the ladder exchange their temperatures with
probability min(1, exp((β_i - β_j)(E_i - E_j))), even pairs after even rounds and odd pairs after odd ones, which keeps
the joint distribution Π exp(-β_i E_i) (Hukushima & Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996)).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.errors import ConfigError, DopantFitError, EngineError
from dopantfit.units import BOLTZMANN
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.pool import ATTEMPTS
from dopantfit.workflow.progress import NOBODY, ProgressObserver, WorkProgress
from dopantfit.workflow.step import Step
from dopantfit.workflow.task import Submits

LADDER_FILE = "ladder.json"
#: Marks the random numbers of exchanges among those of rounds, which are drawn from (seed, replica, round).
_EXCHANGES = 2**31 - 1


@dataclass(frozen=True)
class RoundTask:
    """One round of one replica, at its temperature [K].

    configuration: what its last round returned, or its start; where that names a file, checkpoints vouch for it.
    """

    replica: int
    round_number: int
    temperature: float
    configuration: str
    seed: int

    def generator(self) -> np.random.Generator:
        """Random numbers of this round alone, so that a round that is played again is the same round."""
        return np.random.default_rng([self.seed, self.replica, self.round_number])


@dataclass(frozen=True)
class RoundResult:
    """Relaxed energy at the end of a round [eV], where its configuration is, and what is to be kept of it (JSON)."""

    energy: float
    configuration: str
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Ladder:
    """All that tempering knows between two rounds; what ``ladder.json`` holds.

    temperatures: of the rungs [K]. rounds_done. replica_at: the replica on each rung. configurations, energies: by
    replica (None before its first round). history: of every round, replica, energy, record by rung and missed replicas.
    attempted, accepted: exchanges of each rung with the next.
    """

    temperatures: list[float]
    seed: int
    configurations: list[str]
    rounds_done: int = 0
    replica_at: list[int] = field(default_factory=list)
    energies: list[float | None] = field(default_factory=list)
    attempted: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def new(cls, temperatures: Sequence[float], starts: Sequence[str], seed: int) -> "Ladder":
        """A ladder before its first round: replica i starts on rung i."""
        n = len(temperatures)
        if len(starts) != n or n == 0:
            raise ConfigError(f"{len(starts)} starting configurations for {n} temperatures; give one for each")
        pairs = [0] * (n - 1)
        return cls(list(temperatures), seed, list(starts), 0, list(range(n)), [None] * n, list(pairs), list(pairs), [])

    def tasks(self) -> list[RoundTask]:
        """The next round of every replica, by rung."""
        return [
            RoundTask(replica, self.rounds_done, temperature, self.configurations[replica], self.seed)
            for replica, temperature in zip(self.replica_at, self.temperatures, strict=True)
        ]

    def take(self, results: Sequence[RoundResult | DopantFitError]) -> tuple[str, ...]:
        """Takes in the results of a round, by rung, and lets neighbours exchange; returns who missed it and why.

        A replica that missed the round stays as it was and exchanges with nobody.
        """
        missed = []
        for rung, (replica, result) in enumerate(zip(self.replica_at, results, strict=True)):
            if isinstance(result, RoundResult):
                self.energies[replica], self.configurations[replica] = result.energy, result.configuration
            else:
                missed.append(f"replica {replica} at {self.temperatures[rung]:g} K: {result}")
        self.history.append(
            {
                "replica_at": list(self.replica_at),
                "energies": [self.energies[replica] for replica in self.replica_at],
                "records": [dict(one.record) if isinstance(one, RoundResult) else None for one in results],
                "missed": missed,
            }
        )
        self._exchange([isinstance(result, RoundResult) for result in results])
        self.rounds_done += 1
        return tuple(missed)

    def _exchange(self, played: Sequence[bool]) -> None:
        rng = np.random.default_rng([self.seed, _EXCHANGES, self.rounds_done])
        for rung in range(self.rounds_done % 2, len(self.temperatures) - 1, 2):
            draw = float(rng.random())
            lower, upper = (self.energies[self.replica_at[one]] for one in (rung, rung + 1))
            if not (played[rung] and played[rung + 1]) or lower is None or upper is None:
                continue
            self.attempted[rung] += 1
            if draw < exchange_probability(lower, upper, self.temperatures[rung], self.temperatures[rung + 1]):
                self.accepted[rung] += 1
                self.replica_at[rung], self.replica_at[rung + 1] = self.replica_at[rung + 1], self.replica_at[rung]

    def round_trips(self) -> list[int]:
        """Of every replica, how often it went from the coldest rung to the hottest and back."""
        top = len(self.temperatures) - 1
        trips, aim = [0] * (top + 1), [None] * (top + 1)  # type: list[int], list[int | None]
        for played in self.history:
            for rung, target in ((0, top), (top, 0)):
                replica = played["replica_at"][rung]
                trips[replica] += rung == 0 and aim[replica] == 0
                aim[replica] = target if rung == 0 or aim[replica] is not None else None
        return trips

    def lowest(self, count: int) -> list[int]:
        """The replicas of lowest energy, lowest first; those that never played are left out."""
        known = [(energy, replica) for replica, energy in enumerate(self.energies) if energy is not None]
        return [replica for _, replica in sorted(known)[:count]]


def exchange_probability(lower: float, upper: float, cold: float, hot: float) -> float:
    """How likely neighbours at two temperatures [K] exchange, of energies lower (at cold) and upper (at hot) [eV]."""
    exponent = (1.0 / cold - 1.0 / hot) / BOLTZMANN * (lower - upper)
    return float(np.exp(min(0.0, exponent)))


def temper(
    play: Callable[[RoundTask], RoundResult],
    ladder: Ladder,
    rounds: int,
    folder: Path,
    executor: Submits,
    observer: ProgressObserver = NOBODY,
) -> Ladder:
    """Plays rounds until ``rounds`` are done, with a checkpoint after each; goes on where ``folder`` was left.

    play: one round of one replica, run by the executor; it is tried once more when it raises a DopantFitError. What
    fails twice is named to the observer, the others go on, and the replica plays again in the next round.
    Where the checkpoint or a configuration that it vouches for is damaged, the ladder is climbed anew from the start,
    which costs little where ``play`` reads rounds that it finished before.
    Raises ConfigError when the folder holds a ladder of other temperatures or another seed, the first error when no
    replica could play a round.
    """
    checkpoint = _checkpoint(ladder, make_folder(folder) / LADDER_FILE)
    known = checkpoint.kept()
    ladder = ladder if known is None else Ladder(**known["ladder"])
    while ladder.rounds_done < rounds:
        tasks = ladder.tasks()
        results = _played(play, tasks, executor)
        errors = [one for one in results if isinstance(one, DopantFitError)]
        if len(errors) == len(results):
            raise errors[0]
        missed = ladder.take(results)
        # It vouches for the files that hold configurations.
        checkpoint.keep({"ladder": asdict(ladder)}, filter(os.path.isfile, dict.fromkeys(ladder.configurations)))
        _tell(observer, ladder, rounds, missed)
    return ladder


def _tell(observer: ProgressObserver, ladder: Ladder, rounds: int, missed: Sequence[str]) -> None:
    """Say how the last round ended, by rung, and who missed it."""
    energies = ", ".join("-" if one is None else f"{one:.2f}" for one in ladder.history[-1]["energies"])
    observer.say(f"round {ladder.rounds_done} of {rounds}: {energies} eV")
    for one in missed:
        observer.say(f"  missed: {one}")
    observer.show("rounds", WorkProgress(ladder.rounds_done, of=rounds))


def _played(
    play: Callable[[RoundTask], RoundResult], tasks: Sequence[RoundTask], executor: Submits
) -> list[RoundResult | DopantFitError]:
    """Results of a round in the order of the tasks; what failed, or was lost with a worker, is tried once more.

    Raises EngineError when workers die again.
    """
    results: dict[int, RoundResult | DopantFitError] = {}
    for _ in range(ATTEMPTS):
        waiting = {
            i: executor.submit(play, task)
            for i, task in enumerate(tasks)
            if not isinstance(results.get(i), RoundResult)
        }
        for i, future in waiting.items():
            try:
                results[i] = future.result()
            except DopantFitError as problem:
                results[i] = problem
            except BrokenExecutor:
                results.pop(i, None)
    if len(results) < len(tasks):
        raise EngineError(
            "the worker process of a replica was killed again and again (out of memory?); ask for fewer workers and "
            "run the same command again, finished rounds are kept"
        )
    return [results[i] for i in range(len(tasks))]


def read_ladder(path: Path) -> Ladder:
    """The ladder in a checkpoint; ConfigError when it, or a configuration in it, is damaged or missing."""
    content = Step(path, {}).kept()
    if content is None:
        raise ConfigError(f"{path}: not a checkpoint of tempering, or damaged; run it again, and it is mended")
    return Ladder(**content["ladder"])


def _checkpoint(ladder: Ladder, path: Path) -> Step:
    """The checkpoint of a ladder of these temperatures and this seed."""

    def other(content: Mapping[str, Any]) -> str:
        known = Ladder(**content["ladder"])
        return (
            f"{path}: holds {len(known.temperatures)} temperatures {known.temperatures[0]:g}-"
            f"{known.temperatures[-1]:g} K with seed {known.seed}, not what is asked for; use another folder"
        )

    return Step(path, {"ladder": {"temperatures": ladder.temperatures, "seed": ladder.seed}}, other)
