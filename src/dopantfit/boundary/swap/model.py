"""What the Monte Carlo of swaps needs of a physical model: energies of swaps, estimated and relaxed."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from dopantfit.energy.arrays import Integers

S = TypeVar("S", bound="SwapState")
#: Where a relaxation may start from.
G = TypeVar("G")


class SwapState(Protocol):
    """A relaxed configuration; never changed, so that a rejected swap leaves it byte for byte as it was."""

    @property
    def species(self) -> Integers:
        """Index of the species on every site, ``shape=(n,)``."""
        ...

    @property
    def energy(self) -> float:
        """Relaxed energy [eV]."""
        ...


@dataclass(frozen=True)
class Swap:
    """Two sites whose ions change places."""

    first: int
    second: int

    def exchanged(self, species: Integers) -> Integers:
        """The species after it; undoing is the same swap."""
        result = species.copy()
        result[[self.first, self.second]] = species[[self.second, self.first]]
        return result


@dataclass(frozen=True)
class SwapEstimate(Generic[G]):
    """The fast first stage.

    change: estimated energy change [eV], a function of the state and the swap alone. guess: where a complete relaxation
    may start from; whatever the model wants.
    """

    change: float
    guess: G | None = None


@dataclass(frozen=True)
class SwapRelaxation(Generic[S]):
    """The end of a complete relaxation: the new state, or None where it was stopped or found no minimum.

    early: energy change [eV] as estimated on the way, a function of the state and the swap alone.
    """

    state: S | None
    calls: int
    early: float
    stopped: bool = False


@dataclass(frozen=True)
class RelaxedExchange:
    """An exchange of the ions on two sites with everything relaxed, and its energy change [eV]."""

    first: int
    second: int
    change: float


class SwapModel(Protocol[S]):
    """Energies of swaps. All three are functions of their arguments alone while a burst lasts."""

    def rigid(self, state: S, swap: Swap) -> float:
        """Energy change [eV] with everything left where it is."""
        ...

    def estimate(self, state: S, swap: Swap) -> SwapEstimate[Any]:
        """The fast estimate of the relaxed energy change."""
        ...

    def relax(self, state: S, swap: Swap, estimate: SwapEstimate[Any] | None, ceiling: float) -> SwapRelaxation[S]:
        """The state after the swap, everything relaxed, or none once ``early`` is not below ``ceiling`` [eV]."""
        ...

    def unrelaxed(self, state: S, swap: Swap, change: float) -> S:
        """The state after the swap with everything left where it is; change: its ``rigid`` energy change [eV]."""
        ...
