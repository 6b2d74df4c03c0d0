"""``kernel``: compiles a function, and keeps the result for as long as no source that it may call has changed.

numba compares what it keeps of a kernel with the file that this is written in, and not with the files of the kernels
that it calls: after a change in one module, callers in another would go on with the old code. Here the names of the
files that are kept hold a digest of all sources of the kernel's folder, wherever numba keeps them: in ``__pycache__``,
in the user's cache, or in ``NUMBA_CACHE_DIR``. Kernels call kernels of their own folder only.
"""

import logging
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache

from dopantfit.energy.functions import FASTMATH

Function = TypeVar("Function")

#: ``error_model="numpy"``: without the test for division by zero that would end vectorisation.
#: ``forceinline``: a kernel that another one calls would else be compiled twice, once for itself and once with its
#: caller, and a process that compiled both would not run the same of the two as one that found them in the cache: sums
#: would be rounded differently the first time.
OPTIONS: dict[str, Any] = {"fastmath": FASTMATH, "error_model": "numpy", "forceinline": True}


@cache
def digest_of_sources(folder: Path) -> str:
    """A digest of all Python sources of a folder, by name and content."""
    digest = sha256()
    for source in sorted(folder.glob("*.py")):
        content = source.read_bytes()
        digest.update(f"{source.name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


class _KeyedByAllSources(CompileResultCacheImpl):
    """Names files after the kernel, its line, the version of Python, and the sources it may call."""

    def __init__(self, function: Any) -> None:
        self._digest = digest_of_sources(Path(function.__code__.co_filename).parent)
        super().__init__(function)

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Numba's name with the digest of the sources; what was kept of this kernel for other sources goes."""
        base: str = super().get_filename_base(fullname, abiflags)
        name, python = base.rsplit("-", 1)[0], base.rsplit(".", 1)[1]
        kept = f"{base}-{self._digest}"
        for old in Path(self.locator.get_cache_path()).glob(f"{name}-*.{python}*.nb[ic]"):
            if not old.name.startswith(kept):
                with suppress(OSError):  # Another process was first, or the folder is read-only.
                    old.unlink()
        return kept


class _KernelCache(FunctionCache):
    _impl_class = _KeyedByAllSources

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was kept of a kernel; where nothing was, it is compiled next."""
        found = super().load_overload(sig, target_context)
        if found is None:
            say_that_it_compiles()
        return found


@cache
def say_that_it_compiles() -> None:
    """Say once in a process that kernels are compiled, which happens once on a machine."""
    logging.getLogger(__name__).info("the engine is compiled for this machine, once: up to half a minute")


def kernel(function: Function) -> Function:
    """The function, compiled when it is first called, or taken from the cache; see the module."""
    compiled = njit(**OPTIONS)(function)
    # Without a folder that can be written nothing is kept: every process compiles for itself.
    with suppress(RuntimeError, OSError):
        compiled._cache = _KernelCache(function)
    result: Function = compiled
    return result
