"""Intervals of pellets hold the truth as often as they say; files are read strictly."""

import json
import subprocess
import sys

import numpy as np
import pytest

from dopantfit.ceramic import CeramicSettings, Pellet, load_ceramic
from dopantfit.ceramic.cli import ceramic
from dopantfit.errors import ConfigError
from dopantfit.strict_toml import parse_strict

TEXT = """
temperature = 300.0
temperatures = [260.0, 340.0]
[bulk]
conductivity = 2e-3
error = 3e-4
activation_energy = 0.27
activation_energy_error = 0.01
permittivity = 15.0
[boundary]
conductivity = 4e-6
error = 1e-6
activation_energy = 0.4
activation_energy_error = 0.02
permittivity = 20.0
[microstructure]
grain_size = 1.0
grain_size_error = 0.1
thickness = 2.0
thickness_error = 0.3
relative_density = 0.95
relative_density_error = 0.01
"""


def pellet(text=TEXT):
    return Pellet("made up", parse_strict(CeramicSettings, text, "ceramic.toml"))


def observed(truth, rng):
    """The same pellet as someone measures it: logarithms and energies scatter by the stated errors."""

    def conducting(one):
        sigma = one.conductivity * np.exp(rng.normal() * one.error / one.conductivity)
        energy = one.activation_energy + rng.normal() * one.activation_energy_error
        relative = one.error / one.conductivity
        return one.model_copy(
            update={"conductivity": float(sigma), "error": float(relative * sigma), "activation_energy": float(energy)}
        )

    shape, update = truth.microstructure, {}
    for name in ("grain_size", "thickness", "relative_density"):
        value, error = getattr(shape, name), getattr(shape, f"{name}_error")
        update[name] = float(value * np.exp(rng.normal() * error / value))
        update[f"{name}_error"] = error / value * update[name]
    return truth.model_copy(
        update={
            "bulk": conducting(truth.bulk),
            "boundary": conducting(truth.boundary),
            "microstructure": shape.model_copy(update=update),
        }
    )


def derived(one):
    """Everything that a pellet is given out with an interval for: where it was extrapolated to, and its spectrum."""
    cold, hot = one.at(260.0), one.at(340.0)
    found = {"bulk": cold.bulk, "boundary": cold.boundary, "total, cold": cold.total, "total, hot": hot.total}
    found |= {"activation energy": one.activation_energy(), "modulus": one.modulus(340.0, 1e5)}
    for name, arc in zip(("fast", "slow"), one.arcs(340.0), strict=True):
        found |= {f"{name} {what}": getattr(arc, what) for what in ("resistance", "capacitance", "frequency")}
    return found


def test_intervals_hold_the_truth_in_93_to_97_percent():
    truth, rng, runs = pellet(), np.random.default_rng(5), 1000
    wanted = {name: one.value for name, one in derived(truth).items()}
    held = dict.fromkeys(wanted, 0)
    for _ in range(runs):
        for name, one in derived(Pellet("seen", observed(truth.settings, rng))).items():
            held[name] += one.low <= wanted[name] <= one.high
    # 95 % of 1,000 scatters by 0.7 %, so that 93 to 97 % is three standard deviations.
    assert all(0.93 < number / runs < 0.97 for number in held.values()), held


def test_the_activation_energy_of_one_arc_alone_is_its_own():
    thin = pellet(TEXT.replace("thickness = 2.0", "thickness = 0.0").replace("thickness_error = 0.3", ""))
    energy = thin.activation_energy()
    assert energy.value == pytest.approx(0.27, rel=1e-9)
    assert energy.high - energy.value == pytest.approx(1.96 * 0.01, rel=1e-3)


def test_without_a_microstructure_conductivities_are_apparent_and_add_in_series():
    text = "[bulk]\nconductivity = 2.02e-3\n[boundary]\nconductivity = 1.22e-4\n"
    found = pellet(text).at(298.15)
    assert found.total.value == pytest.approx(1.0 / (1.0 / 2.02e-3 + 1.0 / 1.22e-4), rel=1e-12)
    assert found.total.low == pytest.approx(found.total.value, rel=1e-12)
    assert pellet(text).activation_energy() is None and pellet(text).arcs(298.15) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("thickness = 2.0", "thickness = 1200.0", "must be less than grain_size"),
        ("thickness_error = 0.3", "thickness_error = 8.0", "must be less than grain_size"),
        ("relative_density = 0.95", "relative_density = 1.05", "microstructure.relative_density = 1.05"),
        ("conductivity = 4e-6", "conductivity = -4e-6", "boundary.conductivity"),
        ("activation_energy = 0.4\n", "", "boundary.activation_energy is missing"),
        ("permittivity = 20.0", "", "give both, or neither"),
        ("grain_size = 1.0", "grain_sise = 1.0", "grain_sise is no known key"),
        ("temperature = 300.0", "temperature = nan", "temperature"),
    ],
)
def test_a_file_that_says_too_little_or_too_much_is_refused_in_one_line(tmp_path, old, new, said):
    file = tmp_path / "ceramic.toml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=said) as problem:
        load_ceramic(file)
    assert str(problem.value).startswith(str(file)) and "\n" not in str(problem.value)


def test_the_verb_prints_the_record_and_draws_with_numbers_beside(tmp_path, capsysbinary):
    (tmp_path / "ceramic.toml").write_text(TEXT)
    ceramic(tmp_path, json=True, figure=tmp_path / "pellet.png")
    record = json.loads(capsysbinary.readouterr().out)
    cold, expected = record["conductivities"][0], pellet().at(260.0).total
    assert cold["total_S_per_cm"] == expected.as_dict()
    resistances = sum(cold["circuit"][arc]["resistance_Ohm_cm"]["value"] for arc in ("fast", "slow"))
    assert resistances == pytest.approx(1.0 / expected.value, rel=1e-9)
    assert (tmp_path / "pellet.png").stat().st_size > 10_000
    lines = (tmp_path / "pellet.csv").read_text().splitlines()
    assert lines[0].startswith("temperature_K") and len(lines) == 1 + 2 * 3
    assert "frequency_Hz" in (tmp_path / "pellet-2.csv").read_text()


def test_bad_input_is_one_line_and_status_2(tmp_path):
    (tmp_path / "thick.toml").write_text(TEXT.replace("thickness = 2.0", "thickness = 2000.0"))
    command = [sys.executable, "-m", "dopantfit.cli", "ceramic", str(tmp_path / "thick.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "must be less than grain_size" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (".", {}, "has neither ceramic.toml nor study.json"),
        ("none.toml", {}, "cannot be read"),
        ("some.toml", {"thickness": 2.0}, "--thickness is of a study's boundaries"),
        ("some.toml", {"figure": "some.nope"}, "cannot be drawn"),
    ],
)
def test_what_the_verb_cannot_work_with_is_named(tmp_path, name, options, said):
    (tmp_path / "some.toml").write_text(TEXT)
    given = {key: tmp_path / value if key == "figure" else value for key, value in options.items()}
    with pytest.raises(ConfigError, match=said):
        ceramic(tmp_path / name, **given)
