"""A burst of relaxed-swap Monte Carlo: attempts to exchange a dopant with another cation, each judged by its energy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np

from dopantfit.boundary.swap.acceptance import Counts, Statistics, accepted, ceiling, passing
from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import RelaxedExchange, S, Swap, SwapEstimate, SwapModel, SwapRelaxation
from dopantfit.energy.arrays import Flags, Integers
from dopantfit.errors import ConfigError

#: A swap that was undone has come back when its energy is within this of what it was [eV].
CAME_BACK = 0.01


@dataclass(frozen=True)
class Sites:
    """Where swaps may happen: indices of the active sites, and which species is the dopant and which its partners.

    A swap leaves the number of dopants and of every partner on the active sites as it is, so that it is as likely to be
    drawn as its undoing.

    by_species: draw the species of the partner first, then an ion of it. in_grain: which of all sites lie below the
    interface ``(n,)``; only counts look at it.
    """

    active: Integers
    dopant: int
    partners: tuple[int, ...]
    by_species: bool = False
    in_grain: Flags | None = None

    def across(self, swap: Swap) -> bool:
        """Whether a swap goes across the interface."""
        return self.in_grain is not None and bool(self.in_grain[swap.first] != self.in_grain[swap.second])

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
    #: Swaps of the state that the chain began with that were relaxed to their end.
    relaxed: list[RelaxedExchange] = field(default_factory=list, init=False)
    #: Of the attempt that is being judged.
    _counts: Counts = field(default_factory=Counts, init=False)

    def __post_init__(self) -> None:
        self._first = self.state
        if not self.temperature > 0:
            raise ConfigError(f"a temperature of {self.temperature} K makes no Monte Carlo; it must be positive")

    def attempt(self, rng: np.random.Generator) -> bool:
        """Draws and judges one swap; returns whether it was accepted. Always takes four numbers from ``rng``."""
        swap = self.sites.draw(self.state.species, rng)
        first, second = (float(number) for number in rng.random(2))
        if swap is None:
            return False
        partner = str(self.labels[int(self.state.species[swap.second])])
        self._counts = counts = Counts(attempted=1)
        judge = {"delayed": self._delayed, "full": self._full, "rigid": self._rigid}[self.settings.mode]
        before, moved = self.state, judge(swap, first, second)
        if moved is not None:
            counts.accepted = 1
            self.state = moved
            self._undo(before, swap, partner)
        self.statistics.take(partner, counts, self.sites.across(swap))
        return moved is not None

    def _rigid(self, swap: Swap, first: float, second: float) -> S | None:
        change = self.model.rigid(self.state, swap)
        self._counts.passed += 1
        self._counts.relaxed(passing(change, self.temperature), 1.0)
        if not accepted(change, second, self.temperature):
            return None
        return self.model.unrelaxed(self.state, swap, change)

    def _full(self, swap: Swap, first: float, second: float) -> S | None:
        self._counts.passed += 1
        estimate = self.model.estimate(self.state, swap)
        moved = self._relaxed(swap, estimate, math.inf).state
        if moved is None:
            return None
        change = moved.energy - self.state.energy
        self._counts.relaxed(passing(change, self.temperature), 1.0)
        return moved if accepted(change, second, self.temperature) else None

    def _delayed(self, swap: Swap, first: float, second: float) -> S | None:
        estimate = self.model.estimate(self.state, swap)
        forward = passing(estimate.change, self.temperature)
        if not first < forward:
            return None
        self._counts.passed += 1
        # One number for both estimates: together they let the swap pass with the smaller of their probabilities.
        result = self._relaxed(swap, estimate, ceiling(first, 1.0, self.temperature))
        moved = result.state
        if moved is None:
            return None
        forward = min(forward, passing(result.early, self.temperature))
        change = moved.energy - self.state.energy
        self._counts.relaxed(passing(change, self.temperature), forward)
        if not accepted(change, second, self.temperature, forward):
            return None  # Not even if the way back were certain to pass.
        back = self.model.estimate(moved, swap)
        backward = passing(back.change, self.temperature)
        if not accepted(change, second, self.temperature, forward, backward):
            return None
        returned = self.model.relax(moved, swap, back, -math.inf)
        self._counts.calls += returned.calls
        backward = min(backward, passing(returned.early, self.temperature))
        return moved if accepted(change, second, self.temperature, forward, backward) else None

    def _relaxed(self, swap: Swap, estimate: SwapEstimate[Any] | None, highest: float) -> SwapRelaxation[S]:
        result = self.model.relax(self.state, swap, estimate, highest)
        self._counts.calls += result.calls
        self._counts.stopped += result.stopped
        self._counts.failed += result.state is None and not result.stopped
        if result.state is not None and self.state is self._first:
            change = result.state.energy - self.state.energy
            self.relaxed.append(RelaxedExchange(swap.first, swap.second, change))
        return result

    def _undo(self, before: S, swap: Swap, partner: str) -> None:
        """Undoes one in so many accepted swaps on trial, and counts whether it came back to where it was."""
        every, known = self.settings.undo_every, self.statistics.pairs.get(partner, Counts())
        if not every or self.settings.mode == "rigid" or (known.accepted + 1) % every:
            return
        back = self.model.relax(self.state, swap, self.model.estimate(self.state, swap), math.inf)
        self._counts.calls += back.calls
        self._counts.undone += 1
        self._counts.hysteretic += back.state is None or not abs(back.state.energy - before.energy) < CAME_BACK
