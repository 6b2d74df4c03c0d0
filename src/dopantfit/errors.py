"""The errors that dopantfit raises on purpose; everything else is a bug."""

import os

#: Most characters of a path in an error.
_LONGEST_SHOWN = 150


class DopantFitError(Exception):
    """A problem the user can act on: the message says what, where and the remedy, in one line."""


class ConfigError(DopantFitError):
    """What a person wrote (a potential, a structure, a plan) cannot be worked with."""


class ReferenceDataError(DopantFitError):
    """Reference data are damaged, incomplete, or not what they claim to be."""


class ConvergenceError(DopantFitError):
    """An iteration ended without reaching its tolerance; its last state is not a result."""


class CollapseError(DopantFitError):
    """Ions or shells crossed the turn-over radius of the potential (Buckingham catastrophe)."""


class EngineError(DopantFitError):
    """An external engine (LAMMPS, CP2K) failed; the message carries its own words and its log."""


def shown(path: str | os.PathLike[str]) -> str:
    """A path as an error names it: whole, unless it is longer than any line of a terminal, and printable."""
    text = str(path).replace("\0", "\\0")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text)} characters)"
