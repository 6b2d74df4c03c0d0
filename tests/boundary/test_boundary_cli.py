"""The command line of the boundary room."""

import json

import pytest
from typer.testing import CliRunner

from dopantfit.boundary.build.record import BoundaryRecord
from dopantfit.boundary.cli import boundary_app
from dopantfit.errors import ConfigError
from made_up_records import GATE, up_to_date, write_validation_record


def run(*words):
    return CliRunner().invoke(boundary_app, list(words), catch_exceptions=True)


def test_build_and_domains_print_records(tmp_path):
    built = run("build", "tiny", "--only-start", "--output", str(tmp_path), "--json")
    assert built.exit_code == 0, built.output
    record = json.loads(built.stdout)
    assert BoundaryRecord.read(tmp_path / "boundary.json").as_dict() == record
    assert record["ions"] == sum(record["composition"].values())
    found = run("domains", str(tmp_path), "--output", str(tmp_path / "pictures"), "--json")
    domains = json.loads(found.stdout)["domains"]
    assert domains == record["domains"]
    assert sum(domains[name]["ions"] for name in ("grain", "complexion", "amorphous")) == record["ions"]
    assert (tmp_path / "pictures" / "order.png").is_file()
    table = run("domains", str(tmp_path))
    assert "amorphous" in table.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("build", "huge"), "name a preset"),
        (("domains", "nowhere"), "name a folder"),
        (("spectrum", "nowhere", "--dopant", "Mg", "--potential", "latp-mg-2022"), "name a folder"),
        (("dope", "nowhere", "--config", "nowhere", "--potential", "latp-mg-2022"), "cannot be read"),
    ],
)
def test_what_is_not_there_is_named(words, message):
    result = run(*words)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def write_validation(folder, failed=()):
    """Write what ``dopantfit validate`` writes, for the potential in a folder."""
    from dopantfit.validate.run import GATES

    gates = [GATE | {"name": name, "passed": name not in failed} for name in GATES]
    write_validation_record(folder, **up_to_date(), gates=gates)


def test_only_a_validation_that_passed_and_is_of_this_potential_counts(tmp_path):
    from dopantfit import Potential
    from dopantfit.boundary.validation_status import keep_validation_status

    file, folder = tmp_path / "potential.toml", tmp_path / "run"
    Potential.load("latp-mg-2022").save(file)
    write_validation(tmp_path)
    keep_validation_status(str(file), None, folder)
    assert json.loads((folder / "validation-status.json").read_text())["passed"]
    keep_validation_status("latp-mg-2022", None, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    write_validation(tmp_path, failed=("mobility",))
    with pytest.raises(ConfigError, match="failed mobility"):
        keep_validation_status(str(file), None, folder)
    write_validation(tmp_path)
    Potential.load("latp-2021").save(file)
    with pytest.raises(ConfigError, match="stale"):
        keep_validation_status(str(file), None, folder)


@pytest.mark.parametrize("verb", ["build", "dope", "swap"])
def test_no_verb_takes_a_potential_that_was_not_validated(tmp_path, verb):
    from dopantfit import Potential

    run("build", "tiny", "--only-start", "--output", str(tmp_path), "--json")
    Potential.load("latp-mg-2022").save(tmp_path / "potential.toml")
    (tmp_path / "dope.toml").write_text('dopant = "Mg"\nconcentrations = [2.0]\nmeasure = "mean"\n')
    (tmp_path / "swap.toml").write_text('dopant = "Mg"\n[layers]\ninterface = 8.0\ninto_grain = 1\nreservoir = 9.0\n')
    arguments = {
        "build": ("tiny",),
        "dope": (str(tmp_path), "--config", str(tmp_path)),
        "swap": (str(tmp_path / "boundary.extxyz"), str(tmp_path / "swap.toml")),
    }[verb]
    refused = run(verb, *arguments, "--potential", str(tmp_path / "potential.toml"), "--output", str(tmp_path / "run"))
    assert isinstance(refused.exception, ConfigError) and "dopantfit validate" in str(refused.exception)


def test_a_potential_that_was_not_validated_is_taken_for_a_reason_that_stays(tmp_path):
    from dopantfit import Potential

    run("build", "tiny", "--only-start", "--output", str(tmp_path), "--json")
    Potential.load("latp-mg-2022").save(tmp_path / "potential.toml")
    (tmp_path / "dope.toml").write_text('dopant = "Mg"\nconcentrations = [2.0]\nmeasure = "mean"\n')
    words = ("dope", str(tmp_path), "--config", str(tmp_path), "--potential", str(tmp_path / "potential.toml"))
    refused = run(*words)
    assert isinstance(refused.exception, ConfigError)
    assert "dopantfit validate" in str(refused.exception) and "--unvalidated" in str(refused.exception)
    accepted = run(*words, "--unvalidated", "a trial of doping only", "--realisations", "1", "--json")
    assert accepted.exit_code == 0, accepted.output
    assert json.loads((tmp_path / "dope" / "validation-status.json").read_text())["waiver"] == "a trial of doping only"
    assert json.loads(accepted.stdout)["realisations"][0]["doping"]["extra"] > 0
