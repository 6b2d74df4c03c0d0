"""The errors that dopantfit raises on purpose; everything else is a bug."""


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
