"""What a search is told of a candidate: its cost from an expansion of all frames around an anchor, or the exact one.

The expansion is tens of times cheaper than the exact objective, and close to it where shells stay near the anchor's.
Where they do not, where the potential collapses, and where charges are free, the exact objective is asked instead: so
whatever is rejected is rejected by the exact objective.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from dopantfit.energy import species_table
from dopantfit.energy.arrays import Floats
from dopantfit.energy.expansion import ShellExpansion
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.fit.objective import Objective


class Evaluated(NamedTuple):
    """A candidate: its cost, exact or that of the expansion; why it was rejected, if it was; what the expansion said.

    estimate: cost by the expansion, None where it was not used. exact: whether ``cost`` is that of the exact objective.
    """

    cost: float
    rejected: str | None = None
    estimate: float | None = None
    exact: bool = True


class Survey:
    """An objective with expansions of its frames; the anchor is moved by whoever asks.

    changing: the pairs of species whose parameters are free, labels sorted.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._asked: Floats | None = None
        self._stands: Floats | None = None
        self._expansions: tuple[ShellExpansion, ...] = ()
        parameters = objective.space.parameters
        self.changing = {(p.of[0], p.of[1]) for p in parameters if len(p.of) == 2}

    def anchor(self, point: Floats) -> None:
        """Expand around this point; around the start where the frames cannot be expanded here, or not at all.

        So that two processes have the same expansions, whatever they did before, this depends on the point alone.
        """
        asked = self._asked is not None and np.array_equal(self._asked, point)
        if asked and self._stands is self.objective.anchor_point:
            return
        self._expansions, self._asked = (), np.array(point)
        for place in (self._asked, self.objective.space.start):
            try:
                self.objective.anchor(place)
                if not self.objective.space.moves_charges:
                    self._expansions = tuple(model.expansion(self.changing) for model in self.objective.models)
                break
            except (CollapseError, ConvergenceError):
                continue
        self._stands = self.objective.anchor_point

    def estimate(self, point: Floats) -> Evaluated:
        """Cost by the expansion, or the exact one where that does not hold."""
        cost = self._expanded(point)
        return self.exact(point) if cost is None else Evaluated(cost, None, cost, exact=False)

    def exact(self, point: Floats) -> Evaluated:
        """Cost by the exact objective."""
        candidate = self.objective.candidate(point)
        return Evaluated(candidate.cost, candidate.rejection.reason if candidate.rejection else None)

    def _expanded(self, point: Floats) -> float | None:
        if not self._expansions:
            return None
        values = self.objective.space.values(point)
        potential = self.objective.space.potential(values)
        tables: dict[tuple[str, ...], SpeciesTable] = {}
        found = []
        for target, expansion in zip(self.objective.targets, self._expansions, strict=True):
            labels = target.frame.labels
            if labels not in tables:
                tables[labels] = species_table(labels, potential)
            try:
                found.append(expansion.evaluate(tables[labels], target.stress_weight > 0.0))
            except ConvergenceError:
                return None
        residuals = self.objective.residuals(values, potential, found)
        cost = 0.5 * float(residuals @ residuals)
        return cost if np.isfinite(cost) else None


def expansion_errors(results: Iterable[Evaluated]) -> dict[str, float | int | None]:
    """How far the expansion was off, over the candidates that were evaluated both ways: relative to the exact cost.

    Also how many candidates there were, how many were costed by the expansion, and how many both ways.
    """
    seen = list(results)
    both = [one for one in seen if one.estimate is not None and one.exact and one.rejected is None]
    errors = [abs(float(one.estimate or 0.0) - one.cost) / one.cost for one in both]
    return {
        "candidates": len(seen),
        "expanded": sum(one.estimate is not None for one in seen),
        "checked": len([one for one in seen if one.estimate is not None and one.exact]),
        "rejected_when_checked": sum(one.estimate is not None and one.rejected is not None for one in seen),
        "median_error": float(np.median(errors)) if errors else None,
        "largest_error": max(errors, default=None),
    }
