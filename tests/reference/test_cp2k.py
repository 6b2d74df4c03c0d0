import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dopantfit.errors import ConfigError, EngineError, ReferenceDataError
from dopantfit.reference import cp2k
from dopantfit.reference.cp2k import Cp2kSettings, relaxation_input, single_point_input
from dopantfit.reference.cp2k_geometry import read_geometry
from dopantfit.reference.cp2k_output import parse_output, read_output
from dopantfit.reference.cp2k_run import read_calculation
from dopantfit.units import EV_PER_A3_IN_GPA, HARTREE

DATA = Path(__file__).parents[1] / "data" / "reference" / "cp2k"


def magnesia() -> Atoms:
    return bulk("MgO", "rocksalt", a=4.25, cubic=True)


def test_energy_forces_and_stress_are_what_the_output_prints_in_ase_units() -> None:
    (evaluation,) = read_output(DATA / "MgO-displaced.out").evaluations
    assert evaluation.energy == -317.557036080602415 * HARTREE
    assert evaluation.symbols == ("Mg", "O") * 4
    # Hartree/bohr in eV/Å is 51.42206747 (CODATA 2018); the output prints eight decimals.
    np.testing.assert_allclose(evaluation.forces[0, :2] / 51.42206747, [-0.00056386, -0.01161976], atol=1e-10)
    assert evaluation.scf_steps == 16


def test_stress_has_the_sign_of_the_energy_derivative() -> None:
    """A hydrostatic stress is dE/dV.

    Energies [eV] of the same cell with its lengths times 1.002 and 0.998, fractional coordinates kept,
    computed by CP2K 2023.1 from inputs that differ from MgO-displaced.inp in nothing else.
    """
    (evaluation,) = read_output(DATA / "MgO-displaced.out").evaluations
    assert evaluation.stress is not None
    volume = 4.25**3
    slope = (-8641.20394773362 + 8641.127002602345) / (volume * (1.002**3 - 0.998**3))
    # 5e-4: the third derivative of E(V) over a step of 0.6 % of the volume, and 1e-5 eV of energy noise.
    assert evaluation.stress[:3].mean() == pytest.approx(slope, rel=5e-4)
    assert slope < 0, "a compressed crystal is under negative tension"


def test_the_trace_of_the_stress_is_the_pressure_that_cp2k_prints() -> None:
    text = (DATA / "MgO-displaced.out").read_text()
    pressure = float(re.findall(r"1/3 Trace\s+(\S+)", text)[0])
    (evaluation,) = parse_output(text).evaluations
    assert evaluation.stress is not None
    assert -evaluation.stress[:3].mean() * EV_PER_A3_IN_GPA == pytest.approx(pressure, rel=1e-10)


@pytest.mark.parametrize("method", ["single_point_input", "relaxation_input"])
def test_the_input_holds_the_configuration_to_the_last_bit(method: str, tmp_path: Path) -> None:
    atoms = magnesia()
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.01 * np.arange(9).reshape(3, 3)), scale_atoms=True)
    atoms.positions += np.random.default_rng(1).normal(scale=0.1, size=(8, 3))
    options = {"steps": 3} if method == "relaxation_input" else {}
    (tmp_path / "x.inp").write_text(getattr(cp2k, method)(atoms, Cp2kSettings(), project="x", **options))
    back = read_geometry(tmp_path / "x.inp").atoms
    assert (back.positions == atoms.positions).all()
    assert (back.cell.array == atoms.cell.array).all()
    assert list(back.symbols) == list(atoms.symbols)


def test_every_section_of_the_input_is_closed() -> None:
    for text in (
        single_point_input(magnesia(), Cp2kSettings(), project="x", k_mesh=(2, 2, 1)),
        relaxation_input(magnesia(), Cp2kSettings(), project="x", steps=5),
    ):
        opened: list[str] = []
        for line in map(str.split, text.splitlines()):
            if line[0] == "&END":
                assert opened.pop() == line[1]
            elif line[0].startswith("&"):
                opened.append(line[0][1:])
        assert opened == []


def test_the_settings_reach_the_input() -> None:
    settings = Cp2kSettings(cutoff=444.0, rel_cutoff=44.0, eps_scf=3e-7, method="GPW")
    text = single_point_input(magnesia(), settings, project="x", k_mesh=(2, 2, 1))
    words = [" ".join(line.split()) for line in text.splitlines()]
    for line in ("CUTOFF 444.0", "REL_CUTOFF 44.0", "EPS_SCF 3e-07", "METHOD GPW", "POTENTIAL GTH-PBE-q10"):
        assert line in words
    assert "SCHEME MONKHORST-PACK 2 2 1" in words
    # The defaults are those that SCF on these cells converges with.
    assert {"METHOD BROYDEN_MIXING", "ALPHA 0.3", "NBROYDEN 10", "&DIAGONALIZATION"} <= set(words)


def test_a_wavefunction_to_start_from_is_named_only_where_it_is_of_use() -> None:
    start = {"project": "x", "wavefunction": "old.wfn"}
    text = single_point_input(magnesia(), Cp2kSettings(), **start)
    assert "SCF_GUESS RESTART" in text
    assert "WFN_RESTART_FILE_NAME old.wfn" in text
    # From orbitals near the solution orbital transformation needs half the steps.
    assert "&OT\n" in text
    assert "&DIAGONALIZATION" not in text
    assert "SCF_GUESS ATOMIC" in single_point_input(magnesia(), Cp2kSettings(), k_mesh=(2, 1, 1), **start)


def test_an_element_without_a_pseudopotential_is_named() -> None:
    with pytest.raises(ConfigError, match=r"pseudopotential .* is known for Fe; known are H Li"):
        single_point_input(Atoms("Fe", cell=[3, 3, 3], pbc=True), Cp2kSettings(), project="x")


def test_a_molecule_without_a_cell_is_refused() -> None:
    with pytest.raises(ConfigError, match="no cell periodic in three dimensions"):
        single_point_input(Atoms("Mg"), Cp2kSettings(), project="x")


def test_the_table_of_pseudopotentials_is_that_of_the_installed_cp2k() -> None:
    try:
        data = cp2k.find_data_folder(cp2k.find_executable())
    except EngineError:
        pytest.skip("CP2K is not installed")
    potentials = (data / "GTH_POTENTIALS").read_text().splitlines()
    bases = (data / "BASIS_MOLOPT").read_text().splitlines()
    for element in cp2k.VALENCE:
        name = cp2k.pseudopotential(element)
        assert any(line.split()[:2] == [element, name] for line in potentials), element
        basis = f"{cp2k.BASIS_SET}-{name.removeprefix('GTH-PBE-')}"
        assert any(line.split()[:1] == [element] and basis in line.split() for line in bases), element


def test_a_truncated_output_is_refused_by_name(tmp_path: Path) -> None:
    text = (DATA / "MgO-displaced.out").read_text()
    cut = tmp_path / "cut.out"
    for part in (0.3, 0.6, 0.9):
        cut.write_text(text[: int(part * len(text))])
        with pytest.raises(ReferenceDataError, match=r"cut\.out: is truncated: no 'PROGRAM ENDED AT'"):
            read_output(cut)


def test_an_output_without_self_consistency_is_refused_by_name() -> None:
    with pytest.raises(ReferenceDataError, match=r"unconverged\.out: frame 0: .* did not converge"):
        read_calculation(DATA / "MgO-unconverged.out")


def test_what_lacks_forces_or_is_no_cp2k_output_is_refused(tmp_path: Path) -> None:
    text = (DATA / "MgO-displaced.out").read_text()
    shutil.copy(DATA / "MgO-displaced.inp", tmp_path)
    (tmp_path / "x.out").write_text(text.replace("ATOMIC FORCES in", "ATOMIC FARCES in"))
    with pytest.raises(ReferenceDataError, match=r"x\.out: frame 0: no forces printed"):
        read_calculation(tmp_path / "x.out")
    with pytest.raises(ReferenceDataError, match="x: not a CP2K output"):
        parse_output("Energy = 1\n", "x")
    with pytest.raises(ReferenceDataError, match=r"x: evaluation 0: '\*+' is not a finite number"):
        parse_output(text.replace("-0.00056386", "***********"), "x")
    with pytest.raises(ReferenceDataError, match=r"none\.out: cannot be read"):
        read_output(tmp_path / "none.out")


def test_the_steps_of_a_relaxation_are_paired_with_their_own_forces() -> None:
    output = read_output(DATA / "MgO-relax.out")
    frames = read_calculation(DATA / "MgO-relax.out")
    # The line search evaluates more configurations than it steps to.
    assert len(output.evaluations) > len(frames) > 1
    energies = [frame.get_potential_energy() for frame in frames]
    assert energies == sorted(energies, reverse=True), "a relaxation goes downhill"
    for frame in frames:
        match = [e for e in output.evaluations if e.energy == frame.get_potential_energy()]
        assert (match[0].forces == frame.get_forces()).all()


def test_a_relaxation_without_its_trajectory_is_refused(tmp_path: Path) -> None:
    for name in ("MgO-relax.out", "MgO-relax.inp"):
        shutil.copy(DATA / name, tmp_path)
    with pytest.raises(ReferenceDataError, match=r"MgO-relax-pos-1\.xyz with their positions is not beside it"):
        read_calculation(tmp_path / "MgO-relax.out")


def test_a_single_point_without_its_input_is_refused(tmp_path: Path) -> None:
    shutil.copy(DATA / "MgO-displaced.out", tmp_path)
    with pytest.raises(ReferenceDataError, match=r"MgO-displaced\.inp: the input of the run cannot be read"):
        read_calculation(tmp_path / "MgO-displaced.out")


def test_a_missing_cp2k_gives_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match="apt-get install cp2k"):
        cp2k.find_executable()


def test_missing_basis_sets_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CP2K_DATA_DIR", str(tmp_path))
    with pytest.raises(EngineError, match=f"are not in {tmp_path}; set CP2K_DATA_DIR"):
        cp2k.find_data_folder(Path("/usr/bin/cp2k.psmp"))


def test_gapw_frees_the_force_on_magnesium_of_the_integration_grid() -> None:
    """One Mg of MgO is displaced by (0.05, 0.02, 0) Å: its force must point back, and all forces sum to zero.

    MgO-displaced.out was computed with GPW at 500 Ry, MgO-displaced-gapw.out with the default settings.
    """
    (gpw,) = read_output(DATA / "MgO-displaced.out").evaluations
    (gapw,) = read_output(DATA / "MgO-displaced-gapw.out").evaluations
    displaced = np.array([0.05, 0.02, 0.0])
    # 0.003 eV/Å: what is left of the grid in GAPW; the ratio bounds follow from it. GPW is 200 times worse.
    assert np.abs(gapw.forces.sum(axis=0)).max() < 3e-3
    assert np.abs(gpw.forces.sum(axis=0)).max() > 0.5
    back = gapw.forces[0] / displaced.clip(min=1e-9)
    assert back[0] == pytest.approx(back[1], rel=0.02)
    assert back[0] < 0
