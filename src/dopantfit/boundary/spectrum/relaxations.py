"""One exchange of a spectrum, relaxed in a worker: the same from the same host, whatever was relaxed before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms

from dopantfit.boundary.spectrum.arrangements import Surroundings, arrangement
from dopantfit.boundary.spectrum.config import Sampling
from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import Swap
from dopantfit.boundary.swap.relaxed import RelaxedSwaps
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.energy.cell_model import CellState
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.workflow.step import Step

HOST = "host.json"
EXCHANGES = "exchanges"

#: How an exchange ended. "relaxed" here, "chain": its energy is one that a chain of swaps found for the same state;
#: "collapsed": ions fell together, there is no such state; "no minimum": it was not found; "no room": the arrangement
#: cannot be made.
Ending = Literal["relaxed", "chain", "collapsed", "no minimum", "no room"]


@dataclass(frozen=True)
class ExchangeEnergy:
    """How an exchange ended, and its energy change [eV], None without a minimum. calls: evaluations of all sites."""

    ending: Ending
    change: float | None
    calls: int


@dataclass(frozen=True)
class Exchange:
    """The exchange of the dopant at `reference` with the ion at `site`, in one arrangement of the mobile ions."""

    reference: int
    site: int
    arrangement: int


@dataclass(frozen=True)
class ExchangeRelaxer:
    """Relaxes exchanges of the host in a folder; can be sent to another process.

    folder: absolute. host: identity of the host's relaxed state (`state_id`). potential: its text. mobile, anion:
    labels of the host. charges: formal ones of the ions that take part.
    """

    folder: Path
    host: str
    potential: str
    sampling: Sampling
    mobile: str
    anion: str
    charges: Mapping[str, int]

    def step(self, exchange: Exchange) -> Step:
        """The record of an exchange, in a file of its own."""
        name = f"{exchange.reference:06d}-{exchange.site:06d}-{exchange.arrangement:02d}.json"
        of = {
            "host": self.host,
            "tolerance": self.sampling.tolerance,
            "most_calls": self.sampling.most_calls,
            "exchange": [exchange.reference, exchange.site, exchange.arrangement],
        }
        return Step(self.folder / EXCHANGES / name, of)

    def kept(self, exchange: Exchange) -> ExchangeEnergy | None:
        """What is known of an exchange."""
        known = self.step(exchange).kept()
        return None if known is None else ExchangeEnergy(known["ending"], known["change"], known["calls"])

    def keep(self, exchange: Exchange, found: ExchangeEnergy) -> None:
        """Write down what was found."""
        content = {"ending": found.ending, "change": found.change, "calls": found.calls}
        self.step(exchange).keep(content)

    @with_one_blas_thread
    def __call__(self, exchange: Exchange) -> ExchangeEnergy:
        """Relax an exchange and keep what was found, or return what is known of it."""
        known = self.kept(exchange)
        if known is not None:
            return known
        cell = _loaded(self.folder, self.host, self.potential, self.sampling.model_dump_json())
        found = self._relaxed(*cell, exchange)
        self.keep(exchange, found)
        return found

    def _relaxed(self, swaps: RelaxedSwaps, state: CellState, exchange: Exchange) -> ExchangeEnergy:
        labels = np.array([swaps.labels[int(one)] for one in state.species])
        around = Surroundings(state.cores, labels == self.anion, labels == self.mobile, swaps.cell.cell)
        more = self.charges[str(labels[exchange.site])] - self.charges[str(labels[exchange.reference])]
        excess = int(more / self.charges[self.mobile])
        moves = arrangement(around, exchange.reference, exchange.site, excess, exchange.arrangement)
        if moves is None:
            return ExchangeEnergy("no room", None, 0)
        moved = {move.ion: move.place for move in moves}
        end = swaps.exchange(state, Swap(exchange.reference, exchange.site), moved)
        if end.state is None:
            return ExchangeEnergy("no minimum" if math.isinf(end.early) else "collapsed", None, end.calls)
        return ExchangeEnergy("relaxed", end.state.energy - state.energy, end.calls)


def swap_model(atoms: Atoms, potential: str, sampling: Sampling) -> RelaxedSwaps:
    """The engine of a spectrum, with the chain's own settings of an estimate."""
    burst = Burst(partners=sampling.partners, tolerance=sampling.tolerance, most_calls=sampling.most_calls)
    return RelaxedSwaps(atoms, Potential.loads(potential, source="the potential of the spectrum"), burst)


def state_of(swaps: RelaxedSwaps, replica: ReplicaState) -> CellState:
    """A relaxed state as the engine has it."""
    species = np.array([swaps.labels.index(label) for label in labels_of(replica.atoms)], dtype=np.int64)
    energy = float("nan") if replica.energy is None else replica.energy
    return CellState(species, replica.atoms.get_positions(), np.array(replica.shells), energy)


@lru_cache(maxsize=1)
def _loaded(folder: Path, host: str, potential: str, sampling: str) -> tuple[RelaxedSwaps, CellState]:
    """The engine and the host's relaxed state, once in each process."""
    replica = ReplicaState.read(folder / HOST)
    swaps = swap_model(replica.atoms, potential, Sampling.model_validate_json(sampling))
    return swaps, state_of(swaps, replica)
