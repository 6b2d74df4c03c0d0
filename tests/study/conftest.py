"""A Slurm of one node for the studies that run through it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SLURM = """
ClusterName=one
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture
def slurm_node(tmp_path: Path) -> Iterator[str]:
    """A Slurm of one node, this machine, for one test; yields the running Python."""
    if os.geteuid() != 0 or shutil.which("slurmctld") is None or shutil.which("munged") is None:
        pytest.skip("Slurm cannot be started here: it takes root, slurmctld, slurmd and munged")
    folder = tmp_path / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    config = folder / "slurm.conf"
    config.write_text(SLURM.format(host=socket.gethostname().split(".")[0], folder=folder, cpus=os.cpu_count()))
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(config)
    # Its own folders belong to munge, whose daemon refuses others.
    subprocess.run(["service", "munge", "start"], check=True, capture_output=True)
    daemons = [subprocess.Popen([name, "-D", "-f", str(config)]) for name in ("slurmctld", "slurmd")]
    try:
        _wait_for_node()
        yield sys.executable
    finally:
        _end_jobs()
        for daemon in daemons:
            daemon.terminate()
            try:
                daemon.wait(10.0)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def _end_jobs(seconds: float = 30.0) -> None:
    """Cancel what still runs: slurmd does not end before its jobs."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        running = subprocess.run(["squeue", "-h", "-o", "%i"], capture_output=True, text=True).stdout.split()
        if not running:
            return
        subprocess.run(["scancel", "--signal=KILL", "--full", *running], capture_output=True)
        subprocess.run(["scancel", *running], capture_output=True)
        time.sleep(1.0)


def _wait_for_node(seconds: float = 60.0) -> None:
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        found = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if found.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise AssertionError(f"the node did not come up: {found.stdout} {found.stderr}")
