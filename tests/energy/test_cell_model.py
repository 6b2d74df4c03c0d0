"""The model of a cell against ShellModel, its own gradient, and its own regions."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dopantfit import Potential, ShellModel
from dopantfit.energy import ShellProblem, evaluate, make_frame, species_table
from dopantfit.energy.cell_model import CellModel, CellState, RelaxedState, reached
from dopantfit.energy.electrostatics import ParticleMesh
from dopantfit.energy.minimiser import Minimum
from dopantfit.energy.neighbours import find_neighbours
from dopantfit.energy.problem import SKIN, Region
from dopantfit.errors import ConvergenceError
from dopantfit.structures import load_host
from dopantfit.units import COULOMB

POTENTIAL = Potential.load("latp-mg-2022")


def evaluate_at_rest(atoms, potential):
    frame = make_frame(atoms, potential)
    return evaluate(ShellProblem(frame, species_table(frame.labels, potential)), tolerance=1e-9)


@pytest.fixture(scope="module")
def cell():
    atoms = load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)
    return CellModel(atoms, POTENTIAL, tolerance=2e-5, most_calls=600), atoms


@pytest.fixture(scope="module")
def relaxed(cell):
    model, atoms = cell
    return model, model.minimum(atoms)


def perturbed(model, atoms, seed=0):
    """The whole cell with ions and shells off their places."""
    rng = np.random.default_rng(seed)
    species = np.array([model.labels.index(one) for one in atoms.get_chemical_symbols()])
    cores = atoms.positions + rng.normal(0.0, 0.05, atoms.positions.shape)
    shells = cores + rng.normal(0.0, 0.03, cores.shape) * (species == model.labels.index("O"))[:, None]
    return CellState(species, cores, shells, np.nan)


def test_energy_of_relaxed_shells_is_that_of_the_reference_engine(relaxed):
    model, state = relaxed
    atoms = model.atoms(state)
    atoms.calc = ShellModel(POTENTIAL)
    # The mesh and the shorter real-space sum are good to some 1e-5 eV per ion, nearly the same in all configurations.
    assert atoms.get_potential_energy() == pytest.approx(state.energy, abs=3e-5 * len(atoms))
    # A minimum there, too: the tolerance of the relaxation allows some 0.01 eV/Å in soft directions.
    assert np.abs(atoms.get_forces()).max() < 0.02


def test_force_is_minus_the_energy_gradient(cell):
    model, atoms = cell
    state = perturbed(model, atoms)
    region = model.region(state)
    sites, rng = region.start(), np.random.default_rng(1)
    forces = region.evaluate(sites).force
    for number in rng.integers(len(sites), size=6):
        step = np.zeros_like(sites)
        step[number] = rng.normal(size=3)
        step *= 1e-4 / np.linalg.norm(step)
        plus, minus = (region.evaluate(sites + sign * step).energy for sign in (1, -1))
        # One site moving by 1e-4 Å seldom carries a pair over the cutoff, where the energy has its step.
        assert (plus - minus) / 2e-4 == pytest.approx(-np.sum(forces * step) / 1e-4, abs=2e-4)


def test_a_region_has_the_energy_differences_and_forces_of_the_whole(cell):
    model, atoms = cell
    state, chosen = perturbed(model, atoms), np.arange(20, 70)
    whole = model.region(state)
    region = Region(whole.near, model.mesh, model.table, state.species, state.cores, state.shells, chosen)
    sites = region.start()
    moved = sites + np.random.default_rng(2).normal(0.0, 0.05, sites.shape)
    differences = []
    for one, start, end in (
        (region, sites, moved),
        (whole, whole.start(), whole.with_sites(whole.start(), region, moved)),
    ):
        differences.append(one.evaluate(end).energy - one.evaluate(start).energy)
    assert differences[0] == pytest.approx(differences[1], abs=1e-8)
    everywhere = whole.evaluate(whole.with_sites(whole.start(), region, moved)).force
    shells = whole.moving.acting[chosen[region.moving.polarised]]
    expected = np.concatenate([everywhere[chosen], everywhere[shells]])
    np.testing.assert_allclose(region.evaluate(moved).force, expected, atol=1e-9)


def test_energy_does_not_change_when_everything_is_moved(relaxed):
    model, state = relaxed
    shift = np.array([3.1, -7.7, 12.9])
    moved = model.summed(replace(state, cores=state.cores + shift, shells=state.shells + shift))
    # The mesh is fixed in space: rms errors of its forces of 5e-5 eV/Å on every site.
    assert moved.energy == pytest.approx(state.energy, abs=2e-3)


def test_collapsed_ions_are_no_state(relaxed):
    model, state = relaxed
    mg, p = (int(np.flatnonzero(state.species == model.labels.index(one))[0]) for one in ("Mg", "P"))
    cores, shells = state.cores.copy(), state.shells.copy()
    cores[mg] = shells[mg] = cores[p] + [1.2, 0.0, 0.0]
    near = find_neighbours(cores, model.cell, 3.0)
    assert model.collapsed(RelaxedState(replace(state, cores=cores, shells=shells), near, 1, False))
    assert not model.collapsed(RelaxedState(state, find_neighbours(state.cores, model.cell, 3.0), 1, False))


@pytest.mark.parametrize("method", ["Ewald", "mesh"])
def test_a_region_of_all_sites_is_the_shell_model_whatever_the_electrostatics(method):
    """Energy, forces and stress of one cell by both sums; a short Buckingham cutoff must not cut the Coulomb sum."""
    atoms = load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)
    atoms.positions += np.random.default_rng(5).normal(0.0, 0.05, atoms.positions.shape)
    potential = replace(POTENTIAL, cutoff=5.0)
    expected = evaluate_at_rest(atoms, potential)
    problem, shells = expected.relaxed.problem, atoms.positions.copy()
    frame = problem.frame
    shells[frame.shell_ions] = frame.positions[frame.shell_ions] + expected.relaxed.displacement
    smooth = problem.waves if method == "Ewald" else ParticleMesh(frame.cell, 0.45, 10.0, 0.4, COULOMB)
    near = find_neighbours(frame.positions, frame.cell, max(smooth.cutoff, potential.cutoff) + SKIN)
    region = Region(near, smooth, problem.table, frame.species, frame.positions, shells)
    found = region.evaluate(region.start(), with_virial=True)
    # With Ewald both are the same sum; splines of order 6 on points 0.4 Å apart leave errors of 1e-5 eV/Å.
    exact = method == "Ewald"
    assert found.energy == pytest.approx(expected.energy, abs=1e-9 if exact else 1e-6 * len(atoms))
    forces = found.force[: len(atoms)].copy()
    forces[frame.shell_ions] += found.force[len(atoms) :]
    np.testing.assert_allclose(forces, expected.forces, atol=1e-9 if exact else 2e-5)
    np.testing.assert_allclose(-found.virial / frame.volume, expected.stress, atol=1e-11 if exact else 5e-7)


def test_a_cell_model_sums_coulomb_terms_to_their_own_cutoff():
    atoms = load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)
    potential = replace(POTENTIAL, cutoff=5.0)
    expected = evaluate_at_rest(atoms, potential)
    frame, shells = expected.relaxed.problem.frame, atoms.positions.copy()
    shells[frame.shell_ions] += expected.relaxed.displacement
    model = CellModel(atoms, potential, tolerance=2e-5, most_calls=600)
    state = CellState(frame.species.copy(), atoms.positions.copy(), shells, np.nan)
    assert model.energy(state) == pytest.approx(expected.energy, abs=3e-5 * len(atoms))


def test_a_relaxation_barred_by_the_steps_of_the_cutoff_is_at_its_minimum_and_one_far_from_it_is_not():
    # Pairs that cross the cutoff of the Buckingham terms cost up to 3e-4 eV each, whatever the forces say.
    barred, lost = (Minimum(np.zeros((1, 3)), None, 145, "no way down", left) for left in (4e-4, 0.4))
    assert reached(barred) is barred
    with pytest.raises(ConvergenceError, match=r"finds no way down in 145 evaluations, 0\.4 eV"):
        reached(lost)
