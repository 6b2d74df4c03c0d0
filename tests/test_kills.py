"""However the driver of a verb ends: within seconds nothing of it is left, and the same command goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import ase.io
import numpy as np
import pytest

from dopantfit.structures import load_host

CASE = Path(__file__).parent / "data/cases/kill-leaves-workers"
SWAP = """
dopant = "Mg"
attempts = 1
walkers = 2
[layers]
interface = 10.0
into_grain = 1
reservoir = 10.5
count = 1
rounds_per_layer = 2
[burst]
calibration = 1
[dynamics]
duration = 40.0
"""
#: The command of each verb, and files that show that its workers, and LAMMPS where it has one, are at work.
VERBS = {
    "fit": (["fit", ".", "--workers", "2", "--work", "work"], "work/search.jsonl"),
    "validate": (
        ["validate", ".", "--potential", "latp-mg-2022", "--workers", "2", "--work", "work"],
        "work/*/*/leg.log",
    ),
    "swap": (
        ["boundary", "swap", "doped.extxyz", "swap.toml", "--output", "work", "--workers", "2"],
        "work/replica-*/dynamics-*/leg.log",
    ),
}
#: Seconds until all is gone: LAMMPS has one to end by itself, and a busy machine needs some to look.
GONE = 10.0


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(CASE, tmp_path / "case")
    crystal = load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)
    ase.io.write(tmp_path / "case/doped.extxyz", crystal)
    (tmp_path / "case/swap.toml").write_text(SWAP)
    return tmp_path / "case"


def started_by(mark):
    """Processes that inherited the mark, and do anything."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"CASE_MARK={mark}\0".encode() in (entry / "environ").read_bytes() + b"\0":
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return found


def begin(folder, verb, mark):
    """Start a verb and wait until its workers are at work on something that was not there before."""
    words, sign = VERBS[verb]
    begun = time.time()
    command = [sys.executable, "-m", "dopantfit.cli", *words]
    driver = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"CASE_MARK": mark}
    )
    last = time.monotonic() + 240.0
    # The driver, two workers, and what they begin with.
    while len(started_by(mark)) < 3 or not any(path.stat().st_mtime > begun for path in folder.glob(sign)):
        assert driver.poll() is None, driver.stderr.read()
        assert time.monotonic() < last, f"{verb} did not get to work"
        time.sleep(0.05)
    return driver


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "how"), [("fit", signal.SIGTERM), ("validate", signal.SIGKILL), ("swap", signal.SIGINT)]
)
def test_nothing_of_a_killed_driver_is_left_and_the_same_command_goes_on(folder, verb, how):
    for attempt in range(2):
        mark = f"{os.getpid()}-{verb}-{attempt}"
        driver = begin(folder, verb, mark)
        driver.send_signal(how)
        assert driver.wait(timeout=GONE) not in (0, 1, 2)
        last = time.monotonic() + GONE
        while started_by(mark):
            assert time.monotonic() < last, f"{started_by(mark)} outlived their driver"
            time.sleep(0.1)
        driver.stderr.close()
