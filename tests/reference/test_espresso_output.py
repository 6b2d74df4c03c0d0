"""Outputs of pw.x: the last energy before the forces, the ions that they belong to, and nothing else of the file."""

from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.espresso_output import read_espresso
from dopantfit.reference.ionic_steps import Output
from dopantfit.units import BOHR, EV_PER_A3_IN_GPA, HARTREE

DATA = Path(__file__).parents[1] / "data" / "reference" / "espresso"
RYDBERG = HARTREE / 2
ALAT = 8.0


def header(labels: tuple[str, str] = ("Mg1", "O")) -> str:
    axes = "".join(f"     a({k + 1}) = ( {a:.6f} {b:.6f} {c:.6f} )\n" for k, (a, b, c) in enumerate(np.eye(3)))
    sites = "".join(
        f"     {k + 1}   {label}  tau( {k + 1}) = ( {x:.7f} 0.0000000 0.0000000 )\n"
        for k, (label, x) in enumerate(zip(labels, (0.0, 0.5), strict=True))
    )
    return (
        "     Program PWSCF v.7.2 starts on  1Jan2026\n"
        f"     lattice parameter (alat)  =       {ALAT:.4f}  a.u.\n     celldm(1)=   {ALAT:.6f}  celldm(2)= 0.0\n"
        f"     crystal axes: (cart. coord. in units of alat)\n{axes}\n"
        f"   Cartesian axes\n\n     site n.     atom                  positions (alat units)\n{sites}\n"
    )


def energy(value: float, mark: str = "!") -> str:
    return f"{mark}    total energy              = {value:.8f} Ry\n     convergence has been achieved in 5 iterations\n"


def forces(fx: float) -> str:
    rows = "".join(f"     atom    {k} type  {k}   force = {x:.8f} 0.0 0.0\n" for k, x in ((1, fx), (2, -fx)))
    parts = rows.replace(f"{fx:.8f}", "9.00000000")
    return (
        f"\n     Forces acting on atoms (cartesian axes, Ry/au):\n\n{rows}"
        f"     The non-local contrib.  to forces\n{parts}\n"
    )


def moved(x: float, unit: str = "bohr") -> str:
    return f"ATOMIC_POSITIONS ({unit})\nMg1 {x:.8f} 0.00000000 0.00000000\nO 4.0 0.0 0.0 0 0 1\n\n"


END = "   JOB DONE.\n"


def energies(output: Output) -> list[float]:
    """In Ry, to the eight decimals that are printed."""
    return [round(found.atoms.calc.results["energy"] / RYDBERG, 8) for found in output.steps if found.atoms]


def first_forces(output: Output) -> list[float]:
    """In Ry/bohr, to the eight decimals that are printed."""
    unit = RYDBERG / BOHR
    return [round(found.atoms.calc.results["forces"][0, 0] / unit, 8) for found in output.steps if found.atoms]


def test_the_energy_of_a_hybrid_functional_is_the_one_in_which_exchange_has_converged() -> None:
    output = read_espresso((DATA / "hybrid-relax.out").read_text(), "hybrid-relax.out")
    # The lines "!!   total energy" of the file; each step has two or three of "!" before it.
    assert energies(output) == [-108.76526, -108.7752992, -108.7774235, -108.777873]
    assert not any(found.unconverged for found in output.steps)
    # The energies fall by what the forces do: -½ (F₁ + F₂)·Δx, to the anharmonicity of the springs, none here.
    for one, two in zip(output.steps, output.steps[1:], strict=False):
        mean = (one.atoms.calc.results["forces"] + two.atoms.calc.results["forces"]) / 2
        work = float((mean * (two.atoms.positions - one.atoms.positions)).sum())
        change = two.atoms.calc.results["energy"] - one.atoms.calc.results["energy"]
        # Positions are printed to 1e-7 lattice parameters, forces to 1e-8 Ry/bohr.
        assert change == pytest.approx(-work, abs=2e-6)


def test_hubbard_occupations_and_spins_are_passed_over() -> None:
    (found,) = read_espresso((DATA / "hubbard.out").read_text(), "hubbard.out").steps
    assert str(found.atoms.symbols) == "TiO"
    assert found.atoms.calc.results["energy"] == pytest.approx(-1479.8267, abs=1e-4)
    # Printed to eight decimals of Ry/bohr.
    np.testing.assert_allclose(found.atoms.calc.results["forces"][0], [-1.35, 1.08, -0.36], atol=1e-6)


def test_exchange_that_did_not_converge_is_told() -> None:
    back = "     EXX: now go back to refine exchange calculation\n"
    text = header() + energy(-10.0) + back + energy(-9.0) + forces(0.1) + END
    assert [found.unconverged for found in read_espresso(text, "x").steps] == [True]
    text = header() + energy(-10.0) + back + energy(-9.0) + energy(-8.0, "!!") + forces(0.1) + END
    assert [found.unconverged for found in read_espresso(text, "x").steps] == [False]


def test_of_energies_printed_on_the_way_the_last_counts() -> None:
    # As with `iprint`, in some versions.
    text = header() + energy(-9.0) + energy(-9.9) + energy(-10.0) + forces(0.1) + END
    assert energies(read_espresso(text, "x")) == [-10.0]


@pytest.mark.parametrize(("unit", "x"), [("bohr", 0.4), ("angstrom", 0.4 * BOHR), ("alat", 0.05), ("crystal", 0.05)])
def test_positions_come_in_four_units(unit: str, x: float) -> None:
    text = header() + energy(-10.0) + forces(0.1) + moved(x, unit) + energy(-11.0) + forces(0.2) + END
    output = read_espresso(text, "x")
    assert energies(output) == [-10.0, -11.0] and first_forces(output) == [0.1, 0.2]
    assert [found.atoms.positions[0, 0] for found in output.steps] == pytest.approx([0.0, 0.4 * BOHR], abs=1e-8)


def test_cell_and_stress_of_every_step_of_a_variable_cell() -> None:
    rows = "".join(f" {' '.join(f'{x:.8f}' for x in row)}  9.00 9.00 9.00\n" for row in np.eye(3) * 1e-3)
    stress = f"          total   stress  (Ry/bohr**3)          (kbar)     P=  147.11\n{rows}\n"
    grown = f"CELL_PARAMETERS (alat= {ALAT})\n" + "".join(f" {a:.9f} {b:.9f} {c:.9f}\n" for a, b, c in np.eye(3) * 1.1)
    text = header() + energy(-10.0) + forces(0.1) + stress + grown + moved(0.1, "crystal")
    output = read_espresso(text + energy(-11.0) + forces(0.2) + stress + END, "x")
    assert [found.atoms.cell[0, 0] / BOHR for found in output.steps] == pytest.approx([8.0, 8.8], rel=1e-9)
    assert output.steps[1].atoms.positions[0, 0] == pytest.approx(0.88 * BOHR, rel=1e-9)
    # 1e-3 Ry/bohr³ is 14.71 GPa, and pressure is positive where the cell pushes outwards.
    gigapascal = output.steps[1].atoms.calc.results["stress"] * EV_PER_A3_IN_GPA
    np.testing.assert_allclose(gigapascal, [-14.7105, -14.7105, -14.7105, 0, 0, 0], atol=1e-4)


def test_the_lattice_parameter_is_the_one_with_more_decimals() -> None:
    text = (header() + energy(-10.0) + forces(0.1) + END).replace("celldm(1)=   8.000000", "celldm(1)=   8.000049")
    assert read_espresso(text, "x").steps[0].atoms.cell[0, 0] / BOHR == pytest.approx(8.000049, abs=1e-9)


def test_all_runs_of_a_file_are_read() -> None:
    run = header() + energy(-10.0) + forces(0.1) + END
    output = read_espresso(run + run.replace("-10.0", "-11.0"), "x")
    assert energies(output) == [-10.0, -11.0]
    assert "holds 2 runs with 2 ionic steps in all" in output.remarks


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("     Atomic positions read from:\n     some.md\n", False),
        ("     Atomic positions and unit cell read from directory:\n     ./some.save/\n", False),
        (
            "     Atomic positions and unit cell read from directory:\n     ./some.save/\n"
            "     Nothing found: using input atomic positions and unit cell\n",
            True,
        ),
    ],
)
def test_a_restart_does_not_begin_from_the_ions_printed_before_it(line: str, known: bool) -> None:
    text = header() + line + energy(-10.0) + forces(0.1) + moved(0.4) + energy(-11.0) + forces(0.2) + END
    output = read_espresso(text, "x")
    assert [found.atoms is not None for found in output.steps] == [known, True]
    assert output.steps[1].atoms.positions[0, 0] == pytest.approx(0.4 * BOHR, rel=1e-9)


@pytest.mark.parametrize(
    "line", ["   External force field information\n", "     External forces energy    =  0.1 Ry\n"]
)
def test_forces_with_an_external_force_in_them_are_refused(line: str) -> None:
    (found,) = read_espresso(header() + line + energy(-10.0) + forces(0.1) + END, "x").steps
    assert "external force" in found.problem


def test_a_step_that_did_not_converge_is_told_with_and_without_forces() -> None:
    failed = "     convergence NOT achieved after   2 iterations: stopping\n"
    stopped = read_espresso(header() + energy(-10.0) + forces(0.1) + moved(0.4) + failed + END, "x")
    assert [found.unconverged for found in stopped.steps] == [False, True]
    went_on = header() + failed + forces(0.1) + moved(0.4) + energy(-11.0) + forces(0.2) + END
    assert [found.unconverged for found in read_espresso(went_on, "x").steps] == [True, False]


def test_a_step_without_forces_is_a_step() -> None:
    text = header() + energy(-10.0) + moved(0.4) + energy(-11.0) + forces(0.2) + END
    first, second = read_espresso(text, "x").steps
    assert "forces" not in first.atoms.calc.results and "forces" in second.atoms.calc.results


def test_of_a_run_that_was_cut_the_unfinished_step_is_left_out() -> None:
    whole = header() + energy(-10.0) + forces(0.1) + moved(0.4)
    last = energy(-11.0) + forces(0.2)
    stress = "          total   stress  (Ry/bohr**3)          (kbar)     P=  0.0\n" + " 0.0 0.0 0.0  0 0 0\n" * 3
    with_stress = header() + energy(-10.0) + forces(0.1) + stress + moved(0.4)
    cases = [(whole + last, 2), (whole + last[: last.index("atom    2") + 40], 1), (whole, 1), (with_stress + last, 1)]
    for text, count in cases:
        output = read_espresso(text, "x")
        assert output.cut == "JOB DONE." and len(output.steps) == count


@pytest.mark.parametrize(
    ("label", "element"), [("Fe1", "Fe"), ("Ti_a", "Ti"), ("Mg2+", "Mg"), ("O-h", "O"), ("H2", "H")]
)
def test_species_labels_name_their_elements(label: str, element: str) -> None:
    (found,) = read_espresso(header((label, "O")) + energy(-10.0) + forces(0.1) + END, "x").steps
    assert found.atoms.symbols[0] == element


def test_damage_is_one_line() -> None:
    with pytest.raises(ReferenceDataError, match=r"some.out: species 'Qq' names no element; rename it in the input"):
        read_espresso(header(("Qq", "O")) + END, "some.out")
    with pytest.raises(ReferenceDataError, match=r"some.out: lattice parameter '\*\*\*' is not a number"):
        read_espresso(header().replace("8.0000 ", "*** "), "some.out")
    (found,) = read_espresso(header() + energy(-10.0) + forces(0.1).replace("0.10000000", "*") + END, "x").steps
    assert "forces" not in found.atoms.calc.results
