"""LAMMPS in this process agrees with what can be known without it, and with itself turned around."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.units import COULOMB_LAMMPS

MADELUNG_ROCKSALT = 1.7475645946331822  # per nearest-neighbour distance; Madelung 1918, OEIS A085469


def test_point_charges_on_rocksalt_have_the_madelung_energy(rocksalt, ionic):
    with InProcessLammps(rocksalt, ionic) as lammps:
        energy = lammps.energy()
    exact = -4 * MADELUNG_ROCKSALT * 2.0**2 * COULOMB_LAMMPS / 2.1
    # LAMMPS's approximation of erfc leaves up to 1e-4 eV, for every Ewald accuracy from 1e-6 to 1e-12.
    assert energy == pytest.approx(exact, abs=2e-4)


def test_tabulated_coulomb_sums_are_ten_times_more_exact(rocksalt, ionic):
    with InProcessLammps(rocksalt, ionic, kspace="ewald 1e-10") as lammps:
        lammps.set_pair("Mg", "O", 1000.0, 0.3, 0.0)
        before = lammps.energy()
        lammps.tabulate_coulomb()
        assert lammps.energy() == pytest.approx(before, abs=2e-4)  # the pair term set before survives
        lammps.set_pair("Mg", "O", 0.0, 0.3, 0.0)
        exact = -4 * MADELUNG_ROCKSALT * 2.0**2 * COULOMB_LAMMPS / 2.1
        # Linear interpolation in tables of 2^20 entries: 3e-6 eV of 192.
        assert lammps.energy() == pytest.approx(exact, abs=1e-5)


def test_a_shell_on_its_core_is_no_place_for_tables(rocksalt, polarisable):
    with InProcessLammps(rocksalt, polarisable) as lammps:
        lammps.set_positions(rocksalt.positions)
        lammps.tabulate_coulomb()
        with pytest.raises(ConfigError, match="of its core"):
            lammps.set_positions(rocksalt.positions)


def test_shells_on_their_cores_act_as_one_charge(rocksalt, polarisable, ionic):
    with InProcessLammps(rocksalt, polarisable) as lammps:
        lammps.set_pair("Mg", "O", 0.0, 1.0, 0.0)
        lammps.set_pair("O", "O", 0.0, 1.0, 0.0)
        energy = lammps.energy()
    with InProcessLammps(rocksalt, ionic) as lammps:
        # 4 excluded core-shell pairs at zero distance, each exact to about 1e-5 eV in LAMMPS.
        assert energy == pytest.approx(lammps.energy(), abs=1e-4)


def test_force_on_an_ion_is_minus_the_energy_gradient(shaken, polarisable):
    step = 2e-3
    with InProcessLammps(shaken, polarisable) as lammps:
        lammps.relax_shells(force_tolerance=1e-6)
        forces, shells = lammps.forces(), lammps.shell_positions()
        for ion, axis in [(0, 0), (1, 1), (4, 2), (7, 0)]:
            energies = []
            for sign in (1, -1):
                moved = shaken.positions.copy()
                moved[ion, axis] += sign * step
                lammps.set_positions(moved, shells)
                lammps.relax_shells(force_tolerance=1e-6)
                energies.append(lammps.energy())
            # Step 2e-3 Å: third derivatives give 1e-4, the noise of LAMMPS's energies 1e-7 eV / step as much.
            assert (energies[1] - energies[0]) / (2 * step) == pytest.approx(forces[ion, axis], abs=5e-4)
    assert np.abs(forces).max() > 0.5  # the frame is far from equilibrium: agreement means something


def test_stress_is_the_energy_derivative_with_strain(shaken, polarisable):
    volume, step = shaken.get_volume(), 1e-3
    with InProcessLammps(shaken, polarisable) as lammps:
        lammps.relax_shells(force_tolerance=1e-6)
        stress = lammps.stress()
    for voigt, (i, j) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            strained = shaken.copy()
            strained.set_cell(shaken.cell.array @ strain, scale_atoms=True)
            with InProcessLammps(strained, polarisable) as lammps:
                lammps.relax_shells(force_tolerance=1e-6)
                energies.append(lammps.energy())
        # Noise of 1e-5 eV between cells with different Ewald parameters, over 2 × step × 72 Å³.
        assert (energies[0] - energies[1]) / (2 * step) / volume == pytest.approx(stress[voigt], abs=1e-4)
    assert np.abs(stress).max() > 0.05


def test_a_rotated_mirrored_or_resheared_cell_has_the_same_energy_and_turned_forces(shaken, polarisable):
    with InProcessLammps(shaken, polarisable) as lammps:
        lammps.relax_shells(force_tolerance=1e-6)
        energy, forces, shells = lammps.energy(), lammps.forces(), lammps.shell_positions()
    generator = np.random.default_rng(11)
    for _ in range(3):
        turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]  # with or without a mirror
        lattice = np.eye(3) + np.tril(generator.integers(-2, 3, (3, 3)), -1)
        turned = shaken.copy()
        turned.set_cell(lattice @ shaken.cell.array @ turn, scale_atoms=False)
        turned.positions = (shaken.positions + generator.integers(-3, 4, (8, 3)) @ shaken.cell.array) @ turn
        with InProcessLammps(turned, polarisable) as lammps:
            lammps.relax_shells(force_tolerance=1e-6)
            # Cells of other shape get other Ewald parameters: LAMMPS's own noise is 1e-5 eV per ion.
            assert lammps.energy() == pytest.approx(energy, abs=1e-4)
            np.testing.assert_allclose(lammps.forces(), forces @ turn, rtol=0, atol=1e-5)
            offsets = lammps.shell_positions() - turned.positions
        np.testing.assert_allclose(offsets, (shells - shaken.positions) @ turn, rtol=0, atol=1e-6)


def test_forces_on_ions_hold_those_on_their_shells(shaken, polarisable):
    with InProcessLammps(shaken, polarisable) as lammps:
        shells = shaken.positions + np.random.default_rng(4).normal(0, 0.05, (8, 3))
        lammps.set_positions(shaken.positions, shells)
        assert np.abs(lammps.shell_forces()).max() > 1.0  # not relaxed
        # Newton's third law over all sites; the Ewald sum keeps it to its round-off.
        np.testing.assert_allclose(lammps.forces().sum(axis=0), 0.0, atol=1e-9)


def test_relaxed_shells_carry_no_force_and_have_moved(shaken, polarisable):
    with InProcessLammps(shaken, polarisable) as lammps:
        unrelaxed = lammps.energy()
        lammps.relax_shells()
        assert np.abs(lammps.shell_forces()).max() <= 1e-5
        assert lammps.energy() < unrelaxed - 0.1
        offsets = lammps.shell_positions() - shaken.positions
        magnesium = shaken.symbols == "Mg"
        assert not offsets[magnesium].any()
        assert np.linalg.norm(offsets[~magnesium], axis=1).min() > 1e-3


def test_positions_can_be_set_again_and_again(shaken, polarisable):
    moved = shaken.copy()
    moved.positions += np.random.default_rng(1).normal(0, 0.05, (8, 3)) + 5 * shaken.cell[0]
    with InProcessLammps(moved, polarisable) as lammps:
        lammps.relax_shells()
        energy, forces, shells = lammps.energy(), lammps.forces(), lammps.shell_positions()
    with InProcessLammps(shaken, polarisable) as lammps:
        lammps.relax_shells()
        assert abs(lammps.energy() - energy) > 1e-2
        lammps.set_positions(moved.positions, shells)
        # Shells as they were left: nothing to relax; sums in another order.
        assert lammps.energy() == pytest.approx(energy, abs=1e-9)
        np.testing.assert_allclose(lammps.forces(), forces, rtol=0, atol=1e-9)


@pytest.mark.parametrize("tabulated", [False, True])
def test_a_new_pair_term_acts_as_its_formula_says(rocksalt, ionic, tabulated):
    with InProcessLammps(rocksalt, ionic) as lammps:
        if tabulated:
            lammps.tabulate_coulomb()
        before = lammps.energy()
        lammps.set_pair("O", "Mg", 1000.0, 0.3, 0.0)
        difference = lammps.energy() - before
    # Unlike ions sit where the indices of a grid of spacing a/2 add up to an odd number.
    grid = np.indices((9, 9, 9)).reshape(3, -1).T - 4
    r = 2.1 * np.linalg.norm(grid[grid.sum(axis=1) % 2 == 1], axis=1)
    expected = 4 * np.sum(1000.0 * np.exp(-r[r < 9.0] / 0.3))  # 4 formula units
    # 1e-12 of the Coulomb energy of -192 eV is lost in the difference.
    assert difference == pytest.approx(expected, rel=1e-9)


def test_a_relaxation_that_cannot_converge_is_no_result(shaken, polarisable):
    with InProcessLammps(shaken, polarisable) as lammps:
        with pytest.raises(ConvergenceError, match="on a shell"):
            lammps.relax_shells(force_tolerance=1e-18)


def test_bad_positions_and_unknown_pairs_are_refused(shaken, polarisable):
    with InProcessLammps(shaken, polarisable) as lammps:
        with pytest.raises(ConfigError, match="not finite"):
            lammps.set_positions(shaken.positions * np.nan)
        with pytest.raises(ConfigError, match="shape"):
            lammps.set_positions(shaken.positions[:3])
        with pytest.raises(ConfigError, match="'Ti' is not in this structure"):
            lammps.set_pair("Ti", "O", 1.0, 1.0, 1.0)
