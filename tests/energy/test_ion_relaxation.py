"""Ions and shells at rest in a fixed cell: a minimum of the independent model, with exact slopes and no memory."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms

from dopantfit import Potential, ShellModel
from dopantfit.energy import ion_relaxation as rest
from dopantfit.energy import make_frame, species_table
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.fit.config import MeasuredCrystal
from dopantfit.potential import Parameter
from dopantfit.reference.exchange_ends import exchange_ends
from dopantfit.structures.prototypes import crystal
from dopantfit.structures.substitution import Substitution, substituted

PAIR = ("Mg", "O")
UNRELAXED = ("exchange-Li6-Li0", "exchange-Li7-Li1", "exchange-Li7-b-Li0")


@pytest.fixture(scope="module")
def cell() -> Atoms:
    """LiTi2(PO4)3, primitive, a Ti exchanged for Mg and two Li more: 38 ions."""
    doped = substituted(crystal("LiTi2P3O12").primitive(), [Substitution("Ti", "Mg", 2, 1)], np.random.default_rng(3))
    doped.rattle(0.05, seed=1)
    return doped


@pytest.fixture(scope="module")
def published() -> Potential:
    return Potential.load("latp-mg-2022")


@pytest.fixture(scope="module")
def model(cell, published):
    frame = make_frame(cell, published, "cell")
    return rest.IonModel(frame, species_table(frame.labels, published))


def relaxed(model, potential):
    return model.relax(species_table(model.frame.labels, potential))


def test_the_independent_model_finds_no_force_and_the_energy_with_its_steps(model, cell, published):
    found = relaxed(model, published)
    atoms = cell.copy()
    atoms.positions = found.problem.frame.positions
    atoms.calc = ShellModel(published)
    # Shells at rest to 1e-4 eV/Å leave the forces on their cores that much.
    assert np.abs(atoms.get_forces()).max() < 1e-3
    table = found.problem.table
    at_cutoff = table.A * np.exp(-table.cutoff * table.inverse_rho) - table.C / table.cutoff**6
    steps = float(np.sum(rest.pairs_within(found.problem, found.displacement) * at_cutoff))
    assert steps < -0.05  # eV: what is taken off can be seen
    assert found.energy + steps == pytest.approx(atoms.get_potential_energy(), abs=1e-6)


def test_slopes_are_those_of_differences(model, published):
    parameters = (
        Parameter("rho", PAIR), Parameter("A", PAIR), Parameter("C", ("O", "O")), Parameter("spring", ("O",)),
        Parameter("rho", ("Al", "O")),
    )  # fmt: skip
    slopes = rest.relaxed_derivatives(relaxed(model, published), parameters)
    assert slopes[-1] == 0.0  # no Al here
    for parameter, slope in zip(parameters[:-1], slopes, strict=False):
        value = published.value(parameter)
        ends = [
            relaxed(model, published.with_values({parameter: value * (1 + sign * 1e-4)})).energy for sign in (1, -1)
        ]
        # Ions at rest to 1e-4 eV/Å leave 1e-8 eV of noise: 1e-4 of these differences, of 1e-3 eV and more.
        assert (ends[0] - ends[1]) / (2e-4 * value) == pytest.approx(slope, rel=1e-3)


def test_charges_that_move_in_proportion_have_slopes_too(model, published):
    ions = {label: ion for label, ion in published.species.items() if ion.formal_charge}
    parameters = tuple(Parameter("charge", (label,)) for label in ions if label in model.frame.labels)
    slopes = rest.relaxed_derivatives(relaxed(model, published), parameters)
    expected = sum(
        slope * ions[parameter.of[0]].formal_charge for parameter, slope in zip(parameters, slopes, strict=True)
    )

    def scaled(step):
        changed = {Parameter("charge", (n,)): ion.charge + step * ion.formal_charge for n, ion in ions.items()}
        return relaxed(model, published.with_values(changed)).energy

    assert (scaled(1e-4) - scaled(-1e-4)) / 2e-4 == pytest.approx(expected, rel=1e-3)


def test_the_end_does_not_depend_on_what_was_relaxed_before(cell, model, published):
    first = relaxed(model, published)
    relaxed(model, published.with_values({Parameter("rho", PAIR): 0.185}))
    again = relaxed(model, published)
    fresh = make_frame(cell, published, "cell")
    other = relaxed(rest.IonModel(fresh, species_table(fresh.labels, published)), published)
    assert first.energy == again.energy == other.energy
    np.testing.assert_array_equal(first.displacement, other.displacement)


def test_the_energy_has_no_steps_where_pairs_cross_the_cutoff(model, published):
    """Along C of O-O, 60 eV Å⁶ and so 1e-4 eV a pair at the cutoff, many pairs cross; the energy follows a parabola."""
    value = published.value(Parameter("C", ("O", "O")))
    along = np.linspace(-0.02, 0.02, 9)
    ends = [relaxed(model, published.with_values({Parameter("C", ("O", "O")): value * (1 + x)})) for x in along]
    counts = {float(rest.pairs_within(one.problem, one.displacement).sum()) for one in ends}
    assert len(counts) > 1  # pairs do cross
    energies = np.array([one.energy for one in ends])
    left = energies - np.polynomial.Polynomial.fit(along, energies, 3)(along)
    assert np.abs(left).max() < 2e-6


def test_ions_that_fall_into_each_other_are_an_error(model, published):
    weak = published.with_values({Parameter("A", PAIR): 60.0})
    with pytest.raises((CollapseError, ConvergenceError)):
        relaxed(model, weak)


def test_a_symmetric_crystal_comes_to_rest_though_a_hundred_pairs_cross_the_cutoff_at_once():
    # Equal distances leave the cutoff together, and the energy jumps by some meV where forces are nearly zero.
    potential = Potential.load(Path(__file__).parents[2] / "fits" / "LATP-Mg" / "potential.toml")
    measured = MeasuredCrystal(
        prototype="LiTi2P3O12", a=8.512, b=8.512, c=20.858, gamma=120.0, source="Aono 1990", stress_error=0.05
    )
    strained = measured.atoms(Path())
    strained.set_cell(strained.cell.array @ np.diag([1.0, 1.0 - 2e-3, 1.0]), scale_atoms=True)
    frame = make_frame(strained, potential, "strained")
    end = relaxed(rest.IonModel(frame, species_table(frame.labels, potential)), potential)
    assert end.farthest < 0.1 and end.calls < 30


def test_ions_come_to_rest_though_pairs_cross_the_cutoff_again_and_again(published):
    # In this arrangement the steps of 300 evaluations tell so little of the curvature that forces stay above 0.1 eV/Å.
    folder = Path(__file__).parents[2] / "reference_dft" / "Mg-exchange"
    start = next(one.start for one in exchange_ends(folder, UNRELAXED)[1] if one.item == "exchange-Li6")
    frame = make_frame(start, published, "start", background=True)
    model = rest.IonModel(frame, species_table(frame.labels, published))
    end = relaxed(model, published)
    atoms = start.copy()
    atoms.positions = end.problem.frame.positions
    atoms.calc = ShellModel(published)
    assert np.abs(atoms.get_forces()).max() < 1e-3


def test_a_step_may_raise_the_energy_by_what_pairs_at_the_cutoff_do_only_where_forces_get_smaller():
    def found(energy, force):
        return SimpleNamespace(energy=energy, force=np.full((3, 3), force))

    before = found(0.0, 0.1)
    assert rest._low_enough(before, found(5e-4, 0.2), 0.0)
    assert rest._low_enough(before, found(5e-3, 0.05), 0.0)
    assert not rest._low_enough(before, found(5e-3, 0.2), 0.0)
    assert not rest._low_enough(before, found(0.5, 0.05), 0.0)
