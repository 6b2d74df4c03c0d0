"""study.toml: presets, what may be overridden, and what is refused."""

import json
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError
from dopantfit.presets import PRESETS
from dopantfit.study.config import StudyConfig, load_study, parse_study
from dopantfit.study.cost import Sizes
from dopantfit.study.files import seed_of
from dopantfit.study.tasks import Planner
from dopantfit.workflow.schema import parse_content

FIT = Path(__file__).parents[2] / "fits" / "Mg"
LEAST = 'seed = 1\ndopant = "Mg"\npotential = "latp-mg-2022"\nvalidation = "validation.json"\n'


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_complete(preset):
    assert parse_study(LEAST, preset=preset).preset == preset


def test_the_paper_preset_has_the_numbers_of_the_paper():
    study = parse_study(LEAST, preset="paper")
    assert (study.doping.concentrations[0], study.doping.concentrations[-1]) == (0.6, 7.1)
    assert len(study.doping.concentrations) == 7 and study.doping.realisations == 12
    assert study.swaps.attempts == 15_000
    # 150 rounds of 2 ps.
    assert study.swaps.rounds_per_layer * study.swaps.layers * study.swaps.relaxation == 300.0
    assert study.crystals.production == study.amorphous.production == 2000.0
    assert study.amorphous.arrhenius_temperatures == (400.0, 500.0, 700.0, 1400.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_the_attempts_that_its_verdict_asks_for(preset):
    study = parse_study(LEAST, preset=preset)
    sizes = Sizes.of(Planner(study, FIT))
    dopants = max(study.doping.concentrations) / 100.0 * sizes.amorphous
    assert study.swaps.attempts >= study.rules.attempts_per_dopant * dopants


def test_one_value_is_overridden_and_its_neighbours_stay():
    study = parse_study(LEAST + 'preset = "desk"\n[crystals]\nproduction = 50.0\n')
    assert study.crystals.production == 50.0
    assert study.crystals.edge == parse_study(LEAST, preset="desk").crystals.edge


def test_the_preset_of_the_command_line_wins():
    assert parse_study(LEAST + 'preset = "desk"\n', preset="quick").preset == "quick"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('preset = "fast"', "preset = 'fast' is not one of quick, night, desk, paper"),
        ("[crystals]\nedges = 2", "crystals.edges is no known key"),
        ("[crystals]\nedge = 2.5", "crystals.edge = 2.5"),
        ("[crystals]\nproduction = -1.0", "crystals.production = -1.0"),
        ("[crystals]\nproduction = 'long'", "crystals.production = 'long'"),
        ("[doping]\nconcentrations = []", "doping.concentrations"),
        ("[doping]\nconcentrations = [3.0, 1.0]", "must rise"),
        ("[doping]\nconcentrations = [300.0]", "doping.concentrations"),
        ("[amorphous]\narrhenius_of = 9", "but the last glass is A_1"),
        ("[amorphous]\ncells = 9", r"but doping\.realisations = 2, which is"),
        ("[swaps]\nhottest = 10.0", "below coldest"),
        ("[ensemble]\nsystems = ['C_9']", "but the last composition is 1"),
        ("[ensemble]\nsystems = ['D_1']", "ensemble.systems"),
        ("[ensemble]\npotentials = ['a.toml']", "potentials and systems go together"),
        ("[ensemble]\npotentials = ['a.toml', 'b/a.toml']\nsystems = ['C_1']", "two potentials of one file name"),
        ("[ensemble]\npotentials = ['study.toml']\nsystems = ['C_1']", "one called study"),
        ("[ensemble]\npotentials = ['a.toml']\nsystems = ['C_1', 'C_1']", "a system twice"),
        ("crystals = 3", "crystals"),
        ("x = ", "not valid TOML"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_study(LEAST + text + "\n", "study.toml")
    assert str(caught.value).startswith("study.toml: ") and "\n" not in str(caught.value)


def test_the_study_that_the_repository_keeps_was_made_with_the_settings_of_today():
    kept = json.loads((FIT / "study" / "study.json").read_text(encoding="utf-8"))["record"]["configuration"]
    # Red: run `dopantfit study fits/Mg --keep`.
    assert parse_content(StudyConfig, kept) == load_study(FIT)[0]


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="dopant is missing"):
        parse_study("seed = 1\n")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"study\.toml: cannot be read"):
        load_study(tmp_path)


def test_seeds_differ_between_tasks_and_studies_and_stay_between_runs():
    seeds = {seed_of(seed, f"task/{i}") for seed in (1, 2) for i in range(200)}
    assert len(seeds) == 400 and min(seeds) >= 1 and max(seeds) < 2**31
    assert seed_of(1, "crystals/C_ref") == seed_of(1, "crystals/C_ref")


def test_settings_are_taken_under_the_names_that_they_had():
    former = "[rules]\ntitanium_density = 0.7\n[amorphous]\ntitanium_free = true\n"
    found = parse_study(LEAST + former)
    assert found.rules.reducible_density == 0.7 and found.amorphous.reducible_free is True
    with pytest.raises(ConfigError, match="titanium_free is no known key"):
        parse_study(LEAST + former + "reducible_free = false\n")
