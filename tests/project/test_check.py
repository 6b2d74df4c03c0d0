"""`dopantfit check` tells everything that is wrong at once, each with the file that is wrong, before any work."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from typer.testing import CliRunner

from dopantfit.cli import app
from dopantfit.project import check, new
from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.frames import composition_of, write_set
from dopantfit.reference.manifest import parse_manifest
from dopantfit.reference.plan import load_plan
from dopantfit.reference.variants import start_ions
from dopantfit.structures import load_host

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    new("Ga", charge=3, like="Al", root=root)
    return root


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made, tmp_path / "p")
    return tmp_path / "p"


def changed(file, old, new_text):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new_text))


def test_a_new_dopant_has_steps_to_do_and_no_error(made):
    found = check(made / "fits" / "Ga")
    assert {one.severity for one in found} == {"to do"}
    sets = ["Ga-latp", "Ga-surroundings", "Ga-exchange", "Ga-compound"]  # each once, though three files name one
    assert [Path(one.where).name for one in found] == [*sets, "potential.toml", "validation.json"]
    assert "dopantfit reference run" in found[0].what and "dopantfit fit" in found[4].what


def test_a_potential_without_a_dopant_asks_for_no_gates_and_no_study(tmp_path):
    shutil.copytree(ROOT / "examples" / "Na3OCl", tmp_path / "Na3OCl")
    fit = tmp_path / "Na3OCl" / "fits" / "Na3OCl"
    assert [one.severity for one in check(fit)] == ["to do", "to do", "warning"]
    (fit / "study.toml").write_text("seed = 1")
    assert "names no [dopant], which gates and study are about; add it" in [one.what for one in check(fit)]


@pytest.mark.slow
def test_the_fit_that_comes_with_the_project_has_nothing_against_it():
    assert check(ROOT / "fits" / "Mg") == ()


def test_all_that_is_wrong_is_told_at_once_under_its_own_file(project):
    fit, sets = project / "fits" / "Ga", project / "reference_dft"
    (sets / "Ga-compound" / "start.extxyz").unlink()
    changed(fit / "fit.toml", 'compare_with = "start.toml"', 'compare_with = "latp-2021"')
    changed(fit / "fit.toml", '"relax-large-Al"', '"relax-huge"')
    changed(fit / "validate.toml", "[compound]\nstructure", "[compound]\n# structure")
    changed(fit / "validate.toml", "source =", 'prototype = "AlPO4"\nsource =')
    changed(fit / "study.toml", '["Ti", "Al"]', '["Ti", "Zr"]')
    (fit / "start.toml").unlink()
    errors = [(Path(one.where).name, one.what) for one in check(fit) if one.severity == "error"]

    def told(file, words):
        return any(where == file and words in what for where, what in errors)

    compound = [what for where, what in errors if where == "plan.toml" and "start.extxyz" in what]
    assert len(compound) == 1  # of the four items, three depart from the relaxation
    runs = [what for where, what in errors if where == "plan.toml" and "start.toml: no such file" in what]
    assert len(runs) == 3 + 5  # of the doped cells; glasses, channel and hot crystal
    assert told("fit.toml", "compare_with = 'latp-2021' has no Ga")
    assert told("fit.toml", "held_out_families names 'relax-huge'")
    assert told("validate.toml", "holds no Ga")
    assert told("study.toml", "replaces = 'Zr' is no cation")


RUNS = """
[[configurations]]
kind = "channel"
name = "channel"
start = { host = "latp" }
dopant = "Ga"
formal_charge = 3
mobile = "Li"
configurations = 1
potential = "latp-2021"
temperature = 600.0
duration = 0.1
[[configurations]]
kind = "glass"
name = "glass"
units = 3
cations = { Ga = 3 }
potential = "latp-2021"
"""


def test_potentials_of_every_kind_of_run_are_asked_for_its_ions(project):
    plan = project / "reference_dft" / "Ga-latp" / "plan.toml"
    plan.write_text(plan.read_text() + RUNS)
    told = [one.what for one in check(project / "fits" / "Ga") if one.severity == "error"]
    assert told == [f"{name}: potential latp-2021 has no Ga; name another" for name in ("channel", "glass")]


BEHIND = """
[[configurations]]
kind = "md"
name = "behind"
start = { end_of = "relax-large" }
potential = "latp-2021"
temperature = 300.0
duration = 0.1
snapshots = 1
[[configurations]]
kind = "md"
name = "behind-frame"
start = { frame = "behind-00" }
potential = "latp-2021"
temperature = 300.0
duration = 0.1
snapshots = 1
"""


def test_a_run_behind_a_relaxation_is_asked_for_the_ions_of_that(project):
    plan = project / "reference_dft" / "Ga-latp" / "plan.toml"
    relaxation = next(item.name for item in load_plan(plan).configurations if item.kind == "relaxation")
    plan.write_text(plan.read_text() + BEHIND.replace("relax-large", relaxation))
    told = [one.what for one in check(project / "fits" / "Ga") if one.severity == "error"]
    assert told == [f"{name}: potential latp-2021 has no Ga; name another" for name in ("behind", "behind-frame")]


CUTS = """
[[configurations]]
kind = "boundary"
name = "cuts"
boundary = "boundary.extxyz"
dopant = "Ga"
cuts = 1
potential = "latp-2021"
"""


def test_a_boundary_to_cut_from_is_looked_at(project):
    folder = project / "reference_dft" / "Ga-latp"
    plan = folder / "plan.toml"
    plan.write_text(plan.read_text() + CUTS)

    def told():
        return [one.what for one in check(project / "fits" / "Ga") if one.severity == "error"]

    (missing,) = told()
    assert missing.startswith("cuts: boundary: ") and "boundary.extxyz" in missing
    crystal = load_host("latp").conventional.ions
    crystal.symbols[list(crystal.symbols).index("Ti")] = "Ga"
    write(folder / "boundary.extxyz", crystal)
    assert told() == ["cuts: potential latp-2021 has no Ga; name another"]


def labelled(folder, names):
    """Give a set the first frames of these relaxations of its plan: family → name."""
    frames = []
    for item in load_plan(folder).configurations:
        if item.name in names:
            atoms = start_ions(item, folder)
            atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((len(atoms), 3)))
            atoms.info = {"frame_id": f"{names[item.name]}-000", "family": item.name, "origin": f"of {item.name}"}
            atoms.info |= {"composition": composition_of(atoms), "temperature": 0.0, "strain": 0.0}
            frames.append(atoms)
    elements = {"Li", "Al", "Ti", "P", "O", "Ga"}
    write_set(folder, frames, parse_manifest(manifest_text(folder.name, "a test", "espresso", elements)))


def test_a_set_that_is_being_labelled_lacks_frames_and_is_not_wrong(project):
    """Held out is a family that the run has not come to."""
    labelled(project / "reference_dft" / "Ga-latp", {"relax-one": "relax-one"})
    found = check(project / "fits" / "Ga")
    assert [one for one in found if one.severity != "to do"] == []
    assert found[0].what.startswith("lacks md600-one, relax-one-Al, md600-one-Al, relax-two, md600-two, relax-large-Al")


def test_exchanges_that_are_still_relaxing_are_to_do_and_not_wrong(project):
    folder = project / "reference_dft" / "Ga-exchange"
    labelled(folder, {item.name: f"{item.name}-start" for item in load_plan(folder).configurations})
    found = check(project / "fits" / "Ga")
    assert [one for one in found if one.severity != "to do"] == []
    (told,) = [one.what for one in found if one.where == str(folder)]
    assert told.startswith("lacks the relaxed ends of exchange-one-Ti0, exchange-one-Li0, exchange-one-Al-Ti0, ")


def test_labels_of_a_module_that_is_not_here_say_how_to_get_it(project):
    plan = project / "reference_dft" / "Ga-exchange" / "plan.toml"
    there = '# [calculator]\n# make = "sevenn.calculator:SevenNetCalculator"\n'
    changed(plan, there, '[calculator]\nmake = "nosuchmodel.calculator:Any"\n')
    (found,) = [one for one in check(project / "fits" / "Ga") if one.where.endswith("Ga-exchange")]
    assert "there is no module nosuchmodel here" in found.what


LEARN = """
set = "../../reference_dft/Ga-surroundings"
items = ["glass-1"]
"""


def test_rounds_of_learning_are_looked_at(project):
    fit = project / "fits" / "Ga"
    (fit / "learn.toml").write_text(LEARN)
    assert [one for one in check(fit) if one.severity == "error"] == []
    for old, new_text, said in (
        ("glass-1", "glass-3", "glass-3 has the family glass-3, which is held out"),
        ("glass-3", "glass-9", "has no item 'glass-9'"),
        ("Ga-surroundings", "Ga-elsewhere", "is no set of"),
        ("set =", "sets =", "sets"),
    ):
        changed(fit / "learn.toml", old, new_text)
        (found,) = [one for one in check(fit) if one.severity == "error"]
        assert found.where.endswith("learn.toml") and said in found.what


def test_a_missing_compound_is_told_before_any_gate(project):
    (project / "fits" / "Ga" / "validate.toml").unlink()
    (found,) = [one for one in check(project / "fits" / "Ga") if one.severity == "error"]
    assert found.where.endswith("validate.toml") and "name one in [compound]" in found.what


def test_the_verb_prints_json_and_ends_with_two_where_there_is_an_error(project):
    fit = project / "fits" / "Ga"
    result = CliRunner().invoke(app, ["check", str(fit), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["errors"] == 0
    changed(fit / "study.toml", 'dopant = "Ga"', 'dopant = "In"')
    result = CliRunner().invoke(app, ["check", str(fit), "--json"])
    printed = json.loads(result.stdout)
    assert result.exit_code == 2 and printed["errors"] == len(printed["findings"]) - 6


def test_each_error_is_one_line_on_standard_error_and_what_is_to_do_a_table(project):
    fit = project / "fits" / "Ga"
    changed(fit / "study.toml", 'dopant = "Ga"', 'dopant = "In"')
    changed(fit / "validate.toml", "[compound]\nstructure", '[compound]\nprototype = "AlPO4"\nstructure')
    result = CliRunner().invoke(app, ["check", str(fit)])
    errors = [one for one in check(fit) if one.severity == "error"]
    assert result.exit_code == 2 and len(errors) > 1
    assert result.stderr.splitlines() == [f"dopantfit: error: {one.where}: {one.what}" for one in errors]
    assert "│ to do │" in result.stdout and "error │" not in result.stdout
    # Named once, not "compound: compound:".
    assert (
        f"dopantfit: error: {fit / 'validate.toml'}: compound: give either a prototype or a structure" in result.stderr
    )


def test_a_folder_without_a_fit_is_one_line_and_no_table(tmp_path):
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"dopantfit: error: {tmp_path / 'fit.toml'}: cannot be read")
    assert result.stdout == f"{tmp_path}: 1 error, 0 steps to do\n"


def test_a_set_whose_folder_is_missing_is_told_once(project):
    shutil.rmtree(project / "reference_dft" / "Ga-latp")
    errors = [one.what for one in check(project / "fits" / "Ga") if one.severity == "error"]
    assert [one for one in errors if "Ga-latp" in one] == [
        f"sets: there is no folder {project / 'reference_dft' / 'Ga-latp'}; mend the path, or make the set"
    ]


CHARGED = """
name = "charged"
host = "latp-2021"
one_composition = true
[[sets]]
path = "set"
force_error = 0.1
held_out_families = ["three"]
[pairs."Li-O"]
rho = { bounds = [0.1, 0.4] }
"""


def test_frames_that_formal_charges_do_not_balance_are_named_and_not_refused(tmp_path):
    frames = []
    for family in ("one", "two", "three"):
        atoms = load_host("latp").conventional.ions
        if family == "two":
            del atoms[list(atoms.symbols).index("Li")]
        atoms.rattle(0.02, seed=len(frames))
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((len(atoms), 3)))
        atoms.info = {"frame_id": family, "family": family, "origin": family, "composition": composition_of(atoms)}
        atoms.info |= {"temperature": 0.0, "strain": 0.0}
        frames.append(atoms)
    write_set(
        tmp_path / "set", frames, parse_manifest(manifest_text("set", "a test", "espresso", {"Li", "Ti", "P", "O"}))
    )
    (tmp_path / "fit.toml").write_text(CHARGED)
    assert [(one.where, one.what) for one in check(tmp_path) if "formal charges" in one.what] == [
        (
            str(tmp_path / "fit.toml"),
            "set: formal charges do not balance in two -1 e; fit and gates give them a uniform background: name those "
            "that lack an ion by mistake in left_out",
        )
    ]
    (tmp_path / "fit.toml").write_text(CHARGED.replace("force_error", 'left_out = ["two"]\nforce_error'))
    assert [one for one in check(tmp_path) if "formal charges" in one.what] == []
