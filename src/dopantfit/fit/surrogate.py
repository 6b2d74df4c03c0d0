"""What a search is told of a candidate: its cost from an expansion of all frames around an anchor, or the exact one.

The expansion is tens of times cheaper than the exact objective, and close to it where shells stay near the anchor's.
A frame where they do not is evaluated exactly, and where charges are free all frames are: so whatever is rejected is
rejected by the exact model. Many candidates are asked about at a time, frame by frame.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from dopantfit.energy import species_table
from dopantfit.energy.arrays import Floats
from dopantfit.energy.expansion import Expanded, ShellExpansion, of_species, stacked
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.fit.objective import Objective, Rejection
from dopantfit.potential import Potential


class Evaluated(NamedTuple):
    """A candidate: its cost, exact or that of the expansion; why it was rejected, if it was; what the expansion said.

    estimate: cost by the expansion, None where it was not used. exact: whether ``cost`` is that of the exact objective.
    parts: the exact cost by ``objective.KINDS``, empty where it is not known.
    """

    cost: float
    rejected: str | None = None
    estimate: float | None = None
    exact: bool = True
    parts: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Described:
    """A candidate: its values (n_variables,), what they make, and why frames that were evaluated exactly failed."""

    point: Floats
    values: Floats
    potential: Potential
    failures: list[Rejection] = field(default_factory=list)


class Surrogate:
    """An objective with expansions of its frames; the anchor is moved by whoever asks.

    changing: the pairs of species whose parameters are free, labels sorted.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._asked: Floats | None = None
        self._stands: Floats | None = None
        self._expansions: tuple[ShellExpansion, ...] = ()
        self._labels = tuple(dict.fromkeys(label for target in objective.targets for label in target.frame.labels))
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

    def estimates(self, points: Floats) -> list[Evaluated]:
        """Costs of points (n, n_variables) by the expansion, frame by frame; the exact ones where there is none.

        A frame where the expansion does not hold for a candidate is evaluated exactly for this candidate.
        """
        if not self._expansions:
            return [self.exact(point) for point in points]
        candidates = [self._described(point) for point in points]
        tables = stacked([species_table(self._labels, one.potential) for one in candidates])
        found = [self._frame(number, candidates, tables) for number in range(len(self._expansions))]
        costs = self.objective.costs([one.values for one in candidates], [one.potential for one in candidates], found)
        return [self._evaluated(one, float(cost)) for one, cost in zip(candidates, costs, strict=True)]

    def exact(self, point: Floats) -> Evaluated:
        """Cost by the exact objective."""
        candidate = self.objective.candidate(point)
        reason = candidate.rejection.reason if candidate.rejection else None
        return Evaluated(candidate.cost, reason, parts=self.objective.parts(candidate))

    def _described(self, point: Floats) -> _Described:
        values = self.objective.space.values(point)
        return _Described(point, values, self.objective.space.potential(values))

    def _frame(self, number: int, candidates: Sequence[_Described], tables: SpeciesTable) -> Expanded:
        """One frame under all candidates; tables: theirs, of all labels."""
        target, model = self.objective.targets[number], self.objective.models[number]
        species = [self._labels.index(label) for label in target.frame.labels]
        found = self._expansions[number].evaluate(of_species(tables, species), target.stress_weight > 0.0)
        for row in map(int, np.flatnonzero(~found.relaxed)):
            if candidates[row].failures:
                continue  # Rejected in an earlier frame.
            try:
                exact = model.evaluate(candidates[row].potential)
            except (CollapseError, ConvergenceError) as error:
                candidates[row].failures.append(Rejection(type(error).__name__, str(error)))
                continue
            found.energy[row], found.forces[row] = exact.energy, exact.forces
            if found.stress is not None:
                found.stress[row] = exact.stress
        return found

    def _evaluated(self, candidate: _Described, cost: float) -> Evaluated:
        if candidate.failures:
            rejected = self.objective.reject(candidate.point, candidate.failures[0])
            return Evaluated(rejected.cost, candidate.failures[0].reason)
        return Evaluated(cost, None, cost, exact=False) if np.isfinite(cost) else self.exact(candidate.point)


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
