"""What a person writes: every mistake gets one line that names the file, the key and the remedy."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.fit.config import load_config, parse_config
from dopantfit.fit.data import load_targets
from dopantfit.fit.variables import make_space
from dopantfit.structures import prototype

from .conftest import TEXT, computed, save_set


def _replaced(old, new):
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 1", "seed = 1\nsede = 2", "fit.toml: sede is no known key"),
        ("force_error = 0.02", "force_error = 0.02\nforce_sigma = 1.0", "fit.toml: sets.0.force_sigma is no known key"),
        ("[dopant]", "[dopand]", "fit.toml: dopand is no known key"),
        ('host = "latp-2021"', "", "fit.toml: host is missing; add it"),
        ("seed = 1", 'seed = "one"', "fit.toml: seed = 'one'"),
        ('path = "set"', 'path = "set"\nweight = 0.0', "fit.toml: every set has weight 0.0"),
        ("force_error = 0.02\nenergy_error = 0.0005", "", "fit.toml: the set set has no force_error, energy_error or"),
        ("force_error = 0.02", "force_error = -1.0", "fit.toml: sets.0.force_error = -1.0"),
        ("seed = 1", "seed = = 1", "fit.toml: not valid TOML"),
        ("bounds = [0.15, 0.21]", "bounds = [0.15, nan]", "fit.toml: pairs.Mg-O.rho.bounds.1"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(old, new, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(_replaced(old, new))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "start = 0.182, bounds = [0.15, 0.21]",
            "start = 0.9, bounds = [0.15, 0.21]",
            "fit.toml: pairs.Mg-O.rho = 0.9 Å is outside its bounds [0.15, 0.21]; widen the bounds",
        ),
        ("bounds = [0.15, 0.21]", "bounds = [0.21, 0.15]", "fit.toml: pairs.Mg-O.rho: bounds [0.21, 0.15] Å hold no"),
        (
            "bounds = [20000.0, 120000.0]",
            "bounds = [-1.0, 120000.0]",
            "fit.toml: pairs.Mg-O.A: the lower bound -1.0 eV",
        ),
        ("bounds = [20000.0, 120000.0]", "bounds = [0.0, 120000.0]", "fit.toml: pairs.Mg-O.A: a lower bound of 0.0"),
        ('[pairs."Mg-O"]', '[pairs."Mg-X"]', 'fit.toml: pairs."Mg-X" is no pair of species here'),
        ('label = "Mg"', 'label = "Al"', "fit.toml: dopant.label = 'Al' is a species of the host latp-2021"),
        ("C = { start = 6.2 }", "", 'fit.toml: pairs."Mg-Ti".C has no start'),
        ("C = { start = 6.2 }", "C = { start = -6.2 }", 'fit.toml: pairs."Mg-Ti".C = -6.2 eV Å⁶ must be positive'),
        (
            '[pairs."Mg-P"]',
            '[species.Ti]\nspring = { bounds = [1.0, 2.0] }\n[pairs."Mg-P"]',
            "fit.toml: species.Ti has",
        ),
        (
            '[pairs."Mg-P"]',
            '[pairs."O-Mg"]\nA = { start = 1.0 }\n[pairs."Mg-P"]',
            "fit.toml: pairs.O-Mg is given twice",
        ),
    ],
)
def test_a_box_that_makes_no_sense_is_one_line(old, new, message, host):
    with pytest.raises(ConfigError) as caught:
        make_space(parse_config(_replaced(old, new)), host, "fit.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_nothing_free_is_refused(host):
    text = TEXT.replace("] }", "], frozen = true }")
    with pytest.raises(ConfigError, match="no parameter is free"):
        make_space(parse_config(text), host, "fit.toml")


def _load(text, folder, host):
    config = parse_config(text)
    return load_targets(config, make_space(config, host, "fit.toml").base, folder, "fit.toml")


def test_a_set_is_read_whole_and_split_by_family(written_set, host):
    text = _replaced('path = "set"', 'path = "set"\nheld_out_families = ["two"]')
    targets = _load(text, written_set.parent, host)
    assert [target.held_out for target in targets] == [False] * 4 + [True] * 2
    assert targets[0].name == "synthetic/one-00"
    # 1 / 0.02 eV/Å, and 1 / (26 ions × 0.0005 eV/atom).
    assert targets[0].force_weight == pytest.approx(50.0)
    assert targets[0].energy_weight == pytest.approx(1 / 0.013)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("one_composition = true", "", "fit.toml: sets: all training frames have the composition Mg6O16P4"),
        (
            'path = "set"',
            'path = "set"\nheld_out_families = ["nine"]',
            "fit.toml: sets: set: held_out_families names 'nine'",
        ),
        ('path = "set"', 'path = "sett"', "sett/manifest.toml"),
        (
            "seed = 1",
            "seed = 1\nforce_weights = { Na = 2.0 }",
            "fit.toml: force_weights names Na, which no",
        ),
    ],
)
def test_data_that_cannot_be_fitted_are_one_line(old, new, message, written_set, host):
    with pytest.raises((ConfigError, ReferenceDataError)) as caught:
        _load(_replaced(old, new), written_set.parent, host)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_set_without_the_dopant_is_refused(written_set, host):
    text = TEXT.replace('label = "Mg"', 'label = "Zn"').replace("Mg-", "Zn-").replace("-Mg", "-Zn")
    with pytest.raises(ConfigError, match=r"frame one-00 holds Mg, which neither the host nor the dopant is"):
        _load(text, written_set.parent, host)


def test_a_set_of_the_bare_host_is_refused(tmp_path, host):
    bare = prototype("LiTi2P3O12")
    save_set(tmp_path / "set", [computed(bare, host, 0, np.random.default_rng(0), "bare")])
    with pytest.raises(ConfigError, match=r"no frame of set holds the dopant Mg, and nothing of the host is free"):
        _load(TEXT, tmp_path, host)
    # It tells the host's own numbers, where those are fitted.
    assert _load(TEXT + '[pairs."O-Ti"]\nrho = { bounds = [0.1, 0.3] }\n', tmp_path, host)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"fit.toml: cannot be read .* write the fit there as TOML"):
        load_config(tmp_path)
