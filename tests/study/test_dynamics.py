"""Real molecular dynamics inside a study: what it leaves, and that no kill changes it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.study.conduction import joined, trajectory_of
from dopantfit.study.config import Engine
from dopantfit.study.dynamics import Produced, block_mean, dynamics_settings
from dopantfit.study.files import read_structure, write_structure
from dopantfit.workflow.records import read_record
from dopantfit.workflow.typed import Made
from dopantfit.workflow.work import Finished

TABLE = "transport/msd.csv"


def command(folder):
    return [sys.executable, str(Path(__file__).with_name("crystal_study.py")), str(folder)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    folder.mkdir()
    subprocess.run(command(folder), check=True, timeout=300)
    return folder


def test_a_run_has_the_volume_that_its_equilibration_found(undisturbed):
    npt, nvt = (read_record(undisturbed / name).result for name in ("npt", "nvt"))
    assert nvt["volume_A3"] == pytest.approx(npt["volume_A3"]["value"], rel=1e-9)
    # 12.0 Å per pseudo-cubic edge; the barostat, of 1 ps, swings by 8 % in the first 0.2 ps from an unrelaxed start.
    assert npt["volume_A3"]["value"] == pytest.approx(12.0**3, rel=0.12)


def test_transport_is_read_from_the_run(undisturbed):
    result = read_record(undisturbed / "transport").result
    assert set(result["species"]) == {"Li", "Al", "Ti", "P", "O"}
    # 0.4 ps show no hop: a bound, not a number.
    assert "upper_bound_95" in result["species"]["Li"]["tracer_conductivity_S_per_cm"]


def segment(folder, name):
    record = read_record(folder / name)
    return Made(Finished(folder / name, record), Produced)


def test_segments_of_a_run_are_one_trajectory(undisturbed):
    first, second = segment(undisturbed, "nvt"), segment(undisturbed, "nvt.2")
    one, whole = trajectory_of([first], "Mg", {}), trajectory_of([first, second], "Mg", {})
    # 0.4 and 0.2 ps, a frame every 0.02 ps; the second begins with the last frame of the first.
    assert (one.n_frames, whole.n_frames) == (21, 31)
    steps = np.sqrt(np.square(np.diff(whole.positions, axis=0)).sum(axis=2).mean(axis=1))
    # Velocities go on: the step over the joint is one among the others, not that of another start.
    assert steps[20] == pytest.approx(np.mean(steps[15:25]), rel=0.25)


def test_a_segment_that_begins_elsewhere_is_refused(undisturbed):
    parts = [trajectory_of([segment(undisturbed, name)], "Mg", {}) for name in ("nvt", "nvt.2")]
    with pytest.raises(ConfigError, match="does not begin where"):
        joined(parts[::-1])


def descendants(pid):
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def engine_of(driver, folder, seconds=120.0):
    """Wait until LAMMPS makes the production run; return its process."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if (folder / "nvt/production/leg.in").exists():
            for pid in descendants(driver.pid):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                except OSError:
                    continue
                if Path(words[0]).name.startswith("lmp") and "leg.in" in words:
                    return pid
        time.sleep(0.02)
    raise AssertionError("LAMMPS did not start")


def flip(path):
    """Change one bit in the middle of a file, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "damaged"),
    # A driver that is killed and finds everything whole: every stage of `test_tiny_study`.
    [("LAMMPS", None), ("driver", "production/first.restart"), ("driver", "heating/sites.dump")],
)
def test_a_kill_in_the_middle_of_a_run_changes_no_number(tmp_path, undisturbed, victim, damaged):
    folder = tmp_path / "run"
    folder.mkdir()
    driver = subprocess.Popen(command(folder), stdout=subprocess.PIPE, text=True)
    try:
        engine = engine_of(driver, folder)
        os.kill(engine if victim == "LAMMPS" else driver.pid, signal.SIGKILL)
        said, _ = driver.communicate(timeout=300)
    finally:
        driver.kill()
        driver.wait()
    if victim == "LAMMPS":
        assert "retried nvt" in said
    else:
        if damaged:
            flip(folder / "nvt" / damaged)
        subprocess.run(command(folder), check=True, timeout=300)
    if damaged:
        record = json.loads((folder / "nvt" / damaged).with_name("run.json").read_text())
        assert record["made_anew"].startswith(Path(damaged).name)
    assert (folder / TABLE).read_bytes() == (undisturbed / TABLE).read_bytes()
    same = [json.loads((one / "transport/record.json").read_text())["result"] for one in (folder, undisturbed)]
    assert same[0] == same[1]


def test_rows_and_checkpoints_divide_the_run():
    engine = Engine(timestep=0.0004, kspace="pppm 1e-4", frame_interval=0.05, pressure=1.0)
    settings = dynamics_settings(engine, 1, 300.0, 12.0)
    assert settings.dump_every * settings.timestep == pytest.approx(0.05)
    assert settings.dump_every % settings.thermo_every == 0
    assert settings.restart_every % settings.dump_every == 0
    assert settings.duration == pytest.approx(12.0)


def test_the_interval_of_a_block_mean_covers_95_times_in_100():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(1000):
        # A correlated series, far shorter in its memory than a block.
        noise = rng.normal(size=600)
        series = 5.0 + np.convolve(noise, np.ones(5) / 5, "valid")
        estimate = block_mean(series)
        hits += estimate.low <= 5.0 <= estimate.high
    # Binomial standard deviation 0.7 %; correlation across block ends costs another one.
    assert hits / 1000 == pytest.approx(0.95, abs=0.03)


def test_too_few_values_make_no_mean():
    with pytest.raises(ConvergenceError, match="4 values"):
        block_mean(np.ones(4))


def test_structures_are_read_back_to_the_last_bit(tmp_path):
    from dopantfit.structures import load_host

    atoms = load_host().conventional.ions
    atoms.rattle(0.1, seed=1)
    atoms.info["grain_ions"] = 7
    write_structure(tmp_path / "one.extxyz", atoms)
    again = read_structure(tmp_path / "one.extxyz")
    assert np.array_equal(again.positions, atoms.positions) and np.array_equal(again.cell.array, atoms.cell.array)
    assert again.info["grain_ions"] == 7
