"""Every step of a CP2K run has its own cell, forces and stress; every version's output is read in its own units.

LiH*.out are outputs of CP2K 2023.1, cut to what is read; see tests/data/reference/README.md.
"""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.units import Bohr, GPa, Hartree

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_output import parse_output
from dopantfit.reference.cp2k_run import read_calculation, read_run
from dopantfit.reference.ionic_steps import StepChoice, wanted_frames

DATA = Path(__file__).parents[1] / "data" / "reference" / "cp2k"


def copied(folder: Path, stem: str, *without: str) -> Path:
    """Copy the files of a run, but for those that end so, and return the output."""
    for path in DATA.glob(f"{stem}*"):
        if not path.name.removeprefix(stem).endswith(without) and not path.name.removeprefix(stem)[:1].isalpha():
            shutil.copy(path, folder)
    return folder / f"{stem}.out"


def edited(path: Path, *changes: tuple[str, str]) -> Path:
    text = path.read_text()
    for old, new in changes:
        assert re.search(old, text), old
        text = re.sub(old, new, text)
    path.write_text(text)
    return path


@pytest.mark.parametrize("without", [("none",), ("-1.cell",)])
def test_a_cell_optimisation_has_the_cell_of_each_step(tmp_path: Path, without: tuple[str, ...]) -> None:
    frames = read_calculation(copied(tmp_path, "LiH-cellopt", *without))
    # "CELL| Volume" and "ENERGY| Total" of the output, and the last column of the file of cells.
    np.testing.assert_allclose([f.cell.volume for f in frames], [65.1977064, 75.2029781, 85.0464147], atol=2e-5)
    energies = [frame.calc.results["energy"] for frame in frames]
    np.testing.assert_allclose(energies, [-867.57749, -868.61564, -869.00867], atol=1e-5)
    np.testing.assert_allclose(frames[2].cell.array[0], [4.4061941903, 0, 0], atol=1e-6)
    # 1/3 Trace of the last stress, with CP2K's sign.
    assert frames[2].calc.results["stress"][:3].mean() / GPa == pytest.approx(-3.33504662689, rel=1e-6)


def test_the_stress_of_each_step_is_that_of_its_own_volume(tmp_path: Path) -> None:
    """The change of energy is V Σ σ dε between the last two cells, to second order."""
    _, one, other = read_calculation(copied(tmp_path, "LiH-cellopt"))
    strain = np.log(np.diag(other.cell.array) / np.diag(one.cell.array))
    works = [f.cell.volume * (f.calc.results["stress"][:3] * strain).sum() for f in (one, other)]
    change = other.calc.results["energy"] - one.calc.results["energy"]
    # The third order is that of a strain of 0.05.
    assert change == pytest.approx(sum(works) / 2, rel=0.2)


def test_an_npt_run_has_the_cells_of_its_file(tmp_path: Path) -> None:
    frames = read_calculation(copied(tmp_path, "LiH-npt-f"))
    assert len(frames) == 4
    # &TRAJECTORY has UNIT bohr: the first ion stands at 0.1 Å in the input.
    np.testing.assert_allclose(frames[0].positions[0], [0.1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(frames[1].cell.array[0], [3.7397992877, -0.0335816201, -0.0556013735], atol=1e-10)
    # "MD| Cell volume [ang^3]" of the last step.
    assert frames[3].cell.volume == pytest.approx(32.87573412298, rel=1e-9)


def test_an_npt_run_without_its_cells_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceDataError, match=r"\(MD NPT_F\), and LiH-npt-f-1\.cell with the cell of each step"):
        read_calculation(copied(tmp_path, "LiH-npt-f", "-1.cell"))


def test_an_isotropic_npt_run_scales_its_first_cell(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-i")
    frames = read_calculation(path)
    printed = re.findall(r"^ MD(?:_INI)?\| Cell lengths \[ang\]\s+(\S+)\s+(\S+)\s+(\S+)", path.read_text(), re.M)
    for frame, lengths in zip(frames, printed, strict=True):
        np.testing.assert_allclose(frame.cell.lengths(), [float(x) for x in lengths], atol=1e-8)


@pytest.mark.parametrize(
    ("stem", "without", "change", "words"),
    [
        ("LiH-cellopt", "-1.cell", ("CELL\\| V", "CELX| V"), r"\(CELL_OPT\), and LiH-cellopt-1\.cell"),
        (
            "LiH-cellopt",
            "-1.cell",
            ("Vector a .angstrom.: +4.183", "Vector a [angstrom]: 4.283"),
            "how the cell is turned",
        ),
        ("LiH-npt-i", "none", ("Cell volume", "Cell vol"), r"\(MD NPT_I\), and LiH-npt-i-1\.cell"),
        ("LiH-npt-f", "none", ("Cell volume .ang.3. +6.08", "Cell volume [ang^3] 6.18"), "is a file of another run"),
    ],
)
def test_a_cell_that_cannot_be_found_is_refused(
    tmp_path: Path, stem: str, without: str, change: tuple[str, str], words: str
) -> None:
    with pytest.raises(ReferenceDataError, match=words):
        read_calculation(edited(copied(tmp_path, stem, without), change))


def test_steps_that_the_file_of_cells_lacks_are_refused(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    cells = tmp_path / "LiH-npt-f-1.cell"
    cells.write_text("\n".join(cells.read_text().splitlines()[:-1]))
    with pytest.raises(ReferenceDataError, match=r"step 3: LiH-npt-f-1\.cell has no cell of this step"):
        read_calculation(path)
    cells.write_text("what is this\n")
    with pytest.raises(ReferenceDataError, match="is no file of cells as CP2K writes it"):
        read_calculation(path)


def test_forces_in_a_file_of_their_own_are_those_of_the_output(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    printed = read_calculation(path)
    edited(path, (r"(?s) ATOMIC FORCES in.*? SUM OF ATOMIC FORCES", " none"))
    for one, other in zip(printed, read_calculation(path), strict=True):
        # The output prints eight decimals of a hartree/bohr, the file ten.
        np.testing.assert_allclose(one.calc.results["forces"], other.calc.results["forces"], atol=3e-7)
    (tmp_path / "LiH-npt-f-frc-1.xyz").unlink()
    with pytest.raises(ReferenceDataError, match="frame 0: no forces printed"):
        read_calculation(path)


def test_steps_of_another_run_and_evaluations_without_positions_are_told(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    edited(tmp_path / "LiH-npt-f-pos-1.xyz", (r"-8\.1381049967", "-8.2381049967"))
    run = read_run(path)
    assert len(run.steps) == 3 and run.steps[2].atoms.cell.volume == pytest.approx(32.87573412298, rel=1e-9)
    assert "1 of 4 steps in LiH-npt-f-pos-1.xyz are of another run" in run.remarks
    assert "1 of 4 steps have no positions in LiH-npt-f-pos-1.xyz" in run.remarks
    edited(tmp_path / "LiH-npt-f-pos-1.xyz", ("E = +-8", "E = -9"))
    with pytest.raises(ReferenceDataError, match=r"no evaluation in LiH-npt-f\.out has the energy"):
        read_calculation(path)


def test_a_cut_trajectory_is_refused(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    positions = tmp_path / "LiH-npt-f-pos-1.xyz"
    positions.write_text(positions.read_text()[:-60])
    with pytest.raises(ReferenceDataError, match=r"pos-1\.xyz: line 13: no whole step"):
        read_calculation(path)


def test_without_the_input_the_unit_of_a_trajectory_is_told_by_its_first_step(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-i", ".inp")
    medium = (DATA / "LiH-npt-f.out").read_text()
    start = medium[medium.index(" CELL| Volume") : medium.index(" MD_PAR|")]
    edited(path, (r" MD_PAR\|", f"{start} MD_PAR|"))
    assert len(read_calculation(path)) == 4
    in_bohr = copied(tmp_path, "LiH-npt-f", ".inp")
    with pytest.raises(ReferenceDataError, match="is not near the ions that the output begins with, if it is in Å"):
        read_calculation(in_bohr)


def test_a_line_search_without_forces_is_no_obstacle(tmp_path: Path) -> None:
    """CP2K's conjugate gradients look at energies alone on the way, and evaluate the end of the line again."""
    path = copied(tmp_path, "LiH-cellopt")
    text = path.read_text()
    start = text.index(" CELL| Volume", text.index("-31.8757"))
    block = text[start : text.index(" ATOMIC FORCES", start)]
    path.write_text(text[:start] + block + text[start:])
    assert [f.calc.results["energy"] for f in read_calculation(path)] == [
        f.calc.results["energy"] for f in read_calculation(DATA / "LiH-cellopt.out")
    ]


# What the versions print, by the public outputs of 6.1 to 2024.1 in the tests of cp2kdata and of 2025 in those of
# dpdata: the same numbers of the run with 2023.1, set in their forms.
OLD_STRESS = """ STRESS TENSOR [GPa]

            X               Y               Z
  X      31.21371431      0.01204772     -0.00326528
  Y       0.01204772     18.51731307      0.01758952
  Z      -0.00326528      0.01758952     24.44052733

  1/3 Trace(stress tensor):  2.47238516E+01
"""


def as_seven(text: str) -> str:
    """Return the output as CP2K 2.6 to 7.1 print it: fewer digits, another stress, units in parentheses."""
    text = text.replace("energy [a.u.]:", "energy (a.u.):").replace("version 2023.1", "version 7.1")
    text = re.sub(r"(CELL\| .*\d\.\d{3})\d{3}$", r"\1", text, flags=re.M)
    text = re.sub(r" CELL\| Periodicity.*\n", "", text)
    return re.sub(r"(?s) STRESS\|.*Determinant.*?\n", OLD_STRESS, text)


def as_2025(unit: str, force: str, stress: str, factors: tuple[float, float, float]) -> Callable[[str], str]:
    """Return what turns LiH-2025.out into one with other units."""

    def change(text: str) -> str:
        e, f, s = factors
        text = re.sub(r"\[hartree\] +(\S+)", lambda m: f"[{unit}] {float(m[1]) * e!r}", text)
        text = text.replace("[hartree/bohr]", f"[{force}]").replace("[GPa]", f"[{stress}]")
        number = re.compile(r"(?<= )-?\d\.\d+E[+-]\d+")
        lines = text.splitlines(keepends=True)
        for k, line in enumerate(lines):
            factor = f if line.startswith(" FORCES|") else s if line.startswith(" STRESS|") else None
            if factor is not None:
                lines[k] = number.sub(lambda m, factor=factor: f"{float(m[0]) * factor:.11E}", line)
        return "".join(lines)

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("LiH.out", lambda text: text),
        ("LiH.out", as_seven),
        ("LiH-2025.out", lambda text: text),
        ("LiH-2025.out", as_2025("hartree", "hartree/bohr", "bar", (1, 1, 1e4))),
        ("LiH-2025.out", as_2025("eV", "eV/angstrom", "kbar", (Hartree, Hartree / Bohr, 10))),
        ("LiH-2025.out", as_2025("Ry", "Ry*bohr^-1", "MPa", (2, 2, 1e3))),
    ],
)
def test_every_version_s_output_gives_the_same_frame(tmp_path: Path, name: str, change: Callable[[str], str]) -> None:
    shutil.copy(DATA / "LiH.inp", tmp_path)
    (tmp_path / name).write_text(change((DATA / name).read_text()))
    (frame,) = read_calculation(tmp_path / name)
    results = frame.calc.results
    # CODATA 2018 here and 2014 in ase.units differ by 1e-8.
    assert results["energy"] == pytest.approx(-31.875757002108692 * Hartree, rel=1e-7)
    np.testing.assert_allclose(results["forces"][0], [0.02195, -0.11789, -0.14944], atol=1e-5)
    np.testing.assert_allclose(results["stress"][:3] / GPa, [-31.2137143, -18.5173131, -24.4405273], rtol=1e-7)
    np.testing.assert_allclose(results["stress"][3:] / GPa, [-0.0175895, 0.0032653, -0.0120477], atol=1e-7)
    np.testing.assert_allclose(frame.cell.lengths(), [3.9, 4.1, 4.0], atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r" ENERGY\| Total", " ENERGX| Total", "holds no energy .* as CP2K 2025.1 prints it"),
        (r"\[hartree\]", "[furlong]", r"evaluation 0: energy in \[furlong\], a unit that is not known"),
        (r"\[hartree/bohr\]", "[furlong]", r"force in \[furlong\]"),
        (r"\[GPa\]", "[furlong]", r"stress in \[furlong\]"),
        (r"\( QS \)", "( FIST )", "its energy is of METHOD FIST, not of density functional theory"),
        (r"Periodicity +XYZ", "Periodicity  XY", "is periodic in XY; expected a crystal"),
        (r"PROGRAM ENDED AT", "", "is truncated"),
    ],
)
def test_an_output_that_says_something_else_is_refused(old: str, new: str, words: str) -> None:
    text = re.sub(old, new, (DATA / "LiH-2025.out").read_text())
    with pytest.raises(ReferenceDataError, match=words):
        parse_output(text, "x")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("SCF run NOT converged", "its self-consistency did not converge"),
        ("outer SCF loop FAILED to converge after   2 iterations or   60 steps", "did not converge"),
        ("SCF run converged in 3 steps\n  outer SCF loop converged in   2 iterations or   40 steps", ""),
        ("Leaving inner SCF loop after reaching 20 steps.\n outer SCF loop converged in 2 iterations or 40 steps", ""),
        ("", "does not say that its self-consistency converged"),
    ],
)
def test_the_last_word_on_self_consistency_counts(words: str, problem: str) -> None:
    text = (DATA / "LiH.out").read_text().replace("*** SCF run converged in    14 steps ***", words)
    (evaluation,) = parse_output(text).evaluations
    assert problem in evaluation.problem and bool(problem) == bool(evaluation.problem)


def test_two_runs_in_one_output_are_refused_and_a_start_that_failed_is_not(tmp_path: Path) -> None:
    text = (DATA / "LiH.out").read_text()
    with pytest.raises(ReferenceDataError, match="x: holds 2 runs, one behind the other"):
        parse_output(text + text, "x")
    assert len(parse_output(text[: text.index("  *** SCF")] + text).evaluations) == 1


def test_a_trajectory_of_an_earlier_run_is_not_a_single_point_s(tmp_path: Path) -> None:
    for name in ("LiH.inp", "LiH.out"):
        shutil.copy(DATA / name, tmp_path)
    shutil.copy(DATA / "LiH-cellopt-pos-1.xyz", tmp_path / "LiH-pos-1.xyz")
    (frame,) = read_calculation(tmp_path / "LiH.out")
    np.testing.assert_array_equal(frame.positions[0], [0.03, 0, 0.05])


def test_compressed_files_of_a_run_are_read_like_the_plain_ones(tmp_path: Path) -> None:
    plain = read_calculation(copied(tmp_path, "LiH-npt-f"))
    for path in list(tmp_path.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for one, other in zip(plain, read_calculation(tmp_path / "LiH-npt-f.out.gz"), strict=True):
        assert one.calc.results["energy"] == other.calc.results["energy"]
        np.testing.assert_array_equal(one.cell.array, other.cell.array)
        np.testing.assert_array_equal(one.positions, other.positions)


def test_the_completed_part_of_a_cut_run_has_the_steps_that_are_whole(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    text = path.read_text()
    whole = read_calculation(path)
    # In the middle of the forces of the last step.
    path.write_text(text[: text.index("ATOMIC FORCES", text.index("-8.2052")) + 120])
    (tmp_path / "LiH-npt-f-frc-1.xyz").unlink()
    with pytest.raises(ReferenceDataError, match=r"is truncated.*'PROGRAM ENDED AT'.*--completed-part"):
        read_calculation(path)
    frames, _ = wanted_frames(read_run(path), StepChoice("all", completed_part=True), "x")
    assert [number for number, _ in frames] == [0, 1, 2]
    assert [frame.cell.volume for _, frame in frames] == [frame.cell.volume for frame in whole[:3]]


HELD = "&MOTION\n&CONSTRAINT\n&FIXED_ATOMS\nLIST 1\n&END\n&END\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("&MOTION\n", HELD, r"ions are held \(&FIXED_ATOMS\), and CP2K prints their forces as zero"),
        ("&MOTION\n", "&MOTION\n&CONSTRAINT\n&HBONDS\n&RESTRAINT\n&END\n&END\n&END\n", "&RESTRAINT of &HBONDS"),
        ("&FORCE_EVAL\n", "&FORCE_EVAL\n&EXTERNAL_POTENTIAL\n&END\n", "an &EXTERNAL_POTENTIAL acts on the ions"),
        ("&FORCE_EVAL\n", "&FORCE_EVAL\n&RESCALE_FORCES\n&END\n", "large forces are scaled down"),
    ],
)
def test_forces_that_the_input_alters_are_no_frames(tmp_path: Path, old: str, new: str, words: str) -> None:
    """CP2K zeroes the forces of held ions, and adds those of restraints, before it prints them."""
    path = copied(tmp_path, "LiH-npt-f")
    edited(tmp_path / "LiH-npt-f.inp", (old, new))
    with pytest.raises(ReferenceDataError, match=words):
        read_calculation(path)


def test_a_held_ion_is_noticed_without_the_input(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH")
    edited(path, (r"(\n +1 +1 +Li)( +-?0\.\d+){3}", r"\1 0.00000000 0.00000000 0.00000000"))
    with pytest.raises(ReferenceDataError, match=r"it was held \(&FIXED_ATOMS\)"):
        read_calculation(path)


def test_an_output_whose_first_head_is_cut_off_is_two_runs_with_the_one_behind_it(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    text = path.read_text()
    head = next(line for line in text.splitlines(True) if "PROGRAM STARTED AT" in line)
    path.write_text(text.replace(head, "", 1) + text)
    with pytest.raises(ReferenceDataError, match="holds 2 runs"):
        read_run(path)


def test_a_run_that_was_cut_within_its_forces_or_stress_keeps_what_was_whole(tmp_path: Path) -> None:
    path = copied(tmp_path, "LiH-npt-f")
    text = path.read_text()
    # Within the forces, and in the second row of the stress.
    for stop in (text.rfind("ATOMIC FORCES") + 40, text.rfind(" STRESS| 1/3 Trace") - 100):
        path.write_text(text[:stop])
        frames, _ = wanted_frames(read_run(path), StepChoice("all", completed_part=True), "out")
        assert len(frames) == 3
