"""Reading what CP2K wrote (checked on real outputs of version 2023.1).

An output without its end-of-run line, with a self-consistency that did not converge, or without forces is
refused by name. CP2K works in hartree and bohr and prints pressure as positive; here energies are in eV,
forces in eV/Å and stress in eV/Å³ with ASE's sign, positive under tension.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read as ase_read

from dopantfit.errors import ReferenceDataError
from dopantfit.units import BOHR, EV_PER_A3_IN_GPA, HARTREE

_ENERGY = re.compile(r"^ ENERGY\| Total FORCE_EVAL.*\[a\.u\.\]:\s+(\S+)\s*$", re.MULTILINE)
_SCF = re.compile(r"\bSCF run (NOT )?converged(?: in\s+(\d+) steps)?")
_FORCES = re.compile(r"^ ATOMIC FORCES in \[a\.u\.\]\s*\n\s*\n #.*\n((?:\s+\d+\s+\d+\s+\S+(?:\s+\S+){3}\n)+)", re.M)
_STRESS = re.compile(
    r"^ STRESS\| Analytical stress tensor \[GPa\]\n.*\n((?: STRESS\|\s+[xyz](?:\s+\S+){3}\n){3})", re.M
)
_VERSION = re.compile(r"CP2K\| version string:\s+CP2K version (\S+)")
_INPUT = re.compile(r"CP2K\| Input file name\s+(\S+)")
_PROJECT = re.compile(r"GLOBAL\| Project name\s+(\S+)")
_END = "PROGRAM ENDED AT"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of energy and forces.

    energy: [eV]. symbols: as printed. forces: [eV/Å], ``shape=(n, 3)``.
    stress: [eV/Å³] in Voigt order xx, yy, zz, yz, xz, xy, positive under tension, or None.
    scf_steps: steps to self-consistency.
    """

    energy: float
    symbols: tuple[str, ...]
    forces: npt.NDArray[np.float64]
    stress: npt.NDArray[np.float64] | None
    scf_steps: int


@dataclass(frozen=True)
class Cp2kOutput:
    """A complete run: its version, project and input file, and every evaluation in order."""

    version: str
    project: str
    input_file: str
    evaluations: tuple[Evaluation, ...]


def parse_output(text: str, source: str = "CP2K output") -> Cp2kOutput:
    """Return what a CP2K run printed.

    Raises ReferenceDataError naming ``source`` when the output is not CP2K's, is truncated, holds an
    evaluation whose self-consistency did not converge, or lacks forces.
    """
    version = _VERSION.search(text)
    if version is None:
        raise ReferenceDataError(f"{source}: not a CP2K output (no 'CP2K| version string'); check the file")
    if _END not in text:
        raise ReferenceDataError(
            f"{source}: is truncated: no '{_END}' line after {len(_ENERGY.findall(text))} complete "
            f"evaluations; let the run finish, or repeat it"
        )
    ends = [match.end() for match in _ENERGY.finditer(text)]
    starts = [0, *ends[:-1]]
    # Forces and stress are printed behind the energy, the self-consistency before it.
    following = [*ends[1:], len(text)]
    evaluations = tuple(
        _evaluation(text[a:b], text[b:c], f"{source}: evaluation {number}")
        for number, (a, b, c) in enumerate(zip(starts, ends, following, strict=True))
    )
    if not evaluations:
        raise ReferenceDataError(f"{source}: holds no energy ('ENERGY| Total FORCE_EVAL'); repeat the run")
    return Cp2kOutput(
        version=version[1],
        project=_found(_PROJECT, text, f"{source}: no project name"),
        input_file=_found(_INPUT, text, f"{source}: no input file name"),
        evaluations=evaluations,
    )


def read_output(path: str | os.PathLike[str]) -> Cp2kOutput:
    """Return what the run that wrote the file ``path`` printed; raises as `parse_output` does."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise ReferenceDataError(f"{path}: cannot be read ({problem.strerror})") from None
    return parse_output(text, str(path))


def read_calculation(path: str | os.PathLike[str]) -> tuple[Atoms, ...]:
    """Return the frames of a CP2K output whose input file lies beside it, energies and forces attached.

    A single point gives one frame with the input's positions; a relaxation one frame per step, with the
    positions of ``<project>-pos-1.xyz``. Energy [eV], forces [eV/Å], stress [eV/Å³] where printed.
    Raises ReferenceDataError naming the file when something is missing or does not fit together.
    """
    path = Path(path)
    output = read_output(path)
    start = read_input_atoms(path.parent / output.input_file)
    trajectory = path.parent / f"{output.project}-pos-1.xyz"
    if not trajectory.is_file():
        if len(output.evaluations) > 1:
            raise ReferenceDataError(
                f"{path}: {len(output.evaluations)} evaluations, but {trajectory.name} with their positions "
                f"is not beside it; copy it there"
            )
        return (_frame(start, output.evaluations[0], str(path)),)
    return _relaxation_frames(start, output, trajectory)


def with_results(atoms: Atoms, evaluation: Evaluation) -> Atoms:
    """Return a copy of ``atoms`` that carries what was computed in an ASE calculator."""
    frame = atoms.copy()
    results = {"energy": evaluation.energy, "forces": evaluation.forces}
    if evaluation.stress is not None:
        results["stress"] = evaluation.stress
    frame.calc = SinglePointCalculator(frame, **results)
    return frame


def read_input_atoms(path: str | os.PathLike[str]) -> Atoms:
    """Return the configuration in a CP2K input with its vectors A, B, C and its coordinates inline, in Å.

    Raises ReferenceDataError when the file is missing or gives its geometry in another way.
    """
    try:
        lines = [line.split() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise ReferenceDataError(f"{path}: the input of the run cannot be read; copy it there") from None
    try:
        cell = {row[0].upper(): [float(x) for x in row[1:4]] for row in _section(lines, "CELL")}
        rows = _section(lines, "COORD")
        positions = [[float(x) for x in row[1:4]] for row in rows]
        return Atoms([row[0] for row in rows], positions, cell=[cell[k] for k in "ABC"], pbc=True)
    except (KeyError, ValueError, IndexError):
        raise ReferenceDataError(
            f"{path}: expected &CELL with vectors A, B, C and &COORD with one ion a line, in Å and nothing "
            f"else; write the geometry so, or import the frames as extended XYZ"
        ) from None


def _section(lines: list[list[str]], name: str) -> list[list[str]]:
    upper = [[word.upper() for word in line] for line in lines]
    start = upper.index([f"&{name}"])
    stop = next(i for i in range(start, len(upper)) if upper[i][:1] == ["&END"])
    return [line for line in lines[start + 1 : stop] if line]


def _evaluation(before: str, after: str, name: str) -> Evaluation:
    energy = _ENERGY.search(before)
    scf = None
    for scf in _SCF.finditer(before):  # noqa: B007 - the last one is this evaluation's
        pass
    if scf is None or scf[1]:
        raise ReferenceDataError(
            f"{name}: its self-consistency did not converge; raise MAX_SCF or look at the configuration"
        )
    forces = _FORCES.search(after)
    if energy is None or forces is None:
        raise ReferenceDataError(
            f"{name}: no forces printed (as CP2K 2023.1 prints them); add &FORCE_EVAL/&PRINT/&FORCES ON"
        )
    rows = [line.split() for line in forces[1].splitlines()]
    return Evaluation(
        energy=_number(energy[1], name) * HARTREE,
        symbols=tuple(row[2] for row in rows),
        forces=np.array([[_number(x, name) for x in row[3:6]] for row in rows]) * (HARTREE / BOHR),
        stress=_stress(after, name),
        scf_steps=int(scf[2]),
    )


def _stress(text: str, name: str) -> npt.NDArray[np.float64] | None:
    found = _STRESS.search(text)
    if found is None:
        return None
    rows = [line.split()[2:5] for line in found[1].splitlines()]
    tensor = np.array([[_number(x, name) for x in row] for row in rows])
    # CP2K's is the pressure tensor: positive where the cell pushes outwards.
    return -tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] / EV_PER_A3_IN_GPA


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ReferenceDataError(f"{name}: {text!r} is not a finite number; repeat the run")
    return value


def _found(pattern: re.Pattern[str], text: str, problem: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise ReferenceDataError(problem)
    return match[1]


def _relaxation_frames(start: Atoms, output: Cp2kOutput, trajectory: Path) -> tuple[Atoms, ...]:
    """Pair each step of the trajectory with the evaluation of its energy.

    CP2K's line search evaluates more than it steps, so the two lists differ in length.
    """
    steps = ase_read(trajectory, index=":", format="xyz")
    energies = re.findall(r"\bE =\s+(\S+)", trajectory.read_text(encoding="utf-8"))
    if len(energies) != len(steps):
        raise ReferenceDataError(f"{trajectory}: {len(energies)} energies for {len(steps)} steps")
    frames = []
    for number, (step, energy) in enumerate(zip(steps, energies, strict=True)):
        name = f"{trajectory}: step {number}"
        target = _number(energy, name) * HARTREE
        nearest = min(output.evaluations, key=lambda found: abs(found.energy - target))
        # The trajectory prints ten decimals of a hartree.
        if abs(nearest.energy - target) > 1e-8:
            raise ReferenceDataError(f"{name}: no evaluation in the output has its energy {target!r} eV")
        step.set_cell(start.cell)
        step.pbc = True
        frames.append(_frame(step, nearest, name))
    return tuple(frames)


def _frame(atoms: Atoms, evaluation: Evaluation, name: str) -> Atoms:
    if tuple(atoms.symbols) != evaluation.symbols:
        raise ReferenceDataError(f"{name}: its ions are not those of the forces in the output; check the files")
    return with_results(atoms, evaluation)
