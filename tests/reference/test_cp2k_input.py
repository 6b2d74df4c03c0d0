"""The geometry of a CP2K input is read in the ways in which CP2K takes it, or refused in a line."""

import re
from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_geometry import read_geometry
from dopantfit.reference.cp2k_run import read_calculation, read_run

DATA = Path(__file__).parents[1] / "data" / "reference" / "cp2k"
CELL = "A 3.90 0.0 0.0\nB 0.0 4.10 0.0\nC 0.0 0.0 4.00"
IONS = """\
Li 0.03 0.00 0.05
Li 0.00 2.00 2.00
Li 2.00 0.00 2.00
Li 2.00 2.00 0.00
H  2.00 0.00 0.00
H  0.00 2.00 0.00
H  0.00 0.00 2.00
H  2.00 2.00 2.00"""
COORD = f"&COORD\n{IONS}\n&END COORD"
SCALED = "\n".join(
    f"{row.split()[0]} " + " ".join(repr(float(x) / a) for x, a in zip(row.split()[1:], (3.9, 4.1, 4.0), strict=True))
    for row in IONS.splitlines()
)
#: For what stands in a unit that is 0.1 Å or a Bohr long.
IN_BOHR = "\n".join(
    f"{row.split()[0]} " + " ".join(repr(float(x) / 0.529177210903) for x in row.split()[1:])
    for row in IONS.splitlines()
)


def an_input(cell: str = CELL, coord: str = COORD, more: str = "", before: str = "") -> str:
    return (
        f"{before}\n&GLOBAL\nPROJECT LiH\n&END GLOBAL\n&FORCE_EVAL\n&SUBSYS\n"
        f"&CELL\n{cell}\n&END CELL\n{coord}\n{more}\n"
        "&KIND Li\nBASIS_SET SZV\n&END KIND\n&END SUBSYS\n&END FORCE_EVAL\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(an_input("ABC 3.90 4.10 4.00"), id="ABC"),
        pytest.param(an_input("ABC [bohr] 7.369931923 7.747877150 7.558904537"), id="ABC in Bohr"),
        pytest.param(an_input("A [nm] .39 0 0\nB [angstrom] 0 2*41/20 0\nC 0 0 4.0D0"), id="other units and numbers"),
        pytest.param(an_input("ABC 3.9 4.1 4\nALPHA_BETA_GAMMA 90 90 90"), id="angles"),
        pytest.param(an_input("ABC 3.9 4.1 4\nANGLES [rad] 1.5707963268 1.5707963268 1.5707963268"), id="radians"),
        pytest.param(an_input(f"PERIODIC XYZ\n{CELL}\n&CELL_REF\nABC 9 9 9\n&END"), id="PERIODIC and CELL_REF"),
        pytest.param(an_input(CELL.lower()).replace("&CELL", "&cell").replace("&END", "&end"), id="lower case"),
        pytest.param(an_input(coord=f"&COORD ! the ions\n# one cell\n{IONS} ! last\n&END COORD"), id="comments"),
        pytest.param(an_input(coord=f"&COORD\nSCALED\n{SCALED}\n&END"), id="SCALED"),
        pytest.param(an_input(coord=f"&COORD\nSCALED F\nUNIT angstrom\n{IONS}\n&END"), id="SCALED F"),
        pytest.param(an_input(coord=f"&COORD\nUNIT BOHR\n{IN_BOHR}\n&END"), id="UNIT"),
        pytest.param(
            an_input(coord=COORD.replace("H  2.00 2.00 2.00", "H1 2 2 2 MOL1"), more="&KIND H1\nELEMENT H\n&END"),
            id="KIND",
        ),
        pytest.param(an_input(coord=COORD.replace("Li", "LI1")), id="numbered labels"),
        pytest.param(an_input("ABC ${A} $B \\\n 4.00", before="@SET A 3.9\n@SET B 4.1"), id="variables"),
        pytest.param(
            an_input("@IF ${X}\nABC 9 9 9\n@ENDIF\n@IF ( ${X} == 0 )\nABC 3.9 4.1 4\n@ENDIF", before="@SET X 0"),
            id="IF",
        ),
        pytest.param(an_input("@INCLUDE 'cell.inc'"), id="INCLUDE"),
        pytest.param(an_input(coord="&TOPOLOGY\nCOORD_FILE_NAME ./ions.xyz\nCOORD_FILE_FORMAT xyz\n&END"), id="file"),
    ],
)
def test_every_way_of_writing_a_geometry_gives_the_same(tmp_path: Path, text: str) -> None:
    (tmp_path / "cell.inc").write_text(f"{CELL}\n")
    (tmp_path / "ions.xyz").write_text(f"8\n\n{IONS}\n")
    (tmp_path / "x.inp").write_text(text)
    atoms = read_geometry(tmp_path / "x.inp").atoms
    assert str(atoms.symbols) == "Li4H4" and atoms.pbc.all()
    # 1e-8: the ten digits of lengths in Bohr and of angles in radians.
    np.testing.assert_allclose(atoms.cell.array, np.diag([3.9, 4.1, 4.0]), atol=1e-8)
    np.testing.assert_allclose(
        atoms.positions, [[float(x) for x in row.split()[1:]] for row in IONS.splitlines()], atol=1e-8
    )


def test_a_repeated_cell_has_its_images_in_the_order_of_cp2k(tmp_path: Path) -> None:
    """The ions are those that CP2K 2023.1 printed for this input, "ATOMIC COORDINATES IN ANGSTROM"."""
    cell = "ABC 3.9 4.1 4.0\nALPHA_BETA_GAMMA 90 92 95\nMULTIPLE_UNIT_CELL 2 1 2"
    coord = "&COORD\nLi 0.1 0 0\nH 2.0 2.0 1.9\n&END COORD"
    (tmp_path / "x.inp").write_text(an_input(cell, coord))
    atoms = read_geometry(tmp_path / "x.inp").atoms
    printed = [
        ("Li", 0.1, 0.0, 0.0),
        ("H", 2.0, 2.0, 1.9),
        ("Li", 4.0, 0.0, 0.0),
        ("H", 5.9, 2.0, 1.9),
        ("Li", -0.039598, -0.012213, 3.997545),
        ("H", 1.860402, 1.987787, 5.897545),
        ("Li", 3.860402, -0.012213, 3.997545),
        ("H", 5.760402, 1.987787, 5.897545),
    ]
    assert [str(s) for s in atoms.symbols] == [row[0] for row in printed]
    np.testing.assert_allclose(atoms.positions, [row[1:] for row in printed], atol=1e-6)
    assert atoms.cell.volume == pytest.approx(254.710005, abs=1e-6)  # "CELL| Volume [angstrom^3]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            an_input("ABC 3.9 4.1 4\nALPHA_BETA_GAMMA 10 20 170"),
            "no cell has the lengths and angles 3.9 4.1 4 10 20 170",
        ),
        (an_input("ABC 3.9 0 4"), "no cell has the lengths and angles"),
        (an_input("PERIODIC XY\nABC 3.9 4.1 40"), "PERIODIC XY: expected a crystal"),
        (an_input(""), "&CELL has neither vectors A, B, C nor ABC"),
        (an_input("A 3.9 0 0\nB 0 4.1\nC 0 0 4"), "three numbers expected in '0 4.1'"),
        (an_input("ABC [furlong] 1 1 1"), "'furlong' is no unit of length"),
        (an_input("CELL_FILE_NAME x.cif\nABC 1 1 1"), "takes its vectors from a file"),
        (an_input("ABC $A 4.1 4.0"), "line 8: the variable A is not set"),
        (an_input("@INCLUDE nowhere.inc"), r"nowhere\.inc: the input of the run cannot be read"),
        (an_input("@INCLUDE x.inp"), "includes itself"),
        (an_input(coord=""), "has no ions in &COORD"),
        (an_input(coord="&COORD\nLi 0 0 x\n&END"), "its geometry is not understood"),
        (an_input(coord="&COORD\nQq 0 0 0\n&END"), "Qq is of no known element; give its &KIND an ELEMENT"),
        (an_input(more="&KIND H\nGHOST\n&END"), "H is a ghost"),
        (an_input(coord="&TOPOLOGY\nCOORD_FILE_NAME a.cif\nCOORD_FILE_FORMAT CIF\n&END"), "a file of format CIF"),
        (an_input(coord="&TOPOLOGY\nCOORD_FILE_NAME a.xyz\n&END"), r"COORD_FILE_NAME a\.xyz cannot be read"),
        (an_input().replace("&END CELL\n", ""), "closes no section"),
        (an_input()[: -len("&END FORCE_EVAL\n")], "is not closed"),
        (an_input() + "&FORCE_EVAL\n&END", "holds 2 sections &FORCE_EVAL"),
    ],
)
def test_an_unusual_geometry_is_refused_in_a_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.inp").write_text(text)
    with pytest.raises(ReferenceDataError, match=words) as caught:
        read_geometry(tmp_path / "x.inp")
    assert "\n" not in str(caught.value)


def printed_output(folder: Path) -> Path:
    """Write the output of a single point with its ions, as PRINT_LEVEL MEDIUM has them."""
    rows = "".join(
        f"{k:7d} {1 + (s == 'H'):4d} {s:2s}    1 {x:13.6f} {y:13.6f} {z:13.6f}   1.0000   1.0079\n"
        for k, (s, x, y, z) in enumerate(
            ((row.split()[0], *map(float, row.split()[1:])) for row in IONS.splitlines()), start=1
        )
    )
    head = (
        " MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM\n\n"
        "   Atom Kind Element         X             Y             Z       Z(eff)     Mass\n"
    )
    text = (DATA / "LiH.out").read_text().replace("  *** SCF run", f"{head}{rows}\n  *** SCF run")
    (folder / "LiH.out").write_text(text)
    return folder / "LiH.out"


@pytest.mark.parametrize("text", [None, an_input("ABC $A $B $C"), an_input("ABC 4.5 4.5 4.5"), "&CELL"])
def test_where_the_input_is_of_no_help_the_output_gives_the_geometry(tmp_path: Path, text: str | None) -> None:
    path = printed_output(tmp_path)
    if text is not None:
        (tmp_path / "LiH.inp").write_text(text)
    run = read_run(path)
    np.testing.assert_allclose(run.steps[0].atoms.cell.array, np.diag([3.9, 4.1, 4.0]), atol=1e-6)
    np.testing.assert_allclose(run.steps[0].atoms.positions[0], [0.03, 0, 0.05], atol=1e-6)
    assert "geometry as the output prints it" in run.remarks[0]


@pytest.mark.parametrize("text", [an_input("PERIODIC NONE\nABC 3.9 4.1 4.0"), an_input(more="&KIND H\nGHOST\n&END")])
def test_a_molecule_or_a_ghost_is_no_crystal_whatever_the_output_prints(tmp_path: Path, text: str) -> None:
    path = printed_output(tmp_path)
    # Before 8.1 the output does not say along which vectors the cell is periodic.
    path.write_text(re.sub(r" CELL\| Periodicity.*\n", "", path.read_text()))
    (tmp_path / "LiH.inp").write_text(text)
    with pytest.raises(ReferenceDataError, match=r"PERIODIC NONE: expected a crystal|H is a ghost"):
        read_calculation(path)


def test_an_input_that_the_output_contradicts_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "LiH.out").write_text((DATA / "LiH.out").read_text())
    (tmp_path / "LiH.inp").write_text(an_input("ABC 4.5 4.5 4.5"))
    with pytest.raises(ReferenceDataError, match="its cell is not that of its input"):
        read_calculation(tmp_path / "LiH.out")
    (tmp_path / "LiH.inp").write_text(an_input(before="&EXT_RESTART\nRESTART_FILE_NAME LiH-1.restart\n&END"))
    with pytest.raises(ReferenceDataError, match="its ions come from a restart file"):
        read_calculation(tmp_path / "LiH.out")


def test_an_input_is_found_beside_the_output_whatever_folder_the_run_was_in(tmp_path: Path) -> None:
    (tmp_path / "LiH.out").write_text((DATA / "LiH.out").read_text().replace(" LiH.inp", " ../elsewhere/LiH.inp"))
    (tmp_path / "LiH.inp").write_text(an_input())
    (frame,) = read_calculation(tmp_path / "LiH.out")
    assert frame.cell.volume == pytest.approx(63.96, abs=1e-9)
