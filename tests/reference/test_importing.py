"""Importing: real outputs give their own numbers, and nothing unsound gets in.

CASTEP and VASP outputs are those that ASE installs with its tests; CP2K's and Quantum ESPRESSO's were made
with the commands in tests/data/reference/README.md.
"""

import shutil
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.units import Bohr, Hartree, Ry

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import dump_frames, load_set, read_frames
from dopantfit.reference.importing import import_files
from dopantfit.reference.manifest import Manifest, save_manifest

DATA = Path(__file__).parents[1] / "data" / "reference"
ASE_DATA = Path(ase.__file__).parent / "test" / "testdata"
CASTEP = ASE_DATA / "castep" / "md.castep"
OUTCAR = ASE_DATA / "vasp" / "OUTCAR_example_1"
VASPRUN = ASE_DATA / "vasp" / "vasprun_pstress.xml"

needs_ase_data = pytest.mark.skipif(
    not (CASTEP.exists() and OUTCAR.exists() and VASPRUN.exists()),
    reason="this ASE comes without its test data",
)


def a_set(folder: Path, code: str, elements: str) -> Path:
    manifest = Manifest(
        name="imported",
        purpose="tests",
        licence="MIT",
        code=code,
        code_version="0",
        functional="none",
        basis_or_cutoff="none",
        k_mesh=(1, 1, 1),
        scf_tolerance=1e-6,
        pseudopotentials=dict.fromkeys(elements.split(), "none"),
    )
    folder.mkdir()
    save_manifest(folder, manifest)
    return folder


@needs_ase_data
def test_castep_steps_of_a_trajectory(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CASTEP", "Si")
    done = import_files([CASTEP], folder, "md", steps="all", temperature=300.0)
    energies = [frame.calc.results["energy"] for frame in load_set(folder).frames]
    # "Final energy" of the three steps as printed.
    assert energies == [-1351.300206072, -1351.298793468, -1351.294716003]
    last = done.frames[-1]
    assert last.info["temperature"] == 300.0 and last.info["frame_id"] == "md-002"
    # From the last block of forces: the largest component, printed with five decimals.
    assert np.abs(last.calc.results["forces"]).max() == 0.26870
    assert any("WARNING - MD ensemble=NVE" in remark for remark in done.remarks)


@needs_ase_data
def test_vasp_outcar(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "VASP", "Ni")
    (frame,) = import_files([OUTCAR], folder, "cluster").frames
    # "energy(sigma->0)" and the first row of TOTAL-FORCE in the file.
    assert frame.calc.results["energy"] == -68.23102426
    row = OUTCAR.read_text().partition("TOTAL-FORCE (eV/Angst)")[2].splitlines()[2]
    printed = [float(x) for x in row.split()]
    np.testing.assert_array_equal(frame.positions[0], printed[:3])
    np.testing.assert_array_equal(frame.calc.results["forces"][0], printed[3:])


@needs_ase_data
def test_vasprun_energy_is_without_the_pressure_term(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "VASP", "C")
    (frame,) = import_files([VASPRUN], folder, "static").frames
    # The last electronic step's e_0_energy, to the precision of the PSTRESS correction (printed volume).
    assert frame.calc.results["energy"] == pytest.approx(-20.24720095, abs=2e-8)
    # -0.1 GPa per kbar, with ASE's sign.
    np.testing.assert_allclose(frame.calc.results["stress"][:3] / ase.units.GPa, 16.599562580, rtol=1e-12)


def test_quantum_espresso_relaxation(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "Quantum ESPRESSO 6.7", "Si")
    frames = import_files([DATA / "espresso" / "Si-relax.out"], folder, "relax", steps="all").frames
    energies = [frame.calc.results["energy"] / Ry for frame in frames]
    # The lines that start with "!"; units of another CODATA set would show at 1e-8.
    assert energies == pytest.approx([-15.61387047, -15.61665892, -15.61688921, -15.61688927], rel=1e-7)
    # Total force 0.066316 Ry/bohr is the norm over all components, printed with six decimals.
    norm = np.linalg.norm(frames[0].calc.results["forces"]) / (Ry / Bohr)
    assert norm == pytest.approx(0.066316, abs=2e-6)
    np.testing.assert_allclose(frames[0].positions[1], [1.42, 1.33, 1.36], atol=1e-6)  # of the input


def test_cp2k_single_point_and_relaxation(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "Mg O")
    import_files([DATA / "cp2k" / "MgO.out"], folder, "point")
    import_files([DATA / "cp2k" / "MgO-relax.out"], folder, "relax", steps="last")
    one, last = load_set(folder).frames
    assert one.calc.results["energy"] / Hartree == pytest.approx(-79.438220576169527, rel=1e-8)
    assert last.calc.results["energy"] / Hartree == pytest.approx(-79.443038242094417, rel=1e-8)
    assert one.calc.results["stress"].shape == (6,)


def test_steps_choose_among_ionic_steps(tmp_path: Path) -> None:
    path = DATA / "espresso" / "Si-relax.out"
    energies = {}
    for steps in ("first", "last", "all"):
        folder = a_set(tmp_path / steps, "Quantum ESPRESSO", "Si")
        done = import_files([path], folder, "relax", steps=steps)  # type: ignore[arg-type]
        energies[steps] = [frame.calc.results["energy"] for frame in done.frames]
    assert energies["first"] == energies["all"][:1] and energies["last"] == energies["all"][-1:]
    assert len(energies["all"]) == 4


def test_extended_xyz_keeps_what_it_carries(tmp_path: Path) -> None:
    sample = load_set(DATA / "lamtp-sample").frames
    path = tmp_path / "frames.xyz"
    path.write_text(dump_frames(sample))
    folder = a_set(tmp_path / "set", "CP2K", "Li Mg Al Ti P O")
    import_files([path], folder)
    for old, new in zip(sample, load_set(folder).frames, strict=True):
        assert new.info == old.info
        np.testing.assert_array_equal(new.calc.results["forces"], old.calc.results["forces"])


def truncated(text: str) -> str:
    return text[: int(0.7 * len(text))]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (DATA / "cp2k" / "MgO.out", "CP2K"),
        (DATA / "espresso" / "Si-relax.out", "Quantum ESPRESSO"),
        pytest.param(CASTEP, "CASTEP", marks=needs_ase_data),
        pytest.param(OUTCAR, "VASP", marks=needs_ase_data),
        pytest.param(VASPRUN, "VASP", marks=needs_ase_data),
    ],
)
def test_a_truncated_output_is_refused_and_nothing_written(tmp_path: Path, source: Path, name: str) -> None:
    folder = a_set(tmp_path / "set", "CP2K, Quantum ESPRESSO, CASTEP, VASP", "Mg O Si Ni C")
    cut = tmp_path / source.name
    cut.write_text(truncated(source.read_text()))
    shutil.copy(DATA / "cp2k" / "MgO.inp", tmp_path)
    with pytest.raises(ReferenceDataError, match=f"{source.name}: is truncated"):
        # The sound file comes first, and is not taken either.
        import_files([DATA / "cp2k" / "MgO.out", cut], folder, "r")
    assert [path.name for path in folder.iterdir()] == ["manifest.toml"]


def test_espresso_without_convergence_is_refused(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "Quantum ESPRESSO", "Si")
    with pytest.raises(ReferenceDataError, match="frame 0: its self-consistency did not converge"):
        import_files([DATA / "espresso" / "Si-unconverged.out"], folder, "r")


REACHED = "aborting loop because EDIFF is reached"
CASTEP_WARNING = "*Warning* max. SCF cycles performed but system has not reached the groundstate.\n"


@needs_ase_data
@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        # What VASP 6 prints; VASP 5 prints nothing, which is the second case.
        (OUTCAR, REACHED, "aborting loop EDIFF was not reached (unconverged)"),
        (OUTCAR, REACHED, ""),
        # The nine electronic steps of the run were all that was allowed.
        (VASPRUN, 'name="NELM">    60', 'name="NELM">     9'),
        (CASTEP, "Final energy, E", CASTEP_WARNING + "Final energy, E"),
    ],
)
def test_an_output_edited_to_say_unconverged_is_refused(tmp_path: Path, source: Path, old: str, new: str) -> None:
    """No real unconverged output of these codes is at hand; the words are those of the codes."""
    folder = a_set(tmp_path / "set", "CASTEP VASP", "Ni C Si")
    edited = tmp_path / source.name
    text = source.read_text()
    assert old in text
    edited.write_text(text.replace(old, new))
    with pytest.raises(ReferenceDataError, match="its self-consistency did not converge"):
        import_files([edited], folder, "r")


def test_an_output_of_another_code_is_refused(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "Si")
    with pytest.raises(ReferenceDataError, match="is Quantum ESPRESSO's, and the manifest says code = 'CP2K'"):
        import_files([DATA / "espresso" / "Si-relax.out"], folder, "r")


def test_the_same_frame_twice_is_refused(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "Mg O")
    import_files([DATA / "cp2k" / "MgO.out"], folder, "r")
    with pytest.raises(ReferenceDataError, match="frame 0: is in the set already, as r-000"):
        import_files([DATA / "cp2k" / "MgO.out"], folder, "other")


def test_an_element_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "O")
    with pytest.raises(ReferenceDataError, match=r"\(r-000\) holds Mg"):
        import_files([DATA / "cp2k" / "MgO.out"], folder, "r")


CELL = 'Lattice="3 0 0 0 3 0 0 0 3"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("Some notes of mine", "not recognised; expected an output of CASTEP, VASP, Quantum ESPRESSO, CP2K"),
        (f"1\n{CELL} Properties=species:S:1:pos:R:3 energy=-1.0\nMg 0 0 0\n", "frame 0: has no forces"),
        (
            f"1\n{CELL} Properties=species:S:1:pos:R:3:forces:R:3 energy=0 scf_converged=F\nMg 0 0 0 0 0 0\n",
            "frame 0: its self-consistency did not converge",
        ),
    ],
)
def test_a_file_without_usable_frames_is_refused(tmp_path: Path, text: str, words: str) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "Mg")
    path = tmp_path / "file.xyz"
    path.write_text(text)
    with pytest.raises(ReferenceDataError, match=words):
        import_files([path], folder, "r")


def test_a_missing_file_and_a_missing_family_are_refused(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "Mg O")
    with pytest.raises(ReferenceDataError, match=r"nowhere\.out: cannot be read"):
        import_files([tmp_path / "nowhere.out"], folder, "r")
    with pytest.raises(ReferenceDataError, match="frame 0: belongs to no family; give one with --family"):
        import_files([DATA / "cp2k" / "MgO.out"], folder)
    with pytest.raises(ReferenceDataError, match="--family '7 x' must start with a letter"):
        import_files([DATA / "cp2k" / "MgO.out"], folder, "7 x")


def test_origin_names_the_file_without_the_path_to_it(tmp_path: Path) -> None:
    folder = a_set(tmp_path / "set", "CP2K", "Mg O")
    import_files([DATA / "cp2k" / "MgO.out"], folder, "r")
    assert read_frames(folder / "frames.extxyz")[0].info["origin"] == "file cp2k/MgO.out"
