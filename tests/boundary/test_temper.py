"""Parallel tempering on the model whose states can be enumerated: weights, bookkeeping, resuming, lost walkers."""

import json
import sys
from concurrent.futures import Executor, Future
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from dopantfit.boundary.swap.chain import Chain, Sites
from dopantfit.boundary.swap.temper import LADDER_FILE, Ladder, RoundResult, exchange_probability, read_ladder, temper
from dopantfit.errors import ConfigError, EngineError
from dopantfit.units import BOLTZMANN

sys.path.insert(0, str(Path(__file__).parent))
import swap_toy as toy

from observed import Observed

TEMPERATURES = (600.0, 1000.0, 1700.0)
START = json.dumps(toy.SPECIES)


class Here(Executor):
    """Runs everything at once, in this process."""

    def submit(self, function, /, *arguments, **keywords):
        """Calls the function now."""
        future = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as problem:
            future.set_exception(problem)
        return future


def play(task, attempts=6, mode="delayed"):
    model = toy.ToyModel()
    sites = Sites(np.arange(len(toy.SPECIES)), toy.DOPANT, (1, 2))
    state = model.state(json.loads(task.configuration))
    walker = Chain(model, state, sites, task.temperature, toy.settings(mode), toy.LABELS)
    rng = task.generator()
    for _ in range(attempts):
        walker.attempt(rng)
    return RoundResult(walker.state.energy, json.dumps(walker.state.species.tolist()), {"played": task.round_number})


def new_ladder(seed=8):
    return Ladder.new(TEMPERATURES, [START] * len(TEMPERATURES), seed)


@pytest.mark.parametrize("mode", ["delayed", "full"])
def test_every_rung_has_boltzmann_frequencies(mode):
    model, ladder = toy.ToyModel(), new_ladder()
    visits = np.zeros((len(TEMPERATURES), len(toy.ALL_STATES)))
    for played in range(3000):
        ladder.take([play(task, mode=mode) for task in ladder.tasks()])
        ladder.history.clear()
        if played % 2:  # Two rounds of six attempts between samples.
            for rung, replica in enumerate(ladder.replica_at):
                visits[rung, toy.number(json.loads(ladder.configurations[replica]))] += 1
    for rung, temperature in enumerate(TEMPERATURES):
        expected = toy.weights(model, temperature) * visits[rung].sum()
        kept = expected > 5  # The chi-square distribution holds for what is expected at least five times.
        statistic = float(np.sum((visits[rung] - expected)[kept] ** 2 / expected[kept]))
        assert statistic < chi2.ppf(0.9997, kept.sum() - 1)
    assert min(ladder.accepted) > 100


def test_exchange_probability_is_that_of_the_joint_distribution():
    lower, upper, cold, hot = -3.0, -3.1, 900.0, 1400.0
    before = np.exp(-lower / BOLTZMANN / cold - upper / BOLTZMANN / hot)
    after = np.exp(-upper / BOLTZMANN / cold - lower / BOLTZMANN / hot)
    ratio = exchange_probability(lower, upper, cold, hot) / exchange_probability(upper, lower, cold, hot)
    assert ratio == pytest.approx(after / before, rel=1e-12)


def test_a_run_that_is_taken_up_again_is_the_undisturbed_run(tmp_path):
    whole = temper(play, new_ladder(), 7, tmp_path / "whole", Here())
    temper(play, new_ladder(), 3, tmp_path / "parts", Here())
    parts = temper(play, new_ladder(), 7, tmp_path / "parts", Here())
    assert asdict(parts) == asdict(whole)
    assert (tmp_path / "parts" / LADDER_FILE).read_bytes() == (tmp_path / "whole" / LADDER_FILE).read_bytes()


def test_another_ladder_in_the_folder_is_refused(tmp_path):
    temper(play, new_ladder(), 1, tmp_path, Here())
    with pytest.raises(ConfigError, match="use another folder"):
        temper(play, new_ladder(seed=9), 2, tmp_path, Here())


def flip(path):
    """Change one bit in the middle of a file, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_played_again_to_the_same_end(tmp_path):
    whole = temper(play, new_ladder(), 5, tmp_path / "whole", Here())
    temper(play, new_ladder(), 3, tmp_path / "parts", Here())
    flip(tmp_path / "parts" / LADDER_FILE)
    with pytest.raises(ConfigError, match="run it again"):
        read_ladder(tmp_path / "parts" / LADDER_FILE)
    assert asdict(temper(play, new_ladder(), 5, tmp_path / "parts", Here())) == asdict(whole)
    assert (tmp_path / "parts" / LADDER_FILE).read_bytes() == (tmp_path / "whole" / LADDER_FILE).read_bytes()


def test_damaged_files_of_configurations_are_played_again_even_when_all_rounds_are_done(tmp_path):
    """A checkpoint vouches for the files that its replicas go on from."""
    (tmp_path / "start").write_text(START)
    plays = []

    def play_files(task):
        plays.append(task.round_number)
        result = play(replace(task, configuration=Path(task.configuration).read_text()))
        path = tmp_path / f"{task.replica}-{task.round_number}"
        path.write_text(result.configuration)
        return replace(result, configuration=str(path))

    fresh = Ladder.new(TEMPERATURES, [str(tmp_path / "start")] * len(TEMPERATURES), 8)
    whole = asdict(temper(play_files, fresh, 4, tmp_path, Here()))
    ends = [Path(one).read_bytes() for one in whole["configurations"]]
    plays.clear()
    flip(Path(whole["configurations"][1]))
    fresh = Ladder.new(TEMPERATURES, [str(tmp_path / "start")] * len(TEMPERATURES), 8)
    assert asdict(temper(play_files, fresh, 4, tmp_path, Here())) == whole
    assert plays == sorted([0, 1, 2, 3] * len(TEMPERATURES))
    assert [Path(one).read_bytes() for one in whole["configurations"]] == ends


def test_a_lost_walker_is_named_the_others_go_on_and_it_comes_back(tmp_path):
    def fragile(task):
        if task.replica == 1 and task.round_number == 2:
            raise EngineError("LAMMPS stopped: lost atoms")
        return play(task)

    observer = Observed()
    ladder = temper(fragile, new_ladder(), 5, tmp_path, Here(), observer)
    assert [(one.done, one.of) for one in observer.shown] == [(number, 5) for number in (1, 2, 3, 4, 5)]
    rounds = [line for line in observer.lines if line.startswith("round ")]
    assert len(rounds) == 5 and rounds[2].startswith("round 3 of 5: ") and rounds[2].endswith(" eV")
    missed = observer.lines[observer.lines.index(rounds[2]) + 1]
    assert [line for line in observer.lines if "missed" in line] == [missed]
    assert "replica 1" in missed and "lost atoms" in missed
    records = [played["records"] for played in ladder.history]
    assert [sum(one is None for one in played) for played in records] == [0, 0, 1, 0, 0]
    lost = ladder.history[2]["replica_at"].index(1)
    assert ladder.history[3]["replica_at"][lost] == 1  # It exchanged with nobody.


def test_a_walker_that_fails_once_is_tried_again(tmp_path):
    failures = []

    def flaky(task):
        if task.round_number == 1 and task.replica == 0 and not failures:
            failures.append(task)
            raise EngineError("the machine went away")
        return play(task)

    ladder = temper(flaky, new_ladder(), 3, tmp_path / "flaky", Here())
    undisturbed = temper(play, new_ladder(), 3, tmp_path / "calm", Here())
    assert failures and asdict(ladder) == asdict(undisturbed)


def test_when_nobody_can_play_the_error_is_raised(tmp_path):
    def broken(task):
        raise EngineError("no LAMMPS here")

    with pytest.raises(EngineError, match="no LAMMPS"):
        temper(broken, new_ladder(), 2, tmp_path, Here())


def test_round_trips_and_lowest_walkers():
    ladder = new_ladder()
    ladder.energies = [-1.0, -3.0, -2.0]
    assert ladder.lowest(2) == [1, 2]
    paths = [[0, 1, 2], [1, 0, 2], [1, 2, 0], [1, 0, 2], [0, 1, 2]]
    ladder.history = [{"replica_at": at} for at in paths]
    # Replica 0 went from the coldest rung to the hottest and back; the others did not.
    assert ladder.round_trips() == [1, 0, 0]
