"""The command line of the boundary room."""

import json

import pytest
from typer.testing import CliRunner

from dopantfit.boundary.cli import boundary_app
from dopantfit.errors import ConfigError


def run(*words):
    return CliRunner().invoke(boundary_app, list(words), catch_exceptions=True)


def test_build_and_domains_print_records(tmp_path):
    built = run("build", "tiny", "--only-start", "--output", str(tmp_path), "--json")
    assert built.exit_code == 0, built.output
    record = json.loads(built.stdout)
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
        (("build", "huge"), "name a size"),
        (("domains", "nowhere"), "name a folder"),
        (("dope", "nowhere", "--config", "nowhere", "--potential", "latp-mg-2022"), "cannot be read"),
    ],
)
def test_what_is_not_there_is_named(words, message):
    result = run(*words)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def validation(potential, failed=()):
    """What ``dopantfit validate`` writes, for the potential in a file."""
    from dopantfit.validate.record import FORMAT
    from dopantfit.validate.run import GATES
    from dopantfit.validate.subject import potential_sha256

    gates = [{"name": name, "passed": name not in failed} for name in GATES]
    return {"format": FORMAT, "level": "quick", "potential": {"sha256": potential_sha256(potential)}, "gates": gates}


def test_only_a_validation_that_passed_and_is_of_this_potential_counts(tmp_path):
    from dopantfit import Potential
    from dopantfit.boundary.dope_run import check_validated

    file, record = tmp_path / "potential.toml", tmp_path / "validation.json"
    Potential.load("latp-mg-2022").save(file)
    record.write_text(json.dumps(validation(file)))
    check_validated(str(file))
    check_validated("latp-mg-2022")
    record.write_text(json.dumps(validation(file, failed=("mobility",))))
    with pytest.raises(ConfigError, match="failed mobility"):
        check_validated(str(file))
    record.write_text(json.dumps(validation(file)))
    Potential.load("latp-2021").save(file)
    with pytest.raises(ConfigError, match="stale"):
        check_validated(str(file))


def test_a_potential_that_was_not_validated_is_refused(tmp_path):
    from dopantfit import Potential

    run("build", "tiny", "--only-start", "--output", str(tmp_path), "--json")
    Potential.load("latp-mg-2022").save(tmp_path / "potential.toml")
    (tmp_path / "dope.toml").write_text('dopant = "Mg"\nconcentrations = [2.0]\nmeasure = "mean"\n')
    words = ("dope", str(tmp_path), "--config", str(tmp_path), "--potential", str(tmp_path / "potential.toml"))
    refused = run(*words)
    assert isinstance(refused.exception, ConfigError)
    assert "dopantfit validate" in str(refused.exception) and "--unvalidated" in str(refused.exception)
    accepted = run(*words, "--unvalidated", "--realisations", "1", "--json")
    assert accepted.exit_code == 0, accepted.output
    assert json.loads(accepted.stdout)["realisations"][0]["doping"]["extra"] > 0
