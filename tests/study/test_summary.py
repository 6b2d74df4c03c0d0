"""The summary of a study holds what its report needs, stays small, and is kept with the fit on request."""

import pytest

from dopantfit.errors import ConfigError
from dopantfit.study.config import load_study
from dopantfit.study.run import keep, kept_files, reported_files

STUDY = """
preset = "quick"
seed = 1
dopant = "Mg"
potential = "latp-mg-2022"
validation = "none.json"
[doping]
concentrations = [3.9, 7.1]
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    return load_study(tmp_path)[0]  # of two compositions


def made_summary(run, text):
    (run / "summary" / "items").mkdir(parents=True)
    (run / "summary" / "study.json").write_text(text)
    return run


def test_a_report_gets_tables_profiles_and_the_structures_that_it_draws_but_no_trajectory(study):
    def files(name, *there):
        return reported_files(study, name.split("/")[0], name, there)

    assert files("items/05-mobile-density", "table.csv", "item.json", "densities.npz") == (
        "table.csv",
        "item.json",
        "densities.npz",
    )
    assert files("verdict", "verdict.json") == ("verdict.json",)
    assert files("bleeding/GB_1", "walker-1.extxyz", "profile.csv") == ("profile.csv",)
    # The highest dose is drawn.
    assert study.compositions[-1] == 2
    walkers = ("walker-1.extxyz", "walker-2.extxyz", "profile.csv")
    assert files("bleeding/GB_2", *walkers) == ("walker-1.extxyz", "profile.csv")
    for name in ("boundary", "doping/GB_2/1", "crystals/C_2/equilibrate"):
        assert files(name, "structure.extxyz") == ("structure.extxyz",)
    for name in ("doping/GB_1/1", "crystals/C_2/build", "amorphous/A_2/1/equilibrate"):
        assert files(name, "structure.extxyz") == ()
    assert files("crystals/C_2/run1", "production/trajectory.dcd", "production/ions.extxyz") == ()


def test_a_summary_gets_the_tables_of_spectra_of_the_highest_dose_and_holds_without_them(study):
    made = ("run/spectrum.json", "run/grain.png", "run/grain.csv")
    for name in ("spectrum/GB_2", "quench-3/spectrum/GB_2"):
        assert kept_files(study, "spectrum", name, made) == ("run/grain.csv",)
        assert reported_files(study, "spectrum", name, made) == ()
    assert kept_files(study, "spectrum", "spectrum/GB_1", made) == ()
    assert kept_files(study, "verdict", "verdict", ("verdict.json",)) == ("verdict.json",)


def test_a_summary_takes_the_place_of_an_older_one(tmp_path):
    fit = tmp_path / "Mg"
    fit.mkdir()
    for text in ("first", "second"):
        assert keep(made_summary(tmp_path / text, text), fit) == fit / "study"
        (fit / "study" / "left-over").touch()
    keep(tmp_path / "second", fit)
    assert {path.name for path in (fit / "study").iterdir()} == {"items", "study.json"}
    assert (fit / "study" / "study.json").read_text() == "second"


def test_a_folder_that_is_no_summary_is_left_alone(tmp_path):
    fit = tmp_path / "Mg"
    (fit / "study").mkdir(parents=True)
    (fit / "study" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds no study\.json"):
        keep(made_summary(tmp_path / "run", "new"), fit)
    assert (fit / "study" / "notes.txt").read_text() == "mine"
