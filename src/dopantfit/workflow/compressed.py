"""Text files as they are or compressed: gzip, bzip2 and xz, told by their first bytes and not by a name."""

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import require_file

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
#: Kinds that are known and not read, with what unpacks them.
_OTHERS = {b"PK\x03\x04": "unzip", b"\x28\xb5\x2f\xfd": "zstd -d", b"\x1f\x9d": "uncompress", b"7z\xbc\xaf": "7z x"}
_SUFFIXES = (".gz", ".bz2", ".xz")
#: What the readers of the three raise when bytes are damaged or missing; beside it OSError with no errno.
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


@contextmanager
def open_text(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a text file for reading, decompressed; bytes that are no UTF-8 become replacement characters.

    Raises ConfigError when it cannot be read, also when that shows inside the ``with``: damaged, cut short, an
    archive of another kind.
    """
    with open_bytes(path) as stream, io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
        yield text


@contextmanager
def open_bytes(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """Open a file of bytes for reading, decompressed; ConfigError as `open_text`."""
    try:
        require_file(path)
        with open(path, "rb") as plain:
            head = plain.read(6)
        remedy = next((remedy for magic, remedy in _OTHERS.items() if head.startswith(magic)), None)
        if remedy is not None:
            raise ConfigError(f"{path}: is compressed in a way that is not read; unpack it first ({remedy})")
        opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), open)
        with opener(path, "rb") as stream:
            yield stream
    except _DAMAGE as problem:
        raise ConfigError(f"{path}: is damaged or was cut short ({problem}); compress or copy it again") from None
    except OSError as problem:
        # bz2 raises a bare OSError for damaged data.
        reason = problem.strerror or f"damaged: {problem}"
        raise ConfigError(f"{path}: cannot be read ({reason}); check the path") from None


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Whether `open_text` would decompress the file; ConfigError when it cannot be read."""
    try:
        require_file(path)
        with open(path, "rb") as plain:
            head = plain.read(6)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror}); check the path") from None
    return head.startswith(tuple(_OPENERS))


def plain_name(path: str | os.PathLike[str]) -> str:
    """Name of the file without the suffix that says how it is compressed."""
    name = Path(path).name
    return Path(name).stem if name.endswith(_SUFFIXES) else name
