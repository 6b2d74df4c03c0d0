import io
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

from command_line import dopantfit
from dopantfit.errors import ConfigError
from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.cp2k_geometry import read_geometry
from dopantfit.reference.cp2k_process import Processes, compute_frame
from dopantfit.reference.frames import read_frames
from dopantfit.reference.generate import configurations
from dopantfit.reference.plan import Plan, parse_plan
from dopantfit.reference.write_inputs import WRITERS, write_inputs
from dopantfit.reference.written_job import STEPS

PLAN = """
set = "X"
purpose = "a test"
k_mesh = [3, 2, 1]
plane_waves = { cutoff = 680.2846561, scf_tolerance = 1.3e-6 }
[[configurations]]
kind = "rattle"
name = "mixed"
start = { prototype = "LiTi2P3O12", substitutions = [
    { replaced = "Ti", dopant = "Mg", formal_charge = 2, count = 1 }] }
sigmas = [0.05]
[[configurations]]
kind = "relaxation"
name = "relax"
start = { prototype = "MgO" }
steps = 7
"""


def written(code: str, tmp_path: Path) -> tuple[Plan, tuple[Path, ...], list[Atoms]]:
    plan = parse_plan(PLAN)
    folders = write_inputs(plan, tmp_path, code, tmp_path / "out", {}, tmp_path / "work")
    return plan, folders, [c.atoms for c in configurations(plan, tmp_path, {}, tmp_path).configurations]


def _castep_geometry(folder: Path) -> Atoms:
    """Read a .cell file as its format is documented: ASE's reader wants CASTEP's keyword list beside it."""
    lines = [line.split() for line in (folder / "frame.cell").read_text().splitlines()]
    blocks = {}
    for name in ("LATTICE_CART", "POSITIONS_ABS"):
        start, stop = lines.index(["%BLOCK", name]), lines.index(["%ENDBLOCK", name])
        assert lines[start + 1] == ["ANG"]
        blocks[name] = lines[start + 2 : stop]
    cell = [[float(x) for x in line] for line in blocks["LATTICE_CART"]]
    ions = blocks["POSITIONS_ABS"]
    positions = [[float(x) for x in line[1:]] for line in ions]
    return Atoms([line[0] for line in ions], positions, cell=cell, pbc=True)


GEOMETRY = {
    "castep": _castep_geometry,
    "vasp": lambda folder: read(folder / "POSCAR", format="vasp"),
    "espresso": lambda folder: read(folder / "pw.in", format="espresso-in"),
    "cp2k": lambda folder: read_geometry(folder / "cp2k.inp").atoms,
}


@pytest.mark.parametrize("code", WRITERS)
def test_every_code_gets_the_configuration(code: str, tmp_path: Path) -> None:
    _, folders, atoms = written(code, tmp_path)
    assert [folder.name for folder in folders] == ["mixed-00", "relax-000"]
    for folder, expected in zip(folders, atoms, strict=True):
        found = GEOMETRY[code](folder)
        assert list(found.symbols) == list(expected.symbols)
        # 1e-13: readers may turn to fractional coordinates and back.
        np.testing.assert_allclose(found.cell.array, expected.cell.array, atol=1e-13)
        np.testing.assert_allclose(found.positions, expected.positions, atol=1e-13)
        (kept,) = read_frames(folder / "configuration.extxyz")
        assert {key: value for key, value in kept.info.items() if key != STEPS} == expected.info


def test_ions_that_are_not_grouped_keep_their_elements_in_a_poscar(tmp_path: Path) -> None:
    plan = parse_plan(
        'set = "X"\npurpose = "x"\n[[configurations]]\nkind = "recompute"\nname = "a"\nstart = { file = "mixed.xyz" }\n'
    )
    atoms = Atoms("MgOMgO", [[0, 0, 0], [2, 0, 0], [4, 0, 0], [6, 0, 0]], cell=[8, 3, 3], pbc=True)
    atoms.write(tmp_path / "mixed.xyz", format="extxyz")
    (folder,) = write_inputs(plan, tmp_path, "vasp", tmp_path / "out", {}, tmp_path)
    found = read(folder / "POSCAR", format="vasp")
    assert {(s, round(x)) for s, x in zip(found.symbols, found.positions[:, 0], strict=True)} == {
        ("Mg", 0),
        ("Mg", 4),
        ("O", 2),
        ("O", 6),
    }
    assert "POTCAR: PAW_PBE Mg_pv, PAW_PBE O in this order" in (folder / "README").read_text()


def settings(path: Path) -> dict[str, str]:
    pairs = [line.replace("=", ":").split(":") for line in path.read_text().splitlines()]
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def test_castep_settings_are_the_plan_s_in_castep_s_units(tmp_path: Path) -> None:
    plan, (point, relax), (atoms, _) = written("castep", tmp_path)
    param = settings(point / "frame.param")
    assert param["TASK"] == "SinglePoint"
    assert param["CUT_OFF_ENERGY"] == f"{plan.plane_waves.cutoff!r} eV"
    # Per atom, as CASTEP takes it.
    per_atom = float(param["ELEC_ENERGY_TOL"].removesuffix(" eV"))
    assert per_atom * len(atoms) == pytest.approx(1.3e-6)
    assert "KPOINTS_MP_GRID 3 2 1" in (point / "frame.cell").read_text()
    relaxing = settings(relax / "frame.param")
    assert (relaxing["TASK"], relaxing["GEOM_MAX_ITER"]) == ("GeometryOptimization", "7")


def test_vasp_settings_are_the_plan_s(tmp_path: Path) -> None:
    plan, (point, relax), _ = written("vasp", tmp_path)
    incar = settings(point / "INCAR")
    assert (float(incar["ENCUT"]), float(incar["EDIFF"])) == (plan.plane_waves.cutoff, 1.3e-6)
    assert (incar["NSW"], incar["ISIF"]) == ("0", "2")
    assert settings(relax / "INCAR")["NSW"] == "7"
    assert "\n3 2 1\n" in (point / "KPOINTS").read_text()


def test_espresso_settings_are_the_plan_s_in_rydberg(tmp_path: Path) -> None:
    from ase.io.espresso import read_fortran_namelist

    _, (point, relax), _ = written("espresso", tmp_path)
    namelists, cards = read_fortran_namelist(io.StringIO((point / "pw.in").read_text()))
    # 680.2846561 eV are 50 Ry (CODATA 2018, ten digits).
    assert namelists["system"]["ecutwfc"] == pytest.approx(50.0, rel=1e-9)
    assert namelists["electrons"]["conv_thr"] == pytest.approx(1.3e-6 / 13.605693122994)
    assert namelists["control"]["calculation"] == "scf"
    assert namelists["control"]["tstress"]
    assert "3 2 1 0 0 0" in cards
    relaxing, _ = read_fortran_namelist(io.StringIO((relax / "pw.in").read_text()))
    assert (relaxing["control"]["calculation"], relaxing["control"]["nstep"]) == ("relax", 7)
    # 0.05 eV/Å in Ry/bohr.
    assert relaxing["control"]["forc_conv_thr"] == pytest.approx(0.05 / 25.711033, rel=1e-6)


def test_cp2k_gets_a_relaxation_as_one_job(tmp_path: Path) -> None:
    _, (point, relax), _ = written("cp2k", tmp_path)
    assert "RUN_TYPE ENERGY_FORCE" in (point / "cp2k.inp").read_text()
    text = (relax / "cp2k.inp").read_text()
    assert "RUN_TYPE GEO_OPT" in text
    assert "MAX_ITER 7" in text


def test_finished_frames_are_not_written_and_an_unknown_code_is_named(tmp_path: Path) -> None:
    plan, _, (mixed, _) = written("vasp", tmp_path)
    left = write_inputs(plan, tmp_path, "vasp", tmp_path / "more", {"mixed-00": mixed}, tmp_path)
    assert [folder.name for folder in left] == ["relax-000"]
    with pytest.raises(ConfigError, match="expected one of castep, vasp, espresso, cp2k"):
        write_inputs(plan, tmp_path, "abinit", tmp_path, {}, tmp_path)


@pytest.mark.parametrize("code", WRITERS)
def test_a_refused_configuration_leaves_nothing_behind(code, tmp_path: Path) -> None:
    """Not those before it either: what is there is then all of a plan, or none."""
    plan_of("MgO", tmp_path)
    plan_of("MoO2", tmp_path)
    folder = tmp_path / "set"
    folder.mkdir()
    items = "".join(
        f'[[configurations]]\nkind = "recompute"\nname = "{one}"\nstart = {{ file = "../{one}.extxyz" }}\n'
        for one in ("MgO", "MoO2")
    )
    (folder / "plan.toml").write_text(f'set = "X"\npurpose = "a test"\n{items}')
    before = sorted(tmp_path.rglob("*"))
    done = dopantfit("reference", "run", folder, "--write-only", code, "--work", tmp_path / "runs" / "X")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "spin of Mo+4: high and low spin are both usual of 2 d electrons" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_cp2k_leaves_no_folder_of_a_configuration_that_it_refuses(tmp_path: Path) -> None:
    plan = plan_of("MoO2", tmp_path)
    (one,) = configurations(plan, tmp_path, {}, tmp_path / "work").configurations
    with pytest.raises(ConfigError, match=r"spin of Mo\+4"):
        compute_frame(one, plan.cp2k, tmp_path / "work", Processes(("false",), tmp_path))
    assert not (tmp_path / "work").exists()


def test_castep_s_even_meshes_hold_gamma_as_the_others_do(tmp_path: Path) -> None:
    _, folders, _ = written("castep", tmp_path)
    # Monkhorst and Pack's mesh of 2 is at ±1/4 of the reciprocal vector; half a step of 1/2 puts a point at 0.
    assert "KPOINTS_MP_GRID 3 2 1\nKPOINTS_MP_OFFSET 0.0 0.25 0.0\n" in (folders[0] / "frame.cell").read_text()


@pytest.mark.parametrize(
    ("code", "file", "said"),
    [
        ("castep", "frame.param", "SPIN_POLARIZED : TRUE\nSPIN : 5\n"),
        ("castep", "frame.cell", " SPIN=5\n"),
        ("vasp", "INCAR", "ISPIN = 2\nMAGMOM = 1*5 4*0 1*0\n"),
        ("espresso", "pw.in", "nspin = 2\ntot_magnetization = 5.0\n"),
    ],
)
def test_iron_three_has_five_unpaired_electrons_for_every_code(code, file, said, tmp_path: Path) -> None:
    plan = plan_of("FePO4", tmp_path)
    (folder,) = write_inputs(plan, tmp_path, code, tmp_path / "out", {}, tmp_path / "work")
    text = (folder / file).read_text()
    assert said in text or said.replace("4*0 1*0", "1*0 4*0") in text
    assert "Spin: unpaired electrons Fe 5" in (folder / "README").read_text()


@pytest.mark.parametrize(
    ("code", "file", "said"),
    [
        ("castep", "frame.param", "SPIN_POLARIZED : TRUE\nSPIN : 2\n"),
        ("vasp", "INCAR", "ISPIN = 2\nMAGMOM = 2*1 3*0\n"),
        ("espresso", "pw.in", "nspin = 2\ntot_magnetization = 2.0\n"),
        ("cp2k", "cp2k.inp", "    UKS\n    MULTIPLICITY 3\n"),
        ("cp2k", "cp2k.inp", "      POTENTIAL GTH-PBE-q12\n      MAGNETIZATION 1\n    &END KIND\n"),
    ],
)
def test_titanium_three_is_open_shell_for_every_code_and_titanium_four_for_none(code, file, said, tmp_path) -> None:
    for formula, is_open in (("Ti2O3", True), ("Ti2O4", False)):
        plan = plan_of(formula, tmp_path)
        (folder,) = write_inputs(plan, tmp_path, code, tmp_path / formula, {}, tmp_path / "work")
        assert (said in (folder / file).read_text()) is is_open
        assert ("Spin: unpaired electrons Ti 1, high spin" in (folder / "README").read_text()) is is_open


def plan_of(formula: str, tmp_path: Path) -> Plan:
    """The plan of one single point of these ions."""
    atoms = Atoms(formula)
    atoms = Atoms(formula, np.arange(len(atoms))[:, None] * np.full((1, 3), 2.0), cell=[14.0] * 3, pbc=True)
    write(tmp_path / f"{formula}.extxyz", atoms)
    return parse_plan(
        'set = "X"\npurpose = "a test"\n[[configurations]]\nkind = "recompute"\nname = "point"\n'
        f'start = {{ file = "{formula}.extxyz" }}\n'
    )


def test_a_potcar_is_named_by_its_variant(tmp_path: Path) -> None:
    _, folders, _ = written("vasp", tmp_path)
    assert "Ti_pv" in (folders[0] / "README").read_text()


def test_inputs_take_the_pseudopotentials_that_the_manifest_names(tmp_path: Path) -> None:
    plan = plan_of("TiO2", tmp_path)

    def inputs(code: str, named: dict[str, str]) -> Path:
        manifest = manifest_text("X", "a test", code, ["O", "Ti"], named)
        (tmp_path / "manifest.toml").write_text(manifest)
        return write_inputs(plan, tmp_path, code, tmp_path / code, {}, tmp_path)[0]

    assert "\nTi 47.867 ti_pbe_v1.4.uspp.F.UPF\n" in (inputs("espresso", {}) / "pw.in").read_text()
    assert "\nTi 47.867 my.upf\n" in (inputs("espresso", {"Ti": "my.upf"}) / "pw.in").read_text()
    assert "SPECIES_POT" not in (inputs("castep", {}) / "frame.cell").read_text()
    cell = (inputs("castep", {"Ti": "C9"}) / "frame.cell").read_text()
    assert "%BLOCK SPECIES_POT\nTi C9\n%ENDBLOCK SPECIES_POT\n" in cell
    assert (
        "POTCAR: PAW_PBE Ti_sv, PAW_PBE O in this" in (inputs("vasp", {"Ti": "PAW_PBE Ti_sv"}) / "README").read_text()
    )
    with pytest.raises(
        ConfigError, match=r"the pseudopotential of Ti is 'of SSSP', which no input takes; name its file"
    ):
        inputs("espresso", {"Ti": "of SSSP"})


def test_a_manifest_of_another_code_names_no_pseudopotential(tmp_path: Path) -> None:
    plan = plan_of("TiO2", tmp_path)
    (tmp_path / "manifest.toml").write_text(manifest_text("X", "a test", "vasp", ["O", "Ti"]))
    (folder,) = write_inputs(plan, tmp_path, "espresso", tmp_path / "out", {}, tmp_path)
    assert "\nTi 47.867 ti_pbe_v1.4.uspp.F.UPF\n" in (folder / "pw.in").read_text()


@pytest.mark.parametrize("code", ["castep", "vasp", "espresso"])
def test_an_element_that_nobody_has_a_pseudopotential_of_is_refused(code, tmp_path: Path) -> None:
    plan = plan_of("Og2", tmp_path)
    with pytest.raises(ConfigError, match=r'no pseudopotential of Og is known .* "Og=.*under \[pseudopotentials\]'):
        write_inputs(plan, tmp_path, code, tmp_path / "out", {}, tmp_path)
    assert not (tmp_path / "out").exists()
