"""Compiled kernels are kept between processes, and never outlive a source that they were made of."""

import importlib
import os
import sys

import numba
import pytest

from dopantfit.energy import kernel_cache

CALLER = """
from dopantfit.energy.kernel_cache import kernel
from callee import factor

@kernel
def tripled(x):
    return factor(x) * 3.0
"""
CALLEE = "from dopantfit.energy.kernel_cache import kernel\n\n@kernel\ndef factor(x):\n    return {} * x\n"


@pytest.fixture(params=["beside the source", "user's cache", "NUMBA_CACHE_DIR", "nowhere"])
def kept(request, tmp_path, monkeypatch):
    """Let numba keep kernels in one of its places; the folder of the sources, and that of what is kept."""
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(sources)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(cache) if request.param == "NUMBA_CACHE_DIR" else "")
    if request.param != "beside the source":
        (sources / "__pycache__").touch()  # As in a read-only installation, no folder can be made here.
    if request.param == "nowhere":
        cache.touch()
    yield sources, {"beside the source": sources, "nowhere": None}.get(request.param, cache)
    for name in ("caller", "callee"):
        sys.modules.pop(name, None)


def computed(sources, factor):
    """What a new process finds that starts with these sources, which are as old and as long as any others."""
    for name, text in (("caller", CALLER), ("callee", CALLEE.format(factor))):
        (sources / f"{name}.py").write_text(text)
        os.utime(sources / f"{name}.py", (1e9, 1e9))
        sys.modules.pop(name, None)
    kernel_cache.digest_of_sources.cache_clear()
    tripled = importlib.import_module("caller").tripled
    return tripled(1.0), sum(tripled.stats.cache_hits.values())


def test_a_kernel_is_kept_until_one_that_it_calls_changes(kept):
    sources, cache = kept
    assert computed(sources, 2.0) == (6.0, 0)
    assert computed(sources, 2.0) == (6.0, int(cache is not None))
    assert computed(sources, 5.0) == (15.0, 0)
    if cache is not None:  # What was kept for the old sources is gone: an index and one compiled version.
        assert len(list(cache.rglob("caller.tripled-*.nb[ic]"))) == 2


def test_compiling_is_said_once_and_only_where_nothing_was_kept(kept, caplog):
    sources, cache = kept
    caplog.set_level("INFO", "dopantfit")
    for factor, compiles in ((2.0, True), (2.0, False), (5.0, True)):
        kernel_cache.say_that_it_compiles.cache_clear()
        caplog.clear()
        computed(sources, factor)
        said = [one.message for one in caplog.records if "compiled for this machine" in one.message]
        # Where nothing can be kept, every process compiles, and none would say so once.
        assert len(said) == (compiles and cache is not None)
