import numpy as np
import pytest

from dopantfit import Potential
from dopantfit.energy import ShellProblem, ShellStart, evaluate, make_frame, parameter_derivatives, species_table
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.potential import Parameter
from dopantfit.structures import prototype

#: Shells so well at rest that what is left of their force does not show in differences.
TIGHT = 1e-11

PARAMETERS = [
    "A Mg-O", "rho Mg-O", "C Mg-O", "rho Al-O", "A O-P", "rho O-P", "C O-Ti", "A O-O", "rho O-O", "C O-O",
    "rho Li-O", "C Mg-P", "C Mg-Ti", "C Al-P", "spring O",
]  # fmt: skip


def _changed(potential, changes):
    return potential.with_values({p: potential.value(p) + change for p, change in changes.items()})


def _difference(frame, potential, start, changes):
    """Central difference of energy, forces, stress and shells for parameters changed together, per unit step."""
    ends = []
    for sign in (1, -1):
        table = species_table(frame.labels, _changed(potential, {p: sign * c for p, c in changes.items()}))
        ends.append(evaluate(ShellProblem(frame, table), ShellStart(start), tolerance=TIGHT))
    return (
        (ends[0].energy - ends[1].energy) / 2,
        (ends[0].forces - ends[1].forces) / 2,
        (ends[0].stress - ends[1].stress) / 2,
        (ends[0].relaxed.displacement - ends[1].relaxed.displacement) / 2,
    )


def _agree(found, expected):
    # 1e-6 relative to the largest component; central differences over 1e-5 of a value leave about 1e-8.
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("name", PARAMETERS)
def test_derivatives_are_central_differences(name, perturbed_lamtp, potential):
    parameter = Parameter.parse(name)
    frame = make_frame(perturbed_lamtp, potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential)), tolerance=TIGHT).relaxed
    exact = parameter_derivatives(relaxed, [parameter])
    # Terms between cations move shells little, so their differences may and must be larger to stand out of rounding.
    step = (1e-5 if "O" in parameter.of else 1e-2) * (potential.value(parameter) or 100.0)
    energy, forces, stress, shells = _difference(frame, potential, relaxed.displacement, {parameter: step})
    _agree(exact.energy[0] * step, energy)
    _agree(exact.forces[0] * step, forces)
    _agree(exact.stress[0] * step, stress)
    _agree(exact.shells[0] * step, shells)


def test_charge_derivatives_are_central_differences_where_the_cell_stays_neutral(perturbed_lamtp, potential):
    frame = make_frame(perturbed_lamtp, potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential)), tolerance=TIGHT).relaxed
    core, shell = Parameter.parse("charge O"), Parameter.parse("shell_charge O")
    exact = parameter_derivatives(relaxed, [core, shell])
    step = 1e-5
    energy, forces, stress, shells = _difference(frame, potential, relaxed.displacement, {core: step, shell: -step})
    _agree((exact.energy[0] - exact.energy[1]) * step, energy)
    _agree((exact.forces[0] - exact.forces[1]) * step, forces)
    _agree((exact.stress[0] - exact.stress[1]) * step, stress)
    _agree((exact.shells[0] - exact.shells[1]) * step, shells)


def test_scaling_all_charges_scales_the_coulomb_energy(perturbed_lamtp, potential):
    """Σ q dE/dq = 2 E_Coulomb (Euler), with E_Coulomb the energy less the rest at the same shells."""
    frame = make_frame(perturbed_lamtp, potential)
    table = species_table(frame.labels, potential)
    result = evaluate(ShellProblem(frame, table), tolerance=TIGHT)
    charges = [Parameter("charge", (label,)) for label in frame.labels] + [Parameter("shell_charge", ("O",))]
    linear = [Parameter("spring", ("O",))]
    linear += [
        Parameter(quantity, (a, b))
        for i, a in enumerate(frame.labels)
        for b in frame.labels[i:]
        for quantity in ("A", "C")
    ]
    exact = parameter_derivatives(result.relaxed, charges + linear)
    values = np.array([potential.value(parameter) for parameter in charges + linear])
    coulomb = 0.5 * float(exact.energy[: len(charges)] @ values[: len(charges)])
    rest = float(exact.energy[len(charges) :] @ values[len(charges) :])
    assert coulomb + rest == pytest.approx(result.energy, rel=1e-10)


def test_many_parameters_at_once_are_the_same_as_one_by_one(perturbed_lamtp, potential):
    parameters = [p for p in potential.parameters() if "Mg" in p.of and p.quantity in ("A", "rho", "C")]
    assert len(parameters) == 18
    frame = make_frame(perturbed_lamtp, potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential))).relaxed
    together = parameter_derivatives(relaxed, parameters)
    for number in (0, 7, 17):
        alone = parameter_derivatives(relaxed, [parameters[number]])
        np.testing.assert_allclose(together.forces[number], alone.forces[0], rtol=1e-9, atol=1e-12)


def test_waves_in_portions_give_the_same_derivatives(perturbed_lamtp, potential, monkeypatch):
    frame = make_frame(perturbed_lamtp, potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential))).relaxed
    parameter = Parameter.parse("rho Mg-O")
    whole = parameter_derivatives(relaxed, [parameter])
    monkeypatch.setattr("dopantfit.energy.wave_coupling.WAVES_AT_ONCE", 77)
    portions = parameter_derivatives(relaxed, [parameter])
    # The same terms in another order: rounding.
    scale = np.abs(whole.forces).max()
    np.testing.assert_allclose(portions.forces, whole.forces, rtol=0, atol=1e-12 * scale)


def test_light_waves_by_iteration_give_what_the_whole_hessian_gives(perturbed_lamtp, potential, monkeypatch):
    frame = make_frame(perturbed_lamtp, potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential))).relaxed
    parameters = [Parameter.parse(name) for name in ("rho Mg-O", "rho O-P", "spring O")]
    iterated = parameter_derivatives(relaxed, parameters)
    monkeypatch.setattr("dopantfit.energy.derivatives.RESPONSE_FLOOR", 0.0)
    whole = parameter_derivatives(relaxed, parameters)
    # The iteration ends when it would change shells by about 1e-8 of the largest; the rate is known within a few times.
    for one, other in ((iterated.shells, whole.shells), (iterated.forces, whole.forces)):
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-8 * np.abs(other).max())
    assert np.abs(iterated.shells - whole.shells).max() > 0


def test_a_parameter_of_an_absent_species_is_refused_by_name(potential):
    frame = make_frame(prototype("LiTi2P3O12"), potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential))).relaxed
    with pytest.raises(ConfigError, match=r"'rho Mg-O' has no effect, there is no Mg among Li, O, P, Ti"):
        parameter_derivatives(relaxed, [Parameter.parse("rho Mg-O")])


@pytest.mark.parametrize("name", ["spring Mg", "shell_charge Mg"])
def test_shell_parameters_of_an_ion_without_a_shell_are_refused(name, perturbed_lamtp, potential):
    frame = make_frame(perturbed_lamtp, potential)
    relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, potential))).relaxed
    with pytest.raises(ConfigError, match="Mg has no shell"):
        parameter_derivatives(relaxed, [Parameter.parse(name)])


def test_derivatives_on_a_saddle_point_are_refused(rng):
    """A spring too soft for its place: at the symmetric site the shell feels no force and rests on a hilltop."""
    potential = Potential.load("latp-mg-2022")
    soft = potential.with_values({Parameter.parse("spring O"): 0.5})
    frame = make_frame(prototype("MgO"), soft)
    table = species_table(frame.labels, soft)
    hilltop = table._replace(A=np.zeros_like(table.A), C=np.full_like(table.C, 300.0))
    with pytest.raises((ConvergenceError, CollapseError)):
        parameter_derivatives(evaluate(ShellProblem(frame, hilltop)).relaxed, [Parameter.parse("A Mg-O")])
