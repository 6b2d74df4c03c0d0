"""The engines agree, and unseen frames tell a better potential from a worse one."""

import csv
import dataclasses

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.fit.config import ReferenceSet
from dopantfit.fit.data import make_target
from dopantfit.fit.errors_by_group import compare
from dopantfit.potential import Parameter
from dopantfit.structures import prototype
from dopantfit.validate import thresholds
from dopantfit.validate.correlation import compare_by_lammps, correlation
from dopantfit.validate.parity import Difference, checks_of, difference
from dopantfit.validate.subject import load_subject


def test_the_engines_agree_on_a_displaced_crystal(published):
    atoms = prototype("Mg3P2O8")
    atoms.positions += np.random.default_rng(3).normal(0, 0.05, atoms.positions.shape)
    found = difference(atoms, published, "crystal")
    assert all(check.passed for check in checks_of([found]))


def test_the_engines_agree_on_a_crystal_whose_symmetry_keeps_a_shell_on_its_core(published):
    # The O of P-O-P lies at a centre of inversion.
    found = difference(prototype("TiP2O7"), published, "crystal")
    assert all(check.passed for check in checks_of([found]))


def test_the_engines_agree_on_a_charged_cell_in_its_background(published):
    atoms = prototype("LiTi2P3O12")
    del atoms[list(atoms.symbols).index("Li")]
    atoms.rattle(0.05, seed=3)
    found = difference(atoms, published, "charged")
    # Of stress nothing is said: the pressure of the background, 3e-3 GPa here, is in our stress and not in LAMMPS's.
    assert found.stress is None
    neutral = difference(prototype("LiTi2P3O12"), published, "neutral")
    checks = {one.name: one for one in checks_of([neutral, found])}
    assert all(check.passed for check in checks.values()) and len(checks) == 4
    assert abs(checks["largest difference of energy"].value) == max(abs(neutral.energy), abs(found.energy))
    assert len(checks_of([found])) == 3


def test_lammps_and_own_engine_compare_a_charged_frame_alike(published):
    atoms = prototype("LiTi2P3O12")
    del atoms[list(atoms.symbols).index("Li")]
    atoms.rattle(0.05, seed=3)
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))
    atoms.info = {"frame_id": "one", "family": "one", "composition": "x"}
    target = make_target(atoms, "set", ReferenceSet(path="x", force_error=0.1), published, {})
    (own,), theirs = compare(published, [target]), compare_by_lammps(published, target)
    # As for the neutral frame below.
    np.testing.assert_allclose(theirs.forces, own.forces, atol=2e-3, rtol=0)
    assert theirs.energy == pytest.approx(own.energy, abs=1e-4 * len(own.forces))


@pytest.mark.parametrize("wrong", [{"energy": -2e-6}, {"force": 2e-4}, {"stress": 2e-3}, {"shell_force": 2e-4}])
def test_one_structure_on_which_they_differ_fails_parity(wrong):
    good = Difference("a", 1e-8, 1e-8, 1e-8, 1e-8)
    bad = dataclasses.replace(good, name="b", **wrong)
    assert all(check.passed for check in checks_of([good]))
    assert sum(not check.passed for check in checks_of([good, bad, good])) == 1


def test_lammps_and_own_engine_compare_a_frame_alike(folder):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    (own,) = compare(subject.potential, subject.unseen[:1])
    theirs = compare_by_lammps(subject.potential, subject.unseen[0])
    # Shells at 1e-4 eV/Å and the Coulomb sum at 1e-7 leave about 1e-4 eV/Å on ions; LAMMPS's constants 1e-7 of each.
    np.testing.assert_allclose(theirs.forces, own.forces, atol=2e-3, rtol=0)
    assert theirs.energy == pytest.approx(own.energy, abs=1e-4 * len(own.forces))


def test_only_held_out_frames_are_compared(folder):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    assert {one.family for one in subject.unseen} == {"two"}


def test_the_worse_of_two_potentials_fails_and_the_better_passes(folder, work):
    right = load_subject(folder, "latp-mg-2022", "quick")
    worse = right.potential.with_values({Parameter.parse("rho Mg-O"): 0.185})
    good = correlation(dataclasses.replace(right, peer=worse), work)
    bad = correlation(dataclasses.replace(right, potential=worse, peer=right.potential), work)
    assert good.passed and not bad.passed
    # The potential that made the frames misses them by the noise only.
    (error,) = (one for one in good.details["subject"]["forces"] if one["kind"] == "all")
    assert error["rms_error"] == pytest.approx(0.02, rel=0.2)
    ratio = next(c for c in bad.checks if c.name.startswith("force error on Mg over that of"))
    assert ratio.threshold == thresholds.DOPANT_RATIO and ratio.value > 5.0
    assert (work.figures / "correlation.png").is_file()


def test_forces_that_are_worse_than_none_fail_without_a_potential_to_compare_with(folder, work):
    right = dataclasses.replace(load_subject(folder, "latp-mg-2022", "quick"), peer=None)
    assert correlation(right, work).passed
    # Stiff enough that the dopant is farther from DFT than with no forces at all, and nothing collapses.
    worse = right.potential.with_values({Parameter.parse("rho Mg-O"): 0.23})
    gate = correlation(dataclasses.replace(right, potential=worse), work)
    failed = {check.name for check in gate.checks if not check.passed}
    assert {f"force error on {what} over the DFT force" for what in ("Mg", "Mg and its first shell")} <= failed


def test_a_lone_frame_of_a_stoichiometry_has_no_energy_on_the_figure(folder, work):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    vars(subject)["unseen"] = subject.unseen[:1]
    correlation(subject, work)
    rows = list(csv.DictReader((work.figures / "correlation.csv").read_text().splitlines()))
    assert rows and {row["dft_meV_per_atom"] for row in rows} == {"nan"}
