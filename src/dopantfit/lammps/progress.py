"""How far a run is, how fast, and how hot: for whoever waits for it."""

from dataclasses import dataclass
from math import isfinite

from dopantfit.workflow.progress import WorkProgress, duration_in_words


@dataclass(frozen=True, slots=True)
class DynamicsProgress:
    """State of a molecular dynamics run.

    time, duration: done and asked for [ps]. rate: [ps/hour] of wall time, over this call. seconds_left: [s].
    temperature: [K]. density: [g/cm³]. pressure: [bar].
    """

    time: float
    duration: float
    rate: float
    seconds_left: float
    temperature: float
    density: float
    pressure: float

    def __str__(self) -> str:
        state = f"{self.temperature:.0f} K, {self.density:.3f} g/cm³"
        if not isfinite(self.seconds_left):  # no step has been told of yet, so there is no rate
            return f"{self.time:.2f} of {self.duration:g} ps, begins, {state}"
        left = duration_in_words(self.seconds_left)
        return f"{self.time:.2f} of {self.duration:g} ps, {self.rate:.3g} ps/hour, {left} left, {state}"

    @property
    def work(self) -> WorkProgress:
        """The same for any observer, in ps."""
        return WorkProgress(self.time, self.rate, str(self), self.duration)
