"""Labels held against DFT: errors by ion, energies within a composition, and what the manifest and the check say."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ConfigError
from dopantfit.reference.check import check_set
from dopantfit.reference.frames import write_set
from dopantfit.reference.label_check import compare_labels, first_shell, lines_of
from dopantfit.reference.manifest import CalculatorRecord, Manifest, load_manifest

EV_PER_A3_IN_GPA = 160.2176634


def _manifest(name: str, calculator: CalculatorRecord | None) -> Manifest:
    common = {"name": name, "purpose": "a test", "licence": "CC0"}
    if calculator is not None:
        return Manifest(**common, code=calculator.make, code_version=calculator.version, calculator=calculator)
    dft = {"functional": "PBE", "basis_or_cutoff": "500 eV", "k_mesh": (1, 1, 1), "scf_tolerance": 1e-6}
    return Manifest(**common, code="VASP", code_version="6", **dft, pseudopotentials={"Cu": "PBE", "Au": "PBE"})


def _frame(k: int, gold: int, off: dict[str, float]) -> Atoms:
    """EMT's copper with some gold, its results off by known amounts."""
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[:gold] = "Au"
    atoms.rattle(0.05, seed=k)
    atoms.info = {"frame_id": f"f{k}", "family": f"family{gold}", "temperature": 0.0, "strain": 0.0, "origin": "here"}
    atoms.calc = EMT()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    signs = np.where(np.array(atoms.symbols) == "Au", off.get("Au", 0.0), off.get("Cu", 0.0))[:, None]
    moved = {"energy": energy + off.get("offset", 0.0) * gold + off.get("scatter", 0.0) * (-1) ** k}
    moved |= {"forces": forces + signs, "stress": stress + off.get("stress", 0.0)}
    atoms.calc = SinglePointCalculator(atoms, **moved)
    return atoms


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator

    record = LabelCalculator(CalculatorSettings(make="ase.calculators.emt:EMT"), tmp_path).record
    write_set(tmp_path / "emt", [_frame(9, 1, {})], _manifest("emt", record))
    off = {"Au": 0.3, "Cu": 0.1, "offset": 5.0, "scatter": 0.04, "stress": 0.01}
    frames = [_frame(k, 1 + k // 2, off) for k in range(4)]
    write_set(tmp_path / "dft", frames, _manifest("dft", None))
    return tmp_path / "emt", tmp_path / "dft"


def test_errors_are_those_that_were_put_in_and_are_kept(sets: tuple[Path, Path], tmp_path: Path) -> None:
    labelled, dft = sets
    assert [one.kind for one in check_set(labelled).findings if one.kind == "labels"] == ["labels"]
    check = compare_labels(labelled, dft, work=tmp_path / "work")
    # Forces are off by 0.3 on gold and 0.1 on copper; 6 of the 16 ions are gold.
    assert check.by_species["Au"].error == pytest.approx(0.3)
    assert (check.by_species["Au"].ions, check.by_species["Cu"].ions) == (6, 10)
    assert check.by_species["Cu"].error == pytest.approx(0.1)
    assert check.force_error == pytest.approx(np.sqrt((6 * 0.09 + 10 * 0.01) / 16))
    assert set(check.by_family) == {"family1", "family2"}
    # ±0.04 eV in each of two compositions of two frames, one offset each: 4 · 0.04² over 2 degrees of freedom; 4 ions.
    assert check.energy_error == pytest.approx(1000.0 * np.sqrt(4 * 0.04**2 / 2) / 4, rel=1e-6)
    assert check.stress_error == pytest.approx(0.01 * EV_PER_A3_IN_GPA)
    assert load_manifest(labelled).label_check == {"dft": check}
    assert not [one for one in check_set(labelled).findings if one.kind == "labels"]
    assert any("Au" in line and "0.300" in line for line in lines_of("emt", "dft", check))


def test_only_a_calculator_is_held_against_dft(sets: tuple[Path, Path], tmp_path: Path) -> None:
    labelled, dft = sets
    with pytest.raises(ConfigError, match="a set labelled by a calculator is compared"):
        compare_labels(dft, labelled, work=tmp_path / "work")
    other = shutil.copytree(labelled, tmp_path / "other")
    with pytest.raises(ConfigError, match="not of DFT; compare with a set of DFT"):
        compare_labels(labelled, other, work=tmp_path / "work")
    with pytest.raises(ConfigError, match="no frame holds Mg"):
        compare_labels(labelled, dft, work=tmp_path / "work", around=["Mg"])


def test_another_version_of_the_calculator_is_not_compared(sets: tuple[Path, Path], tmp_path: Path) -> None:
    labelled, dft = sets
    text = (labelled / "manifest.toml").read_text()
    version = load_manifest(labelled).code_version
    (labelled / "manifest.toml").write_text(text.replace(f'version = "{version}"', 'version = "ase 1.0"'))
    with pytest.raises(ConfigError, match="what is here differs"):
        compare_labels(labelled, dft, work=tmp_path / "work")


def test_the_first_shell_is_the_dopant_and_its_anions() -> None:
    oxide = bulk("MgO", "rocksalt", a=4.2, cubic=True) * (2, 2, 2)
    oxide.symbols[[i for i, symbol in enumerate(oxide.symbols) if symbol == "Mg"][1:]] = "Ca"
    near = first_shell(oxide, "Mg")
    assert near.sum() == 7 and sorted(set(oxide.symbols[near])) == ["Mg", "O"]
