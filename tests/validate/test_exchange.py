"""The gate of exchange energies: who passes, who decides, the order of partners, DFT's word on the labels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from command_line import dopantfit
from dopantfit import Potential
from dopantfit.errors import ConfigError, DopantFitError
from dopantfit.fit.exchange_errors import exchange_record
from dopantfit.potential import Parameter
from dopantfit.reference.frames import load_set, write_set
from dopantfit.structures import load_host
from dopantfit.validate import require_valid, thresholds
from dopantfit.validate.exchange import exchange
from dopantfit.validate.gate import Gate
from dopantfit.validate.record import write_validation
from dopantfit.validate.run import GATES, gates_of
from dopantfit.validate.settings import load_settings
from dopantfit.validate.subject import load_subject
from made_up_exchanges import manifest, write_exchange_set
from made_up_records import write_fit_record

TABLE = """
[exchange]
sets = [{ path = "exchanged" }]
dft = ["dft"]
"""
NOISE = 0.02  # eV, of DFT's energies against the labels


@pytest.fixture(scope="module")
def sets(tmp_path_factory, published):
    """Four exchanges labelled by the published potential; and both ends of two of them again, in another order."""
    folder = tmp_path_factory.mktemp("sets")
    write_exchange_set(folder / "exchanged", published, {"fitted": (["Ti", "Li"], 1), "judged": (["Ti", "Li"], 1)})
    again = []
    for frame in load_set(folder / "exchanged").frames[:3]:
        order = np.random.default_rng(1).permutation(len(frame))
        other = frame[order]
        shift = NOISE if "Li0" in frame.info["frame_id"] else 0.0
        energy, forces = frame.get_potential_energy() + shift - 7.0, frame.get_forces()[order]
        other.calc = SinglePointCalculator(other, energy=energy, forces=forces)
        other.info = dict(frame.info) | {"frame_id": f"dft-{frame.info['frame_id']}"}
        other.positions += other.cell.array[0] + 1e-4  # another image, within the tolerance
        again.append(other)
    write_set(folder / "dft", again, manifest())
    return folder


@pytest.fixture
def project(folder, sets):
    """The fit's folder with both sets and the table."""
    for name in ("exchanged", "dft"):
        (folder / name).symlink_to(sets / name)
    (folder / "validate.toml").write_text(TABLE)
    return folder


def judged(project: Path, work, potential: str = "latp-mg-2022") -> Gate:
    return exchange(load_subject(project, potential, "quick"), work)


def test_the_potential_that_made_the_labels_passes_and_its_labels_are_held_against_dft(project, work):
    gate = judged(project, work)
    assert gate.passed and (work.figures / "exchange.png").is_file() and (work.figures / "exchange.csv").is_file()
    checks = {check.name: check for check in gate.checks}
    # Labels hold the steps of the Buckingham terms at their cutoff.
    assert checks["RMS error of 4 exchange energies"].value < 5e-3
    assert checks["mean with Li above that with Ti"].value > 0.1
    assert [row["partner"] for row in gate.details["errors"]["subject"]] == ["all", "Ti", "Li"]
    labels = gate.details["labels_against_dft"]
    assert [one["exchange"] for one in labels] == ["exchanged/fitted-Ti0", "exchanged/fitted-Li0"]
    differences = [one["label_eV"] - one["dft_eV"] for one in labels]
    np.testing.assert_allclose(differences, [0.0, -NOISE], atol=1e-9)
    assert "2 labels within 0.01 eV of DFT" in gate.finding


def test_another_potential_fails_and_the_one_compared_with_stands_beside(project, work, published, tmp_path):
    other = published.with_values({Parameter("rho", ("Mg", "O")): 0.195})
    replace(other, name="other").save(tmp_path / "other.toml")
    gate = judged(project, work, str(tmp_path / "other.toml"))
    assert not gate.passed
    (error,) = (check for check in gate.checks if check.name.startswith("RMS error"))
    assert error.value > 0.086 and not error.passed
    compared = gate.details["errors"]["compared"][0]
    assert compared["rms_error_eV"] < 5e-3 and "compared: 0.00" in gate.finding


def test_partners_in_another_order_than_the_references_fail(project, work, sets):
    (project / "exchanged").unlink()
    frames = []
    for frame in load_set(sets / "exchanged").frames:
        energy = frame.get_potential_energy() - (9.0 if "Li0" in frame.info["frame_id"] else 0.0)
        changed = frame.copy()
        changed.calc = SinglePointCalculator(changed, energy=energy, forces=frame.get_forces())
        frames.append(changed)
    write_set(project / "exchanged", frames, manifest())
    (project / "exchanged" / "plan.toml").write_text((sets / "exchanged" / "plan.toml").read_text())
    checks = {check.name: check for check in judged(project, work).checks}
    assert checks["mean with Ti above that with Li"].value < 0.0
    assert not checks["mean with Ti above that with Li"].passed


def test_exchanges_that_were_fitted_do_not_decide(project, work, published):
    published.save(project / "potential.toml")
    subject = load_subject(project, None, "quick")
    targets = [replace(one, held_out=one.item == "judged") for one in subject.exchanges.targets]
    record = exchange_record(targets, {"fitted": published}, published)
    write_fit_record(project, exchanges=record.model_dump(mode="json"))
    again = load_subject(project, None, "quick")
    assert again.exchanges.unseen == {"exchanged/judged-Ti0", "exchanged/judged-Li0"}
    gate = exchange(again, work)
    assert any(check.name == "RMS error of 2 exchange energies" for check in gate.checks)
    assert gate.details["unseen"] == 2 and "2 that were not fitted within" in gate.finding
    assert gate.details["errors"]["subject"][0]["exchanges"] == 4


def test_ends_that_do_not_come_to_rest_fail_the_gate(project, work, published, tmp_path):
    published.with_values({Parameter("A", ("Mg", "O")): 60.0}).save(tmp_path / "weak.toml")
    gate = judged(project, work, str(tmp_path / "weak.toml"))
    assert not gate.passed and gate.checks[0].value > 0 and len(gate.checks) == 1


def test_the_gate_is_there_where_the_table_is_and_changes_nothing_elsewhere(project):
    host = load_host()
    assert gates_of(load_settings(project)) == tuple(GATES)
    assert set(GATES) - set(gates_of(load_settings(project / "nowhere"))) == {"exchange"}
    assert thresholds.sha256(host, exchanges=True) != thresholds.sha256(host)
    Potential.load("latp-mg-2022").save(project / "potential.toml")
    subject = load_subject(project, None, "quick")
    gates = [Gate(name, "found", (thresholds.ALIVE.check("x", 0.0),)) for name in GATES]
    written = write_validation(subject, gates, 0.0)
    assert {"exchanged/plan.toml", "dft/frames.extxyz"} <= set(written.record.inputs)
    assert require_valid(project / "potential.toml", project / "validation.json").passed
    write_validation(subject, [one for one in gates if one.name != "exchange"], 0.0)
    with pytest.raises(ConfigError, match="lacks the gate exchange"):
        require_valid(project / "potential.toml", project / "validation.json")
    (project / "validate.toml").unlink()
    with pytest.raises(ConfigError, match=r"has no \[exchange\]"):
        _ = load_subject(project, None, "quick").exchanges


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('path = "exchanged"', 'path = "set"', "exchange: .*set: has no plan.toml"),
        ('path = "exchanged"', 'path = "gone"', "exchange: .*gone"),
        ('path = "exchanged"', 'path = "exchanged", left_out = ["x"]', "left_out names 'x'"),
        ('dft = ["dft"]', 'dft = ["none"]', "exchange: .*none"),
        ('dft = ["dft"]', "label_error = 0.0", "exchange.label_error = 0.0"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_any_gate(project, before, after, words):
    path = project / "validate.toml"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(DopantFitError, match=words):
        load_subject(project, "latp-mg-2022", "quick")


def test_the_command_judges_the_gate_alone(project):
    done = dopantfit(
        "validate", project, "--potential", "latp-mg-2022", "--gate", "exchange", "--json", "--work", project / "work"
    )
    assert done.returncode == 0, done.stderr
    (gate,) = json.loads(done.stdout)["gates"]
    assert gate["name"] == "exchange" and gate["passed"]
