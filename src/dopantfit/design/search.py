"""The search: a batch of compositions is asked for, made and run; those that may be on the front are run longer.

Runs are made by the tasks of the study. What is asked for next depends on what was found, never on the clock, so that
a search that was killed takes the same way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from optuna.study import Study

from dopantfit.design.glasses import DesignTasks
from dopantfit.design.inputs import DesignInputs
from dopantfit.design.results import CompositionGlasses
from dopantfit.design.sampler import GainSampler, composition_of
from dopantfit.design.space import Composition
from dopantfit.design.storage import asked, tell

#: Runs the tasks of a design; returns the undoped glasses, and those of every trial by its number.
Measure = Callable[[DesignTasks], tuple[CompositionGlasses, dict[int, CompositionGlasses]]]


@dataclass
class Search:
    """A search in progress. made: compositions by the number of their trial, from 0; segments: of their runs."""

    design: DesignInputs
    trials: Study
    sampler: GainSampler
    measure: Measure
    made: dict[int, Composition] = field(default_factory=dict)
    segments: dict[int, int] = field(default_factory=dict)
    undoped: CompositionGlasses | None = None
    found: dict[int, CompositionGlasses] = field(default_factory=dict)
    _run: dict[int, int] = field(default_factory=dict)

    def run(self) -> None:
        """Ask for all compositions, batch by batch, then let those grow that may be on the front, to the end."""
        settings = self.design.settings
        for first in range(0, settings.trials, settings.batch):
            batch = range(first, min(first + settings.batch, settings.trials))
            for number in batch:
                self.made[number] = composition_of(asked(self.trials, number, self.sampler))
                self.segments[number] = 1
            self._look()
            for number in batch:
                self._tell(number)
            self.segments = self._grown()
        while self.segments != self._run:
            self._look()
            self.segments = self._grown()

    def _look(self) -> None:
        """Run what is not there yet, and take note of what all compositions show now."""
        self._run = dict(self.segments)
        self.undoped, self.found = self.measure(DesignTasks(self.design, dict(self.made), self._run))
        known = {number: glass.measured(self.undoped) for number, glass in self.found.items()}
        self.sampler.refined = {number: one for number, one in known.items() if one is not None}

    def _tell(self, number: int) -> None:
        """Tell Optuna what a trial has shown; of one that failed nothing is said, and the next run tries it again."""
        one = self.made[number]
        grain = self.design.dopant(one.dopant).grain.of(one.dose)
        if number in self.sampler.refined:
            tell(self.trials, number, self.sampler.refined[number], None if grain is None else grain.excess)

    def _grown(self) -> dict[int, int]:
        """Return the segments with twice as many, to the most there may be, for what may be on the front."""
        most = self.design.settings.segments
        possible = possible_front(self.known)
        return {n: min(most, 2 * now) if n in possible else now for n, now in self.segments.items()}

    @property
    def known(self) -> dict[int, CompositionGlasses]:
        """Trials that are known, and that their share in the grain does not exclude."""
        return {
            number: glass
            for number, glass in self.found.items()
            if number in self.sampler.refined and self.design.is_allowed(self.made[number])
        }


def possible_front(known: Mapping[int, CompositionGlasses]) -> set[int]:
    """Numbers of the trials that no other surely dominates: of two that surely do so to each other, the first stays."""
    found = set(known)
    for number in sorted(known):
        if any(other != number and known[other].surely_dominates(known[number]) for other in found):
            found.discard(number)
    return found
