"""One writer per folder: a lock that the system itself takes back when its holder dies."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import write_json_atomic

LOCK_FILE, OWNER_FILE = ".lock", ".owner"
_LOOK = 0.2


@contextmanager
def held(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold `folder` for as long as the block runs.

    patience: how long to wait for another holder [s].
    Raises ConfigError, naming the holder, when another process still has it, or when the folder cannot be written to.

    The lock belongs to the open file, not to its name: a process that dies, by whatever signal, has given it back,
    and a lock file that lies around means nothing.
    """
    path = folder / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as problem:
        raise ConfigError(
            f"{folder}: cannot be written to ({problem.strerror}); make it writable or choose another folder"
        ) from None
    try:
        _take(descriptor, path, patience)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def is_free(folder: Path) -> bool:
    """Whether a lock file lies in `folder` that nobody holds; whoever wants to hold it at this moment is refused."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def run_folder(folder: Path, owner: Path | None = None) -> Iterator[None]:
    """Make `folder` where it is not there, and hold it for the work that the file `owner` asks for (None: anybody's).

    Raises ConfigError when it cannot be made, another process holds it, or it holds the work of another file: two
    studies of one name must not do away with each other's results.
    """
    make_folder(folder)
    with held(folder):
        if owner is not None:
            _own(folder, owner.resolve())
        yield


def _own(folder: Path, owner: Path) -> None:
    try:
        known = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))["of"]
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    # One that is gone was moved, or will not come back.
    if known is not None and known != str(owner) and Path(known).exists():
        raise ConfigError(f"{folder}: holds the work of {known}, not of {owner}; choose another folder")
    if known != str(owner):
        write_json_atomic(folder / OWNER_FILE, {"of": str(owner)})


def wait_for(descriptor: int, patience: float) -> bool:
    """Take the lock on an open file or folder, waiting so long for another holder [s]; whether it was got.

    Raises OSError where the file system has no locks.
    """
    last = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as problem:
            if problem.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        if time.monotonic() >= last:
            return False
        time.sleep(_LOOK)


def _take(descriptor: int, path: Path, patience: float) -> None:
    try:
        taken = wait_for(descriptor, patience)
    except OSError as problem:
        raise ConfigError(
            f"{path}: this file system has no locks ({problem.strerror}); put the run on one that has"
        ) from None
    if not taken:
        raise ConfigError(f"{path.parent}: {_holder(path)} is working there; wait for it, or end it first")


def _sign(descriptor: int) -> None:
    """Write who holds the lock, for the one who is refused; a full disk is no reason not to hold it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    except OSError:
        pass


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']} (since {who['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
