"""What is read from trajectories, on trajectories whose answer is known."""

import numpy as np
import pytest
from ase.build import bulk

from dopantfit.errors import ConfigError
from dopantfit.lammps import DynamicsResult
from dopantfit.structures import labels_of, load_host, prototype
from dopantfit.transport import Trajectory, pair_distribution
from dopantfit.validate.compound import (
    cell_checks,
    first_peak,
    first_shell,
    neighbour_check,
    reference_crystal,
    shell_checks,
)
from dopantfit.validate.dynamics import _remembered, mean_with_error, slope_with_error
from dopantfit.validate.host import expansion
from dopantfit.validate.mobility import hops
from dopantfit.validate.stability import coordinated, coordination_checks
from dopantfit.validate.structures import at_rest, repeats_for
from dopantfit.validate.subject import load_subject

RNG = np.random.default_rng(11)


def shaken(atoms, n_frames=40, width=0.02, cells=None):
    """A trajectory of vibrations about the sites."""
    positions = atoms.positions + RNG.normal(0, width, (n_frames, len(atoms), 3))
    return Trajectory.from_arrays(positions, labels_of(atoms), atoms.cell.array if cells is None else cells, 0.1)


def test_a_crystal_that_only_vibrates_keeps_its_first_shell():
    crystal = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    shell = first_shell(crystal, "Mg", "O")
    assert (shell.count, shell.length) == (6.0, pytest.approx(2.1, abs=1e-12))
    length, count = shell_checks(pair_distribution(shaken(crystal), ("Mg", "O"), 5.5), shell)
    # A bin of 0.05 Å places each neighbour to 0.025 Å; vibrations of 0.02 Å lengthen a bond by 1e-4 Å.
    assert abs(length.value) < 0.005 and length.passed
    assert abs(count.value) < 1e-9 and count.passed


def test_a_crystal_that_expanded_by_five_percent_fails():
    crystal = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    larger = bulk("MgO", "rocksalt", a=4.41, cubic=True)
    length, count = shell_checks(pair_distribution(shaken(larger), ("Mg", "O"), 5.5), first_shell(crystal, "Mg", "O"))
    assert length.value == pytest.approx(0.105, abs=0.005) and not length.passed
    assert count.passed
    volume, a, *_ = cell_checks(larger, crystal)
    assert a.value == pytest.approx(5.0, abs=1e-9) and not a.passed
    assert volume.value == pytest.approx(100 * (1.05**3 - 1), abs=1e-9) and not volume.passed


def test_a_lost_neighbour_fails_the_coordination():
    crystal = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    shell = first_shell(crystal, "Mg", "O")
    fewer = crystal[[i for i, one in enumerate(crystal) if one.symbol == "Mg" or i > 1]]
    _, count = shell_checks(pair_distribution(shaken(fewer), ("Mg", "O"), 5.5), shell)
    assert count.value == pytest.approx(-1.5, abs=1e-9) and not count.passed  # one anion of four is gone


def test_dopant_and_former_are_as_far_apart_as_in_the_first_peak_of_the_crystal():
    crystal = prototype("Mg3P2O8").repeat((2, 1, 1))
    found = pair_distribution(shaken(crystal, 100), ("Mg", "P"), 5.5)
    peak = first_peak(crystal, found)
    # Four pairs of six Mg and four P share an edge, at 2.644 Å; the next are at 3.13 Å.
    assert peak.count == pytest.approx(4 / 6) and peak.length == pytest.approx(2.644, abs=1e-3)
    assert 2.7 < peak.reach < 3.13
    check = neighbour_check(found, crystal)
    assert check.name == "Mg-P first peak at 300 K" and check.passed
    # A hundred frames of 16 pairs spread by 0.028 Å over bins of 0.05 Å: 1e-3 Å.
    assert abs(check.value) < 4e-3
    wide = pair_distribution(shaken(scaled(crystal, 1.04), 100), ("Mg", "P"), 5.5)
    assert neighbour_check(wide, crystal).value == pytest.approx(0.04 * 2.644, abs=4e-3)
    assert not neighbour_check(wide, crystal).passed


def test_a_first_peak_that_runs_into_the_next_has_no_end_before_the_reach():
    crystal = bulk("MgO", "rocksalt", a=9.0, cubic=True)
    found = pair_distribution(shaken(crystal), ("Mg", "O"), 5.5)
    assert first_peak(crystal, found).length == pytest.approx(4.5, abs=1e-12)
    with pytest.raises(ConfigError, match=r"no O within 5\.5 Å of Mg"):
        first_peak(bulk("MgO", "rocksalt", a=12.0, cubic=True), found)


def test_the_compound_is_the_librarys_phosphate_of_the_dopant(folder):
    atoms, _ = reference_crystal(load_subject(folder, "latp-mg-2022", "quick"))
    assert atoms.get_chemical_formula() == prototype("Mg3P2O8").get_chemical_formula()


def test_a_written_cell_replaces_that_of_the_structure(folder):
    (folder / "validate.toml").write_text(
        '[compound]\nprototype = "Mg3P2O8"\nsource = "tests"\ncell = [5.1, 8.2, 8.9, 90.0, 121.0, 90.0]\n'
    )
    atoms, source = reference_crystal(load_subject(folder, "latp-mg-2022", "quick"))
    assert atoms.cell.cellpar() == pytest.approx([5.1, 8.2, 8.9, 90, 121, 90]) and source == "tests"


def test_a_cell_at_rest_has_no_stress_and_no_lower_neighbour(published):
    rest = at_rest(prototype("Mg3P2O8"), published)
    lower = [at_rest(scaled(rest, factor), published, cell=False) for factor in (0.997, 1.003)]
    assert energy(rest, published) < min(energy(one, published) for one in lower)


def scaled(atoms, factor):
    other = atoms.copy()
    other.set_cell(factor * atoms.cell.array, scale_atoms=True)
    return other


def energy(atoms, potential):
    from dopantfit import ShellModel

    ions = atoms.copy()
    ions.calc = ShellModel(potential)
    return ions.get_potential_energy()


def test_four_coordination_counts_what_is_bonded():
    crystal = prototype("AlPO4").repeat((2, 2, 1))
    assert (coordinated(shaken(crystal), load_host().polyanion) == 1.0).all()
    oxygen = labels_of(crystal).index("O")
    del crystal[oxygen]
    formers = labels_of(crystal).count("P")
    # An O of AlPO4 bridges one P and one Al.
    assert coordinated(shaken(crystal), load_host().polyanion) == pytest.approx(1 - 1 / formers)


def test_a_former_that_loses_an_anion_early_or_at_constant_energy_is_seen(folder, tmp_path):
    crystal = prototype("AlPO4").repeat((2, 2, 1))
    broken = crystal.copy()
    former, near = (labels_of(crystal).index("P"), crystal.get_all_distances(mic=True))
    oxygen = min((i for i, one in enumerate(labels_of(crystal)) if one == "O"), key=lambda i: near[former, i])
    broken.positions[oxygen] += 1.2 * broken.get_distance(former, oxygen, mic=True, vector=True)
    host = load_subject(folder, "latp-mg-2022", "quick").host.polyanion
    early = result_of(tmp_path / "early", [broken] * 20 + [crystal] * 20)
    whole = result_of(tmp_path / "whole", [crystal] * 40)
    hot, free = coordination_checks({"hot": early, "constant energy": whole}, host)
    # One P of twelve, in half of the frames.
    assert hot.value == pytest.approx(1 - 1 / 24) and not hot.passed
    assert free.value == 1.0 and free.passed
    _, free = coordination_checks({"hot": whole, "constant energy": early}, host)
    assert free.name == "P with 4 O, constant energy" and not free.passed


def result_of(folder, frames):
    """What a run with these frames would have left, as far as a trajectory goes."""
    folder.mkdir()
    for number, one in enumerate(frames):
        one = one.copy()
        one.info = {"time": 0.1 * number}
        one.write(folder / "trajectory.extxyz", append=True)
    path = folder / "trajectory.extxyz"
    return DynamicsResult(frames[-1], frames[-1].positions, path, path, path, path, 0.1)


@pytest.mark.parametrize("hopping", [0, 3])
def test_ions_that_change_site_are_counted_and_vibrations_and_drift_are_not(hopping):
    n_frames, times = 200, np.linspace(0, 1, 200)[:, None, None]
    positions = RNG.normal(0, 0.5, (n_frames, 12, 3)) + np.arange(12)[None, :, None]
    positions += 3.0 * times  # the whole crystal drifts by more than a hop
    positions[90:, :hopping, 0] += 3.5
    run = Trajectory.from_arrays(positions, ["Li"] * 6 + ["Ti"] * 6, 40.0 * np.eye(3), 0.1)
    # 0.5 Å over twenty frames leaves 0.16 Å on a mean difference, a tenth of half a hop.
    assert hops(run, "Li", 3.5, ["Li"]) == hopping


def test_expansion_of_known_cells_is_recovered_along_each_axis():
    def cells(a, c):
        cell = np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])
        noise = 1 + RNG.normal(0, 1e-3, (400, 1, 1)) * np.array([[[1], [1], [0.5]]])
        return cell * noise

    atoms = prototype("LiTi2P3O12")
    cold = shaken(atoms, 400, cells=cells(8.5, 20.8))
    hot = shaken(atoms, 400, cells=cells(8.5 * (1 + 600 * 5e-6), 20.8 * (1 + 600 * 30e-6)))
    (a, a_error), (c, c_error) = (expansion([cold, hot], name) for name in "ac")
    # Length noise of 1e-3 (c: 5e-4) over 400 frames: 1e-3 √2/20/600 K = 0.12 × 10⁻⁶/K; three errors are allowed.
    assert a == pytest.approx(5.0, abs=0.4) and c == pytest.approx(30.0, abs=0.4)
    assert 0.01 < a_error < 0.5 and 0.005 < c_error < 0.5


def test_the_slope_of_a_noisy_line_lies_within_its_error():
    times, missed = np.arange(0, 5, 0.02), 0
    for _ in range(100):
        slope, error = slope_with_error(times, 0.3 * times + RNG.normal(0, 0.1, times.size))
        missed += abs(slope - 0.3) > 2.45 * error  # 95 % of Student's t with the six degrees of freedom of eight blocks
    assert missed <= 13  # five expected; more than 13 has a chance of 1e-3


def test_the_error_of_a_mean_is_that_of_its_blocks():
    assert mean_with_error(np.repeat([1.0, 2.0, 3.0, 4.0], 10)) == (2.5, pytest.approx((5 / 3) ** 0.5 / 2))


def test_repeats_bring_faces_apart_not_edges():
    cell = bulk("MgO", "rocksalt", a=4.0)  # rhombohedral: edges 2.83 Å, faces 2.31 Å apart
    assert repeats_for(cell, 4.6) == (2, 2, 2)
    assert repeats_for(cell, 4.7) == (3, 3, 3)


def test_a_run_is_resumed_from_the_very_ions_it_began_with(tmp_path):
    began, path = prototype("AlPO4"), tmp_path / "runs" / "start.json"
    assert _remembered(began, path) is began
    later = began.copy()
    later.positions += 1e-13
    kept = _remembered(later, path)
    assert (kept.positions == began.positions).all() and (kept.cell.array == began.cell.array).all()
    assert labels_of(kept) == labels_of(began)
    # One digit of it changed is no start that anybody chose.
    path.write_text(path.read_text().replace("0.", "1.", 1))
    assert _remembered(later, path) is later and (_remembered(began, path).positions == later.positions).all()
