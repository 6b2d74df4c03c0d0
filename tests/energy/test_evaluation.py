from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from dopantfit import Potential
from dopantfit.energy import ShellProblem, ShellStart, evaluate, make_frame, species_table
from dopantfit.energy.closest import INNERMOST, turn_over_beyond
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.potential import Parameter
from dopantfit.potential.turnover import turn_overs
from dopantfit.structures import prototype

TIGHT = 1e-10
#: Fine enough that moving an ion across the end of a sum changes nothing that these tests see.
FINE = 1e-11


def _evaluate(atoms, potential, **keywords):
    frame = make_frame(atoms, potential, accuracy=FINE)
    return evaluate(ShellProblem(frame, species_table(frame.labels, potential)), tolerance=TIGHT, **keywords)


def _without_dispersion(potential: Potential) -> Potential:
    """The same potential without C/r⁶: nothing jumps when a pair crosses the cutoff."""
    return replace(
        potential, pairs={pair: term.model_copy(update={"C": 0.0}) for pair, term in potential.pairs.items()}
    )


def test_force_is_minus_the_energy_gradient(perturbed_lamtp, potential):
    smooth = _without_dispersion(potential)
    forces = _evaluate(perturbed_lamtp, smooth).forces
    step = 1e-4
    for ion in (0, 12, 13, 14, 30, 60, 111):
        for axis in range(3):
            energy = []
            for sign in (1, -1):
                moved = perturbed_lamtp.copy()
                moved.positions[ion, axis] += sign * step
                energy.append(_evaluate(moved, smooth).energy)
            # 2e-6 eV/Å: rounding of energies of 2000 eV over the step, and its square.
            assert forces[ion, axis] == pytest.approx(-(energy[0] - energy[1]) / (2 * step), abs=2e-6)


def test_stress_is_the_strain_derivative_of_the_energy(perturbed_lamtp, potential):
    smooth = _without_dispersion(potential)
    stress = _evaluate(perturbed_lamtp, smooth).stress
    step = 1e-5
    for component, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energy = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            strained = perturbed_lamtp.copy()
            strained.set_cell(perturbed_lamtp.cell.array @ strain, scale_atoms=True)
            energy.append(_evaluate(strained, smooth).energy)
        expected = (energy[0] - energy[1]) / (2 * step) / perturbed_lamtp.get_volume()
        # 1e-8 eV/Å³ (2e-6 GPa): rounding of energies of 2000 eV over the step.
        assert stress[component] == pytest.approx(expected, abs=2e-8)


def test_shells_feel_no_force_and_ions_no_net_force(perturbed_lamtp, potential):
    result = _evaluate(perturbed_lamtp, potential)
    assert np.abs(result.relaxed.shells.force).max() <= TIGHT
    # Waves and pairs conserve momentum each by themselves, to rounding.
    assert np.abs(result.forces.sum(axis=0)).max() < 1e-9


def test_rotation_translation_and_permutation_change_nothing_but_the_frame(perturbed_lamtp, potential, rng):
    reference = _evaluate(perturbed_lamtp, potential)
    rotation = Rotation.random(rng=rng).as_matrix()
    order = rng.permutation(len(perturbed_lamtp))
    changed = perturbed_lamtp[order]
    changed.positions = (changed.positions + np.array([0.3, -7.1, 30.0])) @ rotation.T
    changed.set_cell(perturbed_lamtp.cell.array @ rotation.T)
    result = _evaluate(changed, potential)
    assert result.energy == pytest.approx(reference.energy, abs=1e-7)
    np.testing.assert_allclose(result.forces, reference.forces[order] @ rotation.T, atol=1e-7)
    full = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    np.testing.assert_allclose(result.stress[full], rotation @ reference.stress[full] @ rotation.T, atol=1e-9)


def test_a_supercell_has_the_same_energy_per_ion(perturbed_lamtp, potential):
    one, two = _evaluate(perturbed_lamtp, potential), _evaluate(perturbed_lamtp * (2, 1, 1), potential)
    assert two.energy == pytest.approx(2 * one.energy, abs=1e-6)
    np.testing.assert_allclose(two.forces[: len(one.forces)], one.forces, atol=1e-7)


def test_another_choice_of_lattice_vectors_changes_nothing(perturbed_lamtp, potential):
    skewed = perturbed_lamtp.copy()
    skewed.set_cell(np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ perturbed_lamtp.cell.array)
    one, two = _evaluate(perturbed_lamtp, potential), _evaluate(skewed, potential)
    assert two.energy == pytest.approx(one.energy, abs=1e-7)
    np.testing.assert_allclose(two.forces, one.forces, atol=1e-7)


def test_the_large_cell_solver_finds_the_same_shells(perturbed_lamtp, potential, monkeypatch):
    dense = _evaluate(perturbed_lamtp, potential)
    monkeypatch.setattr("dopantfit.energy.shell_preconditioner.DENSE_SHELLS", 0)
    sparse = _evaluate(perturbed_lamtp, potential)
    np.testing.assert_allclose(sparse.relaxed.displacement, dense.relaxed.displacement, atol=1e-11)


def test_relaxation_converges_faster_than_any_fixed_rate(perturbed_lamtp, potential):
    frame = make_frame(perturbed_lamtp, potential)
    table = species_table(frame.labels, potential)
    passes = [evaluate(ShellProblem(frame, table), tolerance=10.0**-digits).relaxed.passes for digits in (1, 5, 9)]
    # From 0.1 to 1e-5 and from there to 1e-9 eV/Å: four digits cost no more the second time than the first.
    assert passes[2] - passes[1] <= passes[1] - passes[0] <= 5


def test_old_shells_and_factor_save_passes(perturbed_lamtp, potential, rng):
    frame = make_frame(perturbed_lamtp, potential)
    table = species_table(frame.labels, potential)
    cold = evaluate(ShellProblem(frame, table))
    moved = frame.moved(frame.positions + rng.normal(0, 1e-3, frame.positions.shape))
    warm = evaluate(ShellProblem(moved, table), cold.relaxed.start)
    assert warm.relaxed.passes < cold.relaxed.passes
    assert warm.energy == pytest.approx(evaluate(ShellProblem(moved, table)).energy, abs=1e-9)


def test_neighbour_lists_are_renewed_when_a_shell_outruns_them(perturbed_lamtp, potential, monkeypatch):
    reference = _evaluate(perturbed_lamtp, potential).energy
    monkeypatch.setattr("dopantfit.energy.frame.SKIN", 0.01)
    assert _evaluate(perturbed_lamtp, potential).energy == pytest.approx(reference, abs=1e-9)


def _polarisable(charge: float, spring: float) -> Potential:
    """A fixed charge X and an ion of opposite charge whose whole charge sits on a shell."""
    return Potential.loads(
        f"""format = 1
name = "polarisable"
citation = "none"
cutoff = 9.0
[species.Li]
formal_charge = 1
charge = {charge}
mass = 1.0
[species.F]
formal_charge = -1
charge = 0.0
mass = 1.0
shell = {{ charge = {-charge}, mass = 0.2, spring = {spring} }}
[pairs]
"F-F" = {{ A = 0.0, rho = 0.3, C = 0.0 }}
"F-Li" = {{ A = 0.0, rho = 0.3, C = 0.0 }}
"Li-Li" = {{ A = 0.0, rho = 0.3, C = 0.0 }}
""",
        source="test",
    )


def test_a_weak_charge_displaces_a_shell_by_its_field_over_the_spring():
    atoms = Atoms("LiF", positions=[[0, 0, 0], [2.0, 0.5, 0]], cell=[9.0, 9.5, 10.0], pbc=True)
    charge, spring = 0.02, 50.0
    potential = _polarisable(charge, spring)
    frame = make_frame(atoms, potential, accuracy=FINE)
    problem = ShellProblem(frame, species_table(frame.labels, potential))
    field_force = problem.shell_pass(np.zeros((1, 3))).force[0]
    moved = _evaluate(atoms, potential).relaxed.displacement[0]
    # Linear response; the next order is q²/(k r³) = 1e-5 of it.
    np.testing.assert_allclose(moved, field_force / spring, rtol=1e-4, atol=1e-15)


def test_a_stiff_spring_makes_a_rigid_ion():
    atoms = Atoms("LiF", positions=[[0, 0, 0], [2.0, 0.5, 0]], cell=[5.0, 4.5, 6.0], pbc=True)
    energies = [_evaluate(atoms, _polarisable(1.0, spring)).energy for spring in (1e4, 1e6, 1e8)]
    frame = make_frame(atoms, _polarisable(1.0, 1e8), accuracy=FINE)
    problem = ShellProblem(frame, species_table(frame.labels, _polarisable(1.0, 1e8)))
    at_rest = np.zeros((1, 3))
    shells = problem.shell_pass(at_rest)
    rigid = shells.energy + problem.core_pass(at_rest, shells).energy
    # The polarisation energy is -F²/2k: a hundred times smaller for a spring a hundred times stiffer.
    assert (energies[0] - rigid) / (energies[1] - rigid) == pytest.approx(100, rel=0.02)
    assert energies[2] == pytest.approx(rigid, abs=1e-6)


def _argon_and_krypton() -> Potential:
    """Two neutral ions whose only interaction is one Buckingham term between them."""
    return Potential.loads(
        """format = 1
name = "pair"
citation = "none"
cutoff = 9.0
[species.Ar]
formal_charge = 0
charge = 0.0
mass = 1.0
[species.Kr]
formal_charge = 0
charge = 0.0
mass = 1.0
[pairs]
"Ar-Ar" = { A = 0.0, rho = 0.3, C = 0.0 }
"Ar-Kr" = { A = 1234.5, rho = 0.29, C = 17.0 }
"Kr-Kr" = { A = 0.0, rho = 0.3, C = 0.0 }
""",
        source="test",
    )


def test_a_buckingham_pair_alone_is_its_formula():
    potential = _argon_and_krypton()
    for r in (1.5, 2.9, 8.999, 9.001):
        atoms = Atoms("ArKr", positions=[[0, 0, 0], [r, 0, 0]], cell=[30, 30, 30], pbc=True)
        result = _evaluate(atoms, potential)
        inside = r < 9.0
        assert result.energy == pytest.approx(inside * (1234.5 * np.exp(-r / 0.29) - 17 / r**6), abs=1e-14, rel=1e-12)
        force = inside * (1234.5 / 0.29 * np.exp(-r / 0.29) - 6 * 17 / r**7)
        assert result.forces[1, 0] == pytest.approx(force, abs=1e-14, rel=1e-11)


def test_a_start_that_is_no_number_is_not_at_rest(perturbed_lamtp, potential):
    frame = make_frame(perturbed_lamtp, potential)
    start = np.full((len(frame.shell_ions), 3), np.nan)
    with pytest.raises(ConvergenceError, match="not at rest"):
        evaluate(ShellProblem(frame, species_table(frame.labels, potential)), ShellStart(start))


def test_a_shell_that_leaves_its_core_has_collapsed(perturbed_lamtp, potential):
    frame = make_frame(perturbed_lamtp, potential)
    table = species_table(frame.labels, potential)
    bare = table._replace(A=np.zeros_like(table.A), spring=np.full_like(table.spring, 5.0))
    with pytest.raises(CollapseError, match=r"moves more than 0\.5 Å from its core"):
        evaluate(ShellProblem(frame, bare))


def test_a_very_short_range_gives_no_energy_instead_of_nonsense(potential):
    """exp(-r/ρ) of 10⁻³⁰⁰ and less is nothing, not an overflow."""
    atoms = prototype("MgO")
    steep = potential.with_values({Parameter.parse("rho Mg-Mg"): 0.001})
    none = potential.with_values({Parameter.parse("A Mg-Mg"): 0.0})
    assert _evaluate(atoms, steep).energy == pytest.approx(_evaluate(atoms, none).energy, abs=1e-9)


def test_a_lone_neutral_ion_has_no_energy():
    potential = Potential.loads(
        """format = 1
name = "gas"
citation = "none"
cutoff = 9.0
[species.Ar]
formal_charge = 0
charge = 0.0
mass = 39.95
[pairs]
"Ar-Ar" = { A = 0.0, rho = 0.3, C = 0.0 }
""",
        source="test",
    )
    result = _evaluate(Atoms("Ar", cell=[5.0, 5.0, 5.0], pbc=True), potential)
    assert result.energy == 0.0
    assert not result.forces.any()


def test_a_walk_of_small_steps_ends_where_a_leap_does(perturbed_lamtp, potential, rng):
    frame = make_frame(perturbed_lamtp, potential)
    table = species_table(frame.labels, potential)
    step = rng.normal(0, 0.02, frame.positions.shape)
    walked, result = frame, evaluate(ShellProblem(frame, table))
    for _ in range(12):
        walked = walked.moved(walked.positions + step)
        result = evaluate(ShellProblem(walked, table), result.relaxed.start)
    leapt = evaluate(ShellProblem(frame.moved(frame.positions + 12 * step), table))
    assert result.energy == pytest.approx(leapt.energy, abs=1e-7)


@pytest.mark.parametrize("dense", [True, False])
def test_shells_that_feel_no_force_on_a_hilltop_are_not_at_rest(dense, monkeypatch):
    """By symmetry no shell of MgO feels a force on its core, whether the energy curves upwards there or not."""
    monkeypatch.setattr("dopantfit.energy.shell_preconditioner.DENSE_SHELLS", 250 if dense else 0)
    potential = Potential.load("latp-mg-2022")
    frame = make_frame(prototype("MgO"), potential)
    table = species_table(frame.labels, potential)
    assert evaluate(ShellProblem(frame, table)).relaxed.passes == 1
    # Without repulsion and with a soft spring dispersion pulls every shell off its core.
    hilltop = table._replace(A=np.zeros_like(table.A), C=np.full_like(table.C, 300.0), spring=0.01 * table.spring)
    with pytest.raises(ConvergenceError, match="rest on a saddle point"):
        evaluate(ShellProblem(frame, hilltop))


def test_ions_inside_a_turn_over_radius_are_refused():
    potential = _argon_and_krypton()
    radius = turn_overs(potential)["Ar", "Kr"].radius
    for factor in (1.02, 0.98):  # the search of the engine is good to one percent
        atoms = Atoms("ArKr", positions=[[0, 0, 0], [factor * radius, 0, 0]], cell=[30, 30, 30], pbc=True)
        if factor > 1:
            assert _evaluate(atoms, potential).energy > 0
        else:
            with pytest.raises(CollapseError, match=r"0 \(Ar\) and 1 \(Kr\) are .* inside the turn-over radius"):
                _evaluate(atoms, potential)


def test_turn_over_radii_are_those_of_the_potential(potential):
    labels = tuple(sorted(potential.species))
    table = species_table(labels, potential)
    for (a, b), expected in turn_overs(potential).items():
        found = turn_over_beyond(INNERMOST, labels.index(a), labels.index(b), table)
        # Radii of the search are one percent apart.
        assert found == pytest.approx(expected.radius if expected else 0.0, rel=0.01)
