"""One BLAS thread for small matrices: with more, threads that wait for each other cost more than the work.

A busy machine shows it most: there evaluating a 112-ion cell took about ten times longer with two threads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@cache
def _blas() -> Any:
    return ThreadpoolController().select(user_api="blas")


def with_one_blas_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, run with one BLAS thread."""

    @wraps(function)
    def limited(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        with _blas().limit(limits=1):
            return function(*arguments, **keywords)

    return limited


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A stretch of work with one BLAS thread: its sums are then rounded alike in every process."""
    with _blas().limit(limits=1):
        yield
