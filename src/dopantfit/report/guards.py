"""Why a caption may not say what its numbers say: the rules of the verdict, held against what a study ran."""

from dopantfit.study.summary import StudySummary
from dopantfit.terminal import counted


def too_short(study: StudySummary, picoseconds: float) -> str:
    """Why a volume says nothing yet: its time at constant pressure [ps] is below rule ``equilibration``; else empty."""
    asked = study.config.rules.equilibration
    return "" if picoseconds >= asked else f"{picoseconds:g} ps at constant pressure, {asked:g} are asked for"


def too_few(study: StudySummary, count: int, what: str) -> str:
    """Why there is no spread: fewer runs or structures than rule ``structures``; else empty."""
    asked = study.config.rules.structures
    if count >= asked:
        return ""
    return f"{counted(count, what)}, {asked:g} are asked for to see the spread"


def too_few_attempts(study: StudySummary, attempts: float) -> str:
    """Why a profile shows the start: fewer attempts per dopant than rule ``attempts_per_dopant``; else empty."""
    asked = study.config.rules.attempts_per_dopant
    return "" if attempts >= asked else f"{attempts:.3g} attempts per dopant, {asked:g} are asked for"


def held_back(word: str, *reasons: str) -> str:
    """Return the word; ``undecided`` and the first reason where it decides something and there is a reason not to."""
    reason = next((one for one in reasons if one), "")
    return f"undecided: {reason}" if reason and not word.startswith("undecided") else word
