"""A model of swaps whose states can be counted: five sites in a row, two dopants, two A and one B, 30 states."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import Swap, SwapEstimate, SwapRelaxation
from dopantfit.units import BOLTZMANN

DOPANT, LABELS = 0, ("X", "A", "B")
SPECIES = (0, 0, 1, 1, 2)
TEMPERATURE = 1000.0
ALL_STATES = sorted(set(permutations(SPECIES)))


@dataclass(frozen=True, eq=False)
class ToyState:
    """Species of the five sites, and the energy [eV]."""

    species: np.ndarray
    energy: float


def number(species):
    return ALL_STATES.index(tuple(int(one) for one in species))


class ToyModel:
    """Energies of about kT at 1000 K, drawn once; estimates err by as much again, differently in both directions."""

    def __init__(self, error=0.15, seed=3):
        rng = np.random.default_rng(seed)
        self.energies = rng.normal(0.0, 0.1, len(ALL_STATES))
        self.errors, later = rng.normal(0.05, error, (2, len(ALL_STATES), len(ALL_STATES)))
        self.later_errors = 0.6 * later

    def state(self, species):
        """The state of these species."""
        array = np.array(species)
        array.setflags(write=False)
        return ToyState(array, float(self.energies[number(species)]))

    def rigid(self, state, swap):
        """The energy change, exactly."""
        return self.state(swap.exchanged(state.species)).energy - state.energy

    def unrelaxed(self, state, swap, change):
        """The state after a swap."""
        return self.state(swap.exchanged(state.species))

    def estimate(self, state, swap):
        """The energy change with an error that the way back does not share."""
        end = swap.exchanged(state.species)
        return SwapEstimate(self.rigid(state, swap) + float(self.errors[number(state.species), number(end)]))

    def relax(self, state, swap, estimate, ceiling):
        """The state after a swap, or nothing where the second estimate is above the ceiling."""
        end = self.state(swap.exchanged(state.species))
        early = end.energy - state.energy + float(self.later_errors[number(state.species), number(end.species)])
        if early >= ceiling:
            return SwapRelaxation(None, 1, early, stopped=True)
        return SwapRelaxation(end, 1, early)


def weights(model, temperature):
    boltzmann = np.exp(-(model.energies - model.energies.min()) / (BOLTZMANN * temperature))
    return boltzmann / boltzmann.sum()


def settings(mode, **changes):
    return Burst(mode=mode, partners=("A", "B"), undo_every=0, **changes)


def every_swap():
    return [Swap(i, j) for i in range(len(SPECIES)) for j in range(len(SPECIES)) if i != j]
