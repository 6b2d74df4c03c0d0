"""Who may go on with a potential."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dopantfit import Potential
from dopantfit.errors import ConfigError
from dopantfit.lammps import Dynamics
from dopantfit.structures import load_host
from dopantfit.validate import presets, require_valid, thresholds
from dopantfit.validate.gate import Gate, Threshold
from dopantfit.validate.presets import GATE_PRESETS
from dopantfit.validate.record import known_exchange_error, write_validation
from dopantfit.validate.run import GATES
from dopantfit.validate.subject import load_subject
from dopantfit.validate.thresholds import EXCHANGE_AT_REST, EXCHANGE_ERROR, EXCHANGE_ERROR_OF

LIMIT = Threshold(0.0, 2.0, "Å", "because")


@pytest.fixture
def fitted(folder: Path) -> Path:
    """The folder with a fitted potential in it."""
    Potential.load("latp-mg-2022").save(folder / "potential.toml")
    return folder


def record(folder: Path, failed: str = "", left_out: str = "") -> Path:
    gates = [
        Gate(name, "found", (LIMIT.check("x", 3.0 if name == failed else 1.0),)) for name in GATES if name != left_out
    ]
    write_validation(load_subject(folder, None, "quick"), gates, started=0.0)
    return folder / "validation.json"


def test_a_potential_that_passed_every_gate_may_be_used(fitted):
    status = require_valid(fitted / "potential.toml", record(fitted))
    assert status.passed and status.level == "quick" and status.problem is None


def test_what_gate_exchange_says_of_its_errors_is_read_for_the_potential_that_it_judged(fitted):
    path = record(fitted)
    assert known_exchange_error(fitted / "potential.toml", path) is None
    checks = (
        EXCHANGE_AT_REST.check("ends at rest", 0.0),
        EXCHANGE_ERROR.check(f"{EXCHANGE_ERROR_OF} 13 of them", 0.42),
    )
    write_validation(load_subject(fitted, None, "quick"), [Gate("exchange", "found", checks)], started=0.0)
    found = known_exchange_error(fitted / "potential.toml", path)
    assert found is not None and (found.value, found.name) == (0.42, "RMS error of 13 of them")
    (fitted / "potential.toml").write_text((fitted / "potential.toml").read_text() + "# another\n")
    assert known_exchange_error(fitted / "potential.toml", path) is None
    assert known_exchange_error(fitted / "potential.toml", fitted / "nowhere.json") is None


def test_the_record_names_its_inputs_by_hash(fitted):
    written = json.loads(record(fitted).read_text())
    assert {"fit.toml", "potential.toml", "set/frames.extxyz"} <= set(written["record"]["inputs"])
    assert written["record"]["inputs"]["potential.toml"] == written["potential"]["sha256"]


def refuse_nothing(folder: Path) -> None:
    record(folder)


def refuse_missing(folder: Path) -> None:
    pass


def refuse_failed(folder: Path) -> None:
    record(folder, failed="mobility")


def refuse_incomplete(folder: Path) -> None:
    record(folder, left_out="host")


def refuse_stale(folder: Path) -> None:
    record(folder)
    path = folder / "potential.toml"
    path.write_text(path.read_text().replace("cutoff = 9.0", "cutoff = 9.1"))


def refuse_other_settings(folder: Path) -> None:
    record(folder)
    (folder / "validate.toml").write_text("[compound]\n")


def refuse_other_thresholds(folder: Path) -> None:
    path = record(folder)
    path.write_text(path.read_text().replace(thresholds.sha256(load_host()), 64 * "0"))


def refuse_another_time_step(folder: Path) -> None:
    # As a version before: its time step is hashed, and this version's is another one.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dynamics.__dataclass_fields__["timestep"], "default", 0.0004)
        record(folder)


def refuse_another_duration(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "GATE_PRESETS", {"quick": replace(GATE_PRESETS["quick"], hot_ps=1.0)})
        record(folder)


def refuse_cut_short(folder: Path) -> None:
    path = record(folder)
    path.write_text(path.read_text()[:200])


def refuse_other(folder: Path) -> None:
    (folder / "validation.json").write_text('{"format": 1}')


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (refuse_missing, "there is no validation"),
        (refuse_failed, "failed mobility"),
        (refuse_incomplete, "lacks the gate host"),
        (refuse_stale, "another potential, or an earlier one"),
        (refuse_other_settings, "another validate.toml"),
        (refuse_other_thresholds, "other thresholds"),
        (refuse_another_time_step, "other runs of molecular dynamics"),
        (refuse_another_duration, "other runs of molecular dynamics"),
        (refuse_cut_short, "cannot be read as JSON"),
        (refuse_other, "is missing"),
    ],
)
def test_anything_else_is_refused_and_a_reason_stays_in_the_status(fitted, spoil, words):
    spoil(fitted)
    potential, path = fitted / "potential.toml", fitted / "validation.json"
    with pytest.raises(ConfigError, match=words):
        require_valid(potential, path)
    with pytest.raises(ConfigError, match="says nothing"):
        require_valid(potential, path, waiver="yes")
    status = require_valid(potential, path, waiver="a trial run of the tables only")
    assert not status.passed and words in status.problem and status.waiver == "a trial run of the tables only"
