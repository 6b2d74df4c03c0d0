"""Charged cells, frames that are left out, parameters that are held: what a fit makes of them."""

from pathlib import Path

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit import ShellModel
from dopantfit.errors import ConfigError
from dopantfit.fit.config import ReferenceSet
from dopantfit.fit.data import Information, make_target
from dopantfit.fit.errors_by_group import compare, stress_errors
from dopantfit.fit.held import hold_unseen
from dopantfit.fit.objective import Objective
from dopantfit.fit.run import plan_fit
from dopantfit.fit.variables import Space, Variable
from dopantfit.potential import Parameter, Potential
from dopantfit.structures import prototype

REPOSITORY = Path(__file__).parents[2]
POTENTIAL = Potential.load("latp-2021")
WEIGHTS = ReferenceSet(path="x", force_error=0.1, energy_error=0.01, stress_error=0.1)


@pytest.fixture(scope="module")
def charged():
    """LiTi2(PO4)3 without a Li, with energy, forces and stress of the potential itself in its background."""
    atoms = prototype("LiTi2P3O12")
    del atoms[list(atoms.symbols).index("Li")]
    atoms.rattle(0.02, seed=1)
    model = ShellModel(POTENTIAL, background=True)
    results = {key: model.get_property(key, atoms) for key in ("energy", "forces", "stress")}
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info = {"frame_id": "one", "family": "one", "composition": "x"}
    return atoms


def test_a_charged_cell_has_no_error_under_the_potential_that_made_its_labels(charged):
    target = make_target(charged, "set", WEIGHTS, POTENTIAL, {})
    (found,) = compare(POTENTIAL, [target])
    # Shells are relaxed to 1e-5 eV/Å: energies are then good to far less than 1e-5 eV.
    assert found.energy == pytest.approx(target.energy, abs=1e-5)
    np.testing.assert_allclose(found.forces, target.forces, atol=1e-4)
    np.testing.assert_allclose(found.stress, target.stress, atol=1e-6)
    assert stress_errors([found])[0]["rms_error"] < 1e-3  # GPa


def test_another_charge_scale_has_a_background_of_its_own(charged):
    target = make_target(charged, "set", WEIGHTS, POTENTIAL, {})
    ions = {label: ion.charge for label, ion in POTENTIAL.species.items()}
    formal = {label: ion.formal_charge for label, ion in POTENTIAL.species.items()}
    other = POTENTIAL.with_values({Parameter("charge", (n,)): q + 0.02 * formal[n] for n, q in ions.items()})
    (found,) = compare(other, [target])
    model = ShellModel(other, background=True)
    apart = model.get_property("energy", charged) - charged.get_potential_energy()
    assert found.energy - target.energy == pytest.approx(apart, abs=1e-5)


def test_charges_are_free_in_a_charged_cell_and_its_gradient_is_exact(charged):
    """The background moves with the charges."""
    weights = ReferenceSet(path="x", stress_error=0.1)
    formal = {label: float(ion.formal_charge) for label, ion in POTENTIAL.species.items()}
    effects = tuple((Parameter("charge", (label,)), z) for label, z in formal.items())
    scale = Variable("charge scale", "e", 0.549, 0.4, 0.7, "linear", effects, None)
    objective = Objective(Space(POTENTIAL, (scale,)), [make_target(charged, "set", weights, POTENTIAL, {})])
    point, step = np.array([0.6]), 1e-4
    _, gradient = objective.cost_and_gradient(point)
    slope = (objective.cost(point + step) - objective.cost(point - step)) / (2 * step)
    # Shells are at rest to 1e-7 eV/Å and the step's own error is quadratic: 1e-6 of the slope.
    assert gradient[0] == pytest.approx(slope, rel=1e-5)


def test_a_pair_that_is_never_near_keeps_its_start_and_is_named():
    near, far = (
        Variable(f"rho {a}-{b}", "Å", POTENTIAL.pair(a, b).rho, 0.1, 0.3, "linear", ((Parameter("rho", (a, b)), 1.0),))
        for a, b in (("Al", "O"), ("Al", "Al"))
    )
    space = Space(POTENTIAL, (near, far))
    informed = (Information(3, 300, 1.8), Information(3, 300, 4.6))
    left, about, held = hold_unseen(space, informed)
    assert left.variables == (near,) and about == informed[:1]
    # Al-Al at 4.6 Å: 42,701 eV exp(-4.6/0.197) is 3e-6 eV.
    assert [(one.name, one.value, one.closest) for one in held] == [("rho Al-Al", far.start, 4.6)]


def test_what_is_left_out_is_named_exactly():
    with pytest.raises(ConfigError, match="left_out names 'nine', which is no frame and no family"):
        from dopantfit.fit.data import _without
        from dopantfit.reference.frames import load_set

        _without(
            ReferenceSet(path="x", force_error=0.1, left_out=("nine",)),
            load_set("tests/data/reference/lamtp-sample"),
            "fit.toml",
        )


@pytest.mark.parametrize("folder", sorted(REPOSITORY.glob("fits/*/fit.toml")), ids=lambda file: file.parent.name)
def test_a_kept_fit_is_one_that_would_start_today(folder):
    """What stands in the repository with its results is not refused by a later rule."""
    assert plan_fit(folder).targets
