"""The text of a file of a reference set or of a code, compressed or not: the one place where they are opened."""

from pathlib import Path

from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.workflow.compressed import open_text


def file_text(path: Path, characters: int = -1) -> str:
    """Return the text of a file, or its beginning; bytes that are no UTF-8 become replacement characters.

    Raises ReferenceDataError when it cannot be read, is damaged, or is compressed in an unknown way.
    """
    try:
        with open_text(path) as stream:
            return stream.read(characters)
    except ConfigError as problem:
        raise ReferenceDataError(str(problem)) from None


def compressed_or_not(path: Path) -> Path:
    """Return a file that another one names: as it is named, else the compressed copy that lies in its place."""
    copies = (path.with_name(path.name + suffix) for suffix in (".gz", ".bz2", ".xz"))
    return path if path.is_file() else next((copy for copy in copies if copy.is_file()), path)
