"""Keeps numba's cache of compiled kernels honest.

numba compares a cached kernel with the file it is written in, not with the files of the kernels that it calls: after a
change in one module, callers in another would go on with the old code.
"""

from pathlib import Path


def drop_stale_kernels(folder: Path) -> None:
    """Removes the cached kernels of a package folder if any of its sources is newer than one of them."""
    cached = [*folder.glob("__pycache__/*.nbi"), *folder.glob("__pycache__/*.nbc")]
    if not cached:
        return
    newest_source = max(source.stat().st_mtime for source in folder.glob("*.py"))
    try:
        if min(kernel.stat().st_mtime for kernel in cached) < newest_source:
            for kernel in cached:
                kernel.unlink(missing_ok=True)
    except OSError:
        return  # A folder that cannot be written holds what its installation put there, or another process was first.
