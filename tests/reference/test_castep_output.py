"""CASTEP outputs: energy and forces of one and the same step, whatever moved the ions, and no step lost."""

from pathlib import Path

import numpy as np
import pytest
from ase.units import GPa

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.castep_output import read_castep
from dopantfit.reference.ionic_steps import Output

DATA = Path(__file__).parents[1] / "data" / "reference" / "castep"
RULE = " " + "*" * 40
CENTRE_HELD = "Number of ionic constraints = 3\n Centre of mass is constrained\n"


def header(task: str = "geometry optimization", more: str = "") -> str:
    return (
        f" | Welcome to Academic Release CASTEP version 22.1 |\n type of calculation : {task}\n{more}"
        "                 Unit Cell\n   -------\n        Real Lattice(A)              Reciprocal Lattice(1/A)\n"
        + "".join(f" {a:.7f} {b:.7f} {c:.7f}  0.1000000 0.0000000 0.0000000\n" for a, b, c in np.eye(3) * 4.0)
    )


def ions(x: float) -> str:
    rows = f"   x  O      1   {x:.6f}   0.000000   0.000000   x\n   x  Mg:a   1   0.500000   0.500000   0.500000   x\n"
    return f"   x  Element  Atom  Fractional coordinates of atoms  x\n   x---x\n{rows}   {'x' * 30}\n"


def energy(value: float, mark: str = "Final energy") -> str:
    return f"{mark} =  {value:.10f}     eV\n"


def forces(fx: float, title: str = "Forces", tag: str = "") -> str:
    head = f" {'*' * 12} {title} {'*' * 12}\n *  Cartesian components (eV/A)  *\n *  x  y  z  *\n"
    rows = f" * O   1   {fx:.5f}{tag}   0.00000   0.00000 *\n * Mg  1   {-fx:.5f}   0.00000   0.00000 *\n"
    return head + rows + " *    *\n" + RULE + "\n"


def step(value: float, x: float, fx: float, title: str = "Forces") -> str:
    return ions(x) + energy(value) + forces(fx, title)


END = "Finalisation time   =      0.01 s\n"


def energies(output: Output) -> list[float]:
    return [found.atoms.calc.results["energy"] for found in output.steps if found.atoms is not None]


def first_forces(output: Output) -> list[float]:
    return [found.atoms.calc.results["forces"][0, 0] for found in output.steps if found.atoms is not None]


def test_every_step_of_damped_dynamics_is_found() -> None:
    output = read_castep((DATA / "damped.castep").read_text(), "damped.castep")
    # As printed behind "Final energy, E"; the six steps of the file.
    expected = [-2199.82675, -2199.9290368, -2199.9709334733, -2199.9880943507, -2199.995123446, -2199.9980025635]
    assert energies(output) == expected
    assert first_forces(output) == [-1.35, -0.864, -0.55296, -0.35389, -0.22649, -0.14496]
    np.testing.assert_allclose(output.steps[1].atoms.positions[0], 2.45 * np.array([0.152245, 0.114939, 0.144]))


def test_forces_of_a_thermostat_are_not_those_of_dft() -> None:
    output = read_castep((DATA / "langevin.castep").read_text(), "langevin.castep")
    last = output.steps[-1].atoms.calc.results
    assert last["energy"] == -2199.9883824727
    # Of the step itself; the block of constrained forces at the end of the run has (0.08537, 0.33857, -0.07282).
    np.testing.assert_array_equal(last["forces"][0], [-0.39119, 0.23681, -0.0029])


@pytest.mark.parametrize("method", ["BFGS", "LBFGS", "TPSD", "FIRE", "DMD", "MD"])
def test_steps_do_not_depend_on_what_moves_the_ions(method: str) -> None:
    text = header() + step(-10.0, 0.1, 1.0)
    for number in (1, 2):
        text += f"Starting {method} iteration  {number} ...\n" + step(-10.0 - number, 0.1 + number / 10, 1.0 - number)
        text += f" {method}: finished iteration {number}\n"
    output = read_castep(text + END, "x")
    assert energies(output) == [-10.0, -11.0, -12.0] and first_forces(output) == [1.0, 0.0, -1.0]
    assert output.cut == ""


def test_trial_steps_of_a_line_search_are_steps() -> None:
    trial = " BFGS: starting iteration 1 with trial guess (lambda= 1.0)\n" + step(-11.0, 0.2, 0.5)
    better = " BFGS: improving iteration 1 with line minimization (lambda= 0.7)\n" + step(-12.0, 0.3, 0.1)
    text = header() + step(-10.0, 0.1, 1.0) + "Starting BFGS iteration 1 ...\n" + trial + better + END
    assert energies(read_castep(text, "x")) == [-10.0, -11.0, -12.0]


def test_all_runs_of_a_file_are_read() -> None:
    text = header() + step(-10.0, 0.1, 1.0) + END + header() + step(-11.0, 0.2, 0.5) + END
    output = read_castep(text, "x")
    assert energies(output) == [-10.0, -11.0]
    assert "holds 2 runs with 2 ionic steps in all" in output.remarks


def test_the_forces_of_a_final_configuration_belong_to_its_step() -> None:
    # The last trial is worse than the step before, to which the optimisation returns.
    tail = " BFGS: Final Configuration:\n" + ions(0.1) + forces(0.9, "Unconstrained Forces")
    text = header() + step(-10.0, 0.1, 1.0) + "Starting BFGS iteration 1 ...\n" + step(-9.0, 0.4, 3.0) + tail + END
    output = read_castep(text, "x")
    assert first_forces(output) == [1.0, 3.0]


def test_forces_with_held_ions_are_refused_and_those_without_taken() -> None:
    held = header() + ions(0.1) + energy(-10.0) + forces(0.0, "Constrained Forces", tag="(cons'd)")
    for text in (held, held.replace(header(), header(more=CENTRE_HELD))):
        (found,) = read_castep(text + END, "x").steps
        assert "constrained forces only" in found.problem
    freed = held + " BFGS: Final Configuration:\n" + ions(0.1) + forces(0.7, "Unconstrained Forces") + END
    (found,) = read_castep(freed, "x").steps
    assert found.problem == "" and found.atoms.calc.results["forces"][0, 0] == 0.7


@pytest.mark.parametrize(
    ("task", "more", "sound"),
    [
        ("geometry optimization", CENTRE_HELD, True),
        ("geometry optimization", CENTRE_HELD.replace("3", "6"), False),
        ("geometry optimization", "", False),
        ("molecular dynamics", CENTRE_HELD, False),
    ],
)
def test_constrained_forces_count_where_only_the_centre_of_mass_is_held(task: str, more: str, sound: bool) -> None:
    text = header(task, more) + step(-10.0, 0.1, 1.0, "Constrained Forces") + END
    (found,) = read_castep(text, "x").steps
    assert (found.problem == "") is sound and ("forces" in found.atoms.calc.results) is sound


def test_forces_free_of_constraints_come_before_those_with_the_centre_of_mass_held() -> None:
    final = " BFGS: Final Configuration:\n" + ions(0.1) + forces(0.7, "Unconstrained Forces")
    text = header(more=CENTRE_HELD) + step(-10.0, 0.1, 1.0, "Constrained Forces") + final
    assert first_forces(read_castep(text + forces(1.0, "Constrained Forces") + END, "x")) == [0.7]


def test_ions_that_moved_without_being_printed_give_no_frame() -> None:
    # As at low verbosity: the forces at the end are not those of the configuration at the start.
    iterations = "".join(f"Starting MD iteration {k} ...\n ... finished MD iteration {k}\n" for k in (1, 2, 3))
    text = header("molecular dynamics") + ions(0.1) + energy(-10.0) + iterations + forces(1.0) + END
    output = read_castep(text, "x")
    assert len(output.steps) == 4 and "forces" not in output.steps[0].atoms.calc.results
    assert [found.problem for found in output.steps[1:]] == ["its energy is not printed"] * 3


def test_a_transition_state_search_gives_no_frame() -> None:
    text = header("transition state search") + ions(0.1) + ions(0.3) + energy(-10.0) + forces(1.0) + END
    assert [found.atoms for found in read_castep(text, "x").steps] == [None]


def test_the_energy_is_that_of_the_forces_with_dispersion_and_at_zero_smearing() -> None:
    plain = energy(-10.0, "Final energy, E") + energy(-10.2, "Final free energy (E-TS)")
    zero = energy(-10.1, "NB est. 0K energy (E-0.5TS)")
    corrected = energy(-11.0, "Dispersion corrected final energy*, Ecor") + energy(
        -11.1, "NB dispersion corrected est. 0K energy* (Ecor-0.5TS)"
    )
    for block, expected in ((plain, -10.0), (plain + zero, -10.1), (plain + zero + corrected, -11.1)):
        assert energies(read_castep(header() + ions(0.1) + block + forces(1.0) + END, "x")) == [expected]


def test_energies_at_other_cutoffs_are_no_steps() -> None:
    text = header() + ions(0.1) + energy(-9.0) + energy(-9.5) + energy(-10.0) + forces(1.0) + END
    assert energies(read_castep(text, "x")) == [-10.0]


def test_stress_is_positive_under_tension_and_that_of_the_step() -> None:
    rows = "".join(
        f" *  {name}  {a:.6f}  {b:.6f}  {c:.6f} *\n" for name, (a, b, c) in zip("xyz", np.eye(3), strict=True)
    )
    head = " ******** Stress Tensor ********\n *  Cartesian components (GPa)  *\n"
    stress = head + rows + " *  *\n" + RULE + "\n"
    constrained = stress.replace("Stress Tensor", "Constrained Stress Tensor").replace("1.000000", "5.000000")
    text = header() + step(-10.0, 0.1, 1.0) + constrained + stress + END
    (found,) = read_castep(text, "x").steps
    (alone,) = read_castep(header() + step(-10.0, 0.1, 1.0) + constrained + END, "x").steps
    assert "stress" not in alone.atoms.calc.results
    np.testing.assert_allclose(found.atoms.calc.results["stress"], np.array([1, 1, 1, 0, 0, 0]) * GPa, rtol=1e-14)


def test_a_minimisation_that_ran_out_of_cycles_is_told() -> None:
    # The words of CASTEP 18.1, which then stops, or goes on where that is allowed.
    warning = " *Warning* max. SCF cycles performed but system has not reached the groundstate.\n"
    stopped = header() + ions(0.1) + warning + energy(-10.0, "Current total energy, E")
    went_on = header() + ions(0.1) + warning + energy(-10.0) + forces(1.0) + "Starting BFGS iteration 1 ...\n"
    for text in (stopped, stopped.replace(warning, "")):
        assert [found.unconverged for found in read_castep(text, "x").steps] == [True]
    output = read_castep(went_on + step(-11.0, 0.2, 0.5) + END, "x")
    assert [found.unconverged for found in output.steps] == [True, False]


def test_of_a_run_that_was_cut_the_unfinished_step_is_left_out() -> None:
    whole = header() + step(-10.0, 0.1, 1.0) + "Starting MD iteration 1 ...\n"
    last = step(-11.0, 0.2, 0.5)
    for cut, count in ((len(last), 2), (len(last) - 45, 1), (len(ions(0.2)) + 10, 1), (0, 1)):
        output = read_castep(whole + last[:cut], "x")
        assert output.cut == "Finalisation time" and len(output.steps) == count
    continued = read_castep(whole + header() + step(-11.0, 0.2, 0.5) + END, "x")
    assert continued.cut == "" and energies(continued) == [-10.0, -11.0]
    assert continued.remarks[0] == "run 1 of 2 was cut; its 1 completed steps count"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Real Lattice(A)", "Real Lattice(bohr)", "its cell is not printed in Å"),
        ("(eV/A)", "(hartree/bohr)", r"its forces are not printed in \(eV/A\)"),
        (" * O   1", " * Mg  1", "its forces are not those of its ions"),
    ],
)
def test_other_units_and_ions_are_refused(old: str, new: str, words: str) -> None:
    text = (header() + step(-10.0, 0.1, 1.0) + END).replace(old, new)
    with pytest.raises(ReferenceDataError, match=f"some.castep: {words}"):
        read_castep(text, "some.castep")


def test_a_number_that_overflowed_is_told() -> None:
    text = header() + step(-10.0, 0.1, 1.0).replace("1.00000   0.00000", "********   0.00000", 1) + END
    (found,) = read_castep(text, "x").steps
    assert found.problem == "its forces are not all numbers"
