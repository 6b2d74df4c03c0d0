"""Windows of made-up compounds whose answer follows from a few energies by hand."""

import json
from pathlib import Path

import pytest
from pymatgen.entries.computed_entries import ComputedEntry

from dopantfit.ceramic import windows_of
from dopantfit.ceramic.cli import window
from dopantfit.errors import ConfigError

MG = Path(__file__).parents[2] / "fits" / "Mg"
#: Energies per formula [eV]; elements have other ones than zero, which must not matter.
LI, S, CL = -1.9, -4.0, -1.8
ENTRIES = [
    ComputedEntry("Li", LI),
    ComputedEntry("S", S),
    ComputedEntry("Cl", CL),
    ComputedEntry("LiS", LI + S - 2.0),
    ComputedEntry("Li2S", 2 * LI + S - 3.0),
    ComputedEntry("LiCl", LI + CL - 0.5),
]


def window_of(formula):
    (found,) = windows_of(ENTRIES, {"one": formula}, "Li", 1, "entries")
    return found


def test_a_compound_is_reduced_and_oxidised_where_its_reactions_are_in_balance():
    """LiS + Li = Li2S gains 3 - 2 = 1 eV, LiS = Li + S costs 2 eV."""
    found = window_of({"Li": 1.0, "S": 1.0})
    assert found.reduced_below == pytest.approx(1.0, abs=1e-6) and found.oxidised_above == pytest.approx(2.0, abs=1e-6)
    assert [one.content for one in found.stages] == pytest.approx([2.0, 1.0, 0.0])
    assert [one.phases for one in found.stages] == [("Li2S",), ("LiS",), ("S",)]


def test_a_mixture_has_the_steps_of_its_parts():
    """Half S, half Cl: below 0.5 V Li2S + LiCl hold 1.5 Li, up to 1 V Li2S + Cl 1.0, up to 2 V LiS + Cl 0.5."""
    found = window_of({"Li": 1.0, "S": 0.5, "Cl": 0.5})
    assert found.reduced_below == pytest.approx(0.5, abs=1e-6) and found.oxidised_above == pytest.approx(1.0, abs=1e-6)
    assert [one.content for one in found.stages] == pytest.approx([1.5, 1.0, 0.5, 0.0])


def test_what_holds_all_that_it_can_withstands_the_metal():
    found = window_of({"Li": 2.0, "S": 1.0})
    assert found.reduced_below is None and found.oxidised_above == pytest.approx(1.0, abs=1e-6)


def test_what_holds_none_is_never_oxidised():
    found = window_of({"S": 1.0})
    assert found.reduced_below == pytest.approx(2.0, abs=1e-6) and found.oxidised_above is None


def test_a_composition_between_two_plateaus_has_no_window():
    found = window_of({"Li": 1.5, "S": 1.0})
    assert found.reduced_below == found.oxidised_above == pytest.approx(1.0, abs=1e-6)


def test_a_charge_of_two_halves_the_potential():
    (found,) = windows_of(ENTRIES, {"one": {"Li": 1.0, "S": 1.0}}, "Li", 2, "entries")
    assert found.reduced_below == pytest.approx(0.5, abs=1e-6) and found.oxidised_above == pytest.approx(1.0, abs=1e-6)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "entries.json"
    path.write_text(json.dumps({"source": "made up", "entries": [one.as_dict() for one in ENTRIES]}))
    return path


def test_the_verb_says_what_its_energies_rest_on_and_draws(file, tmp_path, capsysbinary):
    window(file, composition=["undoped=LiS", "Li2SCl"], figure=tmp_path / "window.png", json=True)
    record = json.loads(capsysbinary.readouterr().out)
    assert record["rests_on"] == "made up" and [one["name"] for one in record["windows"]] == ["undoped", "Li2SCl"]
    assert record["windows"][0]["reduced_below_V"] == pytest.approx(1.0, abs=1e-6)
    assert (tmp_path / "window.png").stat().st_size > 5000
    assert "Li2S" in (tmp_path / "window.csv").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"composition": ["LiO2"]}, r"has no entry of the element O; add one"),
        ({"composition": ["Qq3"]}, "is no formula"),
        ({"composition": ["Li"]}, "holds nothing but Li"),
        ({"composition": ["a=LiS", "a=LiCl"]}, "named twice"),
        ({}, "needs a composition"),
        ({"study": Path("nowhere")}, "has no study.json"),
        ({"study": MG}, "has no entry of the elements Al, Mg, O, P, Ti; add one"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(file, options, said):
    with pytest.raises(ConfigError, match=said) as problem:
        window(file, **options)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("text", ["{}", "[]", "[1]", "no JSON", '[{"energy": "x"}]', '{"entries": []}'])
def test_a_file_without_entries_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "entries.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"entries\.json: ") as problem:
        window(path, composition=["LiS"])
    assert "\n" not in str(problem.value)
