"""One number or one line of an output damaged: it is refused, or every frame is one of the undamaged output."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_output import parse_output
from dopantfit.reference.espresso_output import read_espresso
from dopantfit.reference.ionic_steps import Output, StepChoice, wanted_frames
from dopantfit.reference.outcar import read_outcar
from dopantfit.reference.vasprun import read_vasprun

DATA = Path(__file__).parents[1] / "data" / "reference"
HYBRID = (DATA / "espresso/hybrid-relax.out").read_text()
MD = gzip.decompress((DATA / "vasp/md.xml.gz").read_bytes()).decode()
CELLOPT = (DATA / "cp2k/LiH-cellopt.out").read_text()
OUTCAR = (DATA / "vasp/OUTCAR-learned").read_text()
STARS = "*" * 12


def frames(output: Output) -> list[float]:
    """Energies of all steps of an output [eV]; ReferenceDataError where one cannot be a frame."""
    return [atoms.calc.results["energy"] for _, atoms in wanted_frames(output, StepChoice("all"), "out")[0]]


def nth(text: str, pattern: str, n: int, new: str) -> str:
    """Return the text with the n-th match of a pattern replaced."""
    found = list(re.finditer(pattern, text))[n]
    return text[: found.start()] + new + text[found.end() :]


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (
            read_espresso,
            nth(HYBRID, r"(?<=!!   total energy              =    )\S+", 1, STARS),
            "its energy is not all num",
        ),
        (read_espresso, nth(HYBRID, r"ATOMIC_POSITIONS \(angstrom\)\n", 1, ""), "ions and cell are not printed"),
        (read_vasprun, nth(MD, r"(?<=<v> )-12\.50000000", 4, STARS), "its stress is not all numbers"),
        (read_vasprun, nth(MD, r"\n[^\n]*<v> *-12\.50000000[^\n]*", 7, ""), "its stress is not all numbers"),
    ],
)
def test_a_number_that_cannot_be_read_is_no_number_left_out(
    read: Callable[[str, str], Output], text: str, words: str
) -> None:
    whole = {read_espresso: HYBRID, read_vasprun: MD}[read]
    assert len(frames(read(whole, "out"))) > 3 and text != whole
    with pytest.raises(ReferenceDataError, match=words):
        frames(read(text, "out"))


@pytest.mark.parametrize(("pressure", "problem"), [("12.5", ""), ("****", "its stress is not all numbers")])
def test_an_overflowing_stress_of_an_outcar_is_told(pressure: str, problem: str) -> None:
    line = f"  in kB      {pressure}      12.5      12.5       0.0       0.0       0.0\n"
    step = read_outcar(re.sub(r"^ POSITION ", rf"{line}\g<0>", OUTCAR, flags=re.MULTILINE), "out").steps[0]
    assert step.problem == problem and step.atoms is not None
    # Positive where the cell pushes outwards, in kB; 1 kB is 6.24e-4 eV/Å³.
    assert problem or step.atoms.calc.results["stress"][1] == pytest.approx(-12.5 * 6.2415e-4, rel=1e-4)


@pytest.mark.parametrize("line", ["CELL| Volume", "CELL| Vector b", "CELL| Angle (b,c)", "STRESS|      x"])
def test_asterisks_in_what_cp2k_prints_of_a_cell_or_a_stress_are_refused(line: str) -> None:
    at = CELLOPT.index(line, CELLOPT.index("ENERGY|"))
    stop = CELLOPT.index("\n", at)
    printed = CELLOPT[at:stop]
    number = re.findall(r"-?\d+\.\d+(?:E[+-]\d+)?", printed)[-1]
    damaged = CELLOPT[:at] + printed.replace(number, "*" * len(number)) + CELLOPT[stop:]
    with pytest.raises(ReferenceDataError, match=r"evaluation 0|evaluation 1"):
        parse_output(damaged, "out")


def test_a_stress_that_lacks_a_line_is_not_taken_for_none() -> None:
    for damaged in (
        nth(CELLOPT, r"\n STRESS\| +y[^\n]*", 1, ""),
        re.sub(r"(\n STRESS\| +x[^\n]*)", r"\1\1", CELLOPT),
    ):
        problems = [evaluation.problem for evaluation in parse_output(damaged, "out").evaluations]
        assert any(problem.startswith("its stress cannot be read") for problem in problems)
    without = parse_output(re.sub(r"\n STRESS\|[^\n]*", "", CELLOPT), "out")
    assert all(evaluation.stress is None for evaluation in without.evaluations)
    assert np.isfinite([evaluation.energy for evaluation in without.evaluations]).all()
