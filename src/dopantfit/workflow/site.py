"""Where tasks run: processes of this machine, or a cluster that a TOML file describes and Parsl drives."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dopantfit.strict_toml import Table, parse_strict, read_text
from dopantfit.workflow.resources import Resources

_COUNT = Annotated[int, Field(ge=1)]


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
