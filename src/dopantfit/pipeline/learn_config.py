"""What people write to have a fit choose its own frames: ``learn.toml`` beside ``fit.toml``."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dopantfit.reference.plan import Name
from dopantfit.strict_toml import Count, NonNegative, Positive, Table, file_in, parse_strict, read_text

LEARN_FILE = "learn.toml"


class LearnConfig(Table):
    """Rounds of: run the current potential, take the frames its ensemble disagrees on, label them, fit again."""

    #: Folder of a set of the fit, relative to the file: its plan says what is run and what makes the labels, and the
    #: frames that are taken join it.
    set: Annotated[str, Field(min_length=1)]
    #: Items of that plan that are run with the current potential; by default all that are run with one, but for those
    #: whose family is held out.
    items: tuple[Name, ...] = ()
    rounds: Annotated[int, Field(ge=1, le=3)] = 3
    #: Taken in a round, at most.
    frames: Count = 8
    #: Configurations of each item in a round, of which frames are taken.
    candidates: Count = 10
    #: Rounds end when the members differ by less than this on every candidate [eV/Å]; it may be far below their error.
    spread: NonNegative = 0.005
    #: Frames on which they differ by more are broken, and not taken [eV/Å].
    broken: Positive = 2.0
    #: No two frames of a round are nearer to each other [Å per ion].
    apart: NonNegative = 0.1
    #: Begins the names of the frames that are taken.
    prefix: Name = "learned"

    @model_validator(mode="after")
    def _limits_fit(self) -> "LearnConfig":
        if self.spread >= self.broken:
            raise ValueError(f"spread = {self.spread:g} is not below broken = {self.broken:g}: no frame could be taken")
        return self


def load_learning(path: str | Path) -> tuple[LearnConfig, Path]:
    """Return what ``learn.toml`` says, of a folder or such a file, and its path; ConfigError naming file and key."""
    file = file_in(path, LEARN_FILE)
    return parse_strict(LearnConfig, read_text(file, "write there which set learns"), str(file)), file
