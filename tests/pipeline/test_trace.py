"""One parameter is followed through real files; every link that does not hold is named."""

import json
import shutil
import sys
import time

import numpy as np
import pytest

import dopantfit
from dopantfit import Potential
from dopantfit.cli import main
from dopantfit.errors import ConfigError
from dopantfit.fit.config import load_config
from dopantfit.fit.inputs import fit_files
from dopantfit.lammps import Dynamics, Launcher, run_dynamics
from dopantfit.lammps.include import potential_include
from dopantfit.pipeline.steps import why_fit, why_validate
from dopantfit.pipeline.trace import trace
from dopantfit.potential.parameters import Parameter
from dopantfit.structures import load_host
from dopantfit.study.config import load_study
from dopantfit.study.crystals import doped_crystal
from dopantfit.study.extent import Extent
from dopantfit.study.files import write_structure
from dopantfit.study.record import FinishedTask, StudyRecord
from dopantfit.study.round_record import Round, Rounds
from dopantfit.study.rounds import ROUNDS, last_look, rounds_key, tail_of
from dopantfit.study.run import keep, reported_files
from dopantfit.study.tasks import Planner
from dopantfit.validate import ValidationStatus
from dopantfit.workflow import records
from dopantfit.workflow.graph import find_action, key_of
from dopantfit.workflow.provenance import Provenance, write_sealed
from made_up_records import PARAMETER, up_to_date, write_fit_record, write_validation_record

NAME = "rho Mg-O"
FIT = """
name = "mg"
host = "latp-2021"
[dopant]
label = "Mg"
formal_charge = 2
mass = 24.305
[[sets]]
path = "set"
force_error = 0.5
[pairs."Mg-O"]
A = { start = 55835.77 }
rho = { start = 0.179, bounds = [0.13, 0.25] }
C = { start = 12.62 }
"""


@pytest.fixture
def fit(tmp_path):
    """A folder as a fit and its gates leave it, with a potential whose rho Mg-O the fit changed."""
    folder = tmp_path / "Mg"
    (folder / "set").mkdir(parents=True)
    (folder / "fit.toml").write_text(FIT)
    for name in ("frames.extxyz", "manifest.toml"):
        (folder / "set" / name).write_text("stands for data")
    potential = Potential.load("latp-mg-2022").with_values({Parameter.parse(NAME): 0.1812345})
    potential.save(folder / "potential.toml")
    inputs = fit_files(*load_config(folder))
    entry = {"name": NAME, "value": 0.1812345, "standard_error": 0.0004}
    record = Provenance.of(inputs, {}, seed=1, started=time.time()).as_dict()
    write_fit_record(folder, parameters=[PARAMETER | entry], record=record)
    write_validation_record(folder, **up_to_date())
    return folder


STUDY = """
preset = "quick"
seed = 1
dopant = "Mg"
potential = "potential.toml"
validation = "validation.json"
[boundary]
build = "tiny"
[ensemble]
potentials = ["draw-01.toml"]
systems = ["C_1"]
"""


@pytest.fixture
def studied(fit, monkeypatch):
    """The fit with a study that another potential took part in; its run folder is where the command looks for it."""
    monkeypatch.chdir(fit.parent)
    (fit / "study.toml").write_text(STUDY)
    potential = Potential.load(fit / "potential.toml")
    other = potential.with_values({Parameter.parse(NAME): 0.19})
    other.save(fit / "draw-01.toml")
    run, plan = fit.parent / "runs/study-Mg-quick", planner(fit)
    made_up_run(plan, run)
    # Of a setting that is gone, and with a potential that is not followed.
    for place, used in {
        "crystals/C_1/run1/production": potential,
        "ensemble/draw-01/C_1/run1/production": other,
        "crystals/C_9/run1/production": other,
    }.items():
        engine_files(run / place, used)
    return fit


def planner(fit):
    config, file = load_study(fit)
    return Planner(config, file.parent)


def made_up_run(plan, run, rounds=None):
    """Write records of everything in a study, as a run without physics would leave them, and its summary."""
    graph, made, told = plan.graph(), {}, {}
    for task in (graph.tasks[name] for name in graph.order):
        folder = run / task.name
        folder.mkdir(parents=True)
        (folder / "table.csv").write_text(task.name)
        key = key_of(task, {role: made[need] for role, need in task.needs.items()})
        record = records.Record(task.name, key, {}, records.hashes(folder, ("table.csv",)))
        records.write_record(folder, record)
        made[task.name] = record
        told[task.name] = FinishedTask(stage=task.stage, key=key, digest=record.digest, files=record.files, measured={})
        for file in reported_files(plan.study, task.stage, task.name, record.files):
            (run / "summary" / task.name).mkdir(parents=True)
            shutil.copy(folder / file, run / "summary" / task.name / file)
    inputs = {"potential": plan.base / plan.study.potential}
    StudyRecord(
        verdict=None,
        gates=ValidationStatus(potential_sha256="", level="quick", passed=True),
        tasks=told,
        failed={},
        skipped={},
        stages={},
        done_now=(),
        record=Provenance.of(inputs, plan.study.model_dump(mode="json"), seed=1, started=time.time()),
        rounds=rounds,
    ).write(run / "summary/study.json")


def engine_files(folder, potential):
    atoms, _ = doped_crystal(load_host(), 1, 0.0, "Mg", 2, {"Ti": 1}, np.random.default_rng(1))
    folder.mkdir(parents=True)
    write_structure(folder / "ions.extxyz", atoms)
    labels = set(atoms.arrays["species"] if "species" in atoms.arrays else atoms.get_chemical_symbols())
    (folder / "potential.in").write_text(potential_include(potential, labels))


def call(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["dopantfit", "trace", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


def problems(links):
    return {link.step: link.problem for link in links if link.problem}


def test_a_whole_fit_holds_in_every_link(fit):
    links = trace(NAME, fit)
    assert [link.step for link in links] == ["config", "fit", "potential", "gates", "study"]
    assert problems(links) == {}
    says = {link.step: link.says for link in links}
    assert says["config"] == "start 0.179 Å, bounds 0.13 to 0.25"
    assert says["fit"] == "0.1812345 ± 0.0004 Å"
    assert says["potential"] == "0.1812345 Å"
    assert says["gates"] == "preset quick: parity passed"
    assert says["study"] == "there is none to follow"


@pytest.mark.parametrize(
    ("file", "change", "step", "problem"),
    [
        ("fit.toml", ("0.179", "0.180"), "fit", "fit.toml has changed"),
        ("set/frames.extxyz", ("data", "other data"), "fit", "frames.extxyz has changed"),
        ("potential.toml", ("0.1812345", "0.18"), "fit", "potential.toml has 0.18"),
        ("potential.toml", ("0.1812345", "0.18"), "gates", "made with another potential"),
        ("potential.toml", ("spring = ", "spring = 1"), "fit", "potential.toml is not what it wrote"),
        ("validation.json", ('"thresholds": "', '"thresholds": "0'), "gates", "made with other thresholds"),
        ("validation.json", ('"recipe": "', '"recipe": "0'), "gates", "made with other runs of molecular dynamics"),
    ],
)
def test_a_link_that_does_not_hold_is_named(fit, file, change, step, problem):
    path = fit / file
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    assert problem in problems(trace(NAME, fit))[step]


@pytest.mark.parametrize(("file", "step"), [("fit.json", "fit"), ("validation.json", "gates")])
def test_a_missing_link_is_named(fit, file, step):
    (fit / file).unlink()
    assert "there is no" in problems(trace(NAME, fit))[step]


def test_what_is_no_parameter_or_no_fit_is_refused(fit, tmp_path):
    with pytest.raises(ConfigError, match="names no parameter"):
        trace("rho Mg", fit)
    with pytest.raises(ConfigError, match="no fitted potential"):
        trace(NAME, tmp_path)


def test_the_files_that_lammps_read_carry_the_fitted_value(fit, tmp_path):
    from dopantfit.pipeline.trace import _engine_files

    potential = Potential.load(fit / "potential.toml")
    atoms, _ = doped_crystal(load_host(), 1, 0.0, "Mg", 2, {"Ti": 1}, np.random.default_rng(1))
    run_dynamics(atoms, potential, Dynamics(300.0, 0.002, 1), tmp_path / "run/one", launcher=Launcher(ranks=1))
    (link,) = _engine_files(Parameter.parse(NAME), potential, [tmp_path / "run"])
    assert link.problem == "" and "0.1812345" in link.says and link.says.endswith("# Mg-O")
    other = potential.with_values({Parameter.parse(NAME): 0.19})
    (link,) = _engine_files(Parameter.parse(NAME), other, [tmp_path / "run"])
    assert "not what the potential gives now" in link.problem


@pytest.mark.parametrize("words", [("rho", "Mg-O"), ("rho Mg-O",), ("rho", "O-Mg")])
def test_a_parameter_is_followed_to_the_results_with_or_without_quotes(studied, monkeypatch, capsys, words):
    status, out, err = call(monkeypatch, capsys, *words, "Mg", "--json")
    links = json.loads(out)
    assert [link["problem"] for link in links if link["problem"]] == [] and status == 0 and err == ""
    assert [link["file"] for link in links if link["step"] == "study"] == ["runs/study-Mg-quick"]
    # Neither those of the other potential, nor those of what is no task any more.
    (engine,) = [link for link in links if link["step"] == "LAMMPS"]
    assert engine["file"] == "runs/study-Mg-quick/crystals/C_1/run1/production/potential.in"
    results = [link["file"].removeprefix("runs/study-Mg-quick/") for link in links if link["step"] == "result"]
    assert {"items/06-crystal-conductivities", "items/ensemble", "verdict"} <= set(results) and len(results) == 14


def test_a_call_without_a_parameter_is_refused(studied, monkeypatch, capsys):
    status, out, err = call(monkeypatch, capsys, "Mg")
    assert (status, out) == (2, "") and "parameter" in err and err.count("\n") == 1


def test_a_run_folder_that_is_named_must_be_there(studied, monkeypatch, capsys):
    status, out, err = call(monkeypatch, capsys, NAME, "Mg", "--run", "elsewhere")
    assert (status, out) == (2, "") and "elsewhere: is no run folder" in err


def test_a_broken_link_ends_with_status_1_and_is_told(studied, monkeypatch, capsys):
    (studied.parent / "runs/study-Mg-quick/items/09-densities/table.csv").write_text("other")
    status, out, _ = call(monkeypatch, capsys, NAME, "Mg", "--json")
    broken = [link for link in json.loads(out) if link["problem"]]
    assert status == 1 and len(broken) == 1 and "has changed since it was written" in broken[0]["problem"]
    status, out, _ = call(monkeypatch, capsys, NAME, "Mg")
    assert status == 1 and "holds" in out


def stale_setting(fit, monkeypatch):
    text = (fit / "study.toml").read_text()
    (fit / "study.toml").write_text(text + "[crystals]\nproduction = 9.0\n")


def stale_action(fit, monkeypatch):
    monkeypatch.setattr(find_action("dopantfit.study.conduction:transport"), "version", 99)


def stale_potential(fit, monkeypatch):
    text = (fit / "potential.toml").read_text()
    (fit / "potential.toml").write_text(text.replace("0.1812345", "0.1812346"))


@pytest.mark.parametrize(
    ("change", "stale", "first"),
    [
        (
            stale_setting,
            {"items/06-crystal-conductivities", "items/05-mobile-density", "items/ensemble", "verdict"},
            "run1",
        ),
        (stale_action, {"items/06-crystal-conductivities", "items/10-arrhenius", "verdict"}, "transport"),
        (stale_potential, {"items/01-dopant-profiles", "items/11-walkers", "verdict"}, "doping/GB_1/1"),
    ],
)
@pytest.mark.parametrize("kept", [False, True])
def test_a_stale_result_ends_with_status_1_and_says_what_changed(
    studied, monkeypatch, capsys, change, stale, first, kept
):
    run = studied.parent / "runs/study-Mg-quick"
    if kept:
        keep(run, studied)
        shutil.rmtree(run)
    change(studied, monkeypatch)
    status, out, _ = call(monkeypatch, capsys, "rho", "Mg-O", "Mg", "--json")
    found = {link["file"]: link["problem"] for link in json.loads(out) if link["step"] == "result" and link["problem"]}
    names = {name.removeprefix(f"{'Mg/study' if kept else 'runs/study-Mg-quick'}/") for name in found}
    assert status == 1 and stale <= names
    assert all("its inputs or settings changed" in problem for problem in found.values())
    assert any(f"{first}: its inputs" in problem for problem in found.values())
    if change is not stale_potential:
        assert "items/01-dopant-profiles" not in names


def test_without_a_run_folder_the_kept_summary_is_followed(studied, monkeypatch, capsys):
    run = studied.parent / "runs/study-Mg-quick"
    keep(run, studied)
    shutil.rmtree(run)
    status, out, _ = call(monkeypatch, capsys, "rho", "Mg-O", "Mg", "--json")
    links = json.loads(out)
    (study,) = [link for link in links if link["step"] == "study"]
    assert status == 0 and study["file"] == "Mg/study/study.json" and "the kept summary is followed" in study["says"]
    assert [link["step"] for link in links].count("result") == 14
    (studied / "study/items/09-densities/table.csv").unlink()
    status, out, _ = call(monkeypatch, capsys, "rho", "Mg-O", "Mg", "--json")
    (broken,) = [link for link in json.loads(out) if link["problem"]]
    assert status == 1 and broken["problem"] == "Mg/study/items/09-densities/table.csv is missing"


def test_a_study_that_has_grown_is_followed_as_far_as_it_has_grown(studied, monkeypatch, capsys):
    run, (config, file) = studied.parent / "runs/study-Mg-quick", load_study(studied)
    shutil.rmtree(run)
    first = Extent.first(config)
    (one,) = first.compositions
    second = first.with_composition(1, one.model_copy(update={"quenches": one.quenches + 2, "crystal_segments": 3}))
    rounds = rounds_of_extents(config, first, second)
    made_up_run(Planner(config, file.parent, *last_look(rounds, config.rules)), run, rounds)
    write_sealed(run / ROUNDS, {"of": rounds_key(config), **rounds.model_dump(mode="json")})
    status, out, _ = call(monkeypatch, capsys, NAME, "Mg", "--json")
    assert status == 0 and sum(link["step"] == "result" for link in json.loads(out)) == 14
    # What only the second round has is followed as well.
    added = run / "crystals/C_1/run1.3/record.json"
    added.unlink()
    assert call(monkeypatch, capsys, NAME, "Mg", "--json")[0] == 1
    # The summary is that of a study which was whole.
    keep(run, studied)
    shutil.rmtree(run)
    assert call(monkeypatch, capsys, NAME, "Mg", "--json")[0] == 0


def rounds_of_extents(config, *extents):
    """Rounds that answered nothing."""
    done = tuple(
        Round(
            number=number,
            extent=extent,
            tail=tail_of(4, number),
            core_hours=1.0,
            answer="undecided",
            rules=config.rules,
            checks=(),
            added=(),
            following=None,
            ended=None,
            words="",
        )
        for number, extent in enumerate(extents, 1)
    )
    return Rounds(looks=4, seconds_per_ion_ps=0.01, seconds_per_swap_of_1000_ions=0.4, rounds=done)


def test_a_summary_of_another_potential_or_that_is_none_is_told(studied, monkeypatch, capsys):
    run, record = studied.parent / "runs/study-Mg-quick", studied / "study/study.json"
    keep(run, studied)
    shutil.rmtree(run)
    content = json.loads(record.read_text())
    content["record"]["inputs"]["potential"] = "0" * 64
    record.write_text(json.dumps(content))
    status, out, _ = call(monkeypatch, capsys, NAME, "Mg", "--json")
    (broken,) = [link for link in json.loads(out) if link["problem"]]
    assert status == 1 and broken["step"] == "study" and "made with another" in broken["problem"]
    record.write_text("[]")
    status, out, err = call(monkeypatch, capsys, NAME, "Mg", "--json")
    assert (status, out) == (2, "") and "is no record of a study" in err


def test_a_study_that_was_not_run_or_uses_another_potential_is_a_broken_link(studied, monkeypatch, capsys):
    path = studied / "study.toml"
    path.write_text(path.read_text().replace('"potential.toml"', '"draw-01.toml"').replace('["draw-01.toml"]', "[]"))
    path.write_text(path.read_text().replace('systems = ["C_1"]', "systems = []"))
    status, out, _ = call(monkeypatch, capsys, NAME, "Mg", "--json")
    assert status == 1 and "draw-01.toml is what the study uses" in json.loads(out)[-1]["problem"]
    shutil.rmtree(studied.parent / "runs")
    status, out, _ = call(monkeypatch, capsys, NAME, "Mg", "--json")
    assert status == 1 and "there is neither runs/study-Mg-quick nor Mg/study" in json.loads(out)[-1]["problem"]


def test_results_that_were_made_without_what_failed_hold(studied):
    plan, run = planner(studied), studied.parent / "runs/study-Mg-quick"
    graph, lost = plan.graph(), "crystals/C_1/run1"
    task, gone = graph.tasks["items/06-crystal-conductivities"], {lost, "crystals/C_1/transport"}
    for name in gone:
        (run / name / "record.json").unlink()
    needs = {role: records.read_record(run / need) for role, need in task.needs.items() if need not in gone}
    record = records.read_record(run / task.name)
    records.write_record(run / task.name, records.Record(task.name, key_of(task, needs), {}, record.files))
    told = {link.file.removeprefix(f"{run}/"): link.problem for link in trace(NAME, studied, run=run)}
    assert told["items/06-crystal-conductivities"] == ""
    # The one cannot be made without it, the other was made with it.
    for name in ("items/05-mobile-density", "verdict"):
        assert f"{lost}: there is no whole record" in told[name]


def test_steps_know_by_hash_what_is_up_to_date(fit):
    assert why_fit(fit) == "" and why_validate(fit, "quick") == ""
    assert why_validate(fit, "paper") == "it was made with the preset quick"
    write_validation_record(fit, **up_to_date("night") | {"level": "standard"})  # its name in earlier versions
    # More than was asked for is not replaced by less.
    assert why_validate(fit, "quick") == "" and why_validate(fit, "desk") == ""
    assert why_validate(fit, "paper") == "it was made with the preset night"
    with pytest.raises(ConfigError, match="preset of the gates = 'endless' is not one of quick, night"):
        why_validate(fit, "endless")
    (fit / "validate.toml").write_text("[compound]\n")
    assert why_validate(fit, "quick") == "it was made with another validate.toml"
    (fit / "validate.toml").unlink()
    (fit / "set/manifest.toml").write_text("new")
    assert "manifest.toml has changed" in why_fit(fit)
    potential = fit / "potential.toml"
    potential.write_text(potential.read_text() + "\n")
    assert why_validate(fit, "quick") == "it was made with another potential, or an earlier one"
    (fit / "fit.json").unlink()
    assert why_fit(fit) == "there is none yet"


@pytest.mark.parametrize("record", ["Mg/fit.json", "Mg/validation.json", "Mg/study/study.json"])
@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"format": 3}', '{"format": 99}', "{" * 5000, "\x00"])
def test_a_record_that_is_none_is_one_line_with_its_file_and_the_remedy(studied, monkeypatch, capsys, record, text):
    run = studied.parent / "runs/study-Mg-quick"
    keep(run, studied)
    shutil.rmtree(run)
    (studied.parent / record).write_text(text)
    status, out, err = call(monkeypatch, capsys, NAME, "Mg")
    assert (status, out) == (2, "") and err.count("\n") == 1
    assert err.startswith(f"dopantfit: error: {record}: ") and "again" in err


def test_the_verbs_are_functions_that_return_and_print_nothing(studied, capsys):
    links = dopantfit.trace(NAME, "Mg")
    assert {link.problem for link in links} == {""} and capsys.readouterr() == ("", "")
    assert dopantfit.FitRecord.read(studied / "fit.json").parameters[0].value == 0.1812345
    # A room that has the name of a verb is that verb, whatever was imported first.
    assert callable(dopantfit.fit) and callable(dopantfit.study) and dopantfit.fit.FitRecord is dopantfit.FitRecord
    with pytest.raises(ConfigError, match=r"nowhere.*cannot be read"):
        dopantfit.study("nowhere")
    assert capsys.readouterr() == ("", "")
    assert set(dopantfit.__all__) <= {name for name in dopantfit.__all__ if getattr(dopantfit, name)}
