"""Reading what CASTEP wrote: the ionic steps of every run in a ``.castep`` file.

A step is one electronic minimisation with the cell and the positions that were printed before it, and the forces
and the stress that were printed after it for the same configuration. So it does not matter what moved the ions
(BFGS, LBFGS, TPSD, FIRE, damped or molecular dynamics). Forces are those of DFT: blocks called constrained hold
projections, or friction and random force of a thermostat, and count only where all that is constrained is the
centre of mass. The energy is that at zero smearing ("NB est. 0K energy") where there is one, with the dispersion
correction where there is one, since the forces hold it too, and without the correction for the finite basis, which
CASTEP prints for some steps of a run only.
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from ase.units import GPa

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.ionic_steps import (
    Array,
    IonicStep,
    Output,
    ionic_step,
    output_of_runs,
    printed_stress,
    table_of,
)

BANNER = re.compile(r"Welcome to .*CASTEP|Materials Studio CASTEP")
LAST_WORDS = "Finalisation time"

#: Energies in the order of preference; a symbol or an asterisk may stand behind the name.
_ENERGIES = (
    "nb dispersion corrected est. 0k energy",
    "dispersion corrected final energy",
    "nb est. 0k energy",
    "final energy",
    "current total energy",
)
_ENERGY = re.compile(rf" *({'|'.join(map(re.escape, _ENERGIES))})\b[^=]*=\s*(\S+?)\s*eV\b", re.IGNORECASE)
#: The first energy printed for a step; the second one where its minimisation ran out of cycles.
_OPENING = ("final energy", "current total energy")
_VECTOR = re.compile(r"\s*((?:-?\d+\.\d+\s+){3})(?:-?\d+\.\d+\s*){3}$")
_ION = re.compile(r"\s*x\s+([A-Z][a-z]?)\b\S*\s+\d+\s+((?:-?\d+\.\d+\s+){3})")
_FORCE = re.compile(r" *\*\s+([A-Z][a-z]?)\b\S*\s+\d+\s+(.*\S)\s+\*\s*$")
_STRESS = re.compile(r" *\*\s+[xyz]\s+([-+\d*].*\S)\s+\*\s*$")
_BLOCK = re.compile(r" *\*+ ([A-Za-z ]*)(Forces|Stress Tensor) \*+\s*$")
_END_OF_CELL = re.compile(r"\s*x{10,}\s*$")
_END_OF_BLOCK = re.compile(r" *\*{10,}\s*$")
#: After such a line the ions or the cell have moved, whether they are printed again or not.
_MOVED = re.compile(r"(Starting \S+ iteration)|: (?:starting|improving) iteration")
_FINISHED = re.compile(r"finished (?:\S+ )?iteration")
_ONLY_CONSTRAINED = "has constrained forces only (of held ions or of a thermostat), not those of DFT"


@dataclass(frozen=True)
class _CastepConfiguration:
    """cell: vectors [Å] in rows. fractional: coordinates, ``shape=(n, 3)``."""

    cell: Array
    symbols: tuple[str, ...]
    fractional: Array


@dataclass
class _CastepStep:
    """What has been printed of a step so far; energies [eV] by the name that CASTEP gives them.

    projected: whether its forces are those with the centre of mass held.
    """

    configuration: _CastepConfiguration | None
    unconverged: bool = False
    energies: dict[str, float] = field(default_factory=dict)
    forces: Array | None = None
    projected: bool = False
    stress: Array | None = None
    problem: str = ""


def read_castep(text: str, name: str) -> Output:
    """Return the steps of all runs in a CASTEP output.

    Raises ReferenceDataError naming the file where it is printed in other units than eV and Å, or is damaged.
    """

    def read_run(part: str) -> tuple[list[IonicStep], list[str]]:
        run = _CastepRun(name)
        run.read(part)
        return [_finished(step) for step in run.steps], run.warnings

    return output_of_runs("CASTEP", text, [match.start() for match in BANNER.finditer(text)], LAST_WORDS, read_run)


class _CastepRun:
    """One run while its lines go by: the configuration that holds now, and the steps found so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.steps: list[_CastepStep] = []
        self.warnings: list[str] = []
        self.configuration: _CastepConfiguration | None = None
        self.task = ""
        self.only_centre_of_mass_held = False
        self.moved = False
        self.failed_minimisation = False
        self.iteration_without_energy = False

    def read(self, text: str) -> None:
        """Take in the text of the run, line by line."""
        self.lines = text.split("\n")
        for number, line in enumerate(self.lines):
            if line.strip() == "Unit Cell":
                self._take_cell(number)
            elif "Fractional coordinates of atoms" in line:
                self._take_coordinates(number)
            elif "energy" in line and (found := _ENERGY.match(line)):
                self._take_energy(found[1].lower(), found[2])
            elif " ***" in line and (found := _BLOCK.match(line)):
                take = self._take_forces if found[2] == "Forces" else self._take_stress
                take(found[1], number)
            elif "iteration" in line:
                self._take_iteration(line)
            else:
                self._take_other(line)
        if self.failed_minimisation:
            self.steps.append(_CastepStep(None, unconverged=True))

    def _take_other(self, line: str) -> None:
        if "not reached the groundstate" in line:
            self.failed_minimisation = True
        elif re.match(r" *type of calculation +:", line):
            self.task = line.split(":")[1].strip()
        elif "Number of ionic constraints" in line:
            # Three hold the centre of mass.
            self.only_centre_of_mass_held = line.split("=")[-1].strip() == "3"
        elif "Centre of mass is NOT constrained" in line:
            self.only_centre_of_mass_held = False
        if "warning" in line.lower():
            self.warnings.append(" ".join(line.split()))

    def _take_iteration(self, line: str) -> None:
        """Ions that moved without being printed have no known positions; an iteration without energy is told."""
        moved = _MOVED.search(line)
        if (moved and moved[1]) or _FINISHED.search(line):
            if self.iteration_without_energy:
                self.steps.append(_CastepStep(None, problem="its energy is not printed"))
            self.iteration_without_energy = bool(moved)
        self.moved = self.moved or bool(moved)

    def _take_energy(self, kind: str, printed: str) -> None:
        """Open a step with the first of its energies, and add the others to it."""
        if kind in _OPENING:
            configuration = None if self.moved or "transition state" in self.task else self.configuration
            last = self.steps[-1] if self.steps else None
            # Energies at other cutoffs, for the correction for the finite basis, come before that of the step.
            if last and last.configuration is configuration is not None and last.forces is last.stress is None:
                self.steps.pop()
            self.steps.append(_CastepStep(configuration, self.failed_minimisation or kind == "current total energy"))
            self.failed_minimisation = self.iteration_without_energy = False
        energy = table_of([printed], 1)
        if self.steps and energy is not None:
            self.steps[-1].energies[kind] = float(energy[0, 0])

    def _take_cell(self, number: int) -> None:
        block = self.lines[number + 1 : number + 9]
        if not any("Real Lattice(A)" in line for line in block):
            self._refuse("its cell is not printed in Å")
        rows = [found[1].split() for line in block if (found := _VECTOR.match(line))][:3]
        if len(rows) == 3:
            old = self.configuration or _CastepConfiguration(np.empty((3, 3)), (), np.empty((0, 3)))
            self.configuration = _CastepConfiguration(np.array(rows, dtype=float), old.symbols, old.fractional)
            self.moved = False

    def _take_coordinates(self, number: int) -> None:
        rows = self._rows(number, _ION, _END_OF_CELL)
        if rows and self.configuration:
            fractional = np.array([row[2].split() for row in rows], dtype=float)
            self.configuration = _CastepConfiguration(
                self.configuration.cell, tuple(row[1] for row in rows), fractional
            )
            self.moved = False

    def _take_forces(self, title: str, number: int) -> None:
        """Give forces to the last step with the configuration that holds now."""
        step, rows = self._owner(), self._rows(number, _FORCE, _END_OF_BLOCK)
        if step is None or step.configuration is None or not rows:
            return
        self._expect_unit("(eV/A)", number, "forces")
        if tuple(row[1] for row in rows) != step.configuration.symbols:
            self._refuse("its forces are not those of its ions")
        held = any("cons'd" in row[2] for row in rows)
        constrained = held or title.startswith("Constrained")
        if constrained and (held or not self.only_centre_of_mass_held or "dynamics" in self.task):
            step.problem = step.problem or ("" if step.forces is not None else _ONLY_CONSTRAINED)
        elif step.forces is None or (step.projected and not constrained):
            step.forces, step.projected = table_of([row[2] for row in rows]), constrained
            step.problem = "" if step.forces is not None else "its forces are not all numbers"

    def _take_stress(self, title: str, number: int) -> None:
        step = self._owner()
        table = table_of([row[1] for row in self._rows(number, _STRESS, _END_OF_BLOCK)])
        if step is None or step.stress is not None or title.startswith("Constrained"):
            return
        self._expect_unit("(GPa)", number, "stress")
        step.stress = printed_stress(table) * GPa

    def _owner(self) -> _CastepStep | None:
        if self.moved or self.configuration is None:
            return None
        return next((step for step in reversed(self.steps) if _same(step.configuration, self.configuration)), None)

    def _rows(self, number: int, row: re.Pattern[str], end: re.Pattern[str]) -> list[re.Match[str]]:
        """Return the rows of the table behind a line; none if the file ends before the table does."""
        rows: list[re.Match[str]] = []
        for k in range(number + 1, len(self.lines)):
            if found := row.match(self.lines[k]):
                rows.append(found)
            elif rows and end.match(self.lines[k]):
                return rows
        return []

    def _expect_unit(self, unit: str, number: int, what: str) -> None:
        if not any(unit in line for line in self.lines[number + 1 : number + 5]):
            self._refuse(f"its {what} are not printed in {unit}")

    def _refuse(self, problem: str) -> NoReturn:
        raise ReferenceDataError(f"{self.name}: {problem}; check the file; units of output are eV and Å")


def _finished(step: _CastepStep) -> IonicStep:
    energies = [step.energies[kind] for kind in _ENERGIES if kind in step.energies]
    if step.configuration is None or not step.configuration.symbols:
        return IonicStep(None, step.unconverged, step.problem)
    cell = step.configuration.cell
    return ionic_step(
        step.configuration.symbols,
        step.configuration.fractional @ cell,
        cell,
        energies[0] if energies else None,
        step.forces,
        step.stress,
        step.unconverged,
        step.problem,
    )


def _same(one: _CastepConfiguration | None, other: _CastepConfiguration | None) -> bool:
    """Whether two configurations are printed with the same numbers."""
    return one is other or (
        one is not None
        and other is not None
        and one.symbols == other.symbols
        and np.array_equal(one.cell, other.cell)
        and np.array_equal(one.fractional, other.fractional)
    )
