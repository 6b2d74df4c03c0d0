"""The check of cells: what is wrong with one is a line, whatever it is; and the check takes the time of its frames."""

import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.formula import Formula

from dopantfit.reference.check import CheckReport, check_set
from dopantfit.reference.frames import FRAMES_FILE, composition_of, dump_frames
from dopantfit.reference.manifest import Manifest, Split, save_manifest
from dopantfit.reference.plausibility import medians_of_others

A_SET = Manifest(
    name="magnesia",
    purpose="tests",
    licence="MIT",
    code="CP2K",
    code_version="0",
    functional="none",
    basis_or_cutoff="none",
    k_mesh=(1, 1, 1),
    scf_tolerance=1e-6,
    pseudopotentials={"Mg": "none", "O": "none", "H": "none"},
    split=Split(held_out_families=("b",), reason="tests"),
)


def magnesia(number: int, repeat: int = 1) -> Atoms:
    """Ions on springs about their sites: energies and forces agree, and every frame has its own."""
    rng = np.random.default_rng(number)
    atoms = bulk("MgO", "rocksalt", a=4.25, cubic=True) * (1, 1, repeat)
    moves = rng.normal(scale=0.08, size=(len(atoms), 3))
    moves -= moves.mean(axis=0)
    atoms.positions += moves
    energy = -1080.0 * len(atoms) + 2.5 * float((moves**2).sum())
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=-5 * moves)
    atoms.info = {"frame_id": f"f{number}", "family": "ab"[number % 2], "composition": composition_of(atoms)}
    atoms.info |= {"temperature": 0.0, "strain": 0.0, "origin": f"o{number}"}
    return atoms


def checked(folder: Path, frames: list[Atoms]) -> CheckReport:
    text = dump_frames(frames)
    (folder / FRAMES_FILE).write_text(text)
    save_manifest(folder, A_SET.model_copy(update={"files": {FRAMES_FILE: sha256(text.encode()).hexdigest()}}))
    return check_set(folder)


CELL = np.eye(3) * 4.25


@pytest.mark.parametrize(
    ("cell", "kind", "words"),
    [
        (CELL / 0.529177, "volume", "64.8 Å³ per ion among others at 9.6: a cell in Bohr read as Å?"),
        (CELL * 40, "volume", "6.14e+05 Å³ per ion among others at 9.6"),
        (CELL * [[1], [1], [1e-7]], "cell", "the cell is smaller than a bond"),
        (CELL * [[10], [100], [1e-2]], "cell", "the cell is smaller than a bond (0.0425 Å"),
        (CELL * [[1], [1], [0]], "cell", "cell is not that of a crystal"),
        (CELL * 1e120, "cell", "cell is not that of a crystal"),
        (CELL * np.nan, "cell", "cell is not that of a crystal"),
        (CELL + np.array([[0, 0, 0], [0, 0, 0], [1e7, 0, 0]]), "cell", "a cell vector is 1e+07 Å long"),
    ],
)
def test_a_cell_that_cannot_be_right_is_an_error_of_its_frame(
    tmp_path: Path, cell: np.ndarray, kind: str, words: str
) -> None:
    odd = magnesia(9)
    odd.set_cell(cell)
    started = time.process_time()
    report = checked(tmp_path, [*(magnesia(k) for k in range(4)), odd])
    (error,) = report.errors
    assert (error.kind, error.frame_id) == (kind, "f9") and words in error.message
    # As long as for any other cell; a search of images without end took minutes, or the process.
    assert time.process_time() - started < 5.0


def test_a_skewed_cell_is_as_good_as_its_reduced_one(tmp_path: Path) -> None:
    skewed = magnesia(9)
    plain = checked(tmp_path, [skewed]).rows[0].shortest_distance
    skewed.set_cell(CELL + 4.25 * np.array([[0, 0, 0], [0, 0, 0], [20_000, 300, 0]]))
    report = checked(tmp_path, [skewed])
    # 1e-9: rounding of a vector of 85,000 Å.
    assert report.rows[0].errors == 0 and report.rows[0].shortest_distance == pytest.approx(plain, abs=1e-9)


def test_volumes_of_a_series_are_no_errors(tmp_path: Path) -> None:
    frames = [magnesia(k) for k in range(7)]
    for frame, scale in zip(frames, (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2), strict=True):
        frame.set_cell(CELL * scale, scale_atoms=True)
    assert not [finding for finding in checked(tmp_path, frames).findings if finding.kind == "volume"]


def test_one_of_two_cells_in_bohr_is_an_error_of_both_and_a_lone_composition_s_a_warning(tmp_path: Path) -> None:
    one, other, alone = magnesia(0), magnesia(1), magnesia(2)
    other.set_cell(CELL / 0.529177)
    found = {(f.severity, f.frame_id) for f in checked(tmp_path, [one, other]).findings if f.kind == "volume"}
    assert found == {("error", "f0"), ("error", "f1")}
    alone.symbols[0] = "H"
    alone.info["composition"] = composition_of(alone)
    alone.set_cell(CELL / 0.529177)
    frames = [one, magnesia(3), magnesia(5), alone]
    found = {(f.severity, f.frame_id) for f in checked(tmp_path, frames).findings if f.kind == "volume"}
    assert found == {("warning", "f2")}


def test_ions_by_the_ten_thousand_are_checked(tmp_path: Path) -> None:
    many = magnesia(9, repeat=2500)
    started = time.process_time()
    report = checked(tmp_path, [*(magnesia(k) for k in range(4)), many])
    assert report.rows[4].ions == 20_000 and report.errors == ()
    # About 1 s.
    assert time.process_time() - started < 10.0


@pytest.mark.parametrize("count", [2, 3, 8, 9])
def test_the_median_of_the_others_is_what_it_says(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 5, size=count).astype(float)
    others = [np.median(np.delete(values, k)) for k in range(count)]
    np.testing.assert_array_equal(medians_of_others(values), others)


def test_the_time_of_a_check_grows_with_the_frames_not_with_their_square(tmp_path: Path) -> None:
    frames = [magnesia(k) for k in range(800)]
    seconds = []
    for count in (200, 800):
        started = time.process_time()
        checked(tmp_path, frames[:count])
        seconds.append(time.process_time() - started)
    # 4 if linear, 16 if quadratic.
    assert seconds[1] / seconds[0] < 7.0


def test_a_composition_is_ase_s_formula_and_costs_next_to_nothing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        symbols = rng.choice(["Li", "Mg", "Al", "Ti", "P", "O", "F", "H", "C"], size=20)
        atoms = Atoms(list(symbols), positions=np.zeros((20, 3)))
        assert composition_of(atoms) == Formula.from_list(list(symbols)).format("metal")
    atoms = magnesia(0, repeat=12)
    started = time.process_time()
    for _ in range(1000):
        composition_of(atoms)
    # 0.01 s; 1.7 s where the formula is made anew.
    assert time.process_time() - started < 0.3
