"""What may be written into a LAMMPS file: numbers at full precision, checked names, harmless comments."""

import re
import unicodedata

from dopantfit.errors import ConfigError

_LABEL = re.compile(r"[A-Z][a-z]?([0-9_][A-Za-z0-9_]*)?")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_NOT_COMMENT = re.compile(r"[^A-Za-z0-9 .,;:()\[\]/+=_-]+")
_KSPACE = re.compile(r"(ewald|pppm)(/disp)? [0-9.]+(e-?[0-9]+)?")
_COMMENT_LENGTH = 240


def number(value: float) -> str:
    """Shortest text that reads back as the same float64."""
    return repr(float(value))


def label(text: str) -> str:
    """`text` if it is a species label (chemical symbol, then digits, letters, underscores).

    Raises ConfigError for anything else: labels stand in files that LAMMPS executes.
    """
    if not _LABEL.fullmatch(text):
        raise ConfigError(
            f"species label {text!r} cannot be written into a LAMMPS input; "
            "expected a chemical symbol, optionally followed by a digit or '_' and letters, e.g. 'O_1'"
        )
    return text


def file_name(text: str) -> str:
    """`text` if it is a plain file name without folders, spaces or shell characters; else ConfigError."""
    if not _FILE_NAME.fullmatch(text):
        raise ConfigError(
            f"file name {text!r} cannot be written into a LAMMPS input; "
            "use letters, digits, '_', '.', '+' and '-' only, without a folder"
        )
    return text


def kspace(text: str) -> str:
    """`text` if it is a long-range solver with its relative accuracy, as ``pppm 1e-4``; else ConfigError."""
    if not _KSPACE.fullmatch(text):
        raise ConfigError(f"long-range solver {text!r} is unknown; expected e.g. 'ewald 1e-8' or 'pppm 1e-4'")
    return text


def comment(text: str) -> str:
    """One comment line from free text: ASCII, no line ends, no ``&``, ``$``, quotes or ``#``.

    A line end would start a command, ``&`` would swallow the next line, ``$`` would substitute a variable and
    a triple quote would open a block, so only what is known to be harmless passes.
    """
    ascii_text = unicodedata.normalize("NFKD", text.replace("–", "-")).encode("ascii", "ignore").decode()
    return "# " + _NOT_COMMENT.sub(" ", ascii_text)[:_COMMENT_LENGTH].strip()
