"""When a swap is accepted: Metropolis, delayed acceptance, and the counts that tell what happened.

Delayed acceptance (Christen & Fox, J. Comput. Graph. Stat. 14, 795 (2005)): an estimate lets a swap x → y pass with
g(x,y) = min(1, exp(-Δ₁(x→y)/kT)); one that passes is accepted with min(1, exp(-ΔE/kT) g(y,x)/g(x,y)). Estimates may
depend on the state they start from in any way: g(y,x) is computed from y. The product of both steps satisfies detailed
balance with respect to exp(-E/kT), whatever the estimate is; a bad one only wastes work.

There are two estimates, the second more costly and made only of what the first lets pass. Both are held against one
random number, so that g is the smaller of their probabilities.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from dopantfit.units import BOLTZMANN


def passing(change: float, temperature: float) -> float:
    """min(1, exp(-change/kT)): how likely Metropolis lets an energy change [eV] pass at a temperature [K]."""
    return math.exp(min(0.0, -change / (BOLTZMANN * temperature)))


def ceiling(draw: float, forward: float, temperature: float) -> float:
    """The energy change [eV] from which on no swap can be accepted, given its random number in [0, 1).

    forward: g(x,y), or 1 where there is no estimate before.
    """
    product = draw * forward
    return math.inf if product <= 0.0 else -BOLTZMANN * temperature * math.log(product)


def accepted(change: float, draw: float, temperature: float, forward: float = 1.0, backward: float = 1.0) -> bool:
    """The second stage: whether draw < exp(-change/kT) g(y,x)/g(x,y). With g = 1 this is Metropolis."""
    if backward <= 0.0:
        return False
    return change < ceiling(draw, forward, temperature) + BOLTZMANN * temperature * math.log(backward)


@dataclass
class Counts:
    """What became of the attempts of one pair of species.

    attempted; passed: the first estimate; stopped: of those, relaxations given up at the second one; failed:
    relaxations without a minimum (counted as rejected); accepted. undone: accepted swaps whose undoing was tried;
    hysteretic: of those, the ones that did not come back. calls: evaluations of all sites.
    metropolis, metropolis_squares: sums over all swaps that were relaxed to their end, and of squares, of
    min(1, exp(-ΔE/kT))/g(x,y): what Metropolis would accept if every attempt were relaxed. A swap is relaxed with
    probability g(x,y), so that the first sum has that expectation whatever the estimates are.
    """

    attempted: int = 0
    passed: int = 0
    stopped: int = 0
    failed: int = 0
    accepted: int = 0
    undone: int = 0
    hysteretic: int = 0
    calls: int = 0
    metropolis: float = 0.0
    metropolis_squares: float = 0.0

    def relaxed(self, probability: float, forward: float) -> None:
        """Takes in a swap relaxed to its end, of this Metropolis probability, that got there with g(x,y)."""
        weight = probability / forward
        self.metropolis += weight
        self.metropolis_squares += weight**2

    def add(self, other: "Counts") -> None:
        """Adds the numbers of another count."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Statistics:
    """Counts by partner species, e.g. ``{"Al": Counts(...)}``.

    pairs: of all attempts. across: of those whose two sites lie on either side of the interface, which is what carries
    dopants into a grain and out of it.
    """

    pairs: dict[str, Counts] = field(default_factory=dict)
    across: dict[str, Counts] = field(default_factory=dict)

    def take(self, partner: str, counts: Counts, across: bool) -> None:
        """Takes in the counts of an attempt with a partner."""
        for pairs in (self.pairs, self.across) if across else (self.pairs,):
            pairs.setdefault(partner, Counts()).add(counts)

    def add(self, other: "Statistics") -> None:
        """Adds the counts of another burst."""
        for mine, theirs in ((self.pairs, other.pairs), (self.across, other.across)):
            for partner, counts in theirs.items():
                mine.setdefault(partner, Counts()).add(counts)

    @property
    def total(self) -> Counts:
        """All partners together."""
        total = Counts()
        for counts in self.pairs.values():
            total.add(counts)
        return total

    def as_dict(self) -> dict[str, Any]:
        """JSON-like, partners sorted."""
        return {
            name: {partner: asdict(counts) for partner, counts in sorted(pairs.items())}
            for name, pairs in (("pairs", self.pairs), ("across", self.across))
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Statistics":
        """The inverse of ``as_dict``."""
        pairs, across = (
            {partner: Counts(**counts) for partner, counts in content[name].items()} for name in ("pairs", "across")
        )
        return cls(pairs, across)
