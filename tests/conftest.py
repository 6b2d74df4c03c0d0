"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

# Shells start background jobs with Ctrl-C ignored, and children inherit that; some tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _one_blas_thread() -> Iterator[None]:
    """ASE's optimisers diagonalise small matrices; on a busy machine two BLAS threads make that ten times slower."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
