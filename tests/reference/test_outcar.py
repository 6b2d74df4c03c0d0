"""OUTCARs: only what DFT computed and what converged, in every order and form that versions of VASP print it."""

from pathlib import Path

import numpy as np
import pytest
from ase.units import GPa

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.ionic_steps import Output
from dopantfit.reference.outcar import read_outcar

DATA = Path(__file__).parents[1] / "data" / "reference" / "vasp"
END = " General timing and accounting informations for this job:\n"
REACHED = "-- aborting loop because EDIFF is reached --\n"
FAILED = "-- aborting loop EDIFF was not reached (unconverged) --\n"


def header(version: str = "6.3.0", types: str = "1   1", count: int = 2, species: str = "Mg O", nelm: int = 60) -> str:
    names = "".join(f" POTCAR:    PAW_PBE {name} 13Apr2007\n   VRHFIN ={name}: s2p0\n" for name in species.split())
    return (
        f" vasp.{version} 20Jan22 complex\n{names}   number of dos NEDOS = 301   number of ions     NIONS = {count}\n"
        f"   ions per type =               {types}\n   NELM   =  {nelm};   NELMIN=  4; NELMDL= -5     # of ELM steps\n"
    )


def cell(a: float = 4.0) -> str:
    rows = "".join(f" {x:12.9f}{y:13.9f}{z:13.9f}  0.1 0.0 0.0\n" for x, y, z in np.eye(3) * a)
    return f"      direct lattice vectors                 reciprocal lattice vectors\n{rows}\n"


def scf(number: int, last: int = 5, end: str = REACHED) -> str:
    lines = "".join(f"--- Iteration {number:6d}({k:4d})  ---\n" for k in range(1, last + 1))
    return f"{lines}  energy without entropy =  99.0  energy(sigma->0) =  99.0\n{end}"


def stress(kilobar: float = 10.0) -> str:
    return f"  in kB    {kilobar:.5f} {kilobar:.5f} {kilobar:.5f}  1.00000  2.00000  3.00000\n"


def forces(fx: float, x: float = 0.0, title: str = "") -> str:
    rows = f"  {x:12.5f} 0.00000 0.00000   {fx:13.6f} 0.000000 0.000000\n 2.0 2.0 2.0  {-fx:13.6f} 0.0 0.0\n"
    return f" POSITION                 TOTAL-FORCE (eV/Angst){title}\n ---------\n{rows} ---------\n"


def energy(value: float, learned: str = "") -> str:
    return (
        f"  {learned}FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n"
        f"  free  energy {learned}  TOTEN  = {value - 1:.8f} eV\n\n"
        f"  {learned}energy  without entropy= {value + 1:.8f}  {learned}energy(sigma->0) = {value:.8f}\n"
    )


def step(number: int, value: float, fx: float, x: float = 0.0) -> str:
    return scf(number) + stress() + cell() + forces(fx, x) + energy(value)


def learned_step(value: float, fx: float) -> str:
    return stress(99.0) + cell() + forces(fx, title=" (ML)") + energy(value, "ML ")


def energies(output: Output) -> list[float]:
    return [found.atoms.calc.results["energy"] for found in output.steps if found.atoms is not None]


def first_forces(output: Output) -> list[float]:
    return [found.atoms.calc.results["forces"][0, 0] for found in output.steps if found.atoms is not None]


def test_steps_of_a_learned_force_field_are_counted_and_never_taken() -> None:
    output = read_outcar((DATA / "OUTCAR-learned").read_text(), "OUTCAR")
    # The first, second and fifth step; each has an ML step of the same ions before it.
    assert energies(output) == [-12.0, -11.95588404, -11.94357418]
    np.testing.assert_array_equal(output.steps[2].atoms.calc.results["forces"][0], [0.264204, 0.026489, 0.972193])
    assert output.remarks == ("6 steps of a machine-learned force field left out; 3 are of DFT",)


def test_the_stress_of_a_learned_step_is_not_that_of_the_next() -> None:
    output = read_outcar(header() + learned_step(-9.0, 9.0) + scf(1) + cell() + forces(0.5) + energy(-10.0) + END, "x")
    assert energies(output) == [-10.0] and "stress" not in output.steps[0].atoms.calc.results
    between = header() + scf(1) + learned_step(-9.0, 9.0) + stress() + cell() + forces(0.5) + energy(-10.0) + END
    assert first_forces(read_outcar(between, "x")) == [0.5]


def test_a_run_of_a_learned_field_alone_holds_no_step() -> None:
    output = read_outcar(header() + learned_step(-9.0, 9.0) * 3 + END, "x")
    assert output.steps == () and "3 steps of a machine-learned" in output.remarks[0]


def test_energies_before_or_behind_the_forces_are_of_the_same_step() -> None:
    def old_order(number: int, value: float, fx: float) -> str:
        # VASP 5.2.2 and before.
        return scf(number) + energy(value) + stress() + cell() + forces(fx)

    new = read_outcar(header() + step(1, -10.0, 0.1) + step(2, -11.0, 0.2) + END, "x")
    old = read_outcar(header("5.2.2") + old_order(1, -10.0, 0.1) + old_order(2, -11.0, 0.2) + END, "x")
    for output in (new, old):
        assert energies(output) == [-10.0, -11.0] and first_forces(output) == [0.1, 0.2]
        assert not any(found.unconverged for found in output.steps)
        # xx yy zz xy yz zx in kB, positive where the cell pushes outwards.
        expected = -0.1 * GPa * np.array([10, 10, 10, 2, 3, 1])
        np.testing.assert_allclose(output.steps[1].atoms.calc.results["stress"], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("version", "last", "end", "unconverged"),
    [
        # Real outputs of 5.4.4 say "reached" also where all NELM steps were used up.
        ("5.4.4", 60, REACHED, True),
        ("5.4.4", 59, REACHED, False),
        ("6.3.0", 60, REACHED, False),
        ("6.3.0", 60, FAILED, True),
        ("6.3.0", 5, "", True),
    ],
)
def test_what_ran_out_of_electronic_steps_is_told(version: str, last: int, end: str, unconverged: bool) -> None:
    text = header(version) + scf(1, last, end) + cell() + forces(0.1) + energy(-10.0) + END
    assert [found.unconverged for found in read_outcar(text, "x").steps] == [unconverged]


def test_linear_response_behind_a_step_is_no_step() -> None:
    text = header("5.4.4") + step(1, -10.0, 0.1) + scf(1, 60) + scf(2, 7, FAILED) + END
    output = read_outcar(text, "x")
    assert energies(output) == [-10.0] and [found.unconverged for found in output.steps] == [False]


def test_dispersion_prints_more_columns_and_words() -> None:
    rows = forces(0.1).replace("0.000000 0.000000\n", "0.000000 0.000000   0.2 NaN 0.0\n")
    words = energy(-10.0).replace("\n", " eV    w/o vdW =  -9.0\n")
    text = (
        header() + scf(1) + cell() + rows.replace("(eV/Angst)", "(eV/Angst),  FORCE-w/o vdW (eV/Angst)") + words + END
    )
    output = read_outcar(text, "x")
    assert energies(output) == [-10.0] and first_forces(output) == [0.1]


def test_numbers_that_run_together_are_told_apart() -> None:
    text = (header() + step(1, -10.0, 0.1) + END).replace(" 2.0 2.0 2.0  ", " 2.0-2.0-2.0")
    np.testing.assert_array_equal(read_outcar(text, "x").steps[0].atoms.positions[1], [2.0, -2.0, -2.0])
    text = (header() + step(1, -10.0, 0.1) + END).replace("0.100000 ", "******** ")
    assert "are not numbers" in read_outcar(text, "x").steps[0].problem


def test_steps_that_nwrite_0_leaves_out_are_named() -> None:
    text = header() + step(1, -10.0, 0.1) + scf(2) + stress() + energy(-11.0) + step(3, -12.0, 0.3) + END
    output = read_outcar(text, "x")
    assert [bool(found.problem) for found in output.steps] == [False, True, False]
    assert "NWRITE = 0" in output.steps[1].problem


def test_species_come_from_the_list_of_files_where_nothing_else_names_them() -> None:
    text = header() + step(1, -10.0, 0.1) + END
    bare = "\n".join(line for line in text.split("\n") if "VRHFIN" not in line)
    listed = bare.replace("   number of dos", " POTCAR:    PAW_PBE Mg 1\n POTCAR:    PAW_PBE O 2\n   number of dos", 1)
    unlisted = "\n".join(line for line in text.split("\n") if "POTCAR" not in line)
    for some in (bare, listed, unlisted):
        assert str(read_outcar(some, "x").steps[0].atoms.symbols) == "MgO"


def test_types_that_do_not_make_up_the_ions_are_refused() -> None:
    # VASP prints ten types in a line; some versions go on in the next, some leave the rest out.
    species = "H He Li Be B C N O F Ne Na"
    rows = " 0.0 0.0 0.0 0.0 0.0 0.0\n" * 11
    body = scf(1) + cell() + f" POSITION  TOTAL-FORCE (eV/Angst)\n ---\n{rows} ---\n" + energy(-10.0) + END
    ten = "   1" * 10
    (found,) = read_outcar(header(types=f"{ten}\n                  1", count=11, species=species) + body, "x").steps
    assert len(found.atoms) == 11
    with pytest.raises(ReferenceDataError, match=r"x: species H He .* do not make up its 11 ions; import vasprun.xml"):
        read_outcar(header(types=ten, count=11, species=species) + body, "x")


def test_all_runs_of_a_file_are_read_and_of_a_cut_one_the_completed_steps() -> None:
    run = header() + step(1, -10.0, 0.1)
    output = read_outcar(run + END + run.replace("-10.0", "-11.0") + step(2, -12.0, 0.2)[:400], "x")
    assert energies(output) == [-10.0, -11.0] and output.cut == "General timing and accounting"
    assert "holds 2 runs with 2 ionic steps in all" in output.remarks


def test_an_energy_that_was_cut_within_its_digits_is_none() -> None:
    text = header() + step(1, -10.0, 0.1) + step(2, -11.12345678, 0.2)
    cut = text[: text.index("-11.12345678") + 5]
    for some, count in ((text, 2), (cut, 1), (text.rstrip("\n")[:-3], 1)):
        assert energies(read_outcar(some, "x")) == [-10.0, -11.12345678][:count]
