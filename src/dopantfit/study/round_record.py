"""What a study that grows has done: its rounds, what each look said, and what was added after it."""

from typing import Literal

from pydantic import Field

from dopantfit.study.config import Rules
from dopantfit.study.extent import Extent
from dopantfit.study.outlook import Prospect
from dopantfit.study.values import Range
from dopantfit.study.verdict import Answer
from dopantfit.workflow.schema import Model

#: Why no round follows: all is answered; what is open costs more than is left; no look is left; nothing that the study
#: could add would answer what is open.
Ending = Literal["answered", "budget", "looks", "stuck"]


class RoundCheck(Model):
    """One check at one look. prospect: what would answer it, where it is open."""

    composition: str
    quantity: str
    interval: Range
    limit: float | None
    at_most: bool
    answer: Answer
    prospect: Prospect | None


class Round(Model):
    """One look. tail: probability beyond each end of its intervals. core_hours: of all so far, by the model of costs.

    rules: that it was answered by. added: what the next round has more of, in words; following: how much there is of
    all then; None where no round follows.
    """

    number: int = Field(ge=1)
    extent: Extent
    tail: float
    core_hours: float
    answer: Answer
    rules: Rules
    checks: tuple[RoundCheck, ...]
    added: tuple[str, ...]
    following: Extent | None
    ended: Ending | None
    words: str


class Rounds(Model):
    """All rounds of one study. looks: that may be taken.

    seconds_per_ion_ps, seconds_per_swap_of_1000_ions: the model of costs.
    """

    looks: int
    seconds_per_ion_ps: float
    seconds_per_swap_of_1000_ions: float
    rounds: tuple[Round, ...]

    @property
    def last(self) -> Round:
        """The latest round."""
        return self.rounds[-1]
