"""What people import from CP2K gives the numbers of their run: by the import itself, whichever reader is behind it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.importing import import_files
from dopantfit.reference.manifest import Manifest, save_manifest

DATA = Path(__file__).parents[1] / "data" / "reference" / "cp2k"
VECTORS = "      A 3.90 0.0 0.0\n      B 0.0 4.10 0.0\n      C 0.0 0.0 4.00\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    manifest = Manifest(
        name="imported",
        purpose="tests",
        licence="MIT",
        code="CP2K",
        code_version="0",
        functional="none",
        basis_or_cutoff="none",
        k_mesh=(1, 1, 1),
        scf_tolerance=1e-6,
        pseudopotentials={"Li": "none", "H": "none"},
    )
    (tmp_path / "set").mkdir()
    save_manifest(tmp_path / "set", manifest)
    return tmp_path / "set"


def test_each_step_of_a_cell_optimisation_has_its_own_cell(folder: Path) -> None:
    frames = import_files([DATA / "LiH-cellopt.out"], folder, "a", "all").frames
    # The last column of the file of cells; "ENERGY| Total FORCE_EVAL" in eV.
    np.testing.assert_allclose([f.cell.volume for f in frames], [65.19770648, 75.20297811, 85.04641473], atol=1e-7)
    energies = [frame.calc.results["energy"] for frame in frames]
    np.testing.assert_allclose(energies, [-867.57749, -868.61564, -869.00867], atol=1e-5)


def test_an_output_of_2025_gives_the_frame(folder: Path, tmp_path: Path) -> None:
    for name in ("LiH-2025.out", "LiH.inp"):
        shutil.copy(DATA / name, tmp_path)
    (frame,) = import_files([tmp_path / "LiH-2025.out"], folder, "a").frames
    assert frame.calc.results["energy"] == pytest.approx(-867.38354, abs=1e-5)
    np.testing.assert_allclose(frame.calc.results["forces"][0], [0.02195, -0.11789, -0.14944], atol=1e-5)


def test_an_output_without_any_energy_is_refused_with_its_version(folder: Path, tmp_path: Path) -> None:
    shutil.copy(DATA / "LiH.inp", tmp_path)
    text = (DATA / "LiH-2025.out").read_text().replace("ENERGY|", "energy")
    (tmp_path / "LiH.out").write_text(text)
    with pytest.raises(ReferenceDataError, match=r"LiH\.out: holds no energy .*, as CP2K 2025\.1 prints it"):
        import_files([tmp_path / "LiH.out"], folder, "a")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (VECTORS, "      ABC 3.90 4.10 4.00\n"),
        ("    &COORD\n", "    &COORD   ! the ions\n      # of one conventional cell\n"),
        ("    &CELL\n", "    &CELL\n      PERIODIC XYZ\n"),
        ("      Li 0.03 0.00 0.05\n", "      Li 0.03 0.00 0.05\n      UNIT angstrom\n"),
        ("      H  2.00 2.00 2.00\n", "      H1 2.00 2.00 2.00\n"),
        ("    &KIND Li\n", "    &KIND H1\n      ELEMENT H\n    &END KIND\n    &kind Li ! the cation\n"),
    ],
)
def test_an_input_as_people_write_it_gives_the_frame(folder: Path, tmp_path: Path, old: str, new: str) -> None:
    shutil.copy(DATA / "LiH.out", tmp_path)
    text = (DATA / "LiH.inp").read_text()
    assert old in text
    (tmp_path / "LiH.inp").write_text(text.replace(old, new))
    (frame,) = import_files([tmp_path / "LiH.out"], folder, "a").frames
    assert frame.info["composition"] == "Li4H4" and frame.cell.volume == pytest.approx(63.96, abs=1e-9)
    np.testing.assert_allclose(frame.positions[0], [0.03, 0, 0.05], atol=1e-12)
    assert frame.calc.results["energy"] == pytest.approx(-867.38354, abs=1e-5)
