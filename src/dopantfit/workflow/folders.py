"""Files that appear together: they are made beside where they belong, and moved there once all of them are whole."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dopantfit.errors import ConfigError


def make_folder(folder: Path) -> Path:
    """Make a folder with all above it where it is not there; ConfigError with the reason when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{folder}: cannot be made ({_reason(problem)}); choose another folder") from None
    return folder


@contextmanager
def together(folder: Path, last: str, stale: Iterable[str] = ()) -> Iterator[Path]:
    """Yield an empty folder whose files go to `folder` when the block ends well; until then what is there stays.

    last: the record of the others. It is taken away before the first of them is replaced and comes after the last:
    where it is, all are those that it tells of. stale: patterns of files that an earlier record told of, which go with
    it. Others stay.
    Raises ConfigError, one line with the file, for what the file system refuses.
    """
    with _beside(folder / last, folder) as new:
        yield new
        files = sorted(path.relative_to(new) for path in new.rglob("*") if not path.is_dir())
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / last).unlink(missing_ok=True)
        for path in {path for pattern in stale for path in folder.glob(pattern)}:
            path.unlink()
        for file in (*(file for file in files if file != Path(last)), Path(last)):
            os.replace(new / file, folder / file)


@contextmanager
def in_place_of(target: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` once it is filled; until then `target` is as it was.

    Raises ConfigError, one line with the file, for what the file system refuses.
    """
    with _beside(target, target) as new:
        yield new
        replace_folder(new, target)


@contextmanager
def _beside(target: Path, said: Path) -> Iterator[Path]:
    """Yield a new folder beside `target`, which is gone in the end."""
    new = target.with_name(f".{target.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        yield new
    except OSError as problem:
        file = problem.filename2 or problem.filename or new
        raise ConfigError(
            f"{file}: {_reason(problem)}; {said} was not made anew: mend it and run the same command again"
        ) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, target: Path) -> None:
    """Put a folder that is whole in the place of an older one, which comes back where that cannot be done."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _reason(problem: OSError | ValueError) -> str:
    return getattr(problem, "strerror", None) or str(problem)
