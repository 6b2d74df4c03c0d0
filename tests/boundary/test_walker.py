"""Rounds of real swaps on a crystal cell: resuming, records, refusals, and the command line."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import ase.io
import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.boundary.swap.config import parse_swap
from dopantfit.boundary.swap.record import RECORD, SETTINGS, SwapRecord
from dopantfit.boundary.swap.run import START, analyse, run_swaps
from dopantfit.boundary.swap.temper import LADDER_FILE
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.lammps import Launcher
from dopantfit.structures import load_host
from dopantfit.workflow.provenance import write_sealed

POTENTIAL = Potential.load("latp-mg-2022")


def crystal():
    return load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)


def settings(duration=0.0, **changes):
    layers = {"interface": 10.0, "into_grain": 1, "reservoir": 10.5, "count": 1, "rounds_per_layer": 2}
    base = {"dopant": "Mg", "layers": layers, "walkers": 1, "hottest": 1000.0, "attempts": 4}
    burst = {"calibration": 1, "draw": "species"}
    return parse_swap({**base, "dynamics": {"duration": duration}, "burst": burst, **changes}, "swap.toml")


def run(folder, rounds, config=None):
    with ThreadPoolExecutor(1) as executor:
        return run_swaps(crystal(), config or settings(), POTENTIAL, folder, executor, Launcher(), rounds=rounds)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swaps") / "whole"
    return folder, run(folder, 2)


def test_a_run_taken_up_again_ends_in_the_same_configuration(finished, tmp_path):
    folder, whole = finished
    run(tmp_path, 1)
    parts = run(tmp_path, 2)
    assert parts.energies == whole.energies and parts.replica_at == whole.replica_at
    last = "replica-00/round-0001.json"
    assert (tmp_path / last).read_bytes() == (folder / last).read_bytes()
    statistics = [[one["records"][0]["statistics"] for one in ladder.history] for ladder in (whole, parts)]
    assert statistics[0] == statistics[1]


def flip(path):
    """Change one bit in the middle of a file, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_damaged_checkpoints_are_played_again_to_the_same_configuration(finished, tmp_path):
    folder, whole = finished
    ends = [(folder / "replica-00" / f"round-000{n}.json").read_bytes() for n in (0, 1)]
    mine = [tmp_path / "replica-00" / f"round-000{n}.json" for n in (0, 1)]
    run(tmp_path, 1)
    # What the next round goes on from; then what the last one left, where no round is left to be played.
    for number, rounds in ((0, 2), (1, 2)):
        flip(mine[number])
        with pytest.raises(ConfigError, match="run its ladder again"):
            ReplicaState.read(mine[number])
        again = run(tmp_path, rounds)
        assert [path.read_bytes() for path in mine] == ends
        assert again.energies == whole.energies
    for name in ("ladder.json", "replica-00/round-0000.result.json"):
        flip(tmp_path / name)
    again = run(tmp_path, 2)
    assert [path.read_bytes() for path in mine] == ends
    statistics = [[one["records"][0]["statistics"] for one in ladder.history] for ladder in (whole, again)]
    assert statistics[0] == statistics[1]


def test_the_running_energy_is_the_summed_one_and_the_record_says_so(finished):
    folder, ladder = finished
    for played in ladder.history:
        # Lists are made anew within a burst: only pairs at the cutoff of the Buckingham terms can differ.
        assert abs(played["records"][0]["drift"]) < 1e-3
    record = SwapRecord.read(folder / RECORD)
    counts = record.results["counts"]["pairs"]
    assert sum(one["attempted"] for one in counts.values()) == 8
    assert set(record.record.inputs) == {"start.json", LADDER_FILE}


def test_composition_is_kept_and_configurations_are_read_back_exactly(finished, tmp_path):
    folder, ladder = finished
    ended = ReplicaState.read(folder / "replica-00" / "round-0001.json")
    assert ended.energy == ladder.energies[0]
    assert sorted(ended.atoms.get_chemical_symbols()) == sorted(crystal().get_chemical_symbols())
    ended.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (folder / "replica-00" / "round-0001.json").read_bytes()


def test_bleeding_counts_every_dopant_in_the_layers(finished):
    found = analyse(finished[0], 6)
    (walker,) = found["walkers"]
    assert sum(walker["sites"].values()) == walker["penetration"]["inside"]
    assert sum(found["profiles"]["mean_atomic_percent"]["Mg"]) > 0
    assert found["profiles"]["spread_atomic_percent"]["Mg"] is None


@pytest.mark.parametrize("name", [SETTINGS, START])
def test_a_damaged_start_is_written_anew_and_the_run_stands(finished, name):
    folder, ladder = finished
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole.replace(b"1", b"2", 1))
    assert run(folder, 2) == ladder
    assert (folder / name).read_bytes() == whole


def test_a_damaged_record_of_what_was_asked_is_not_analysed(finished, tmp_path):
    copy = shutil.copytree(finished[0], tmp_path / "copy")
    (copy / SETTINGS).write_text('{"config": ')
    with pytest.raises(ReferenceDataError, match="is damaged"):
        analyse(copy, 6)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (SETTINGS, {"config": {"dopant": "Mg", "walker": 1}}, "is no swap run of this version, it names no format"),
        (SETTINGS, {"format": 0, "config": {}}, "is a swap run of format 0, expected 1"),
        (RECORD, {"inputs": {}, "results": {}}, "is no record of a swap run of this version"),
        (RECORD, {"format": 7}, "is a record of a swap run of format 7, expected 1"),
    ],
)
def test_a_run_of_another_version_says_what_to_do_before_any_work(tmp_path, name, content, said):
    write_sealed(tmp_path / name, content)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ConfigError, match=f"{name}: {said}.*; run `dopantfit boundary swap` again into another folder"):
        run(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} <= {name, ".lock"}
    assert (tmp_path / name).read_bytes() == before
    if name == SETTINGS:
        with pytest.raises(ConfigError, match=said):
            analyse(tmp_path, 6)


def test_refusals_name_what_is_wrong(finished, tmp_path):
    folder, _ = finished
    with pytest.raises(ConfigError, match="use another folder"):
        run(folder, 2, settings(attempts=5))
    with pytest.raises(ConfigError, match="no Mg to exchange"):
        run(tmp_path, 1, settings(layers={"interface": 10.3, "into_grain": 1, "reservoir": 0.05, "count": 1}))
    with pytest.raises(ReferenceDataError, match="no swap run"):
        analyse(tmp_path / "nothing", 6)
    undoped = crystal()
    undoped.symbols[undoped.symbols == "Mg"] = "Ti"
    with pytest.raises(ConfigError, match="dope it first"), ThreadPoolExecutor(1) as executor:
        run_swaps(undoped, settings(), POTENTIAL, tmp_path / "undoped", executor, Launcher())


@pytest.mark.slow
def test_two_walkers_with_dynamics_in_processes_from_the_command_line(tmp_path):
    import typer
    from typer.testing import CliRunner

    from dopantfit.boundary.swap.cli import bleeding, swap

    ase.io.write(tmp_path / "doped.extxyz", crystal())
    (tmp_path / "swap.toml").write_text(
        'dopant = "Mg"\nattempts = 1\nwalkers = 2\n[layers]\ninterface = 10.0\ninto_grain = 1\nreservoir = 10.5\n'
        "count = 1\nrounds_per_layer = 2\n[burst]\ncalibration = 1\n[dynamics]\nduration = 0.004\n"
    )
    app = typer.Typer()
    app.command("swap")(swap)
    app.command("bleeding")(bleeding)
    arguments = [str(tmp_path / "doped.extxyz"), str(tmp_path / "swap.toml"), "--output", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["swap", *arguments, "--workers", "2", "--json"], catch_exceptions=False)
    assert result.exit_code == 0 and set(json.loads(result.stdout)["acceptance"]) <= {"Al", "Li", "Ti"}
    result = CliRunner().invoke(app, ["bleeding", str(tmp_path / "run"), "--json"], catch_exceptions=False)
    assert len(json.loads(result.stdout)["walkers"]) == 2
    assert not list((tmp_path / "run").glob("replica-*/dynamics-*"))  # Kept only on request.
