"""The short-range guard keeps pairs apart, begins smoothly, and leaves every crystal alone."""

import numpy as np
import pytest

from dopantfit.lammps import Launcher, recipes
from dopantfit.lammps.guard import TABLE_START, correction, halting_energy, patches
from dopantfit.lammps.outputs import read_thermo
from dopantfit.potential import Potential
from dopantfit.potential.turnover import pair_energy
from dopantfit.structures import prototype

PUBLISHED = Potential.load("latp-mg-2022")
PATCHES = patches(PUBLISHED)


def energy(atoms, potential, folder, guard):
    ions = recipes.prepare(folder, atoms, potential, guard=guard)
    script = folder / "run.in"
    script.write_text(recipes.single_point(ions.types))
    return read_thermo(Launcher("lmp").run(script))[-1]["PotEng"][-1]


def test_every_pair_that_turns_over_is_guarded_outside_its_turn_over():
    found = {patch.pair: patch for patch in PATCHES}
    # The radii of the published set that are known from its curves: two cations with P, Mg-P above all.
    for pair, radius in {("Mg", "P"): 1.738, ("Al", "P"): 1.595, ("P", "Ti"): 1.559, ("O", "O"): 0.672}.items():
        assert found[pair].turn_over == pytest.approx(radius, abs=1e-3)
    assert all(patch.turn_over < patch.radius < 2.3 and patch.force > 0.0 for patch in PATCHES)
    # Pairs without dispersion or attraction have nothing to guard.
    assert not {("P", "P"), ("Li", "P"), ("Mg", "Mg")} & set(found)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: "-".join(patch.pair))
def test_the_guarded_curve_is_smooth_and_falls_all_the_way(patch):
    r = np.linspace(TABLE_START, 1.0, 400) * patch.radius
    added, push = correction(PUBLISHED, patch, r)
    curve = pair_energy(PUBLISHED, *patch.pair, r) + added
    # A straight line. What is added and taken away again is up to 1e7 eV, hence 1e-9 of that; LAMMPS's Coulomb
    # constant, which the patch is made with, is off by 3e-8.
    noise = 1e-9 * np.abs(added).max() + 1e-7 * np.abs(curve).max()
    np.testing.assert_allclose(curve, patch.energy + patch.force * (patch.radius - r), rtol=0, atol=noise)
    # Energy, force and its slope vanish at the edge: the third power of the distance remains.
    near = patch.radius * (1.0 - np.array([1e-2, 1e-3]))
    energies, forces = correction(PUBLISHED, patch, near)
    assert energies[1] / energies[0] == pytest.approx(1e-3, rel=0.2)
    assert forces[1] / forces[0] == pytest.approx(1e-2, rel=0.2)
    assert np.all(energies > 0.0)
    # The force is minus the slope of the energy.
    slope = np.gradient(added, r, edge_order=2)[1:-1]
    np.testing.assert_allclose(push[200:-1], -slope[199:], rtol=2e-2, atol=1e-2 * patch.force)


def test_below_the_halting_energy_no_pair_is_inside_its_turn_over():
    limits = [float(correction(PUBLISHED, patch, np.array([patch.turn_over]))[0][0]) for patch in PATCHES]
    assert halting_energy(PATCHES) == pytest.approx(min(limits), rel=1e-4)  # LAMMPS's Coulomb constant, and ours
    assert halting_energy(()) == float("inf")


def test_a_crystal_does_not_feel_the_guard(tmp_path):
    atoms = prototype("Mg3P2O8")
    bare, guarded = (energy(atoms, PUBLISHED, tmp_path / str(guard), guard) for guard in (False, True))
    assert abs(guarded - bare) / len(atoms) < 1e-6


def test_lammps_adds_the_correction_to_a_pair_inside(tmp_path, published_pair):
    atoms, potential = published_pair
    bare, guarded = (energy(atoms, potential, tmp_path / str(guard), guard) for guard in (False, True))
    patch = next(patch for patch in PATCHES if patch.pair == ("Mg", "P"))
    expected = float(correction(potential, patch, np.array([1.2]))[0][0])
    assert expected > 20.0
    # Shells do not feel Mg-P; they are relaxed to 1e-5 eV/Å in both.
    assert guarded - bare == pytest.approx(expected, abs=1e-4)
