"""The command and what it keeps: bad input, gates that break down, resuming, a whole short run."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError
from dopantfit.potential import Parameter
from dopantfit.validate import levels, require_valid, run
from dopantfit.validate.gate import Gate, Work
from dopantfit.validate.levels import LEVELS, Level
from dopantfit.validate.run import GATES, Request, judge, run_gates
from dopantfit.validate.subject import load_subject


def dopantfit(*arguments, cwd):
    command = [sys.executable, "-m", "dopantfit.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def nothing(*_):
    """Observe nothing."""


def request(folder: Path, level: str = "quick") -> Request:
    return Request(folder, "latp-mg-2022", level, folder / "work", folder / "validation-latp-mg-2022")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "potential.toml: there is no fitted potential yet; run `dopantfit fit"),
        (("--level", "endless"), "--level endless: no such level; choose one of quick, standard, paper"),
        (("--potential", "nope"), "nope: no such file, and no library potential"),
        (("--potential", "latp-mg-2022", "--gate", "pearly"), "--gate pearly: no such gate; there are parity"),
        (("--potential", "latp-2021"), "latp-2021: has no parameters for Mg"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, arguments, words):
    done = dopantfit("validate", folder, *arguments, cwd=folder)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_a_mistake_in_the_settings_names_the_key(folder):
    (folder / "validate.toml").write_text("[hot]\nx = 0.4\ny = 0.1\ntemprature = 1400.0\n")
    with pytest.raises(ConfigError, match=r"validate\.toml: hot\.temp"):
        load_subject(folder, "latp-mg-2022", "quick")


def test_a_fit_without_held_out_frames_cannot_be_judged(folder):
    subject = dataclasses.replace(load_subject(folder, "latp-mg-2022", "quick"), own=True)
    subject.__dict__["targets"] = tuple(one for one in subject.targets if not one.held_out)
    with pytest.raises(ConfigError, match="no frame is held out"):
        _ = subject.unseen


def test_frames_of_the_fits_own_record_are_not_unseen(folder):
    subject = dataclasses.replace(load_subject(folder, "latp-mg-2022", "quick"), own=True)
    (folder / "fit.json").write_text(json.dumps({"frames": {"train": [subject.targets[-1].name]}}))
    assert subject.targets[-1].name not in {one.name for one in subject.unseen}
    assert len(subject.unseen) == 2


def test_one_gate_is_printed_as_json_and_leaves_no_record(folder):
    done = dopantfit("validate", folder, "--potential", "latp-mg-2022", "--gate", "turn-over", "--json", cwd=folder)
    assert done.returncode == 0
    (gate,) = json.loads(done.stdout)["gates"]
    assert gate["name"] == "turn-over" and gate["passed"]
    assert not list(folder.glob("validation*.json"))


def test_a_finished_gate_is_kept_and_a_damaged_or_stale_one_is_judged_again(folder):
    (first,) = run_gates(request(folder), ["turn-over"], 1, nothing)
    kept = folder / "work" / "turn-over.json"
    content = json.loads(kept.read_text())
    content["gate"]["finding"] = "kept"
    kept.write_text(json.dumps(content))
    assert run_gates(request(folder), ["turn-over"], 1, nothing)[0].finding == "kept"
    # Another level is another question.
    assert run_gates(request(folder, "standard"), ["turn-over"], 1, nothing)[0].finding == first.finding
    kept.write_text("{")
    assert run_gates(request(folder), ["turn-over"], 1, nothing)[0].finding == first.finding


def test_gates_on_several_processes_find_what_they_find_on_one(folder):
    seen = []
    names = ["turn-over", "correlation"]
    several = run_gates(request(folder), names, 2, lambda *what: seen.append(what))
    one = run_gates(dataclasses.replace(request(folder), work=folder / "other"), names, 1, nothing)
    assert [gate.checks for gate in several] == [gate.checks for gate in one]
    assert [gate.name for gate in several] == ["correlation", "turn-over"]
    assert ("correlation", several[0].finding, 1.0) in seen


def test_the_longest_gate_comes_last_and_has_the_cores_of_all(folder, monkeypatch):
    asked = []

    def on_processes(what, names, workers, _):
        asked.append((tuple(names), workers, what.ranks))
        return {name: Gate(name, "", ()) for name in names}

    monkeypatch.setattr(run, "_on_processes", on_processes)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    found = run_gates(request(folder), list(GATES), 3, nothing)
    assert [gate.name for gate in found] == list(GATES)
    (others, *rest), last = asked
    assert set(others) == set(GATES) - {"mobility"} and rest == [3, 1]
    # Two ranks and not three: 446 ions are too few for more.
    assert last == (("mobility",), 1, 2)


def test_a_potential_that_breaks_down_fails_the_gate_and_does_not_crash_it(folder):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    # No repulsion between dopant and anion: the crystal falls into itself.
    hopeless = subject.potential.with_values({Parameter.parse("A Mg-O"): 0.0, Parameter.parse("C Mg-O"): 500.0})
    broken = dataclasses.replace(subject, potential=hopeless)
    gate = judge(broken, "compound", Work(folder / "runs", folder / "figures", nothing))
    assert not gate.passed and gate.problem and gate.final
    assert "\n" not in gate.problem


TINY = Level(1, 5.0, 0.4, 1, (1, 1, 1), 0.4, (1, 1, 1), 0.4, 0.4, (1, 1, 1), 2.0, 1)


@pytest.mark.slow
def test_all_gates_run_and_leave_a_record_with_figures(folder, monkeypatch):
    monkeypatch.setattr(levels, "LEVELS", {**LEVELS, "tiny": TINY})
    from dopantfit.validate.record import write_validation

    asked = request(folder, "tiny")
    gates = run_gates(asked, list(GATES), 1, nothing)
    assert [gate.name for gate in gates] == list(GATES)
    assert {gate.name: gate.problem for gate in gates if gate.problem} == {}
    for gate in gates:
        for figure in gate.figures:
            assert (asked.figures / figure).stat().st_size > 5000
            assert len((asked.figures / figure).with_suffix(".csv").read_text().splitlines()) > 2
    payload = write_validation(asked.subject(), gates, 0.0)
    # The published set makes farringtonite 9 % too large.
    assert not payload["passed"]
    with pytest.raises(ConfigError, match="compound"):
        require_valid("latp-mg-2022", folder / "validation-latp-mg-2022.json")
    again = run_gates(asked, list(GATES), 1, nothing)
    assert [gate.as_dict() for gate in again] == [gate.as_dict() for gate in gates]
