"""Reading what CP2K printed, from 2.6 to 2026: every evaluation, in the units that the output names.

An output without its end-of-run line, without any energy, or of a method that is no density functional theory is
refused by name. CP2K prints pressure as positive; here energies are in eV, forces in eV/Å and stress in eV/Å³ with
ASE's sign, positive under tension.
"""

import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_printed import PrintedCell, PrintedIons, last_cell, number_of, printed_ions, step_volume
from dopantfit.reference.named_units import Quantity, unit_factor
from dopantfit.reference.text_files import file_text

Array = npt.NDArray[np.float64]

# Until 7.1 "energy (a.u.):", until 2024.3 "energy [a.u.]:", then "energy [hartree]" or another unit.
_ENERGY = re.compile(
    r"^ ENERGY\| Total FORCE_EVAL \(\s*(?P<method>\w+)\s*\) energy\s*[\[(](?P<unit>[^\])]+)[\])]:?"
    r"\s+(?P<value>\S+)\s*$",
    re.MULTILINE,
)
# With outer loops the inner one may end unconverged; whichever says the last word is right.
_SCF = re.compile(
    r"SCF run (?P<bad>NOT )?converged(?: in\s+(?P<steps>\d+) steps)?"
    r"|SCF loop (?:(?P<failed>FAILED to converge after)|converged in)\s+\d+ iterations or\s+(?P<all>\d+) steps"
)
_FORCES = re.compile(
    r"^ ATOMIC FORCES in \[(?P<unit>[^\]]+)\]\s*\n\s*\n #.*\n(?P<rows>(?: +\d+ +\d+ +\S+(?: +\S+){3} *\n)+)"
    r"|^ FORCES\| Atomic forces \[(?P<unit_>[^\]]+)\]\s*\n FORCES\| +Atom.*\n(?: *\n)?"
    r"(?P<rows_>(?: FORCES\| +\d+(?: +\S+){4} *\n)+)",
    re.MULTILINE,
)
_FORCE_LINE = re.compile(r"^ ATOMIC FORCES in \[|^ FORCES\| ", re.MULTILINE)
_STRESS = re.compile(
    r"^ STRESS\| (?:Analytical|Numerical) stress tensor \[(?P<unit>[^\]]+)\]\s*\n.*\n"
    r"(?P<rows> STRESS\| +x(?: +\S+){3} *\n STRESS\| +y(?: +\S+){3} *\n STRESS\| +z(?: +\S+){3} *\n)"
    r"|^ (?:NUMERICAL )?STRESS TENSOR \[(?P<unit_>[^\]]+)\] *\n *\n +X +Y +Z *\n"
    r"(?P<rows_> +X(?: +\S+){3} *\n +Y(?: +\S+){3} *\n +Z(?: +\S+){3} *\n)",
    re.MULTILINE,
)
_STRESS_LINE = re.compile(r"^ STRESS\| +[xyz] |^ (?:NUMERICAL )?STRESS TENSOR \[", re.MULTILINE)
_VERSION = re.compile(r"CP2K\| version string:\s+CP2K version (\S+)")
_INPUT = re.compile(r"CP2K\| Input file name(?: is)?:?\s+(\S+)")
_PROJECT = re.compile(r"GLOBAL\| Project name\s+(\S+)")
_RUN_TYPE = re.compile(r"GLOBAL\| Run type\s+(\S+)")
_ENSEMBLE = re.compile(r"^ MD(?:_PAR)?\| Ensemble [Tt]ype\s+(\S+)", re.MULTILINE)
_PERIODIC = re.compile(r"^ CELL\| Periodicity\s+(\S+)", re.MULTILINE)
_START = re.compile(r"^.*PROGRAM STARTED AT", re.MULTILINE)
#: An ion whose force is zero to the last digit by symmetry leaves no net force in a cell; this much is noise [eV/Å].
_NO_NET_FORCE = 1e-2
#: Found in an output only if the run came to its end.
LAST_WORDS = "PROGRAM ENDED AT"
#: Methods whose energies are those of electrons (QS also stands for semi-empirical ones, which a set may be of).
_METHODS = ("QS", "QUICKSTEP", "SIRIUS")


@dataclass(frozen=True)
class Cp2kEvaluation:
    """One evaluation of the energy.

    energy: [eV]. symbols: as printed, None where the output has none (since 2025). forces: [eV/Å],
    ``shape=(n, 3)``, or None. stress: [eV/Å³] in Voigt order xx, yy, zz, yz, xz, xy, positive under tension, or None.
    scf_steps: steps to self-consistency. converged: whether it came to that, None where the output does not say.
    cell: the cell as printed before it. volume: that of the step [Å³], as molecular dynamics prints it.
    unread: what is printed of it and cannot be read; empty where there is nothing such.
    """

    energy: float
    symbols: tuple[str, ...] | None
    forces: Array | None
    stress: Array | None
    scf_steps: int
    converged: bool | None
    cell: PrintedCell | None
    volume: float | None
    unread: str = ""

    @property
    def problem(self) -> str:
        """Why this evaluation cannot be a frame; empty where it can."""
        if self.converged is None:
            return "the output does not say that its self-consistency converged; print it (&SCF/&PRINT)"
        if not self.converged:
            return "its self-consistency did not converge; raise MAX_SCF or look at the configuration"
        if self.unread:
            return f"its {self.unread} cannot be read; print them in whole, or not at all"
        if self.forces is None:
            return "no forces printed; add &FORCE_EVAL/&PRINT/&FORCES ON and repeat it"
        if (self.forces == 0).all(axis=1).any() and np.linalg.norm(self.forces.sum(axis=0)) > _NO_NET_FORCE:
            return "an ion has no force at all, and those of the others do not add to zero: it was held (&FIXED_ATOMS)"
        return ""


@dataclass(frozen=True)
class Cp2kOutput:
    """A run: version, project, input file, kind of run, ensemble, and every evaluation.

    What the output does not say is empty.
    cut: what is missing at its end, empty where nothing is. ions: those that it began with, where they are printed.
    """

    version: str
    project: str
    input_file: str
    run_type: str
    ensemble: str
    cut: str
    ions: PrintedIons | None
    evaluations: tuple[Cp2kEvaluation, ...]


def parse_output(text: str, source: str = "CP2K output", whole: bool = True) -> Cp2kOutput:
    """Return what a CP2K run printed.

    whole: refuse an output that was cut.
    Raises ReferenceDataError naming ``source`` when the output is not CP2K's, is truncated, holds no energy, or
    several runs.
    """
    if _VERSION.search(text) is None:
        raise ReferenceDataError(f"{source}: not a CP2K output (no 'CP2K| version string'); check the file")
    text = _one_run(text, source)
    cut = "" if LAST_WORDS in text else LAST_WORDS
    if cut:
        # A line that was cut may end within a number.
        text = text[: text.rfind("\n") + 1]
    found = list(_ENERGY.finditer(text))
    if cut and (whole or not found):
        raise ReferenceDataError(
            f"{source}: is truncated: no '{LAST_WORDS}' line after {len(found)} complete "
            f"evaluations; let the run finish, or repeat it"
        )
    if not found:
        raise ReferenceDataError(
            f"{source}: holds no energy ('ENERGY| Total FORCE_EVAL'), as CP2K {_said(_VERSION, text)} prints it for "
            f"each evaluation; repeat the run with RUN_TYPE ENERGY_FORCE and PRINT_LEVEL LOW or above"
        )
    periodic = _said(_PERIODIC, text)
    if periodic not in ("", "XYZ"):
        raise ReferenceDataError(f"{source}: is periodic in {periodic}; expected a crystal, periodic in XYZ")
    # Forces and stress are printed behind the energy; the self-consistency and the cell before it.
    edges = [0, *(match.end() for match in found), len(text)]
    parts = [text[a:b] for a, b in pairwise(edges)]
    return Cp2kOutput(
        version=_said(_VERSION, text),
        project=_said(_PROJECT, text),
        input_file=_said(_INPUT, text),
        run_type=_said(_RUN_TYPE, text),
        ensemble=_said(_ENSEMBLE, text),
        cut=cut,
        ions=printed_ions(text, source),
        evaluations=tuple(
            _evaluation(match, parts[k], parts[k + 1], f"{source}: evaluation {k}") for k, match in enumerate(found)
        ),
    )


def read_output(path: str | os.PathLike[str], whole: bool = True) -> Cp2kOutput:
    """Return what the run that wrote the file ``path`` printed; takes and raises what `parse_output` does."""
    return parse_output(file_text(Path(path)), str(path), whole)


def with_results(atoms: Atoms, evaluation: Cp2kEvaluation, name: str) -> Atoms:
    """Return a copy of ``atoms`` that carries what was computed in an ASE calculator.

    Raises ReferenceDataError naming ``name`` when the evaluation is of other ions.
    """
    forces, symbols = evaluation.forces, tuple(atoms.symbols)
    if evaluation.symbols not in (None, symbols) or (forces is not None and len(forces) != len(atoms)):
        raise ReferenceDataError(f"{name}: its ions are not those of the forces in the output; check the files")
    frame = atoms.copy()
    results = {"energy": evaluation.energy, "forces": forces, "stress": evaluation.stress}
    known = {key: value for key, value in results.items() if value is not None}
    frame.calc = SinglePointCalculator(frame, **known)
    return frame


def _one_run(text: str, source: str) -> str:
    """Return the run in an output that holds energies; CP2K appends to an output that is there already."""
    # The head of the first run may be cut off.
    starts = [0, *(match.start() for match in _START.finditer(text))]
    # One header per rank stands in an output of a CP2K that was started without its MPI.
    runs = [text[a:b] for a, b in pairwise([*starts, len(text)])]
    whole = [run for run in runs if _ENERGY.search(run)]
    if len(whole) > 1:
        raise ReferenceDataError(
            f"{source}: holds {len(whole)} runs, one behind the other; cut it into a file for each, with its own input"
        )
    return whole[0] if whole else text


def _evaluation(found: re.Match[str], before: str, after: str, name: str) -> Cp2kEvaluation:
    if found["method"].upper() not in _METHODS:
        raise ReferenceDataError(
            f"{name}: its energy is of METHOD {found['method']}, not of density functional theory; leave it out"
        )
    scf = None
    for scf in _SCF.finditer(before):  # noqa: B007 - the last one is this evaluation's
        pass
    symbols, forces = _forces(after, name)
    stress = _stress(after, name)
    seen = (("forces", forces, _FORCE_LINE), ("stress", stress, _STRESS_LINE))
    steps = (scf["steps"] or scf["all"] or 0) if scf else 0
    return Cp2kEvaluation(
        energy=number_of(found["value"], name) * _factor(found["unit"], "energy", name),
        symbols=symbols,
        forces=forces,
        stress=stress,
        scf_steps=int(steps),
        converged=None if scf is None else not (scf["bad"] or scf["failed"]),
        cell=last_cell(before, name),
        volume=step_volume(after, name),
        unread=" and ".join(what for what, value, line in seen if value is None and line.search(after)),
    )


def _forces(text: str, name: str) -> tuple[tuple[str, ...] | None, Array | None]:
    found = _FORCES.search(text)
    if found is None:
        return None, None
    rows = [line.split() for line in (found["rows"] or found["rows_"]).splitlines()]
    first = 3 if found["rows"] else 2
    symbols = tuple(row[2] for row in rows) if found["rows"] else None
    forces = np.array([[number_of(x, name) for x in row[first : first + 3]] for row in rows])
    return symbols, forces * _factor(found["unit"] or found["unit_"], "force", name)


def _stress(text: str, name: str) -> Array | None:
    found = _STRESS.search(text)
    if found is None:
        return None
    rows = [line.split()[-3:] for line in (found["rows"] or found["rows_"]).splitlines()]
    tensor = np.array([[number_of(x, name) for x in row] for row in rows])
    # CP2K's is the pressure tensor: positive where the cell pushes outwards.
    voigt: Array = -tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return voigt * _factor(found["unit"] or found["unit_"], "stress", name)


def _factor(unit: str, quantity: Quantity, name: str) -> float:
    factor = unit_factor(unit, quantity)
    if factor is None:
        raise ReferenceDataError(f"{name}: {quantity} in [{unit}], a unit that is not known here; print another one")
    return factor


def _said(pattern: re.Pattern[str], text: str) -> str:
    """Return the first word that a pattern finds; empty where the output does not say."""
    match = pattern.search(text)
    return match[1] if match else ""
