"""A set is told from another by where it lies and what it holds, never by a name that two may have."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dopantfit import Potential
from dopantfit.errors import ConfigError
from dopantfit.fit.config import FitConfig, parse_config
from dopantfit.fit.data import load_targets
from dopantfit.fit.inputs import fit_files, input_digest, label_sources, set_files
from dopantfit.fit.residuals import energy_groups
from dopantfit.pipeline.steps import stale_fit
from dopantfit.reference.frames import load_set, write_set
from dopantfit.reference.manifest import CalculatorRecord, Manifest, save_manifest
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import sha256_of

SAMPLE = Path(__file__).parents[1] / "data" / "reference" / "lamtp-sample"
TEXT = """
name = "two"
host = "latp-2021"
one_composition = true
[dopant]
label = "Mg"
formal_charge = 2
mass = 24.305
[[sets]]
path = "../one/frames"
energy_error = 0.005
[[sets]]
path = "../two/frames"
energy_error = 0.005
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sets whose folders and whose manifests have one name, with energies that differ by a constant."""
    sample = load_set(SAMPLE)
    for name, offset in (("one", 0.0), ("two", 123.0)):
        for frame in sample.frames:
            frame.calc.results["energy"] += offset
        write_set(tmp_path / name / "frames", sample.frames, sample.manifest)
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "fit.toml").write_text(TEXT)
    return tmp_path / "fit"


def test_two_sets_of_one_name_have_an_energy_offset_each(folder: Path) -> None:
    targets = load_targets(parse_config(TEXT), Potential.load("latp-mg-2022"), folder, "fit.toml")
    assert len({target.name for target in targets}) == len(targets) == 6
    assert {target.set for target in targets} == {"../one/frames", "../two/frames"}
    # Two frames of one composition in each, and a lone one of another, which says nothing.
    assert [int(flags.sum()) for flags in energy_groups(targets).members] == [2, 2]
    assert {target.composition for target in targets} == {"Al2Li10MgTi9O72P18", "Al2Li12Mg2Ti8O72P18"}


def test_sets_of_names_of_their_own_keep_them(folder: Path) -> None:
    sample = load_set(SAMPLE)
    other = sample.manifest.model_copy(update={"name": "other"})
    write_set(folder.parent / "more", load_set(folder.parent / "two" / "frames").frames, other)
    config = parse_config(TEXT.replace("../two/frames", "../more"))
    targets = load_targets(config, Potential.load("latp-mg-2022"), folder, "fit.toml")
    assert {target.set for target in targets} == {sample.name, "other"}
    assert set(set_files(config, folder)) == {
        f"{name}/{file}" for name in ("frames", "more") for file in ("frames.extxyz", "manifest.toml")
    }


def test_a_change_of_either_set_makes_the_fit_stale(folder: Path) -> None:
    config = parse_config(TEXT)
    files = fit_files(config, folder / "fit.toml")
    assert len(files) == 5
    (folder / "potential.toml").write_text("made")
    inputs = {name: sha256_of(path) for name, path in files.items()}
    # What staleness looks at of a record; the rest of one is the fit's results.
    record: Any = SimpleNamespace(
        record=SimpleNamespace(inputs=inputs), potential_sha256=sha256_of(folder / "potential.toml")
    )
    assert stale_fit(folder, record) == ""
    for name in ("one", "two"):
        path = folder.parent / name / "frames" / "frames.extxyz"
        text = path.read_text()
        path.write_text(text.replace("energy=-", "energy=-1"))
        assert "has changed since" in stale_fit(folder, record)
        path.write_text(text)


def test_labels_that_are_measured_after_a_fit_leave_it_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text('name = "two"\n\n[split]\nreason = ""\n')
    before = input_digest(path)
    assert before == sha256_of(path)
    check = "[label_check]\nDFT = { force_error = 0.1 }\n"
    for late in (f"\n{check}", f'\n{check}\n[label_check."more"]\nforce_error = 0.2\n'):
        path.write_text(f'name = "two"\n\n[split]\nreason = ""\n{late}')
        assert input_digest(path) == before
    path.write_text(f'name = "two"\n\n{check}\n[split]\nreason = "another"\n')
    assert input_digest(path) != before
    path.write_text(f'name = "two"\n\n{check}\n[split]\nreason = ""\n')
    assert input_digest(path) == before


@pytest.mark.parametrize("other", ["../one/../one/frames", "../copy", "../link"])
def test_a_set_given_twice_by_another_spelling_is_refused(folder: Path, other: str) -> None:
    one = load_set(folder.parent / "one" / "frames")
    write_set(folder.parent / "copy", one.frames, one.manifest)
    (folder.parent / "link").symlink_to(folder.parent / "one" / "frames")
    config = parse_config(TEXT.replace("../two/frames", other))
    with pytest.raises(ConfigError, match=r"\.\./one/frames and .* hold the same frames; each set counts once"):
        load_targets(config, Potential.load("latp-mg-2022"), folder, "fit.toml")


def test_labels_that_were_never_held_against_dft_are_named(tmp_path: Path) -> None:
    calculator = CalculatorRecord(make="own.py:make", version="own 1.0")
    common = {"purpose": "a test", "licence": "CC0", "code_version": "1"}
    save_manifest(
        make_folder(tmp_path / "guessed"), Manifest(name="guessed", code="own.py:make", calculator=calculator, **common)
    )
    dft = {"functional": "PBE", "basis_or_cutoff": "DZVP", "k_mesh": (1, 1, 1), "scf_tolerance": 1e-6}
    save_manifest(
        make_folder(tmp_path / "dft"), Manifest(name="dft", code="CP2K", pseudopotentials={}, **dft, **common)
    )
    sets = [{"path": name, "force_error": 0.1} for name in ("guessed", "dft")]
    config = FitConfig.model_validate_json(json.dumps({"name": "x", "host": "latp-2021", "sets": sets}))
    found = {one["set"]: one["held_against_dft"] for one in label_sources(config, tmp_path)}
    assert found == {"guessed": False, "dft": True}
