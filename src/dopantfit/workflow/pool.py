"""Where calls run: processes of this machine, or those of a site; nothing of them outlives who asked."""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from dopantfit.errors import ConfigError, EngineError
from dopantfit.workflow.site import Site
from dopantfit.workflow.workers import begin_worker

_P = ParamSpec("_P")
_T = TypeVar("_T")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
#: Attempts at a call whose worker died: the first, and one more.
ATTEMPTS = 2


class Pool:
    """An executor that is made when first needed and made anew when a worker's death broke it; a context manager.

    slots: calls that are handed to it at a time. trial: called in a worker before it is given anything else; what it
    raises is raised to whoever wanted the executor.
    """

    def __init__(self, make: Callable[[], Executor], slots: int, trial: Callable[[], None] | None = None) -> None:
        self._make, self.slots, self.trial = make, slots, trial
        self._executor: Executor | None = None

    @property
    def executor(self) -> Executor:
        """The executor itself, for whoever hands out work of his own."""
        if self._executor is None:
            self._executor = self._make()
            if self.trial is not None:
                self._try(self._executor, self.trial)
                self.trial = None
        return self._executor

    @staticmethod
    def _try(executor: Executor, trial: Callable[[], None]) -> None:
        try:
            executor.submit(trial).result()
        except BrokenExecutor:
            raise EngineError("the worker processes end as soon as they are started (out of memory?)") from None

    def submit(self, function: Callable[..., _T], /, *arguments: Any) -> "Future[_T]":
        """Hand over a call; a pool that turns out to be broken is replaced."""
        try:
            return self.executor.submit(function, *arguments)
        except BrokenExecutor:
            self.renew()
            return self.executor.submit(function, *arguments)

    def map(self, function: Callable[..., _T], *arguments: Iterable[Any]) -> list[_T]:
        """Return the answers of calls with the first, the second, ... of all arguments, in their order.

        What a dying worker took with it is called once more; EngineError when that fails, too.
        """
        calls = list(zip(*arguments, strict=False))
        answers: dict[int, _T] = {}
        for _ in range(ATTEMPTS):
            futures = {i: self.submit(function, *call) for i, call in enumerate(calls) if i not in answers}
            for i, future in futures.items():
                with suppress(BrokenExecutor):
                    answers[i] = future.result()
            if len(answers) == len(calls):
                return [answers[i] for i in range(len(calls))]
        raise EngineError(
            "a worker process was killed again and again (out of memory?); ask for fewer workers and run the same "
            "command again, what is finished is kept"
        )

    def renew(self) -> None:
        """Give up a broken executor; the next call makes another."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def stop(self) -> None:
        """End the workers now, whatever they do: what they write is whole or not there."""
        workers = dict(getattr(self._executor, "_processes", None) or {})
        self.renew()
        for process in workers.values():
            with suppress(OSError, ValueError):
                process.kill()  # which a stopped process heeds, too

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()
        elif self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None


def local_pool(workers: int, begin: Callable[..., None] | None = None, *arguments: Any) -> Pool:
    """Processes of this machine, started afresh rather than forked: threads do not survive a fork.

    They end with this process, and with the thread that hands out calls. begin: called once in each, with arguments.
    """
    return Pool(lambda: _Processes(workers, begin, arguments), workers)


def site_pool(site: Site, folder: Path) -> Pool:
    """Workers of a site through Parsl, whose own files go to `folder`."""
    return Pool(lambda: _parsl(site, folder), site.slots)


def _parsl(site: Site, folder: Path) -> Executor:
    try:
        from dopantfit.workflow.parsl_site import parsl_executor
    except ImportError:
        raise ConfigError("a site file needs Parsl: python -m pip install parsl") from None
    return parsl_executor(site, folder)


class _Processes(ProcessPoolExecutor):
    """Workers of one thread each, so that sums are rounded alike whatever this process was given."""

    def __init__(self, workers: int, begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
        _start_keeper()
        super().__init__(
            workers, get_context("spawn"), initializer=begin_worker, initargs=(os.getpid(), begin, *arguments)
        )

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        with _one_thread_each():  # a worker that is missing is started here
            return super().submit(fn, *args, **kwargs)


def _start_keeper() -> None:
    """Start Python's keeper of semaphores, which cleans up behind a killed driver, and would warn its user of that."""
    before = list(sys.warnoptions)  # which the keeper is started with
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions[:] = before


_environment = threading.Lock()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that are started meanwhile have one thread: libraries read that when they are loaded."""
    with _environment:
        before = {name: os.environ.get(name) for name in _ONE_THREAD}
        os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
