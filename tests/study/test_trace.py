"""One parameter is followed through real files; every link that does not hold is named."""

import json
import time

import numpy as np
import pytest
import typer

from dopantfit import Potential
from dopantfit.errors import ConfigError
from dopantfit.fit.config import load_config
from dopantfit.lammps import Dynamics, run_dynamics
from dopantfit.potential.parameters import Parameter
from dopantfit.provenance import Record, sha256_of
from dopantfit.study.crystals import doped_crystal
from dopantfit.study.steps import fit_files, run_steps, why_fit, why_validate
from dopantfit.study.trace import trace

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
    record = Record.of(inputs, {}, seed=1, started=time.time()).as_dict()
    (folder / "fit.json").write_text(json.dumps({"parameters": [entry], "record": record}))
    validation = {
        "level": "quick",
        "passed": True,
        "potential": {"sha256": sha256_of(folder / "potential.toml")},
        "gates": [{"name": "parity", "passed": True}],
    }
    (folder / "validation.json").write_text(json.dumps(validation))
    return folder


def problems(links):
    return {link.step: link.problem for link in links if link.problem}


def test_a_whole_fit_holds_in_every_link(fit):
    links = trace(NAME, fit, None, None)
    assert [link.step for link in links] == ["config", "fit", "potential", "gates"]
    assert problems(links) == {}
    says = {link.step: link.says for link in links}
    assert says["config"] == "start 0.179 Å, bounds 0.13 to 0.25"
    assert says["fit"] == "0.1812345 ± 0.0004 Å"
    assert says["potential"] == "0.1812345 Å"
    assert says["gates"] == "level quick: parity passed"


@pytest.mark.parametrize(
    ("file", "change", "step", "problem"),
    [
        ("fit.toml", ("0.179", "0.180"), "fit", "fit.toml has changed"),
        ("set/frames.extxyz", ("data", "other data"), "fit", "frames.extxyz has changed"),
        ("potential.toml", ("0.1812345", "0.18"), "fit", "potential.toml has 0.18"),
        ("potential.toml", ("0.1812345", "0.18"), "gates", "made for another"),
    ],
)
def test_a_link_that_does_not_hold_is_named(fit, file, change, step, problem):
    path = fit / file
    path.write_text(path.read_text().replace(*change))
    assert problem in problems(trace(NAME, fit, None, None))[step]


@pytest.mark.parametrize(("file", "step"), [("fit.json", "fit"), ("validation.json", "gates")])
def test_a_missing_link_is_named(fit, file, step):
    (fit / file).unlink()
    assert "there is no" in problems(trace(NAME, fit, None, None))[step]


def test_what_is_no_parameter_or_no_fit_is_refused(fit, tmp_path):
    with pytest.raises(ConfigError, match="names no parameter"):
        trace("rho Mg", fit, None, None)
    with pytest.raises(ConfigError, match="no fitted potential"):
        trace(NAME, tmp_path, None, None)


def test_the_files_that_lammps_read_carry_the_fitted_value(fit, tmp_path):
    from dopantfit.study.trace import _engine_files

    potential = Potential.load(fit / "potential.toml")
    atoms, _ = doped_crystal(1, 0.0, "Mg", 2, {"Ti": 1}, np.random.default_rng(1))
    run_dynamics(atoms, potential, Dynamics(300.0, 0.002, 1), tmp_path / "run/one", ranks=1)
    (link,) = _engine_files(Parameter.parse(NAME), potential, tmp_path / "run")
    assert link.problem == "" and "0.1812345" in link.says and link.says.endswith("# Mg-O")
    other = potential.with_values({Parameter.parse(NAME): 0.19})
    (link,) = _engine_files(Parameter.parse(NAME), other, tmp_path / "run")
    assert "not what the potential gives now" in link.problem


def test_steps_know_by_hash_what_is_up_to_date(fit):
    assert why_fit(fit) == "" and why_validate(fit, "quick") == ""
    assert why_validate(fit, "paper") == "it was made at level quick"
    (fit / "set/manifest.toml").write_text("new")
    assert "manifest.toml has changed" in why_fit(fit)
    potential = fit / "potential.toml"
    potential.write_text(potential.read_text() + "\n")
    assert why_validate(fit, "quick") == "the potential has changed since"
    (fit / "fit.json").unlink()
    assert why_fit(fit) == "there is none yet"


def test_only_steps_that_are_not_up_to_date_are_run(capsys):
    done = []

    def gate_fails():
        done.append("validate")
        raise typer.Exit(1)

    steps = (
        ("fit", lambda: "", lambda: done.append("fit")),
        ("validate", lambda: "changed", gate_fails),
        ("study", lambda: "changed", lambda: done.append("study")),
    )
    assert run_steps(steps) == 0
    assert done == ["validate", "study"]
    assert "fit: up to date" in capsys.readouterr().err
    assert run_steps(steps[:2]) == 1


def test_what_a_study_says_is_not_lost_when_the_report_was_written():
    def says_no():
        raise typer.Exit(1)

    assert run_steps((("study", lambda: "changed", says_no), ("report", lambda: "it is quick", lambda: None))) == 1
