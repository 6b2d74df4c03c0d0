"""Where tasks run: processes of this machine, or a cluster that a TOML file describes and Parsl drives."""

import shutil
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import Table, parse_strict, read_text
from dopantfit.workflow.resources import Resources, launch_words

#: Programs that a provider starts.
_PROGRAMS = {"slurm": ("sbatch", "squeue", "scancel"), "pbs": ("qsub", "qstat", "qdel")}
_COUNT = Annotated[int, Field(ge=1)]


class Site(Table):
    """What a site file may say; strict, unknown keys are refused.

    provider: who starts the blocks of workers. workers_per_node: tasks at a time on one node. ranks: MPI ranks of a
    task. launcher: how LAMMPS is started. worker_init: shell commands before the workers, such as activating an
    environment. walltime: of a block, HH:MM:SS. scheduler_options: extra lines of the batch script.
    image, namespace, volumes: of the pods; a volume is [claim, path], and the run folder must lie on one (kubernetes).
    address: of this host as the workers see it; the one that its name means by default, 127.0.0.1 for local workers.
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

    @model_validator(mode="after")
    def _launcher_can_be_read(self) -> Self:
        try:
            launch_words(self.launcher, self.ranks)
        except ConfigError as problem:
            raise ValueError(str(problem)) from None
        return self

    def check(self, source: str) -> None:
        """Look for what the provider needs on this machine; ConfigError naming `source` and the key."""
        for program in _PROGRAMS.get(self.provider, ()):
            if shutil.which(program) is None:
                raise ConfigError(
                    f'{source}: provider = "{self.provider}" needs {program}, which is not on PATH; run this where '
                    "jobs are submitted, or choose another provider"
                )
        if self.provider != "local" or self.address is not None:
            self.address_here(source)

    def address_here(self, source: str = "site") -> str:
        """Return the address of this host that workers connect to, and nobody else may: one interface, never all.

        Raises ConfigError when the name means no address, or only one that other hosts do not reach.
        """
        if self.provider == "local" and self.address is None:
            return "127.0.0.1"
        name = self.address or socket.gethostname()
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError):
            raise ConfigError(f"{source}: address = {name!r} is no address of a host; mend it") from None
        outside = [address for address in found if not ip_address(address.partition("%")[0]).is_loopback]
        if self.address is None and not outside:
            raise ConfigError(
                f"{source}: address is missing, and {name!r} means {found[0]} here, which no other host reaches; write "
                "the address of this host as the nodes see it"
            )
        return (outside or found)[0]

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
