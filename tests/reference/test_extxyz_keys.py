"""Extended XYZ as the makers of data sets write it: results under other names and in other units, or a line."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dopantfit.cli import app
from dopantfit.errors import ReferenceDataError
from dopantfit.reference.extxyz_keys import ResultKeys, read_named
from dopantfit.reference.frames import load_set

CELL = 'Lattice="0 2.1 2.1 2.1 0 2.1 2.1 2.1 0"'
VOLUME = 2 * 2.1**3
IONS = "Mg 0.05 0 0 -0.4 0 0.1\nO 2.1 0 0 0.4 0 -0.1\n"
STRESS = "0.01 0 0 0 0.02 0 0 0 0.03"
MANIFEST = """
name = "made-up"
purpose = "tests"
licence = "CC0"
code = "VASP"
code_version = "any"
functional = "PBE"
basis_or_cutoff = "500 eV"
k_mesh = [1, 1, 1]
scf_tolerance = 1e-6
[pseudopotentials]
Mg = "none"
O = "none"
"""


def xyz(folder: Path, comment: str, forces: str = "forces", ions: str = IONS) -> Path:
    properties = f"Properties=species:S:1:pos:R:3:{forces}:R:3"
    (folder / "a.xyz").write_text(f'2\n{CELL} {properties} {comment} pbc="T T T"\n{ions}')
    return folder / "a.xyz"


def results(path: Path, keys: ResultKeys = ResultKeys()) -> dict[str, np.ndarray]:  # noqa: B008 - it is frozen
    ((frame,), _) = read_named(path, keys)
    return dict(frame.calc.results)


@pytest.mark.parametrize(
    ("comment", "forces", "options"),
    [
        (f'REF_energy=-11.93 REF_stress="{STRESS}"', "REF_forces", ("REF_energy", "REF_forces", "REF_stress")),
        (f'dft_energy=-11.93 dft_stress="{STRESS}"', "dft_forces", ("dft_energy", "dft_forces", "dft_stress")),
        (f'energy=-11.93 stress="{STRESS}"', "force", (None, "force", None)),
        (f'free_energy=-11.93 stress="{STRESS}"', "forces", ("free_energy", None, None)),
    ],
)
def test_results_are_taken_under_the_names_that_are_given(
    tmp_path: Path, comment: str, forces: str, options: tuple[str | None, ...]
) -> None:
    path, folder = xyz(tmp_path, comment, forces), tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.toml").write_text(MANIFEST)
    words = ["reference", "import", str(path), "--set", str(folder), "--family", "a"]
    assert isinstance(CliRunner().invoke(app, words).exception, ReferenceDataError)
    for option, value in zip(("--energy-key", "--forces-key", "--stress-key"), options, strict=True):
        words += [option, value] if value else []
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    (frame,) = load_set(folder).frames
    assert frame.calc.results["energy"] == -11.93
    np.testing.assert_array_equal(frame.calc.results["forces"][0], [-0.4, 0.0, 0.1])
    np.testing.assert_array_equal(frame.calc.results["stress"], [0.01, 0.02, 0.03, 0, 0, 0])
    assert not [key for key in frame.info if "energy" in key or "stress" in key]


@pytest.mark.parametrize(
    ("comment", "forces", "keys", "words"),
    [
        (
            "REF_energy=-1",
            "forces",
            (),
            "frame 0: has no energy, but REF_energy; name the one .* --energy-key REF_energy",
        ),
        ("free_energy=-1", "forces", (), "has no energy, but free_energy"),
        ("energy=-1", "force", (), "has no forces, but force; name the one that is meant, --forces-key force"),
        ("energy=-1 REF_energy=-2", "forces", (), "has energy and REF_energy, which differ"),
        (f'energy=-1 dft_stress="{STRESS}"', "forces", (), "has no stress, but dft_stress; .* --stress-key none"),
        (f'energy=-1 my_virial="{STRESS}"', "forces", (), "has no stress, but my_virial"),
        ("energy=-1", "forces", ("E",), "--energy-key E: the frame has no such key; it has forces, energy"),
        ("energy=-1 word=no", "forces", ("word",), "word is not of numbers"),
        ("energy=-1", "forces", (None, "energy"), "energy is not of numbers of shape"),
        ('energy=-1 virial="1 2 3 4 5 6 7 8 9"', "forces", (), "virial is not symmetric; it is no stress"),
        ("energy=-1 s=3", "forces", (None, None, "s"), "s is not of six or nine numbers"),
        ("energy=-1 energy_unit=furlong", "forces", (), "says energy in 'furlong', a unit that is not known here"),
        ("energy=-1 energy_unit=Hartree", "forces", (), "unit of its energy, Hartree, and none of its force"),
        ("energy=-1 units=imperial", "forces", (), "says units = 'imperial'; expected one of ase, metal"),
    ],
)
def test_what_is_not_plain_is_refused_with_the_keys_that_are_there(
    tmp_path: Path, comment: str, forces: str, keys: tuple[str | None, ...], words: str
) -> None:
    with pytest.raises(ReferenceDataError, match=words):
        read_named(xyz(tmp_path, comment, forces), ResultKeys(*keys))


@pytest.mark.parametrize("key", ["virial", "virials", "REF_virial"])
def test_a_virial_is_minus_the_stress_times_the_volume(tmp_path: Path, key: str) -> None:
    path = xyz(tmp_path, f'energy=-1 {key}="1 0.5 0 0.5 2 0 0 0 3"')
    ((frame,), remarks) = read_named(path, ResultKeys(stress="REF_virial") if "REF" in key else ResultKeys())
    np.testing.assert_allclose(frame.calc.results["stress"], -np.array([1, 2, 3, 0, 0, 0.5]) / VOLUME, rtol=1e-12)
    assert remarks == [f"1 frames: stress was made of {key}, as -{key}/V"]


def test_another_number_of_the_energy_s_kind_is_no_contradiction(tmp_path: Path) -> None:
    assert results(xyz(tmp_path, "energy=-2 energy_per_atom=-1 REF_energy=-2"))["energy"] == -2.0


def test_a_stress_can_be_left_out(tmp_path: Path) -> None:
    path = xyz(tmp_path, f'energy=-1 dft_stress="{STRESS}"')
    assert "stress" not in results(path, ResultKeys(stress="none"))


@pytest.mark.parametrize(
    ("comment", "energy", "force", "stress"),
    [
        ('energy_unit=eV force_unit="eV/Angstrom" stress_unit="eV/A^3"', 1.0, 1.0, 1.0),
        ("energy_unit=Hartree forces_unit=Hartree/Bohr stress_unit=GPa", 27.211386245988, 51.42206747, 1 / 160.2176634),
        ("unit_energy=kcal/mol unit_force=kcal/mol/A unit_stress=kbar", 0.0433641042, 0.0433641042, 1 / 1602.176634),
        ("units=metal", 1.0, 1.0, 1 / 1602176.634),
        ("time_unit=fs unit_cell=cubic", 1.0, 1.0, 1.0),
    ],
)
def test_units_that_the_comment_names_are_converted(
    tmp_path: Path, comment: str, energy: float, force: float, stress: float
) -> None:
    path = xyz(tmp_path, f'energy=-2 stress="{STRESS}" {comment}')
    found = results(path)
    # The factors above have nine digits.
    assert found["energy"] == pytest.approx(-2 * energy, rel=1e-8)
    np.testing.assert_allclose(found["forces"][0], np.array([-0.4, 0, 0.1]) * force, rtol=1e-8)
    np.testing.assert_allclose(found["stress"][:3], np.array([0.01, 0.02, 0.03]) * stress, rtol=1e-8)


def test_lengths_in_bohr_are_converted_with_the_cell_and_the_virial_s_volume(tmp_path: Path) -> None:
    path = xyz(tmp_path, 'energy=-2 virial="1 0 0 0 1 0 0 0 1" units=atomic')
    ((frame,), _) = read_named(path, ResultKeys())
    bohr, hartree = 0.529177210903, 27.211386245988
    assert frame.positions[1, 0] == pytest.approx(2.1 * bohr, rel=1e-12)
    assert frame.cell.volume == pytest.approx(VOLUME * bohr**3, rel=1e-12)
    assert frame.calc.results["stress"][0] == pytest.approx(-hartree / (VOLUME * bohr**3), rel=1e-12)
    assert "units" not in frame.info
