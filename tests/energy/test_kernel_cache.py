import os

from dopantfit.energy.kernel_cache import drop_stale_kernels


def test_kernels_older_than_any_source_are_dropped_and_newer_ones_stay(tmp_path):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, time in (("a.py", 100), ("b.py", 300)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    kernel = cache / "a.f-1.py311.nbi"
    for age, survives in ((400, True), (200, False)):
        kernel.touch()
        os.utime(kernel, (age, age))
        drop_stale_kernels(tmp_path)
        assert kernel.exists() is survives
