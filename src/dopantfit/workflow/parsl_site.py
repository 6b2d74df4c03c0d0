"""A site's workers through Parsl's HighThroughputExecutor."""

import os
import shlex
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from parsl import Config, dfk
from parsl.concurrent import ParslPoolExecutor
from parsl.executors import HighThroughputExecutor
from parsl.executors.errors import BadStateException
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SingleNodeLauncher, SrunLauncher
from parsl.providers import KubernetesProvider, LocalProvider, PBSProProvider, SlurmProvider

from dopantfit.errors import ConfigError, EngineError
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import held
from dopantfit.workflow.site import Site
from dopantfit.workflow.workers import call_for_driver

_P = ParamSpec("_P")
_T = TypeVar("_T")
#: What a task may lose before it fails: so many workers, which may be its own doing (out of memory), or ten times as
#: many blocks, which end at their walltime whatever runs in them. Its checkpoints make it go on each time.
LOSSES = 10
#: Parsl's process between driver and workers never ends by itself, but its workers end soon after it.
_INTERCHANGE = """
import runpy
from dopantfit.workflow.workers import end_with_parent
end_with_parent({driver})
runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")
"""
#: The manager of a node's workers, with Parsl's arguments.
_MANAGER = DEFAULT_LAUNCH_CMD.replace("process_worker_pool.py", "python3 -m dopantfit.workflow.parsl_manager", 1)
#: Without a network in between, a silence of 20 s is an end; elsewhere, where nodes see no locks, Parsl's own 120 s.
_HEARTBEATS_HERE = {"heartbeat_period": 2, "heartbeat_threshold": 20}


class _Executor(Executor):
    """Parsl's pool, whose workers end with this process, and whose futures fail with errors of ours."""

    def __init__(self, config: Config) -> None:
        self._parsl: Any = ParslPoolExecutor(config)  # which does not declare its types
        # A folder of each pool's own: nobody but its workers ever looks at this lock.
        self._folder = Path(dfk().run_dir).resolve()
        self._alive = ExitStack()
        self._alive.enter_context(held(self._folder))
        self._open: set[Future[Any]] = set()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        answer: Future[_T] = Future()
        answer.set_running_or_notify_cancel()  # Parsl cannot take back what it was given
        self._open.add(answer)
        answer.add_done_callback(self._open.discard)
        given = self._parsl.submit(call_for_driver, self._folder, partial(fn, **kwargs), *args)
        given.add_done_callback(partial(_pass_on, answer))
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        # Parsl warns when asked to cancel; its workers end with it all the same.
        self._parsl.shutdown(wait=wait and not cancel_futures)
        for answer in tuple(self._open):  # which somebody may wait for
            with suppress(InvalidStateError):
                answer.set_exception(BrokenExecutor("the pool was ended"))
        self._alive.close()


def _pass_on(answer: "Future[Any]", given: "Future[Any]") -> None:
    """Hand on how a call ended."""
    problem = given.exception()
    if isinstance(problem, ManagerLost | WorkerLost):
        problem = EngineError(
            f"its workers were lost again and again, the last one on {problem.hostname} (out of memory, or a walltime "
            "too short for one checkpoint?); mend the site file and run the same command again"
        )
    elif isinstance(problem, BadStateException):
        problem = EngineError(
            f"its workers end before they can work ({_one_line(problem)}); mend the site file and run the same command "
            "again"
        )
    with suppress(InvalidStateError):  # where the pool was ended meanwhile
        if problem is None:
            answer.set_result(given.result())
        else:
            answer.set_exception(problem)


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:300]


def _loss(problem: Exception, task: object) -> float:
    """What a failed call costs of `LOSSES`: nothing but the loss of who worked on it makes Parsl call it again."""
    if isinstance(problem, ManagerLost):
        return 0.1
    return 1.0 if isinstance(problem, WorkerLost) else LOSSES


def parsl_executor(site: Site, folder: Path) -> Executor:
    """Start the workers of a site; Parsl's logs go to `folder`.

    A call whose worker or block is lost is made again, up to `LOSSES`; then its future holds an EngineError.
    Raises ConfigError when the provider cannot be had here.
    """
    make_folder(folder)
    config = Config(
        executors=[workers_of(site)],
        run_dir=str(folder),
        initialize_logging=False,
        usage_tracking=0,
        retries=LOSSES - 1,
        retry_handler=_loss,
    )
    try:
        return _Executor(config)
    except Exception as problem:
        raise ConfigError(
            f"site: its workers cannot be started ({_one_line(problem)}); mend the site file, address first"
        ) from None


def workers_of(site: Site) -> HighThroughputExecutor:
    """Describe the workers of a site, which connect to one interface of this host, encrypted.

    Raises ConfigError when the provider cannot be had here, or the address is none.
    """
    try:
        provider = _provider(site)
    except Exception as problem:
        raise ConfigError(f"site: provider {site.provider} cannot be used here ({_one_line(problem)})") from None
    local = site.provider == "local"
    heartbeats: dict[str, Any] = _HEARTBEATS_HERE if local else {}
    return HighThroughputExecutor(
        label="dopantfit",
        provider=provider,
        launch_cmd=_MANAGER,
        interchange_launch_cmd=[sys.executable, "-c", _INTERCHANGE.format(driver=os.getpid())],
        address=site.address_here(),  # Parsl would listen on all interfaces
        encrypted=True,
        max_workers_per_node=site.workers_per_node,
        cores_per_worker=1e-6,  # the number of workers is the site's to say, whatever the cores
        block_error_handler=windowed_error_handler,  # one node that fails is no reason to give up
        **heartbeats,
    )


def _programs() -> Path:
    """Folder of the programs of this environment, which need not be activated."""
    return Path(sys.executable).parent


def _provider(site: Site) -> Any:
    common: dict[str, Any] = {
        "nodes_per_block": site.nodes_per_block,
        "init_blocks": 1,
        "min_blocks": 1,
        "max_blocks": site.max_blocks,
        "worker_init": f"export PATH={shlex.quote(str(_programs()))}:$PATH\n{site.worker_init}",
    }
    local: Any = LocalProvider  # neither of these two declares its types
    pbs: Any = PBSProProvider
    if site.provider == "local":
        return local(**common, launcher=SingleNodeLauncher())
    if site.provider == "kubernetes":
        pods: dict[str, Any] = {"namespace": site.namespace, "persistent_volumes": list(site.volumes)}
        return KubernetesProvider(image=str(site.image), **pods, **common)
    launcher = SingleNodeLauncher() if site.nodes_per_block == 1 else SrunLauncher()
    batch = {**common, "walltime": site.walltime, "scheduler_options": site.scheduler_options, "account": site.account}
    if site.provider == "slurm":
        cores = site.workers_per_node * site.ranks
        return SlurmProvider(
            partition=site.partition, cores_per_node=cores, exclusive=False, launcher=launcher, **batch
        )
    return pbs(queue=site.queue, cpus_per_node=site.workers_per_node * site.ranks, **batch)
