"""A whole study, as small as it can be, from a boundary to a verdict: the same tables wherever its tasks run."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dopantfit import Potential
from dopantfit.potential import Parameter

# One process runs them all: the local study is made once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tiny study")]

SLURM = os.geteuid() == 0 and all(shutil.which(name) for name in ("sbatch", "slurmctld", "munged"))
STUDY = """
preset = "quick"
seed = 3
dopant = "Mg"
potential = "potential.toml"
validation = "validation.json"
accept_failed_gates = "a test of the machinery, not of the dopant"
[engine]
frame_interval = 0.02
[boundary]
build = "tiny"
[doping]
concentrations = [5.0]
relaxation = 0.02
[swaps]
attempts_per_round = 2
rounds_per_layer = 1
layers = 1
calibration = 1
relaxation = 0.02
[spectrum]
sites = 4
arrangements = 1
settling = 0
[crystals]
replicas = 1
equilibration = 0.2
heating = 0.02
production = 0.4
[amorphous]
equilibration = 0.2
heating = 0.02
production = 0.4
cells = 1
arrhenius_temperatures = [1000.0]
reducible_free = false
[ensemble]
potentials = ["stiffer.toml"]
systems = ["C_1"]
"""
#: Every item of a study has a table; the Arrhenius lines are the second one of the tenth, and the ensemble has its own.
TABLES = 13


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tiny")
    (made / "study.toml").write_text(STUDY)
    library = Path(__file__).parents[2] / "src/dopantfit/potential/library"
    shutil.copy(library / "latp-mg-2022.toml", made / "potential.toml")
    published = Potential.load(made / "potential.toml")
    rho = Parameter.parse("rho Mg-O")
    published.with_values({rho: 0.995 * published.value(rho)}).save(made / "stiffer.toml")
    return made


def command(folder, run, *options):
    return [sys.executable, "-m", "dopantfit.cli", "study", str(folder), "--run", str(run), "--json", *options]


def tables(folder, run, *options, **environment):
    """The tables of all items, and the verdict, of a study that is run to its end."""
    done = subprocess.run(
        command(folder, run, *options), capture_output=True, text=True, env=os.environ | environment, check=False
    )
    assert done.returncode in (0, 1) and not json.loads(done.stdout)["failed"], done.stderr
    found = {path.parent.name: path.read_bytes() for path in sorted((run / "items").glob("*/table.csv"))}
    return found | {"verdict": (run / "summary" / "verdict" / "verdict.json").read_bytes()}


@pytest.fixture(scope="module")
def local(folder):
    return tables(folder, folder / "local", "--workers", "2")


def test_a_study_ends_with_all_its_tables_and_claims_nothing(folder, local):
    assert len(local) == TABLES + 1 and all(local.values())
    # Half a picosecond tells nothing: whatever the numbers are, no requirement may be called met or failed.
    verdict = json.loads(local["verdict"])
    assert verdict["answer"] == "undecided"
    structure = folder / "local" / "boundary" / "structure.extxyz"
    assert int(structure.read_text().split("\n", 1)[0]) > 200


#: What a stage writes while it is under way; of crystals and cells, those that nothing but a finished ladder begins.
UNDER_WAY = {
    "boundary": "boundary/sintering/*/*/leg.in",
    "doping": "doping/*/*/relaxation/*/md/leg.in",
    "swaps": "swaps/*/walkers/*/*/leg.in",
    "bleeding": "bleeding/*/key.json",
    "crystals": "crystals/C_1/*/*/leg.in",
    "amorphous": "amorphous/A_1/*/*/*/leg.in",
    "ensemble": "ensemble/*/*/*/*/leg.in",
    "items": "items/*/key.json",
    "verdict": "verdict/key.json",
}


def written_since(begun, run, made):
    try:
        return any(path.stat().st_mtime >= begun for path in run.glob(made))
    except FileNotFoundError:  # a folder was done with, and removed, while it was looked at
        return False


def wait_for_new(run, made, driver, seconds=300.0):
    """Wait until the driver has written a file of this kind."""
    begun, last = time.time(), time.monotonic() + seconds
    while not written_since(begun, run, made):
        assert driver.poll() is None, f"the study ended before it wrote {made}"
        assert time.monotonic() < last, f"{made} did not appear"
        time.sleep(0.01)


def test_a_driver_killed_once_in_every_stage_makes_the_same_tables(folder, local):
    run = folder / "killed"
    for made in UNDER_WAY.values():
        driver = subprocess.Popen(command(folder, run, "--workers", "2"), stdout=subprocess.DEVNULL)
        try:
            wait_for_new(run, made, driver)
        finally:
            driver.kill()
            driver.wait()
    assert tables(folder, run, "--workers", "2") == local


@pytest.mark.skipif(SLURM, reason="the node of Slurm does it, by the same executor")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_two_workers_of_parsl_make_the_same_tables(folder, local):
    pytest.importorskip("parsl", reason="Parsl is not installed")
    site = folder / "parsl.toml"
    site.write_text('provider = "local"\nworkers_per_node = 2\n')
    assert tables(folder, folder / "parsl", "--site", str(site)) == local


@pytest.mark.skipif(not SLURM, reason="Slurm cannot be started: it takes root and apt-get install slurm-wlm munge")
def test_a_node_of_slurm_makes_the_same_tables(folder, local, slurm_node):
    pytest.importorskip("parsl", reason="Parsl is not installed")
    site = folder / "slurm.toml"
    lines = [
        'provider = "slurm"',
        "workers_per_node = 2",
        'walltime = "00:10:00"',
        'address = "127.0.0.1"',  # the one node is this host
        f'worker_init = "export PATH={Path(slurm_node).parent}:$PATH"',
    ]
    site.write_text("\n".join(lines) + "\n")
    assert tables(folder, folder / "slurm", "--site", str(site)) == local
