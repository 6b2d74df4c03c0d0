"""Hosts: the solid electrolytes that are doped, each one TOML file."""

from dopantfit.structures.hosts.load import DEFAULT_HOST, check_potential, host_names, load_host, with_host
from dopantfit.structures.hosts.model import Host, Limit, MeasuredCell, MobilityRun, Polyanion, Run

__all__ = [
    "DEFAULT_HOST",
    "Host",
    "Limit",
    "MeasuredCell",
    "MobilityRun",
    "Polyanion",
    "Run",
    "check_potential",
    "host_names",
    "load_host",
    "with_host",
]
