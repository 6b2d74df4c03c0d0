"""The command and what it keeps: bad input, gates that break down, resuming, a whole short run."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from command_line import dopantfit
from dopantfit.errors import ConfigError
from dopantfit.lammps import Dynamics
from dopantfit.potential import Parameter, Potential
from dopantfit.validate import dynamics, presets, require_valid, run, verb
from dopantfit.validate.gate import Gate, GateWork
from dopantfit.validate.presets import GATE_PRESETS, GatePreset
from dopantfit.validate.run import GATES, Request, Station, gates_of, judge, run_gates
from dopantfit.validate.settings import Settings
from dopantfit.validate.subject import load_subject
from dopantfit.workflow.progress import NOBODY, WorkProgress
from dopantfit.workflow.provenance import read_sealed, write_sealed
from dopantfit.workflow.screen import watched
from made_up_records import write_fit_record
from observed import Observed

#: Gates of a folder without validate.toml.
WITHOUT_TABLES = list(gates_of(Settings()))


def request(folder: Path, preset: str = "quick") -> Request:
    return Request(folder, "latp-mg-2022", preset, folder / "work", folder / "validation-latp-mg-2022")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "potential.toml: there is no fitted potential yet; run `dopantfit fit"),
        (("--preset", "endless"), "preset of the gates = 'endless' is not one of quick, night, desk, paper"),
        (("--potential", "nope"), "nope: no such file, and no library potential"),
        (("--potential", "latp-mg-2022", "--gate", "pearly"), "--gate pearly: no such gate; there are parity"),
        (("--potential", "latp-2021"), "latp-2021: has no parameters for Mg"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, arguments, words):
    done = dopantfit("validate", folder, *arguments)
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
    Potential.load("latp-mg-2022").save(folder / "potential.toml")
    write_fit_record(folder, frames={"train": [subject.targets[-1].name], "held_out": []})
    assert subject.targets[-1].name not in {one.name for one in subject.unseen}
    assert len(subject.unseen) == 2


def test_one_gate_is_printed_as_json_and_leaves_no_record(folder):
    words = ["validate", str(folder), "--potential", "latp-mg-2022", "--gate", "turn-over", "--json"]
    command = [sys.executable, "-m", "dopantfit.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0
    (gate,) = json.loads(done.stdout)["gates"]
    assert gate["name"] == "turn-over" and gate["passed"]
    assert not list(folder.glob("validation*.json"))


def test_the_verb_as_a_function_prints_nothing(folder, monkeypatch, capfd):
    monkeypatch.setattr(verb, "gates_of", lambda settings: ("turn-over",))
    record = verb.validate(folder, potential="latp-mg-2022", workers=1, work=folder / "work")
    assert [one.name for one in record.gates] == ["turn-over"] and capfd.readouterr() == ("", "")


def test_an_interrupt_says_so_and_leaves_no_process(folder):
    command = [sys.executable, "-m", "dopantfit.cli", "validate", folder, "--potential", "latp-mg-2022"]
    process = subprocess.Popen(
        [*command, "--gate", "stability", "--work", "work"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    while not list(folder.glob("work/*/*/progress.json")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert "dopantfit: interrupted" in process.communicate(timeout=30)[1] and process.returncode == 130
    assert not list(folder.glob("work/*.json"))


def test_a_gate_whose_figure_is_gone_is_judged_again(folder):
    asked = request(folder)
    run_gates(asked, ["turn-over"], 1, NOBODY)
    figure = asked.figures / "turn-over.png"
    before = figure.read_bytes()
    figure.unlink()
    run_gates(asked, ["turn-over"], 1, NOBODY)
    assert figure.read_bytes() == before


def test_a_finished_gate_is_kept_and_a_damaged_or_stale_one_is_judged_again(folder):
    (first,) = run_gates(request(folder), ["turn-over"], 1, NOBODY)
    kept = folder / "work" / "turn-over.json"
    content = read_sealed(kept)
    content["gate"]["finding"] = "kept"
    write_sealed(kept, content)
    assert run_gates(request(folder), ["turn-over"], 1, NOBODY)[0].finding == "kept"
    # A finding that somebody wrote over is not believed.
    kept.write_text(kept.read_text().replace('"kept"', '"better"'))
    assert run_gates(request(folder), ["turn-over"], 1, NOBODY)[0].finding == first.finding
    # Another preset is another question.
    assert run_gates(request(folder, "night"), ["turn-over"], 1, NOBODY)[0].finding == first.finding
    kept.write_text("{")
    assert run_gates(request(folder), ["turn-over"], 1, NOBODY)[0].finding == first.finding


def test_gates_that_run_dynamics_are_stale_after_a_change_of_its_settings_and_no_others(folder, monkeypatch):
    def keys() -> dict[str, str]:
        subject = load_subject(folder, "latp-mg-2022", "quick")
        return {name: subject.key(name, one.frames, one.peer, one.dynamics, one.tables) for name, one in GATES.items()}

    before = keys()
    monkeypatch.setattr(Dynamics.__dataclass_fields__["timestep"], "default", 0.0004)
    after = keys()
    assert {name for name in GATES if before[name] != after[name]} == {"compound", "host", "stability", "mobility"}


def test_barriers_are_judged_again_when_the_line_of_diffusion_beside_them_changes(folder):
    (folder / "validate.toml").write_text('[barrier]\ndiffusion = "line.json"\n')

    def keys(energy: float) -> dict[str, str]:
        value = {"value": energy, "error": 0.1, "interval_95": [energy - 0.2, energy + 0.2]}
        line = {"species": "Li", "activation_energy_eV": value, "used_K": [700.0, 1000.0]}
        (folder / "line.json").write_text(json.dumps(line))
        subject = load_subject(folder, "latp-mg-2022", "quick")
        return {name: subject.key(name, False, False, False, (), paths=one.paths) for name, one in GATES.items()}

    one, other = keys(0.3), keys(0.4)
    assert {name for name in GATES if one[name] != other[name]} == {"barrier"}


def test_gates_on_several_processes_find_what_they_find_on_one(folder):
    names = ["turn-over", "correlation"]
    observer = Observed()
    several = run_gates(request(folder), names, 2, observer)
    one = run_gates(dataclasses.replace(request(folder), work=folder / "other"), names, 1, NOBODY)
    assert [gate.checks for gate in several] == [gate.checks for gate in one]
    assert [gate.name for gate in several] == ["correlation", "turn-over"]
    assert ("correlation", several[0].finding, 1.0) in observer.told


@pytest.mark.parametrize(
    ("cores", "workers", "ranks", "others", "last"),
    [
        (1, None, None, (1, 1), (1, 1)),
        (2, None, None, (2, 1), (1, 2)),
        (8, None, None, (4, 2), (1, 8)),
        (32, None, None, (4, 8), (1, 32)),
        (8, 3, None, (3, 2), (1, 8)),
        (2, 4, None, (4, 1), (1, 2)),
        (8, None, 4, (2, 4), (1, 8)),
    ],
)
def test_gates_share_the_cores_and_the_longest_comes_last_on_all(
    folder, monkeypatch, cores, workers, ranks, others, last
):
    asked = []

    def on_processes(what, names, workers, _):
        asked.append((tuple(names), (workers, what.cores)))
        assert what.ranks == ranks
        return {name: Gate(name, "", ()) for name in names}

    monkeypatch.setattr(run, "_on_processes", on_processes)
    monkeypatch.setattr(run, "_one", lambda what, name, _: on_processes(what, [name], 1, _)[name])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores))
    found = run_gates(dataclasses.replace(request(folder), ranks=ranks), list(GATES), workers, NOBODY)
    assert [gate.name for gate in found] == list(GATES)
    *before, at_the_end = asked
    assert {name for names, _ in before for name in names} == set(GATES) - {"mobility"}
    # (gates side by side, cores of each)
    assert {how for _, how in before} == {others} and at_the_end == (("mobility",), last)


@pytest.mark.parametrize(
    ("cores", "ranks", "n_ions", "used"),
    [(1, None, 1000, 1), (2, None, 446, 2), (4, None, 446, 2), (2, None, 108, 1), (4, None, 5000, 4), (2, 3, 108, 3)],
)
def test_a_run_has_the_ranks_that_its_cores_and_ions_allow(tmp_path, monkeypatch, cores, ranks, n_ions, used):
    found = []
    monkeypatch.setattr(dynamics, "run_dynamics", lambda *_, launcher, **__: found.append(launcher.ranks))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    ions = Atoms(f"H{n_ions}", np.zeros((n_ions, 3)), cell=np.eye(3))
    work = GateWork(tmp_path, tmp_path, NOBODY, cores, ranks)
    dynamics.run(ions, None, None, work, dynamics.Share("run", 0.0, 1.0))
    assert found == [used]


def test_a_part_of_a_part_of_a_gate_tells_of_the_whole(tmp_path):
    observer = Observed()
    work = GateWork(tmp_path, tmp_path, observer, name="barrier").part(0.5, 0.5).part(0.5, 0.25)
    for done in (0.0, 1.0):
        work.report("relaxing", done)
    assert observer.told == [("barrier", "relaxing", 0.75), ("barrier", "relaxing", 0.875)]


def test_only_the_finding_of_a_gate_is_told_as_its_end(folder, monkeypatch):
    def judge_all(subject, work):
        work.report("the run has ended", 1.0)
        return Gate("turn-over", "found", ())

    monkeypatch.setitem(GATES, "turn-over", Station(judge_all))
    observer = Observed()
    run_gates(request(folder), ["turn-over"], 1, observer)
    (_, text, part), end = observer.told
    assert text == "the run has ended" and part < 1.0
    assert end == ("turn-over", "found", 1.0)


def test_off_a_terminal_a_gate_speaks_at_each_tenth_and_once_at_its_end(capsys, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    with watched() as observer:
        for part in np.linspace(0.0, 0.99, 100):
            observer.show("host", WorkProgress(part, text=f"{part:.2f} of 1 ps", of=1.0))
            observer.show("stability", WorkProgress(0.05, text="relaxation", of=1.0))
        # A gate on another process ends twice, and what it said before may come after.
        for text, part in (("found", 1.0), ("0.90 of 1 ps", 0.9), ("found", 1.0)):
            observer.show("host", WorkProgress(part, text=text, of=1.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("stability")] == ["stability: relaxation"]
    host = [line for line in lines if line.startswith("host")]
    assert host[0] == "host: 0.00 of 1 ps" and host[-1] == "host: found" and len(host) == 11


def test_a_potential_that_breaks_down_fails_the_gate_and_does_not_crash_it(folder):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    # No repulsion between dopant and anion: the crystal falls into itself.
    hopeless = subject.potential.with_values({Parameter.parse("A Mg-O"): 0.0, Parameter.parse("C Mg-O"): 500.0})
    broken = dataclasses.replace(subject, potential=hopeless)
    gate = judge(broken, "compound", GateWork(folder / "runs", folder / "figures"))
    assert not gate.passed and gate.problem and gate.final
    assert "\n" not in gate.problem


TINY = GatePreset(1, 5.0, 0.4, 1, (1, 1, 1), 0.4, (1, 1, 1), 0.4, 0.4, (1, 1, 1), 2.0, 1)


@pytest.mark.slow
def test_all_gates_run_and_leave_a_record_with_figures(folder, monkeypatch):
    monkeypatch.setattr(presets, "GATE_PRESETS", {**GATE_PRESETS, "tiny": TINY})
    from dopantfit.validate.record import write_validation

    asked = request(folder, "tiny")
    gates = run_gates(asked, WITHOUT_TABLES, 1, NOBODY)
    assert [gate.name for gate in gates] == WITHOUT_TABLES
    assert {gate.name: gate.problem for gate in gates if gate.problem} == {}
    for gate in gates:
        for figure in gate.figures:
            assert (asked.figures / figure).stat().st_size > 5000
            assert len((asked.figures / figure).with_suffix(".csv").read_text().splitlines()) > 2
    payload = write_validation(asked.subject(), gates, 0.0).as_dict()
    # The published set makes farringtonite 9 % too large.
    assert not payload["passed"]
    with pytest.raises(ConfigError, match="compound"):
        require_valid("latp-mg-2022", folder / "validation-latp-mg-2022.json")
    again = run_gates(asked, WITHOUT_TABLES, 1, NOBODY)
    assert [gate.as_dict() for gate in again] == [gate.as_dict() for gate in gates]
