"""The engine of relaxed swaps against ShellModel, its own gradient, its own regions, and LAMMPS."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dopantfit import Potential, ShellModel
from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import Estimate, Swap
from dopantfit.boundary.swap.walker import ions
from dopantfit.energy.mesh import ORDER, spline_weights
from dopantfit.energy.minimiser import ROUGH_SITES, ROUGHNESS, minimise
from dopantfit.energy.region import Region
from dopantfit.energy.relax_cell import CellState, RelaxedCell, measure_response
from dopantfit.errors import ConvergenceError
from dopantfit.lammps import relax_structure
from dopantfit.structures import load_host

POTENTIAL = Potential.load("latp-mg-2022")


@pytest.fixture(scope="module")
def cell():
    atoms = load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)
    return RelaxedCell(atoms, POTENTIAL, Burst(tolerance=2e-5)), atoms


@pytest.fixture(scope="module")
def relaxed(cell):
    engine, atoms = cell
    return engine, engine.minimum(atoms)


def perturbed(engine, atoms, seed=0):
    """The whole cell with ions and shells off their places."""
    rng = np.random.default_rng(seed)
    species = np.array([engine.labels.index(one) for one in atoms.get_chemical_symbols()])
    cores = atoms.positions + rng.normal(0.0, 0.05, atoms.positions.shape)
    shells = cores + rng.normal(0.0, 0.03, cores.shape) * (species == engine.labels.index("O"))[:, None]
    return CellState(species, cores, shells, np.nan)


def swap_of(engine, state, partner, seed=0):
    rng = np.random.default_rng(seed)
    pick = [np.flatnonzero(state.species == engine.labels.index(one)) for one in ("Mg", partner)]
    return Swap(*(int(rng.choice(candidates)) for candidates in pick))


def test_spline_weights_sum_to_one_and_their_slopes_to_zero():
    for fraction in (0.0, 0.3, 0.99):
        weights, slopes = np.empty(ORDER), np.empty(ORDER)
        spline_weights(fraction, weights, slopes)
        assert weights.sum() == pytest.approx(1.0, abs=1e-14) and slopes.sum() == pytest.approx(0.0, abs=1e-14)
        # The mean of a B-spline of order n is n/2: positions are kept.
        assert (weights * (fraction + np.arange(ORDER))).sum() == pytest.approx(ORDER / 2, abs=1e-13)


def test_energy_of_relaxed_shells_is_that_of_the_reference_engine(relaxed):
    engine, state = relaxed
    atoms = ions(state, engine)
    atoms.calc = ShellModel(POTENTIAL)
    # The mesh and the shorter real-space sum are good to some 1e-5 eV per ion, nearly the same in all configurations.
    assert atoms.get_potential_energy() == pytest.approx(state.energy, abs=3e-5 * len(atoms))
    # A minimum there, too: the tolerance of the relaxation allows some 0.01 eV/Å in soft directions.
    assert np.abs(atoms.get_forces()).max() < 0.02


def test_force_is_minus_the_energy_gradient(cell):
    engine, atoms = cell
    state = perturbed(engine, atoms)
    region = engine._whole(state)
    sites, rng = region.start(), np.random.default_rng(1)
    _, forces = region.energy_and_forces(sites)
    for number in rng.integers(len(sites), size=6):
        step = np.zeros_like(sites)
        step[number] = rng.normal(size=3)
        step *= 1e-4 / np.linalg.norm(step)
        plus, minus = (region.energy_and_forces(sites + sign * step)[0] for sign in (1, -1))
        # One site moving by 1e-4 Å seldom carries a pair over the cutoff, where the energy has its step.
        assert (plus - minus) / 2e-4 == pytest.approx(-np.sum(forces * step) / 1e-4, abs=2e-4)


def test_a_region_has_the_energy_differences_and_forces_of_the_whole(cell):
    engine, atoms = cell
    state, chosen = perturbed(engine, atoms), np.arange(20, 70)
    whole = engine._whole(state)
    region = Region(whole.near, engine.mesh, engine.table, state.species, state.cores, state.shells, chosen)
    sites = region.start()
    moved = sites + np.random.default_rng(2).normal(0.0, 0.05, sites.shape)
    differences = []
    for one, start, end in (
        (region, sites, moved),
        (whole, whole.start(), whole.with_sites(whole.start(), region, moved)),
    ):
        differences.append(one.energy_and_forces(end)[0] - one.energy_and_forces(start)[0])
    assert differences[0] == pytest.approx(differences[1], abs=1e-8)
    everywhere = whole.energy_and_forces(whole.with_sites(whole.start(), region, moved))[1]
    shells = whole.acting[chosen[region.polarised]]
    expected = np.concatenate([everywhere[chosen], everywhere[shells]])
    np.testing.assert_allclose(region.energy_and_forces(moved)[1], expected, atol=1e-9)


def test_energy_does_not_change_when_everything_is_moved(relaxed):
    engine, state = relaxed
    shift = np.array([3.1, -7.7, 12.9])
    moved = engine.summed(replace(state, cores=state.cores + shift, shells=state.shells + shift))
    # The mesh is fixed in space: rms errors of its forces of 5e-5 eV/Å on every site.
    assert moved.energy == pytest.approx(state.energy, abs=2e-3)


@pytest.mark.parametrize("partner", ["Al", "Li"])
def test_a_swap_and_its_undoing_cost_opposite_energies(relaxed, partner):
    engine, state = relaxed
    swap = swap_of(engine, state, partner)
    for _ in range(4):  # The first journeys may find a lower basin for a Li; from the lowest, the way back leads home.
        there = engine.relax(state, swap, engine.estimate(state, swap), np.inf).state
        back = engine.relax(there, swap, engine.estimate(there, swap), np.inf).state
        if back.energy > state.energy - 5e-3:
            break
        state = back
    # What the benchmark asks of two minimisations into one basin.
    assert back.energy == pytest.approx(state.energy, abs=5e-3)
    assert abs(there.energy - state.energy) > 0.02
    np.testing.assert_array_equal(back.species, state.species)


def test_estimates_leave_the_state_as_it_is_and_are_reproducible(relaxed):
    engine, state = relaxed
    content = [array.tobytes() for array in (state.species, state.cores, state.shells)]
    swap = swap_of(engine, state, "Ti")
    first = engine.estimate(state, swap).change
    engine.relax(state, swap, None, np.inf)
    assert engine.estimate(state, swap).change == first
    assert [array.tobytes() for array in (state.species, state.cores, state.shells)] == content
    with pytest.raises(ValueError, match="read-only"):
        state.cores[0] = 0.0


def test_the_inner_region_alone_costs_more_and_the_response_makes_up_for_it(relaxed):
    engine, state = relaxed
    swaps = [swap_of(engine, state, partner, seed) for partner in ("Al", "Ti") for seed in (1, 2)]
    response, found = measure_response(engine, state, swaps)
    # On its way a relaxation stands between what it starts from and where it ends.
    assert all(one.inner > one.early > one.full for one in found)
    assert response.late_mean["Ti"] < response.mean["Ti"]
    assert response.mean["Ti"] > response.mean["Al"] > 0.0  # Twice the charge polarises four times as much.
    assert response.of("P", 1.0) == 0.0


def test_a_relaxation_stops_on_its_way_at_its_second_estimate_and_nowhere_else(relaxed):
    engine, state = relaxed
    swap = swap_of(engine, state, "Ti")
    whole = engine.relax(state, swap, None, np.inf)
    assert whole.early > whole.state.energy - state.energy
    stopped = engine.relax(state, swap, None, whole.early)
    assert stopped.stopped and stopped.state is None and stopped.early == whole.early
    # A few evaluations of one step more than asked for.
    assert engine.settings.early_calls <= stopped.calls <= engine.settings.early_calls + 5 < whole.calls
    assert engine.relax(state, swap, None, np.nextafter(whole.early, np.inf)).state.energy == whole.state.energy


def test_collapsed_ions_are_no_state(relaxed):
    engine, state = relaxed
    mg, p = (int(np.flatnonzero(state.species == engine.labels.index(one))[0]) for one in ("Mg", "P"))
    cores, shells = state.cores.copy(), state.shells.copy()
    cores[mg] = shells[mg] = cores[p] + [1.2, 0.0, 0.0]
    assert engine._collapsed(replace(state, cores=cores, shells=shells), engine._neighbours(cores))
    assert not engine._collapsed(state, engine._neighbours(state.cores))


def test_relaxed_energy_differences_are_those_of_lammps(relaxed, tmp_path):
    engine, state = relaxed
    swap = swap_of(engine, state, "Al", seed=3)
    moved = engine.relax(state, swap, Estimate(0.0), np.inf).state
    energies = [
        relax_structure(ions(one, engine), POTENTIAL, tmp_path / str(number), force_tolerance=2e-3).energy
        for number, one in enumerate((state, moved))
    ]
    assert moved.energy - state.energy == pytest.approx(energies[1] - energies[0], abs=5e-3)


def test_a_relaxation_that_cannot_end_says_so():
    import scipy.sparse

    steering = scipy.sparse.eye(3, format="csr")
    with pytest.raises(ConvergenceError, match="after 3 evaluations"):
        minimise(lambda x: (float(np.sum(x)), -np.ones_like(x)), np.zeros((1, 3)), steering, 1e-9, 3)
    with pytest.raises(ConvergenceError, match="no numbers"):
        minimise(lambda x: (0.0, np.full_like(x, np.nan)), np.zeros((1, 3)), steering, 1e-9, 3)


def test_steps_of_many_pairs_at_the_cutoff_do_not_end_a_large_relaxation():
    import itertools

    import scipy.sparse

    rng = np.random.default_rng(0)
    sites = rng.normal(0.0, 2e-4, (12 * ROUGH_SITES, 3))
    # Every evaluation lies a little higher than the last, by less than so many sites may.
    steps = itertools.count()

    def rough(x):
        return float(np.sum(x**2)) + 5 * ROUGHNESS * next(steps), -2 * x

    # Slow steering: many steps, each gaining less than the energy is rough by.
    steering = 0.05 * scipy.sparse.eye(sites.size, format="csr")
    assert minimise(rough, sites, steering, 1e-5, 200).expected <= 1e-5
    with pytest.raises(ConvergenceError, match="no way down"):
        minimise(rough, sites[:ROUGH_SITES], 12 * steering[: 3 * ROUGH_SITES, : 3 * ROUGH_SITES], 1e-9, 200)
