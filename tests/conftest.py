"""What all tests share."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

# Shells start background jobs with Ctrl-C ignored, and children inherit that; some tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _one_blas_thread() -> Iterator[None]:
    """ASE's optimisers diagonalise small matrices; on a busy machine two BLAS threads make that ten times slower."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


# Records that tests of several rooms make up.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker takes all tests of the engine and the fit: kernels that two compile at once are compiled twice."""
    for item in items:
        if item.path.parent.name in ("energy", "fit"):
            item.add_marker(pytest.mark.xdist_group("engine"))


#: Folders with tasks of tests: `toy` and `crystal_study`.
_TASKS = [str(Path(__file__).parent / name) for name in ("workflow", "study")]


@pytest.fixture(autouse=True, scope="session")
def _tasks_of_tests_are_importable() -> Iterator[None]:
    """Put their folders on the path, here and in every process that is started from here, as the package's own are."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*_TASKS, *([before] if before else [])])
    sys.path[:0] = _TASKS
    yield
    for folder in _TASKS:
        sys.path.remove(folder)
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
