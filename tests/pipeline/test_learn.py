"""Rounds of learning: the potential runs, its ensemble chooses, labels join the set, the fit is made again."""

import json
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dopantfit import Potential, fit
from dopantfit.cli import main
from dopantfit.errors import ConfigError
from dopantfit.fit import committee
from dopantfit.fit.committee import Disagreement, Unlabelled, chosen, rank_correlation
from dopantfit.lammps.snapshots import md_snapshots
from dopantfit.pipeline.learn import learn
from dopantfit.pipeline.learn_record import RECORD_FILE, LearnRecord
from dopantfit.pipeline.steps import why_fit
from dopantfit.potential import Parameter
from dopantfit.reference.frames import load_set
from dopantfit.reference.plan import load_plan
from dopantfit.reference.run import run_set
from dopantfit.structures import prototype
from dopantfit.workflow.progress import SilentObserver

PLAN = """
set = "magnesia"
purpose = "a test"
calculator = { make = "./truth.py:make" }

[[configurations]]
kind = "rattle"
name = "near"
start = { prototype = "MgO" }
sigmas = [0.01, 0.012, 0.015]

[[configurations]]
kind = "md"
name = "hot"
start = { prototype = "MgO", repeat = [2, 1, 1] }
potential = "latp-mg-2022"
temperature = 1000.0
duration = 0.6
snapshots = 1
"""
#: Labels with noise of 0.05 eV/Å, the same for the same positions.
TRUTH = """
from pathlib import Path

import numpy as np

from dopantfit import ShellModel


class Noisy(ShellModel):
    def calculate(self, atoms=None, *given):
        super().calculate(atoms, *given)
        rng = np.random.default_rng(list(atoms.positions.tobytes()))
        self.results["forces"] = self.results["forces"] + rng.normal(0, 0.05, (len(atoms), 3))


def make():
    return Noisy(str(Path(__file__).parent / "truth.toml"))
"""
FIT = """
name = "magnesia"
host = "oxide.toml"
seed = 1
one_composition = true

[dopant]
label = "Mg"
formal_charge = 2
mass = 24.305

[[sets]]
path = "../set"
force_error = 0.1
energy_error = 0.01

[pairs."Mg-O"]
A = { start = 48000.0, bounds = [20000.0, 120000.0] }
rho = { start = 0.182, bounds = [0.15, 0.21] }
C = { start = 8.0, bounds = [0.0, 60.0] }

[pairs."Mg-Mg"]
A = { start = 20671.12 }
rho = { start = 0.148 }
C = { start = 0.0 }

[swarm]
particles = 4
generations = 0

[local]
starts = 1

[ensemble]
draws = 5
"""
LEARN = """
set = "../set"
rounds = 1
frames = 3
candidates = 6
spread = 0.001
"""


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit of a crystal at rest that another potential labelled, with noise as large as the forces."""
    root = tmp_path_factory.mktemp("learn")
    place, folder = root / "set", root / "fit"
    place.mkdir()
    folder.mkdir()
    published = Potential.load("latp-mg-2022")
    published.with_values({Parameter.parse("rho Mg-O"): 0.186}).save(place / "truth.toml")
    (place / "truth.py").write_text(TRUTH)
    (place / "plan.toml").write_text(PLAN)
    run_set(place, work=root / "labels", only=("near",))
    oxide = Potential.load("latp-2021")
    replace(oxide, species={"O": oxide.species["O"]}, pairs={("O", "O"): oxide.pairs["O", "O"]}).save(
        folder / "oxide.toml"
    )
    (folder / "fit.toml").write_text(FIT)
    (folder / "learn.toml").write_text(LEARN)
    fit(folder, workers=1, work=root / "fitting")
    return root


def unseen(root: Path) -> float:
    """Force error of the fit on snapshots of another run at the same temperature, which nobody labelled [eV/Å rms]."""
    start = prototype("MgO").repeat((2, 1, 1))
    potential = Potential.load("latp-mg-2022")
    frames = md_snapshots(start, potential, 1000.0, 0.6, 6, 77, root / f"unseen-{len(list(root.iterdir()))}")
    truth, found = (Potential.load(root / file) for file in ("set/truth.toml", "fit/potential.toml"))
    off = [committee.forces_of(atoms, found) - committee.forces_of(atoms, truth) for atoms in frames]
    return float(np.sqrt(np.mean(np.square(off))))


@pytest.fixture(scope="session")
def learned(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a round that nothing disturbed."""
    root = tmp_path_factory.mktemp("learned") / "all"
    shutil.copytree(fitted, root)
    learn(root / "fit", workers=1, work=root / "rounds")
    return root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals of fits go below the folder that the command is given in."""
    monkeypatch.chdir(tmp_path)


def copy_of(root: Path, tmp_path: Path, **settings: object) -> Path:
    """A copy of a project whose learn.toml has other settings."""
    shutil.copytree(root, tmp_path / "copy")
    lines = LEARN.splitlines()
    kept = [line for line in lines if line.partition(" = ")[0] not in settings]
    text = "\n".join(kept + [f"{key} = {json.dumps(value)}" for key, value in settings.items()])
    (tmp_path / "copy/fit/learn.toml").write_text(text + "\n")
    return tmp_path / "copy"


def test_a_round_lowers_the_error_on_frames_that_nobody_labelled(fitted: Path, learned: Path) -> None:
    # At rest the noise hides the forces, and three parameters are hardly known; three hot frames tell them.
    assert unseen(learned) < 0.5 * unseen(fitted)


def test_a_round_says_what_was_taken_and_whether_spread_told_the_error(learned: Path) -> None:
    record = LearnRecord.read(learned / "fit" / RECORD_FILE)
    (one,) = record.rounds
    assert record.ended == "rounds" and one.choice.candidates == 6 and one.choice.members >= 2
    taken = one.choice.taken
    assert [frame.frame_id for frame in taken] == [f"learned1-{k:02d}" for k in range(len(taken))]
    assert [frame.spread for frame in taken] == sorted((frame.spread for frame in taken), reverse=True)
    # The noise of the labels is in the error.
    assert all(frame.error is not None and frame.error > 0.04 for frame in taken)
    assert one.correlation is not None and -1.0 <= one.correlation <= 1.0
    frames = load_set(learned / "set")
    there = {str(frame.info["frame_id"]): frame for frame in frames.frames}
    assert {str(there[frame.frame_id].info["family"]) for frame in taken} == {"learned1"}
    # Anybody can label them again: they are items of the plan.
    assert {"learned1-00", "near", "hot"} <= {item.name for item in load_plan(learned / "set").configurations}
    assert not why_fit(learned / "fit")


class Killed(SilentObserver):
    """Ends the process at a line."""

    def __init__(self, last: str) -> None:
        self.last = last

    def say(self, line: str) -> None:
        """Take note of a line."""
        if line.startswith(self.last):
            raise KeyboardInterrupt


def test_what_was_killed_goes_on_to_the_same_bytes(fitted: Path, learned: Path, tmp_path: Path) -> None:
    root = copy_of(fitted, tmp_path)
    (root / "fit/learn.toml").write_text(LEARN)
    for last in ("learned1-01: done", "fit: "):
        with pytest.raises(KeyboardInterrupt):
            learn(root / "fit", workers=1, work=root / "rounds", watch=lambda last=last: nullcontext(Killed(last)))
    learn(root / "fit", workers=1, work=root / "rounds")
    for file in ("fit/potential.toml", "fit/learn.json", "set/frames.extxyz", "set/plan.toml"):
        assert (root / file).read_bytes() == (learned / file).read_bytes(), file


def test_rounds_end_where_the_members_agree_and_nothing_is_labelled(fitted: Path, tmp_path: Path) -> None:
    root = copy_of(fitted, tmp_path, spread=1.0)
    before = (root / "set/plan.toml").read_bytes()
    record = learn(root / "fit", workers=1, work=root / "rounds")
    assert record.ended == "agreed" and not record.rounds[0].choice.taken
    assert (root / "set/plan.toml").read_bytes() == before and len(load_set(root / "set").frames) == 3


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["dopantfit", "learn", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_dry_run_shows_what_would_be_done(
    fitted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = told(monkeypatch, capsys, str(fitted / "fit"), "--dry-run", "--json")
    shown = json.loads(out)
    assert status == 0 and shown["items"] == [{"name": "hot", "kind": "md"}] and shown["candidates"] == 6
    assert shown["labels"] == "./truth.py:make" and shown["fit"] == "up to date"
    status, out, _ = told(monkeypatch, capsys, str(fitted / "fit"), "--dry-run")
    assert status == 0 and "hot (md): 6 configurations" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set": "../other"}, "set = '../other' is no set of"),
        ({"items": ["near"]}, "items: near is of kind rattle, which no potential runs; name others"),
        ({"items": ["cold"]}, "has no item 'cold'"),
        ({"spread": 3.0}, "spread = 3 is not below broken = 2"),
        ({"frams": 3}, "frams is no known key"),
        ({"rounds": 4}, "rounds = 4"),
    ],
)
def test_settings_that_cannot_be_are_one_line(
    fitted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    message: str,
) -> None:
    root = copy_of(fitted, tmp_path, **change)
    status, out, err = told(monkeypatch, capsys, str(root / "fit"))
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_what_is_missing_is_told_before_any_work(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy_of(fitted, tmp_path)
    plan, config = root / "set/plan.toml", root / "fit/fit.toml"
    good = plan.read_text()
    for text, message in (
        (good.partition('[[configurations]]\nkind = "md"')[0], "has no items of kind md"),
        (good.replace("truth.py", "lost.py"), "lost.py is no file"),
        (good.replace("./truth.py:make", "no_such_module:Model"), "cannot be imported"),
        (good.replace('name = "hot"', 'name = "hot"\nfamily = "near"'), "has no items"),
    ):
        plan.write_text(text)
        config.write_text(FIT.replace("energy_error", 'held_out_families = ["near"]\nenergy_error', 1))
        status, _, err = told(monkeypatch, capsys, str(root / "fit"))
        assert status == 2 and message in err and err.count("\n") == 1, err
    plan.write_text(good)
    shutil.rmtree(root / "fit/ensemble")
    status, _, err = told(monkeypatch, capsys, str(root / "fit"))
    assert status == 2 and "its ensemble has 0 potentials, and a committee needs two; run `dopantfit fit" in err
    assert not (tmp_path / "runs").exists()


def test_rounds_of_other_settings_are_not_gone_on_with(fitted: Path, tmp_path: Path) -> None:
    root = copy_of(fitted, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        learn(root / "fit", work=root / "rounds", watch=lambda: nullcontext(Killed("")))
    (root / "fit/learn.toml").write_text(LEARN.replace("frames = 3", "frames = 2"))
    with pytest.raises(ConfigError, match="its rounds were begun with another"):
        learn(root / "fit", work=root / "rounds")


def candidate(name: str, source: str, shift: float = 0.0) -> Unlabelled:
    atoms = prototype("MgO")
    atoms.positions[0] += shift
    return Unlabelled(name, source, atoms)


def spread(value: float) -> Disagreement:
    return Disagreement(np.full(8, value), np.zeros(8, dtype=bool))


def test_broken_frames_and_neighbours_of_one_trajectory_are_not_taken() -> None:
    several = [candidate("a0", "a"), candidate("a1", "a", 0.01), candidate("a2", "a", 1.0), candidate("a3", "a", 2.0)]
    several += [candidate("b0", "b", 0.5), candidate("b1", "b", 1.5)]
    found = [spread(0.5), spread(0.49), spread(0.4), spread(0.35), spread(9.0), None]
    # Of b all are broken, so that a may give all four; a1 is a copy of a0.
    assert chosen(several, found, 4, broken=2.0, apart=0.1) == [0, 2, 3]
    found[4], found[5] = spread(0.1), spread(0.05)
    # Each of two sources gives its half at most.
    assert chosen(several, found, 4, broken=2.0, apart=0.1) == [0, 2, 4, 5]


def test_spread_is_the_standard_deviation_of_the_members_forces(fitted: Path) -> None:
    atoms = prototype("MgO")
    atoms.positions[0] += [0.1, 0.0, 0.0]
    members = [Potential.load(file) for file in committee.committee_files(fitted / "fit")][:2]
    found = committee.spread_of(atoms, members, "Mg")
    assert found is not None and found.near.any()
    one, other = (committee.forces_of(atoms, member) for member in members)
    # Of two numbers it is their difference over √2.
    np.testing.assert_allclose(found.ions, np.sqrt(np.mean((one - other) ** 2, axis=1) / 2.0), rtol=1e-9)
    atoms.positions[0] = atoms.positions[1] + 0.1
    assert committee.spread_of(atoms, members, "Mg") is None


def test_rank_correlation_is_one_where_spread_orders_errors() -> None:
    assert rank_correlation([0.1, 0.2, 0.9], [1.0, 2.0, 2.1]) == pytest.approx(1.0)
    assert rank_correlation([0.1, 0.2, 0.9], [3.0, 2.0, 0.1]) == pytest.approx(-1.0)
    assert rank_correlation([0.1, 0.2], [3.0, 2.0]) is None
