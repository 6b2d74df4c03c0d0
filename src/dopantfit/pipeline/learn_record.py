"""What rounds of learning leave behind: ``learn.json`` beside the fit, without times, so that it is the same again."""

from typing import ClassVar, Literal

from dopantfit.workflow.schema import Model, VersionedRecord

RECORD_FILE = "learn.json"
Ending = Literal["agreed", "rounds", "nothing sound"]


class ChosenFrame(Model):
    """A frame that was taken: how far the members are apart, and how far the potential of the round was off [eV/Å].

    Both over all ions and over the dopant with its first shell; errors are None until it is labelled, or where that
    failed.
    """

    frame_id: str
    source: str
    spread: float
    spread_surroundings: float | None
    error: float | None = None
    error_surroundings: float | None = None


class Choice(Model):
    """What a round had to choose from, and took.

    potential_sha256: of the potential that ran. candidates: how many there were; broken: how many of them were not to
    be taken. lost: items that gave none, and why. largest, mean: spread of the sound ones [eV/Å], None without any.
    """

    potential_sha256: str
    members: int
    candidates: int
    broken: int
    lost: dict[str, str]
    largest: float | None
    mean: float | None
    taken: tuple[ChosenFrame, ...]


class LearnRound(Model):
    """A round: what was taken, what came of it.

    failed: frames without labels, and why. correlation: Spearman's, of spread and error over all ions of the frames
    that were labelled; None for too few.
    """

    number: int
    choice: Choice
    failed: dict[str, str]
    correlation: float | None


class LearnRecord(VersionedRecord):
    """Rounds of learning. ended: all members agree, all rounds are done, or no candidate was sound."""

    what: ClassVar[str] = "record of rounds of learning"
    remedy: ClassVar[str] = "run `dopantfit learn` again"

    format: int = 1
    name: str
    limit: float
    rounds: tuple[LearnRound, ...]
    ended: Ending
