"""Importing: real outputs give their own numbers, and nothing unsound gets in.

CASTEP and VASP outputs are those that ASE installs with its tests; CP2K's and Quantum ESPRESSO's were made
with the commands in tests/data/reference/README.md.
"""

import bz2
import gzip
import lzma
import shutil
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.units import Bohr, Hartree, Ry

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import dump_frames, load_set, read_frames
from dopantfit.reference.importing import import_files
from dopantfit.reference.ionic_steps import StepChoice
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
        k_mesh="as the file says",
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


@pytest.mark.parametrize(
    ("name", "code", "energies", "force"),
    [
        # Energies [eV] of all steps, and the force [eV/Å] on the first ion of the last, as printed in the files.
        (
            "castep/damped.castep",
            "CASTEP",
            [-2199.8268, -2199.9290, -2199.9709, -2199.9881, -2199.9951, -2199.9980],
            [-0.14496, 0.11596, -0.03865],
        ),
        (
            "castep/langevin.castep",
            "CASTEP",
            [-2199.9451, -2199.98075, -2199.97816, -2199.98838],
            [-0.39119, 0.23681, -0.0029],
        ),
        (
            "espresso/hybrid-relax.out",
            "Quantum ESPRESSO",
            [-1479.8267, -1479.9633, -1479.9922, -1479.9984],
            [-0.13140, 0.10512, -0.03504],
        ),
        ("espresso/hubbard.out", "Quantum ESPRESSO", [-1479.8267], [-1.35, 1.08, -0.36]),
        ("vasp/OUTCAR-learned", "VASP", [-12.0, -11.95588, -11.94357], [0.264204, 0.026489, 0.972193]),
        (
            "vasp/md.xml.gz",
            "VASP",
            [-12.0, -11.97305, -11.92751, -11.92306, -11.96553, -11.99926, -11.98006, -11.93308],
            [-0.55773, 0.62399, 0.71003],
        ),
    ],
)
def test_every_step_has_its_own_energy_and_forces(
    tmp_path: Path, name: str, code: str, energies: list[float], force: list[float]
) -> None:
    folder = a_set(tmp_path / "set", code, "Mg O Ti")
    frames = import_files([DATA / name], folder, "a", steps="all").frames
    # The last decimal given above.
    assert [frame.calc.results["energy"] for frame in frames] == pytest.approx(energies, abs=6e-5)
    np.testing.assert_allclose(frames[-1].calc.results["forces"][0], force, atol=6e-6)
    last = import_files([DATA / name], a_set(tmp_path / "last", code, "Mg O Ti"), "a").frames
    assert [frame.calc.results["energy"] for frame in last] == pytest.approx(energies[-1:], abs=6e-5)


@pytest.mark.parametrize(
    ("choice", "energies"),
    [
        (StepChoice("all", converged_only=True), [-12.0, -11.97305, -11.92306, -11.96553, -11.99926, -11.93308]),
        (StepChoice("0,3"), [-12.0, -11.92306]),
        (StepChoice("::3", converged_only=True), [-12.0, -11.92306]),
    ],
)
def test_some_steps_of_a_long_run(tmp_path: Path, choice: StepChoice, energies: list[float]) -> None:
    path = DATA / "vasp" / "two-unconverged.xml.gz"
    with pytest.raises(ReferenceDataError, match="frame 2: its self-consistency did not converge"):
        import_files([path], a_set(tmp_path / "all", "VASP", "Mg O"), "a", steps="all")
    done = import_files([path], a_set(tmp_path / "set", "VASP", "Mg O"), "a", choice)
    assert [frame.calc.results["energy"] for frame in done.frames] == pytest.approx(energies, abs=6e-6)
    left_out = f"{path}: left out, since their self-consistency did not converge: steps 2, 6 of 8"
    assert list(done.remarks) == [left_out] * choice.converged_only


def test_the_completed_part_of_a_cut_run_is_taken_on_demand(tmp_path: Path) -> None:
    text = gzip.decompress((DATA / "vasp" / "md.xml.gz").read_bytes()).decode()
    path = tmp_path / "vasprun.xml"
    path.write_text(text[: text.rindex("<calculation>") + 200])
    with pytest.raises(ReferenceDataError, match=r"is truncated: .* --completed-part"):
        import_files([path], a_set(tmp_path / "none", "VASP", "Mg O"), "a")
    folder = a_set(tmp_path / "set", "VASP", "Mg O")
    done = import_files([path], folder, "a", StepChoice("all", completed_part=True))
    assert len(done.frames) == 7 and done.remarks[0].endswith("7 completed steps were found")


def test_the_completed_part_of_a_cut_cp2k_run_is_taken_on_demand(tmp_path: Path) -> None:
    for name in ("MgO-relax.inp", "MgO-relax-pos-1.xyz"):
        shutil.copy(DATA / "cp2k" / name, tmp_path)
    path, text = tmp_path / "MgO-relax.out", (DATA / "cp2k" / "MgO-relax.out").read_text()
    whole = import_files(
        [DATA / "cp2k" / "MgO-relax.out"], a_set(tmp_path / "whole", "CP2K", "Mg O"), "r", "all"
    ).frames
    # Within the digits of the last energy: that evaluation has no forces.
    path.write_text(text[: text.rindex("ENERGY| Total FORCE_EVAL") + 60])
    with pytest.raises(ReferenceDataError, match=r"is truncated: .* --completed-part"):
        import_files([path], a_set(tmp_path / "none", "CP2K", "Mg O"), "r")
    done = import_files([path], a_set(tmp_path / "set", "CP2K", "Mg O"), "r", StepChoice("all", completed_part=True))
    energies = [frame.calc.results["energy"] for frame in done.frames]
    assert 0 < len(energies) < len(whole)
    assert energies == [frame.calc.results["energy"] for frame in whole][: len(energies)]
    assert any("was cut" in remark for remark in done.remarks)


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize(
    "name",
    [
        "castep/damped.castep",
        "espresso/Si-relax.out",
        "vasp/OUTCAR-learned",
        "cp2k/MgO.out",
        "lamtp-sample/frames.extxyz",
    ],
)
def test_a_compressed_file_gives_the_same_frames(tmp_path: Path, name: str, suffix: str) -> None:
    original = DATA / name
    packed = tmp_path / (original.name + suffix)
    packed.write_bytes(PACKERS[suffix](original.read_bytes()))
    shutil.copy(DATA / "cp2k" / "MgO.inp", tmp_path)
    code, elements = "CASTEP VASP Quantum ESPRESSO CP2K", "Li Mg Al Ti P O Si"
    plain, unpacked = (
        import_files([path], a_set(tmp_path / folder, code, elements), "a", steps="all").frames
        for path, folder in ((original, "plain"), (packed, "packed"))
    )
    assert len(plain) == len(unpacked) > 0
    for one, other in zip(plain, unpacked, strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.calc.results["forces"], other.calc.results["forces"])
        assert one.calc.results["energy"] == other.calc.results["energy"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((DATA / "vasp" / "md.xml.gz").read_bytes()[:500], "is damaged or was cut short"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "is compressed in a way that is not read; unpack it first"),
        (b"PK\x03\x04" + bytes(20), "is compressed in a way that is not read; unpack it first"),
    ],
    ids=["cut", "zstd", "zip"],
)
def test_a_damaged_or_unknown_archive_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "vasprun.xml.gz"
    path.write_bytes(content)
    with pytest.raises(ReferenceDataError, match=f"vasprun.xml.gz: {words}"):
        import_files([path], a_set(tmp_path / "set", "VASP", "Mg O"), "a")


def test_folders_are_searched_for_outputs(tmp_path: Path) -> None:
    for name in ("300K", "600K"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        text = gzip.decompress((DATA / "vasp" / "md.xml.gz").read_bytes()).decode()
        text = text.replace("<v> 0.00000000 0.00000000 0.00000000 </v>", f"<v> 0.00{name[0]}0 0.0 0.0 </v>")
        (tmp_path / "runs" / name / "vasprun.xml").write_text(text)
        (tmp_path / "runs" / name / "POTCAR").write_text("  PAW_PBE Mg\n   VRHFIN =Mg: s2p0\n")
        (tmp_path / "runs" / name / "pos.xyz").write_text("1\n\nMg 0 0 0\n")
    shutil.copy(DATA / "vasp" / "OUTCAR-learned", tmp_path / "runs" / "300K" / "OUTCAR")
    (tmp_path / "runs" / "300K" / "vasprun.xml.gz").write_bytes(gzip.compress(b"<modeling>"))
    done = import_files([tmp_path / "runs"], a_set(tmp_path / "set", "VASP", "Mg O"), "md", steps="first")
    assert [frame.info["origin"] for frame in done.frames] == ["file 300K/vasprun.xml", "file 600K/vasprun.xml"]
    runs = tmp_path / "runs"
    assert list(done.remarks) == [
        f"{runs}: 2 outputs were found in this folder",
        f"{runs / '300K' / 'OUTCAR'}: left aside for vasprun.xml beside it",
        f"{runs / '300K' / 'vasprun.xml.gz'}: left aside for vasprun.xml beside it",
    ]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ReferenceDataError, match="nothing: holds no output that is read; name the files"):
        import_files([tmp_path / "nothing"], tmp_path / "set", "md")


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
