"""What all tests share."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def _one_blas_thread() -> Iterator[None]:
    """ASE's optimisers diagonalise small matrices; on a busy machine two BLAS threads make that ten times slower."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
