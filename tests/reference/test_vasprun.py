"""vasprun.xml: the steps that DFT computed and that converged, from whole files and from what is left of cut ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase.units import GPa

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.vasprun import read_vasprun

DATA = Path(__file__).parents[1] / "data" / "reference" / "vasp"
RESPONSE = "<scstep><energy><i name='e_fr_energy'> 0.0 </i></energy></scstep>"


def vectors(name: str, rows: object) -> str:
    inner = "".join(f"<v> {' '.join(f'{x:.8f}' for x in row)} </v>" for row in np.asarray(rows))
    return f"<varray name='{name}'>{inner}</varray>"


def energy(free: object, zero: object) -> str:
    return f"<energy><i name='e_fr_energy'> {free} </i><i name='e_0_energy'> {zero} </i></energy>"


def calculation(final: object = -10.0, electronic: int = 5, behind: str = "", zero: object = -9.8) -> str:
    loops = "".join(f"<scstep>{energy(-10.0, zero)}</scstep>\n" for _ in range(electronic))
    place = f"<crystal>{vectors('basis', np.eye(3) * 4)}</crystal>{vectors('positions', [[0, 0, 0], [0.5, 0.5, 0.5]])}"
    results = vectors("forces", [[0.1, 0, 0], [-0.1, 0, 0]]) + vectors("stress", np.eye(3) * 10)
    # VASP's bug: the energy at zero smearing is wrong behind the electronic steps.
    return f"<calculation>{loops}<structure>{place}</structure>{results}{behind}{energy(final, 99.0)}</calculation>\n"


def file(*calculations: str, ions: tuple[str, ...] = ("Mg", "O "), pressure: float = 0.0) -> str:
    rows = "".join(f"<rc><c>{ion}</c><c> 1</c></rc>" for ion in ions)
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n'
        f"<incar><i type='int' name='NELM'> 20</i><i name='PSTRESS'> {pressure} </i></incar>\n"
        "<parameters><separator name='response functions'><i type='int' name='NELM'> 1</i></separator></parameters>\n"
        f"<atominfo><array name='atoms'><set>{rows}</set></array></atominfo>\n"
        + "".join(calculations)
        + "</modeling>\n"
    )


def test_steps_that_used_all_electronic_steps_are_told() -> None:
    text = gzip.decompress((DATA / "two-unconverged.xml.gz").read_bytes()).decode()
    steps = read_vasprun(text, "x").steps
    # The numbers of the file, of which the third and the seventh used all 20.
    energies = [round(found.atoms.calc.results["energy"], 8) for found in steps]
    expected = [-12.0, -11.97304713, -11.92750757, -11.92305635, -11.96552636, -11.99926489, -11.98006098, -11.93307942]
    assert energies == expected
    assert [number for number, found in enumerate(steps) if found.unconverged] == [2, 6]


def test_the_energy_is_at_zero_smearing_with_dispersion_and_without_the_pressure_term() -> None:
    # Final free energy -10.5 (dispersion -0.5 in it), smearing +0.2, 64 Å³ at 10 kB off.
    (found,) = read_vasprun(file(calculation(final=-10.5), pressure=10.0), "x").steps
    results = found.atoms.calc.results
    assert results["energy"] == pytest.approx(-10.5 + 0.2 - 64.0 * 1.0 * GPa, abs=1e-8)
    np.testing.assert_allclose(results["stress"], -1.0 * GPa * np.array([1, 1, 1, 0, 0, 0]), rtol=1e-14)


def test_electronic_steps_of_linear_response_do_not_count() -> None:
    (found,) = read_vasprun(file(calculation(behind=RESPONSE * 30)), "x").steps
    assert not found.unconverged and found.atoms.calc.results["energy"] == -9.8


def test_steps_without_self_consistency_are_no_frames() -> None:
    one, two = read_vasprun(file(calculation(electronic=0), calculation()), "x").steps
    assert "no self-consistency of its own" in one.problem and two.problem == ""


def test_learned_steps_stand_outside_and_are_counted() -> None:
    learned = '<varray name="forces" ><v> 9.0 0.0 0.0 </v></varray>' + energy(-99.0, -99.0)
    output = read_vasprun(file(calculation(), learned, learned, calculation()), "x")
    assert [found.atoms.calc.results["energy"] for found in output.steps] == [-9.8, -9.8]
    assert output.remarks == ("2 steps of a machine-learned force field left out; 2 are of DFT",)


def test_of_a_file_that_was_cut_the_whole_steps_are_read() -> None:
    text = file(calculation(), calculation(final=-11.0), calculation(final=-12.0))
    for mark, count in (("-12.0", 2), ("-11.0", 1), ("<atominfo>", 0)):
        # A machine that went down may leave zeros behind.
        for tail in ("", "\0" * 20):
            output = read_vasprun(text[: text.index(mark)] + tail, "x")
            assert output.cut == "</modeling>" and len(output.steps) == count


def test_numbers_that_overflowed_are_no_results() -> None:
    (found,) = read_vasprun(file(calculation(final="********")), "x").steps
    assert "energy" not in found.atoms.calc.results
    (found,) = read_vasprun(file(calculation()).replace("-0.10000000", "***********"), "x").steps
    assert "forces" not in found.atoms.calc.results


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (file(calculation()).replace("</structure>", "</crystal>"), r"is damaged XML \(mismatched tag: line \d+"),
        (file(calculation(), ions=("X ", "O ")), "X is no element; import the OUTCAR"),
    ],
)
def test_damage_is_one_line(text: str, words: str) -> None:
    with pytest.raises(ReferenceDataError, match=f"some.xml: {words}"):
        read_vasprun(text, "some.xml")
