"""The check finds each fault by name and frame, and finds none in sound data."""

import json
import re
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Hartree, Ry

from dopantfit.potential import Potential
from dopantfit.reference.check import CheckReport, check_set
from dopantfit.reference.chemistry import oxidation_range
from dopantfit.reference.frames import FRAMES_FILE, composition_of, dump_frames, load_set, write_set
from dopantfit.reference.manifest import save_manifest
from dopantfit.reference.plausibility import _reduced, charge_findings, linear_model_findings

SAMPLE = Path(__file__).parents[1] / "data" / "reference" / "lamtp-sample"
Fault = Callable[[Atoms], object]


def sample() -> list[Atoms]:
    return list(load_set(SAMPLE).frames)


def checked(folder: Path, frames: list[Atoms], **changes: object) -> CheckReport:
    """Return the report on frames that need not be sound: the file is written past the guards."""
    text = dump_frames(frames)
    (folder / FRAMES_FILE).write_text(text)
    files = {FRAMES_FILE: sha256(text.encode()).hexdigest()}
    save_manifest(folder, load_set(SAMPLE).manifest.model_copy(update={"files": files, **changes}))
    return check_set(folder)


def named(report: CheckReport) -> set[tuple[str, str, str | None]]:
    return {(finding.severity, finding.kind, finding.frame_id) for finding in report.findings}


def scaled(key: str, factor: float) -> Fault:
    def apply(frame: Atoms) -> None:
        frame.calc.results[key] = frame.calc.results[key] * factor

    return apply


def with_more(frame: Atoms, energy: float, frame_id: str) -> Atoms:
    """Return a second frame of the same ions, moved at random by 0.1 Å, with another energy."""
    other = frame.copy()
    other.positions += np.random.default_rng(5).normal(scale=0.1, size=(len(frame), 3))
    other.calc = SinglePointCalculator(other, energy=energy, forces=frame.calc.results["forces"])
    other.info.update(frame_id=frame_id, family="more", origin="more")
    return other


def test_sound_data_pass_with_the_grid_s_net_force_as_a_warning() -> None:
    report = check_set(SAMPLE)
    assert report.errors == ()
    assert {finding.kind for finding in report.warnings} == {"net force"}
    row = report.rows[0]
    assert (row.frame_id, row.composition, row.ions) == ("relax-000", "Al2Li10MgTi9O72P18", 112)
    assert row.shortest_pair == "O-P" and row.shortest_distance == pytest.approx(1.485, abs=1e-3)
    # From the README of the data: DFT force 0.49 eV/Å rms at the first step.
    assert row.force_rms == pytest.approx(0.485, abs=1e-3)


def displace(index: int, onto: int, distance: float) -> Fault:
    def apply(frame: Atoms) -> None:
        frame.positions[index] = frame.positions[onto] + [distance, 0, 0]

    return apply


def stretch(factor: float) -> Fault:
    return lambda frame: frame.set_cell(frame.cell * factor, scale_atoms=True)


def squash(factor: float) -> Fault:
    """Neighbour lists of such cells never end, or divide by nothing."""
    return lambda frame: frame.set_cell(frame.cell.array * [1.0, 1.0, factor])


def add_to_forces(amount: float) -> Fault:
    def apply(frame: Atoms) -> None:
        frame.calc.results["forces"] = frame.calc.results["forces"] + [amount, 0, 0]

    return apply


def set_info(**info: object) -> Fault:
    return lambda frame: frame.info.update(info)


def drop(key: str) -> Fault:
    return lambda frame: frame.calc.results.pop(key)


def replace_element(index: int, symbol: str) -> Fault:
    def apply(frame: Atoms) -> None:
        frame.symbols[index] = symbol
        frame.info["composition"] = frame.symbols.formula.format("metal")

    return apply


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (scaled("energy", 1 / Hartree), "energy", "Hartree or Rydberg read as eV"),
        (scaled("energy", 1 / 2), "energy", "of a smaller cell"),
        (scaled("energy", 1 / Ry), "energy", "Hartree or Rydberg read as eV"),
        (scaled("energy", -1), "energy", "above the"),
        (scaled("forces", 1e3), "force", "wrong unit"),
        (scaled("stress", 160.2), "stress", "wrong unit"),
        (stretch(1 / Bohr), "scale", "Bohr read as Å"),
        (stretch(Bohr), "scale", "Å read as Bohr"),
        (add_to_forces(0.06), "net force", "are some missing"),
        (drop("forces"), "incomplete", "has no forces"),
        (drop("energy"), "incomplete", "has no energy"),
        (set_info(scf_converged=False), "SCF", "did not converge"),
        (set_info(composition="MgO"), "incomplete", "is not that of its atoms"),
        (replace_element(0, "Na"), "element", "no pseudopotential for Na"),
        (displace(0, 50, 1.0), "distance", "Li–O"),
        (displace(60, 50, 1.5), "distance", "O–O"),
        (displace(0, 1, 1.9), "distance", "Li–Li"),
        (displace(0, 30, 2.1), "distance", "Li–P"),
        (squash(1e-8), "cell", "smaller than a bond"),
        (squash(1e300), "cell", "Å long"),
    ],
)
def test_each_fault_is_an_error_on_its_frame(tmp_path: Path, fault: Fault, kind: str, words: str) -> None:
    frames = sample()
    fault(frames[2])
    report = checked(tmp_path, frames)
    own = [finding for finding in report.errors if finding.frame_id == "md300-000" and finding.kind == kind]
    assert own, report.errors
    assert re.search(words, own[0].message), own
    assert report.rows[2].errors >= 1 and report.rows[0].errors == 0
    assert len(report.rows) == 3, "no frame is dropped"


def test_energy_of_a_primitive_cell_shows_among_peers(tmp_path: Path) -> None:
    # VASP's energies count from free atoms, so that only peers can tell.
    frames = sample()
    for frame in frames:
        frame.calc.results["energy"] += 465.0 * len(frame)
    report = checked(tmp_path, frames, code="VASP")
    assert report.errors == ()
    third = with_more(frames[0], frames[0].calc.results["energy"] / 2, "half")
    report = checked(tmp_path, [*frames, third], code="VASP")
    (error,) = report.errors
    assert error.frame_id == "half" and "a cell 2 times smaller" in error.message


@pytest.mark.parametrize(
    ("key", "factor", "words"),
    [
        ("forces", Bohr / Hartree, "forces in Hartree/Bohr read as eV/Å"),
        ("forces", Hartree / Bohr, "forces converted from Hartree/Bohr twice"),
        ("forces", -1.0, "its forces say"),
    ],
)
def test_forces_in_a_wrong_unit_contradict_the_energies_of_a_relaxation(
    tmp_path: Path, key: str, factor: float, words: str
) -> None:
    frames = sample()
    for frame in frames:
        scaled(key, factor)(frame)
    messages = [f.message for f in checked(tmp_path, frames).errors if f.kind == "energy and force"]
    assert len(messages) == 1 and words in messages[0] and "from relax-000" in messages[0]


def test_duplicates_are_found_modulo_translation(tmp_path: Path) -> None:
    frames = sample()
    twin = with_more(frames[2], frames[2].calc.results["energy"] + 1e-3, "twin")
    twin.positions = frames[2].positions + [0.3, -1.0, 5.0] + frames[2].cell[1]
    twin.wrap()
    assert ("error", "duplicate", "twin") in named(checked(tmp_path, [*frames, twin]))
    twin.info["family"] = frames[2].info["family"]
    assert ("warning", "duplicate", "twin") in named(checked(tmp_path, [*frames, twin]))
    twin.positions[0] += 0.1
    assert ("warning", "duplicate", "twin") not in named(checked(tmp_path, [*frames, twin]))


def test_an_equal_energy_is_suspicious(tmp_path: Path) -> None:
    frames = sample()
    twin = with_more(frames[2], frames[2].calc.results["energy"], "twin")
    assert ("warning", "duplicate", "twin") in named(checked(tmp_path, [*frames, twin]))


def test_one_identifier_for_two_frames_is_an_error(tmp_path: Path) -> None:
    frames = sample()
    frames[1].info["frame_id"] = "relax-000"
    assert ("error", "identifier", "relax-000") in named(checked(tmp_path, frames))


def test_an_outlier_among_many_is_flagged(tmp_path: Path) -> None:
    base = sample()[0]
    rng = np.random.default_rng(3)
    frames = []
    for k in range(8):
        frame = with_more(base, base.calc.results["energy"] + rng.normal(scale=0.2), f"m{k}")
        frame.positions += rng.normal(scale=0.1, size=(len(frame), 3))
        frame.calc.results["forces"] = base.calc.results["forces"] * (1 + 0.05 * rng.normal())
        frames.append(frame)
    assert not [f for f in checked(tmp_path, frames).findings if f.kind == "outlier"]
    frames[3].calc.results["forces"] = base.calc.results["forces"] * 4
    frames[5].calc.results["energy"] += 10.0
    found = {f.frame_id for f in checked(tmp_path, frames).findings if f.kind == "outlier"}
    assert found == {"m3", "m5"}


def test_a_wide_spread_has_no_outliers(tmp_path: Path) -> None:
    base = sample()[0]
    frames = [with_more(base, base.calc.results["energy"] + 2 * k, f"m{k}") for k in range(8)]
    for k, frame in enumerate(frames):
        frame.positions += np.random.default_rng(k).normal(scale=0.1, size=(len(frame), 3))
        frame.calc.results["forces"] = base.calc.results["forces"] * (1 + k)
    assert not [f for f in checked(tmp_path, frames).findings if f.kind == "outlier"]


def crystals() -> list[Atoms]:
    """MgO, MgF2-like and mixtures whose energies are exactly linear in composition."""
    energies = {"Mg": -1700.0, "O": -440.0, "F": -660.0, "Li": -200.0}
    frames = []
    for k, formula in enumerate(("MgO", "LiF", "Li2O", "MgF2")):
        symbols = Atoms(formula).get_chemical_symbols()
        cell = bulk("MgO", "rocksalt", a=4.2) * (2, 2, 3)
        atoms = Atoms(symbols * 3, positions=cell.positions[: 3 * len(symbols)], cell=cell.cell, pbc=True)
        forces = np.random.default_rng(k).normal(size=(len(atoms), 3))
        forces -= forces.mean(axis=0)
        atoms.calc = SinglePointCalculator(atoms, energy=sum(energies[s] for s in atoms.symbols), forces=forces)
        atoms.info.update(frame_id=f"c{k}", family=f"c{k}", temperature=0.0, strain=0.0, origin=f"c{k}")
        atoms.info["composition"] = atoms.symbols.formula.format("metal")
        frames.append(atoms)
    return frames


def test_a_composition_off_the_linear_model_is_flagged(tmp_path: Path) -> None:
    elements = {"pseudopotentials": dict.fromkeys(("Mg", "O", "F", "Li"), "none")}
    frames = crystals()
    assert not [f for f in checked(tmp_path, frames, **elements).findings if f.frame_id is None]
    frames[0].calc.results["energy"] *= 1.01
    flagged = [f for f in checked(tmp_path, frames, **elements).findings if f.frame_id is None]
    assert {(f.severity, f.kind) for f in flagged} == {("warning", "energy")} and "Mg1O1" in flagged[0].message


def test_a_composition_is_predicted_from_the_others_alone() -> None:
    rng = np.random.default_rng(8)
    frames = []
    # Fluorine is in the last only: nothing else tells of it.
    mixtures = ((1, 2, 3), (2, 1, 3), (3, 1, 1), (1, 1, 4), (2, 3, 1), (5, 1, 2), (1, 3, 2), (4, 1, 3), (2, 1, 3))
    for k, counts in enumerate(mixtures):
        symbols = ["Li"] * counts[0] + ["Mg"] * counts[1] + ["O"] * counts[2] + ["F"] * (k == 8)
        atoms = Atoms(symbols)
        atoms.calc = SinglePointCalculator(atoms, energy=len(symbols) * rng.normal(scale=10.0))
        frames.append(atoms)
    found = {f.message.split(":")[0]: float(f.message.split()[-1]) for f in linear_model_findings(frames)}
    fractions = np.array([[list(f.symbols).count(e) / len(f) for e in ("Li", "Mg", "O", "F")] for f in frames])
    energies = np.array([f.calc.results["energy"] / len(f) for f in frames])
    expected = {}
    for k in range(8):
        rest = np.arange(9) != k
        predicted = fractions[k] @ np.linalg.lstsq(fractions[rest], energies[rest], rcond=None)[0]
        if abs(predicted - energies[k]) > 2.0:
            expected[_reduced(frames[k])] = predicted
    assert len(expected) > 4 and found.keys() == expected.keys()
    # Three digits are printed.
    assert all(found[name] == pytest.approx(expected[name], abs=6e-4) for name in expected)


def test_formal_charges_come_from_the_potential_where_one_is_given(tmp_path: Path) -> None:
    assert check_set(SAMPLE, Potential.load("latp-mg-2022")).errors == ()
    ours = Potential.load("latp-mg-2022")
    wrong = ours.species["Mg"].model_copy(update={"formal_charge": 3})
    odd = type("Odd", (), {"species": {**ours.species, "Mg": wrong}})()
    report = check_set(SAMPLE, odd)
    assert report.errors == () and "charge" in {finding.kind for finding in report.warnings}


def test_a_label_s_own_charge_goes_before_its_element_s() -> None:
    atoms = Atoms("MgOMgO", cell=[4.2] * 3, pbc=True)
    atoms.arrays["species"] = np.array(["Mg_3", "O", "Mg", "O"])
    assert list(charge_findings([atoms])) == []
    (finding,) = charge_findings([atoms], {"Mg_3": 3})
    assert "add to +1 e" in finding.message


@pytest.mark.parametrize(("formula", "balanced"), [("Fe2O3", True), ("Fe3O4", True), ("Fe4O3", False), ("Si2", True)])
def test_several_oxidation_states_balance_if_some_choice_does(formula: str, balanced: bool) -> None:
    assert (list(charge_findings([Atoms(formula)])) == []) is balanced


@pytest.mark.parametrize(
    ("element", "states"),
    [
        ("Li", (1, 1)),
        ("Mg", (2, 2)),
        ("Ti", (4, 4)),
        ("P", (5, 5)),
        ("Si", (4, 4)),
        ("C", (4, 4)),
        ("O", (-2, -2)),
        ("Cl", (-1, -1)),
        ("Fe", (2, 3)),
        ("V", (3, 5)),
        ("Ni", (2, 3)),
        ("S", (-2, 6)),
        ("Bi", (3, 3)),
        ("He", None),
        ("X", None),
    ],
)
def test_oxidation_states_are_those_of_oxides_and_phosphates(element: str, states: tuple[int, int] | None) -> None:
    assert oxidation_range(element) == states


def test_an_element_of_unknown_charge_is_a_warning() -> None:
    assert [f.severity for f in charge_findings([Atoms("NeO")])] == ["warning"]


def test_ions_without_neighbours_are_an_error_and_valid_json(tmp_path: Path) -> None:
    frames = sample()
    frames[2].set_cell(frames[2].cell * 10, scale_atoms=True)
    report = checked(tmp_path, frames)
    assert ("error", "scale", "md300-000") in named(report)
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_changed_file_is_an_error_of_the_set(tmp_path: Path) -> None:
    write_set(tmp_path, sample(), load_set(SAMPLE).manifest)
    path = tmp_path / FRAMES_FILE
    path.write_text(path.read_text().replace("-0.20354976", "-0.20354977"))
    assert named(check_set(tmp_path)) >= {("error", "hash", None)}


def test_a_hundred_frames_of_112_ions_take_less_than_five_seconds(tmp_path: Path) -> None:
    base = sample()[0]
    rng = np.random.default_rng(1)
    frames = []
    for k in range(100):
        frame = with_more(base, base.calc.results["energy"] + rng.normal(), f"b{k}")
        frame.positions += rng.normal(scale=0.05, size=(112, 3))
        frame.info["family"] = f"family{k // 10}"
        frames.append(frame)
    write_set(tmp_path, frames, load_set(SAMPLE).manifest)
    start = time.process_time()
    assert len(check_set(tmp_path).rows) == 100
    # About 1 s on an idle core; the promise is 5.
    assert time.process_time() - start < 5.0


def test_ions_that_were_held_fixed_are_an_error(tmp_path: Path) -> None:
    frames = sample()
    frames[2].calc.results["forces"][5:8] = 0.0
    messages = [f.message for f in checked(tmp_path, frames).errors if f.frame_id == "md300-000"]
    assert any("3 ions have forces of exactly zero, those of the others do not" in message for message in messages)


def test_forces_of_zero_that_symmetry_allows_are_a_warning(tmp_path: Path) -> None:
    frames = sample()
    forces = frames[2].calc.results["forces"]
    forces[5:8] = 0.0
    forces[8] -= forces.sum(axis=0)
    messages = [f.message for f in checked(tmp_path, frames).warnings if f.frame_id == "md300-000"]
    assert any("3 ions have forces of exactly zero: by symmetry" in message for message in messages)


@pytest.mark.parametrize("declared", [False, True])
def test_a_charged_cell_alone_in_its_family_or_declared_is_no_refusal(tmp_path: Path, declared: bool) -> None:
    frames = sample()
    replace_element(0, "Mg")(frames[2])
    if declared:
        frames[2].info["family"] = frames[0].info["family"]
    report = checked(tmp_path, frames, charged_families=(frames[0].info["family"],) if declared else ())
    (said,) = [finding for finding in report.warnings if finding.kind == "charge"]
    assert "formal charges add to +1 e" in said.message and "uniform background" in said.message
    assert not [finding for finding in report.errors if finding.kind == "charge"]


def test_an_ion_that_one_frame_of_a_family_lacks_is_an_error_of_that_frame(tmp_path: Path) -> None:
    frames = sample()
    frames[1] = without_atom(frames[1], list(frames[1].symbols).index("Li"))
    said = [finding for finding in checked(tmp_path, frames).errors if finding.kind == "charge"]
    assert [finding.frame_id for finding in said] == ["relax-001"]
    assert "an ion is missing or one too many" in said[0].message and "charged_families" in said[0].message


def without_atom(frame: Atoms, which: int) -> Atoms:
    kept = np.arange(len(frame)) != which
    less = frame[kept]
    results = frame.calc.results
    less.calc = SinglePointCalculator(less, energy=results["energy"], forces=results["forces"][kept])
    less.info = {**frame.info, "composition": composition_of(less)}
    return less
