"""A site's workers through Parsl's HighThroughputExecutor."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parsl import Config
from parsl.concurrent import ParslPoolExecutor
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SingleNodeLauncher, SrunLauncher
from parsl.providers import KubernetesProvider, LocalProvider, PBSProProvider, SlurmProvider

from dopantfit.errors import ConfigError

if TYPE_CHECKING:
    from dopantfit.study.site import Site


class _Executor(ParslPoolExecutor):
    """Parsl cannot take back what it was given, and warns when asked to; its workers end with it all the same."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=wait and not cancel_futures)


def parsl_executor(site: "Site", folder: Path) -> ParslPoolExecutor:
    """Start the workers of a site; Parsl's logs go to `folder`.

    Raises ConfigError when the provider cannot be had here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        provider = _provider(site)
    except Exception as problem:
        raise ConfigError(f"site: provider {site.provider} cannot be used here ({problem})") from None
    workers = HighThroughputExecutor(
        label="dopantfit",
        provider=provider,
        interchange_launch_cmd=[str(_programs() / "interchange.py")],
        address=site.address or ("127.0.0.1" if site.provider == "local" else None),
        max_workers_per_node=site.workers_per_node,
        cores_per_worker=1e-6,  # the number of workers is the site's to say, whatever the cores
    )
    return _Executor(Config(executors=[workers], run_dir=str(folder), initialize_logging=False, usage_tracking=0))


def _programs() -> Path:
    """Folder of the programs of this environment, which need not be activated."""
    return Path(sys.executable).parent


def _provider(site: "Site") -> Any:
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
