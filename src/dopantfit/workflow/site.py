"""Where tasks run: processes of this machine, or a cluster that a TOML file describes and Parsl drives."""

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import Table, parse_strict, read_text
from dopantfit.workflow.work import Resources, end_with_parent

_COUNT = Annotated[int, Field(ge=1)]
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Site(Table):
    """What a site file may say; strict, unknown keys are refused.

    provider: who starts the blocks of workers. workers_per_node: tasks at a time on one node. ranks: MPI ranks of a
    task. launcher: how LAMMPS is started. worker_init: shell commands before the workers, such as activating an
    environment. walltime: of a block, HH:MM:SS. scheduler_options: extra lines of the batch script.
    image, namespace, volumes: of the pods; a volume is [claim, path], and the run folder must lie on one (kubernetes).
    address: of this host as the workers see it.
    """

    provider: Literal["local", "slurm", "pbs", "kubernetes"] = "local"
    workers_per_node: _COUNT = 2
    ranks: _COUNT = 1
    nodes_per_block: _COUNT = 1
    max_blocks: _COUNT = 1
    walltime: Annotated[str, Field(pattern=r"^\d{1,3}:\d{2}:\d{2}$")] = "24:00:00"
    partition: str | None = None
    account: str | None = None
    queue: str | None = None
    scheduler_options: str = ""
    worker_init: str = ""
    launcher: str = Resources.launcher
    image: str | None = None
    namespace: str = "default"
    volumes: tuple[tuple[str, str], ...] = ()
    address: str | None = None

    @model_validator(mode="after")
    def _fits_the_provider(self) -> Self:
        allowed = {
            "partition": ("slurm",),
            "account": ("slurm", "pbs"),
            "queue": ("pbs",),
            "image": ("kubernetes",),
        }
        for name, providers in allowed.items():
            if getattr(self, name) is not None and self.provider not in providers:
                raise ValueError(f"{name} belongs to provider {' or '.join(providers)}, not {self.provider}; remove it")
        if self.provider == "kubernetes" and self.image is None:
            raise ValueError("provider kubernetes needs image, a container image with dopantfit")
        return self

    @property
    def resources(self) -> Resources:
        """What tasks are told."""
        return Resources(launcher=self.launcher, ranks=self.ranks)

    @property
    def slots(self) -> int:
        """Tasks that run at a time."""
        return self.workers_per_node * self.nodes_per_block * self.max_blocks


def load_site(path: Path) -> Site:
    """Read a site file; ConfigError naming the file and the key."""
    return parse_strict(Site, read_text(path, "check the path"), str(path))


class Pool:
    """An executor that is made when first needed and made anew when a worker's death broke it.

    slots: tasks that are handed to it at a time.
    """

    def __init__(self, make: Callable[[], Executor], slots: int) -> None:
        self._make, self.slots = make, slots
        self._executor: Executor | None = None

    @property
    def executor(self) -> Executor:
        """The executor itself, for whoever hands out work of his own."""
        if self._executor is None:
            self._executor = self._make()
        return self._executor

    def submit(self, function: Callable[..., None], *arguments: Any) -> "Future[None]":
        """Hand over a call; a pool that turns out to be broken is replaced."""
        try:
            return self.executor.submit(function, *arguments)
        except BrokenExecutor:
            self.renew()
            return self.executor.submit(function, *arguments)

    def renew(self) -> None:
        """Give up a broken executor; the next call makes another."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def stop(self) -> None:
        """End the workers now, whatever they do."""
        workers = dict(getattr(self._executor, "_processes", None) or {})
        self.renew()
        for process in workers.values():
            with suppress(OSError, ValueError):
                process.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=kind is None, cancel_futures=True)
            self._executor = None


def local_pool(workers: int) -> Pool:
    """Processes of this machine, started afresh rather than forked: threads do not survive a fork."""
    return Pool(lambda: _processes(workers), workers)


def _processes(workers: int) -> Executor:
    # Read by the libraries of a worker when it starts; this process has long read its own.
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    spawn = get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=end_with_parent, initargs=(os.getpid(),))


def site_pool(site: Site, folder: Path) -> Pool:
    """Workers of a site through Parsl, whose own files go to `folder`."""
    return Pool(lambda: _parsl(site, folder), site.slots)


def _parsl(site: Site, folder: Path) -> Executor:
    try:
        from dopantfit.workflow.parsl_site import parsl_executor
    except ImportError:
        raise ConfigError("a site file needs Parsl: python -m pip install parsl") from None
    return parsl_executor(site, folder)
