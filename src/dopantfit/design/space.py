"""The compositions of a design as places in a unit cube, and the places to look at first and next."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.stats import qmc

from dopantfit.design.front import Floats


@dataclass(frozen=True)
class Composition:
    """What a glass is made of. dose: of all ions [at%]. share: of the reducible ion among what the dopant replaces."""

    dopant: str
    dose: float
    share: float


@dataclass(frozen=True)
class CompositionSpace:
    """All compositions: the dopants, spans of the dose [at%] and of the share."""

    dopants: tuple[str, ...]
    dose: tuple[float, float]
    share: tuple[float, float]

    @property
    def axes(self) -> int:
        """Axes of the cube: dose, share, and one for each dopant where there are several."""
        return 2 + (len(self.dopants) if len(self.dopants) > 1 else 0)

    def place_of(self, one: Composition) -> Floats:
        """Place of a composition in the cube, ``shape=(axes,)``."""
        spans = ((one.dose, self.dose), (one.share, self.share))
        found = [(value - low) / (high - low) if high > low else 0.5 for value, (low, high) in spans]
        kinds = [float(one.dopant == name) for name in self.dopants] if len(self.dopants) > 1 else []
        return np.array([*found, *kinds])

    def places_of(self, ones: Sequence[Composition]) -> Floats:
        """Places of several, ``shape=(n, axes)``."""
        return np.array([self.place_of(one) for one in ones]).reshape(len(ones), self.axes)

    def at(self, dose: float, share: float, dopant: str) -> Composition:
        """Return the composition at parts, from 0 to 1, of both spans."""
        (least, most), (low, high) = self.dose, self.share
        return Composition(dopant, least + dose * (most - least), low + share * (high - low))

    def start(self, number: int, seed: int) -> Composition:
        """Return one of the compositions to begin with: the middle, the corners, then those of a Sobol sequence.

        Each dopant has its own; they take turns. number: from 0.
        """
        turn, dopant = number // len(self.dopants), self.dopants[number % len(self.dopants)]
        first = [(0.5, 0.5), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
        if turn < len(first):
            dose, share = first[turn]
            return self.at(dose, share, dopant)
        spread = qmc.Sobol(2, rng=np.random.default_rng(seed)).random_base2(turn.bit_length())
        dose, share = spread[turn].tolist()
        return self.at(dose, share, dopant)

    def candidates(self, count: int, rng: np.random.Generator) -> list[Composition]:
        """Compositions to choose from: of each dopant `count` spread over both spans, and half as many on their ends.

        Fronts often lie where a span ends, which points inside would never reach.
        """
        inside = qmc.Sobol(2, rng=rng).random_base2(int(np.ceil(np.log2(max(2, count)))))[:count]
        along = inside[: max(1, count // 8), 0].tolist()
        ends = [place for part in along for end in (0.0, 1.0) for place in ((part, end), (end, part))]
        corners = list(product((0.0, 1.0), repeat=2))
        places = [*((dose, share) for dose, share in inside.tolist()), *ends, *corners]
        return [self.at(dose, share, name) for name in self.dopants for dose, share in places]
