"""The frames of a CP2K run: what its output prints, put onto the geometry of its input and its trajectory."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_geometry import InputGeometry, NoCrystalError, read_geometry
from dopantfit.reference.cp2k_input import beside
from dopantfit.reference.cp2k_output import Cp2kEvaluation, Cp2kOutput, read_output, with_results
from dopantfit.reference.ionic_steps import IonicStep, Output, StepChoice, completed_steps, wanted_frames
from dopantfit.reference.text_files import compressed_or_not, file_text
from dopantfit.units import HARTREE

Array = npt.NDArray[np.float64]

#: Runs, and ensembles of molecular dynamics, in which the cell stays what it was.
_SINGLE_POINT = ("ENERGY", "ENERGY_FORCE")
_FIXED_CELL = (*_SINGLE_POINT, "GEO_OPT", "GEOMETRY_OPTIMIZATION")
_FIXED_VOLUME = ("NVE", "NVT", "ISOKIN", "LANGEVIN", "NVT_ADIABATIC")
#: An energy in a trajectory is printed to ten decimals of a hartree; half a digit of the last, and its rounding [eV].
_SAME_ENERGY = 0.6e-10 * HARTREE
#: Positions that the output prints to six decimals [Å] are those of the input.
_SAME_POSITION = 2e-5
#: How far the first step of a trajectory is from the start at most [Å], relative to its first ion.
_NEAR = 0.5
#: A volume is printed to six digits and more.
_SAME_VOLUME = 1e-5

_COARSE = (
    "the output gives the cell to three decimals [Å] only; put the input (or the file of cells) beside it for more"
)


@dataclass(frozen=True)
class _Cp2kStep:
    """A step of a trajectory: its number, its energy [eV] and its positions (or forces) as they stand there."""

    number: int
    energy: float
    positions: Array


def read_calculation(path: str | os.PathLike[str]) -> tuple[Atoms, ...]:
    """Return the frames of a CP2K output; raises as `read_run` does, and where any step cannot be a frame."""
    frames, _ = wanted_frames(read_run(path), StepChoice("all"), str(path))
    return tuple(frame for _, frame in frames)


def read_run(path: str | os.PathLike[str]) -> Output:
    """Return the ionic steps of a CP2K output, energies and forces attached.

    A single point gives one, of the configuration in the input beside the output, or, where that is not there
    or not understood, of the one that the output prints. A relaxation or molecular dynamics gives one for each
    step in ``<project>-pos-1.xyz``, where the cell changes with the cells of ``<project>-1.cell`` or of the output.
    Energy [eV], forces [eV/Å], stress [eV/Å³] where printed.
    Raises ReferenceDataError naming the file when something is missing or does not fit together.
    """
    path = Path(path)
    output = read_output(path, whole=False)
    trajectory = _beside(path, output, "-pos-1.xyz")
    start, remarks = _start(path, output)
    if trajectory.is_file() and output.run_type not in _SINGLE_POINT:
        steps, told = _trajectory_steps(path, output, start, trajectory)
        return Output("CP2K", tuple(completed_steps(steps) if output.cut else steps), output.cut, (*remarks, *told))
    if len(output.evaluations) > 1:
        raise ReferenceDataError(
            f"{path}: {len(output.evaluations)} evaluations, but {trajectory.name} with their positions "
            f"is not beside it; copy it there"
        )
    (evaluation,) = output.evaluations
    return Output("CP2K", (_step(start.atoms, evaluation, start, str(path)),), output.cut, remarks)


def _step(atoms: Atoms, evaluation: Cp2kEvaluation, start: InputGeometry, name: str) -> IonicStep:
    unconverged = evaluation.converged is False
    problem = "" if unconverged else start.altered or evaluation.problem
    return IonicStep(with_results(atoms, evaluation, name), unconverged, problem)


def _beside(path: Path, output: Cp2kOutput, ending: str) -> Path:
    """Return the file of the run's project that lies beside its output."""
    return compressed_or_not(path.parent / f"{output.project}{ending}")


def _start(path: Path, output: Cp2kOutput) -> tuple[InputGeometry, tuple[str, ...]]:
    """Return the geometry that the run began with, and what to know of it.

    It is the input's, where the output does not contradict it, else that which the output prints.
    """
    problem, given = "", None
    try:
        if not output.input_file:
            raise ReferenceDataError(f"{path}: does not name its input")
        given = read_geometry(beside(path, output.input_file))
        if output.ions is None and given.from_restart:
            raise ReferenceDataError(
                f"{path}: its ions come from a restart file (&EXT_RESTART), not from its input; print them with "
                f"PRINT_LEVEL MEDIUM, or import the frames as extended XYZ"
            )
    except NoCrystalError:
        raise
    except ReferenceDataError as error:
        problem = str(error)
    printed = _printed_start(path, output, given)
    if printed is None and given is not None and not problem:
        return given, ()
    if printed is None:
        raise ReferenceDataError(f"{problem} (nor does the output print cell and ions, as PRINT_LEVEL MEDIUM does)")
    remarks = ["geometry as the output prints it, to six decimals" + (f" ({problem})" if problem else "")]
    if (cell := output.evaluations[0].cell) is not None and cell.is_coarse:
        remarks.append(_COARSE)
    known = given or InputGeometry(printed, None, None, False)
    return replace(known, atoms=printed), tuple(remarks)


def _printed_start(path: Path, output: Cp2kOutput, given: InputGeometry | None) -> Atoms | None:
    """Return the geometry as the output prints it; None where it prints none, or that of the input."""
    cell, ions = output.evaluations[0].cell, output.ions
    atoms = given.atoms if given else None
    cell_is_given = atoms is not None and (cell is None or cell.agrees(atoms.cell.array))
    ions_are_given = atoms is not None and (ions is None or _same_ions(atoms, ions.symbols, ions.positions))
    if cell_is_given and ions_are_given:
        return None
    if atoms is None and (cell is None or ions is None):
        return None
    if cell_is_given or cell is None:
        array = atoms.cell.array if atoms is not None else np.zeros((3, 3))
    else:
        array = cell.array(atoms.cell.array if atoms is not None else None, str(path))
    if ions is None:
        raise ReferenceDataError(f"{path}: its cell is not that of its input; put the input of this run beside it")
    return Atoms(ions.symbols, ions.positions, cell=array, pbc=True)


def _same_ions(atoms: Atoms, symbols: Sequence[str], positions: Array, within: float = _SAME_POSITION) -> bool:
    """Return whether these are the ions of ``atoms``, but for one translation and lattice vectors of each."""
    if tuple(atoms.symbols) != tuple(symbols) or positions.shape != atoms.positions.shape:
        return False
    scaled = np.linalg.solve(atoms.cell.array.T, (positions - atoms.positions).T).T
    moved = scaled - scaled[0]
    return bool(np.abs((moved - np.rint(moved)) @ atoms.cell.array).max() < within)


def _trajectory_steps(
    path: Path, output: Cp2kOutput, start: InputGeometry, trajectory: Path
) -> tuple[list[IonicStep], tuple[str, ...]]:
    """Pair each step of the trajectory with its evaluation and its cell.

    A line search evaluates more than it steps, and a trajectory may hold the steps of an earlier part of the run.
    """
    steps = list(_steps(trajectory))
    pairs = list(_paired(steps, output.evaluations))
    last = pairs[-1][1] if pairs else None
    behind = sum(1 for _ in takewhile(lambda one: one is not last, reversed(output.evaluations)))
    if any(evaluation.forces is None for _, evaluation in pairs):
        pairs = list(_with_forces(pairs, start, _beside(path, output, "-frc-1.xyz")))
    if not pairs:
        raise ReferenceDataError(f"{trajectory}: no evaluation in {path.name} has the energy of any of its steps")
    cells, symbols = _Cells(path, output, start.atoms), tuple(start.atoms.symbols)
    unit, found = _trajectory_unit(start, pairs[0][0], trajectory), []
    for step, evaluation in pairs:
        name = f"{trajectory}: step {step.number}"
        if len(step.positions) != len(symbols):
            raise ReferenceDataError(f"{name}: {len(step.positions)} ions, not {len(symbols)}; check the files")
        atoms = Atoms(symbols, step.positions * unit, cell=cells.of(step, evaluation, name), pbc=True)
        found.append(_step(atoms, evaluation, start, name))
    remarks = [_COARSE] if cells.coarse else []
    if len(pairs) < len(steps):
        remarks.append(f"{len(steps) - len(pairs)} of {len(steps)} steps in {trajectory.name} are of another run")
    missing = len(output.evaluations) - len(pairs)
    if output.run_type == "MD" and missing:
        remarks.append(f"{missing} of {len(output.evaluations)} steps have no positions in {trajectory.name}")
    elif behind:
        remarks.append(f"{behind} evaluation(s) behind the last step have no positions in {trajectory.name}")
    return found, tuple(remarks)


def _with_forces(
    pairs: Sequence[tuple[_Cp2kStep, Cp2kEvaluation]], start: InputGeometry, file: Path
) -> Iterator[tuple[_Cp2kStep, Cp2kEvaluation]]:
    """Yield the pairs with the forces that CP2K writes into a file of its own (&MOTION/&PRINT/&FORCES), if it did."""
    unit = start.force_unit
    written = {step.number: step for step in _steps(file)} if file.is_file() and unit is not None else {}
    for step, evaluation in pairs:
        own = written.get(step.number)
        if unit is not None and evaluation.forces is None and own is not None and own.energy == step.energy:
            evaluation = replace(evaluation, forces=own.positions * unit)
        yield step, evaluation


def _trajectory_unit(start: InputGeometry, step: _Cp2kStep, trajectory: Path) -> float:
    """Return what one in a trajectory is [Å]: as the input says, else 1 if the first step is near the start."""
    if start.trajectory_unit is not None:
        return start.trajectory_unit
    if not _same_ions(start.atoms, start.atoms.symbols, step.positions, _NEAR):
        raise ReferenceDataError(
            f"{trajectory}: its first step is not near the ions that the output begins with, if it is in Å; put the "
            f"input of the run beside it"
        )
    return 1.0


def _paired(
    steps: Sequence[_Cp2kStep], evaluations: Sequence[Cp2kEvaluation]
) -> Iterator[tuple[_Cp2kStep, Cp2kEvaluation]]:
    """Yield each step that an evaluation has the energy of, both in their order.

    A line search looks at energies alone and evaluates the place that it ends at again, with forces.
    """
    energies = np.array([evaluation.energy for evaluation in evaluations])
    next_one = 0
    for step in steps:
        same = (next_one + np.flatnonzero(np.abs(energies[next_one:] - step.energy) < _SAME_ENERGY)).tolist()
        if same:
            k = next((k for k in same if evaluations[k].forces is not None), same[0])
            next_one = k + 1
            yield step, evaluations[k]


def _steps(trajectory: Path) -> Iterator[_Cp2kStep]:
    """Yield the steps of a trajectory as CP2K writes it, ``i = 3, time = 1.5, E = -31.9`` in the second line."""
    lines = file_text(trajectory).splitlines()
    at = 0
    while any(line.strip() for line in lines[at : at + 1]):
        name = f"{trajectory}: line {at + 1}"
        try:
            count = int(lines[at])
            number = re.search(r"\bi =\s*(\d+)", lines[at + 1])
            energy = re.search(r"\bE =\s*(\S+)", lines[at + 1])
            rows = [line.split() for line in lines[at + 2 : at + 2 + count]]
            positions = np.array([[float(x) for x in row[1:4]] for row in rows]).reshape(-1, 3)
            if number is None or energy is None or len(rows) < count or not np.isfinite(positions).all():
                raise ValueError
            value = float(energy[1].rstrip(",")) * HARTREE
        except (ValueError, IndexError):
            raise ReferenceDataError(
                f"{name}: no whole step of a trajectory of CP2K (ions, 'i = ..., E = ...', positions); copy it again"
            ) from None
        yield _Cp2kStep(int(number[1]), value, positions)
        at += 2 + count


@dataclass(frozen=True)
class _Cells:
    """Where the cell of a step comes from."""

    path: Path
    output: Cp2kOutput
    start: Atoms

    def of(self, step: _Cp2kStep, evaluation: Cp2kEvaluation, name: str) -> Array:
        """Return the cell of a step [Å], vectors in rows; ReferenceDataError where it cannot be found."""
        start: Array = self.start.cell.array
        fixed = self.output.run_type in _FIXED_CELL or self.output.ensemble in _FIXED_VOLUME
        if fixed:
            cell = start
        elif self.listed:
            if step.number not in self.listed:
                raise ReferenceDataError(f"{name}: {self.file.name} has no cell of this step; print it as often")
            cell = self.listed[step.number]
        elif self.output.run_type == "CELL_OPT" and evaluation.cell is not None:
            cell = evaluation.cell.array(start, name)
        elif self.output.ensemble == "NPT_I" and evaluation.volume is not None:
            cell = start * np.cbrt(evaluation.volume / abs(np.linalg.det(start)))
        else:
            raise ReferenceDataError(
                f"{name}: the cell changes in this run ({self.output.run_type} {self.output.ensemble}".rstrip()
                + f"), and {self.file.name} with the cell of each step is not beside it; copy it there"
            )
        self.check(cell, evaluation, name)
        return cell

    @property
    def coarse(self) -> bool:
        """Whether the cells are known to three decimals only."""
        printed = [evaluation.cell for evaluation in self.output.evaluations]
        return (
            self.output.run_type == "CELL_OPT"
            and not self.listed
            and any(c is not None and c.is_coarse for c in printed)
        )

    @property
    def file(self) -> Path:
        """The file of cells that CP2K writes with &MOTION/&PRINT/&CELL."""
        return _beside(self.path, self.output, "-1.cell")

    @cached_property
    def listed(self) -> dict[int, Array]:
        """Return the cells in the file of cells [Å], by step; none where there is no such file."""
        if not self.file.is_file():
            return {}
        lines = file_text(self.file).splitlines()
        try:
            rows = [[float(x) for x in line.split()] for line in lines if line.strip() and line.split()[0] != "#"]
            return {int(row[0]): np.array(row[2:11]).reshape(3, 3) for row in rows}
        except (ValueError, IndexError):
            raise ReferenceDataError(f"{self.file}: is no file of cells as CP2K writes it; copy it again") from None

    def check(self, cell: Array, evaluation: Cp2kEvaluation, name: str) -> None:
        """Refuse a cell that has not the volume which the output prints for the evaluation."""
        printed = evaluation.cell.volume if evaluation.cell else evaluation.volume
        volume = abs(float(np.linalg.det(cell)))
        if printed is not None and abs(volume - printed) > max(_SAME_VOLUME * printed, 1e-3):
            raise ReferenceDataError(
                f"{name}: its cell has {volume:.6g} Å³, the output says {printed:.6g} Å³; is a file of another run?"
            )
