"""A burst of relaxed-swap Monte Carlo: attempts to exchange a dopant with another cation, each judged by its energy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

import numpy as np

from dopantfit.boundary.acceptance import Statistics, accepted, ceiling, passing
from dopantfit.boundary.swap_config import Burst
from dopantfit.boundary.swap_model import Estimate, Relaxation, S, Swap, SwapModel
from dopantfit.energy.arrays import Integers
from dopantfit.errors import ConfigError

#: A swap that was undone has come back when its energy is within this of what it was [eV].
CAME_BACK = 0.01


@dataclass(frozen=True)
class Sites:
    """Where swaps may happen: indices of the active sites, and which species is the dopant and which its partners.

    A swap leaves the number of dopants and of every partner on the active sites as it is, so that it is as likely to be
    drawn as its undoing.
    """

    active: Integers
    dopant: int
    partners: tuple[int, ...]
    by_species: bool = False

    def draw(self, species: Integers, rng: np.random.Generator) -> Swap | None:
        """A dopant and a partner on active sites, drawn at random; None when there is none of one of them."""
        here = species[self.active]
        dopants = self.active[here == self.dopant]
        present = [one for one in self.partners if np.any(here == one)]
        pick, among = rng.random(2)
        if len(dopants) == 0 or not present:
            return None
        first = dopants[int(pick * len(dopants))]
        chosen = present
        if self.by_species:
            scaled = among * len(present)
            chosen, among = [present[int(scaled)]], scaled - int(scaled)
        others = self.active[np.isin(here, chosen)]
        return Swap(int(first), int(others[int(among * len(others))]))


@dataclass
class Chain(Generic[S]):
    """A walker's chain within one burst, at one temperature [K].

    labels: names of the species, for the counts. ``attempt`` moves ``state`` on.
    """

    model: SwapModel[S]
    state: S
    sites: Sites
    temperature: float
    settings: Burst
    labels: Sequence[str]
    statistics: Statistics = field(default_factory=Statistics)

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"a temperature of {self.temperature} K makes no Monte Carlo; it must be positive")

    def attempt(self, rng: np.random.Generator) -> bool:
        """Draws and judges one swap; returns whether it was accepted. Always takes four numbers from ``rng``."""
        swap = self.sites.draw(self.state.species, rng)
        first, second = (float(number) for number in rng.random(2))
        if swap is None:
            return False
        counts = self.statistics.of(self.labels[self.state.species[swap.second]])
        counts.attempted += 1
        judge = {"delayed": self._delayed, "full": self._full, "rigid": self._rigid}[self.settings.mode]
        before, moved = self.state, judge(swap, first, second)
        if moved is None:
            return False
        counts.accepted += 1
        self.state = moved
        every = self.settings.undo_every
        if every and self.settings.mode != "rigid" and counts.accepted % every == 0:
            self._undo(before, swap)
        return True

    def _rigid(self, swap: Swap, first: float, second: float) -> S | None:
        change = self.model.rigid(self.state, swap)
        counts = self.statistics.of(self._partner(swap))
        counts.passed += 1
        counts.relaxed(passing(change, self.temperature), 1.0)
        if not accepted(change, second, self.temperature):
            return None
        return self.model.unrelaxed(self.state, swap, change)

    def _full(self, swap: Swap, first: float, second: float) -> S | None:
        self.statistics.of(self._partner(swap)).passed += 1
        estimate = self.model.estimate(self.state, swap)
        moved = self._relaxed(swap, estimate, math.inf).state
        if moved is None:
            return None
        change = moved.energy - self.state.energy
        self.statistics.of(self._partner(swap)).relaxed(passing(change, self.temperature), 1.0)
        return moved if accepted(change, second, self.temperature) else None

    def _delayed(self, swap: Swap, first: float, second: float) -> S | None:
        estimate = self.model.estimate(self.state, swap)
        forward = passing(estimate.change, self.temperature)
        if not first < forward:
            return None
        self.statistics.of(self._partner(swap)).passed += 1
        # One number for both estimates: together they let the swap pass with the smaller of their probabilities.
        result = self._relaxed(swap, estimate, ceiling(first, 1.0, self.temperature))
        moved = result.state
        if moved is None:
            return None
        forward = min(forward, passing(result.early, self.temperature))
        change = moved.energy - self.state.energy
        self.statistics.of(self._partner(swap)).relaxed(passing(change, self.temperature), forward)
        if not accepted(change, second, self.temperature, forward):
            return None  # Not even if the way back were certain to pass.
        back = self.model.estimate(moved, swap)
        backward = passing(back.change, self.temperature)
        if not accepted(change, second, self.temperature, forward, backward):
            return None
        returned = self.model.relax(moved, swap, back, -math.inf)
        self.statistics.of(self._partner(swap)).calls += returned.calls
        backward = min(backward, passing(returned.early, self.temperature))
        return moved if accepted(change, second, self.temperature, forward, backward) else None

    def _relaxed(self, swap: Swap, estimate: Estimate | None, highest: float) -> Relaxation[S]:
        result = self.model.relax(self.state, swap, estimate, highest)
        counts = self.statistics.of(self._partner(swap))
        counts.calls += result.calls
        counts.stopped += result.stopped
        counts.failed += result.state is None and not result.stopped
        return result

    def _undo(self, before: S, swap: Swap) -> None:
        """Undoes an accepted swap on trial and counts whether it came back to where it was."""
        counts = self.statistics.of(self._partner(swap, before))
        back = self.model.relax(self.state, swap, self.model.estimate(self.state, swap), math.inf)
        counts.calls += back.calls
        counts.undone += 1
        counts.hysteretic += back.state is None or not abs(back.state.energy - before.energy) < CAME_BACK

    def _partner(self, swap: Swap, state: S | None = None) -> str:
        species = (self.state if state is None else state).species
        return str(self.labels[int(species[swap.second])])
