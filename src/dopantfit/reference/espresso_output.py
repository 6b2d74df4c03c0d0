"""Reading what pw.x of Quantum ESPRESSO wrote: the ionic steps of every run in an output.

A step is one self-consistent calculation: the cell and positions that were printed before it, the last energy
marked ``!`` before the forces (with a hybrid functional the one marked ``!!``, in which exchange has converged),
the forces and the stress. Bands, occupations and magnetisations are no part of a frame and are passed over. The
energy is pw.x's total energy, E − TS where there is smearing.
"""

import re
from dataclasses import dataclass

from ase.data import chemical_symbols

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
from dopantfit.units import BOHR, HARTREE

BANNER = re.compile(r"Program PWSCF")
LAST_WORDS = "JOB DONE."

_RYDBERG = HARTREE / 2
_ENERGY = re.compile(r"(!!?)\s+total energy\s+=\s*(\S+)\s*Ry")
#: The same length twice; celldm, which comes second, has two decimals more.
_ALAT = re.compile(r"\s*(?:lattice parameter \((?:alat|a_0)\)\s*=|celldm\(1\)=)\s*(\S+)")
_AXIS = re.compile(r"\s*a\([123]\) = \((.*)\)")
_SITE = re.compile(r"\s*\d+\s+(\S+)\s+tau\(.*?\) = \((.*)\)")
_CARD = re.compile(r"(CELL_PARAMETERS|ATOMIC_POSITIONS)\s*[({]?\s*(alat|bohr|angstrom|crystal)?\s*=?\s*([0-9.]+)?")
_POSITION = re.compile(r"\s*([A-Za-z]\S*)((?:\s+-?\d+\.\d+){3})(?:\s+[01]\s+[01]\s+[01])?\s*$")
_FORCE = re.compile(r"\s*atom\s+\S+\s+type\s+\d+\s+force =(.*)$")
_STRESS = re.compile(r"\s*total\s+stress\s+\(Ry/bohr\*\*3\)")
_ALAT_UNITS = re.compile(r"\((?:alat|a_0) units\)")


@dataclass(frozen=True)
class _EspressoConfiguration:
    """cell, positions: [Å]; no ions until their positions are printed."""

    cell: Array
    symbols: tuple[str, ...] = ()
    positions: Array | None = None


@dataclass
class _EspressoStep:
    """What has been printed of a step: energy [eV], forces [eV/Å], stress [eV/Å³]."""

    configuration: _EspressoConfiguration | None
    energy: float | None
    unconverged: bool
    forces: Array | None = None
    stress: Array | None = None


def read_espresso(text: str, name: str) -> Output:
    """Return the steps of all runs in an output of pw.x; ReferenceDataError names the file if it is damaged."""

    def read_run(part: str) -> tuple[list[IonicStep], list[str]]:
        run = _EspressoRun(name)
        run.read(part)
        return [_finished(step, run.problem) for step in run.steps], run.remarks

    starts = [match.start() for match in BANNER.finditer(text)]
    return output_of_runs("Quantum ESPRESSO", text, starts, LAST_WORDS, read_run)


class _EspressoRun:
    """One run while its lines go by: the configuration that holds now, and the steps found so far.

    energy: of the self-consistent calculation that has no forces yet [eV]. current: the last step is that of the
    configuration that holds now.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.steps: list[_EspressoStep] = []
        self.remarks: list[str] = []
        self.alat = 0.0
        self.configuration: _EspressoConfiguration | None = None
        self.printed: _EspressoConfiguration | None = None
        self.problem = ""
        self.energy: float | None = None
        self.unconverged = False
        self.exchange_unconverged = False
        self.current = False

    def read(self, text: str) -> None:
        """Take in the text of the run, line by line."""
        self.lines = text.split("\n")
        for number, line in enumerate(self.lines):
            if line.startswith("!") and (found := _ENERGY.match(line)):
                self._take_energy(found[1], found[2])
            elif "Forces acting on atoms" in line:
                self._take_forces(number)
            elif "stress" in line and _STRESS.match(line):
                self._take_stress(number)
            elif line.startswith(("ATOMIC_POSITIONS", "CELL_PARAMETERS")) and (found := _CARD.match(line)):
                self._take_card(found[1], found[2] or "alat", found[3], number)
            elif "crystal axes:" in line:
                self._take_axes(number)
            elif "site n." in line and _ALAT_UNITS.search(line):
                self._take_sites(number)
            else:
                self._take_other(line)
        self._close()

    def _take_other(self, line: str) -> None:
        if "convergence NOT achieved" in line:
            self.unconverged = True
        elif "go back to refine exchange" in line:
            self.exchange_unconverged = True
        elif "Atomic positions read from" in line or "Atomic positions and unit cell read from" in line:
            # A restart goes on from ions that are not those printed at its start.
            self.printed = self.configuration
            self.configuration = _EspressoConfiguration(self.printed.cell) if self.printed else None
        elif "Nothing found: using input atomic positions" in line:
            self.configuration = self.printed
        elif "External force field information" in line or "External forces energy" in line:
            self.problem = "its forces hold an external force, and are not those of DFT"
        elif "Maximum CPU time exceeded" in line:
            self.remarks.append("ran into its time limit (Maximum CPU time exceeded)")
        elif found := _ALAT.match(line):
            self.alat = self._number(found[1]) * BOHR

    def _take_energy(self, mark: str, printed: str) -> None:
        """The last one before the forces counts: a hybrid functional prints one for each round of exchange."""
        table = table_of([printed], 1)
        self.energy = float("nan") if table is None else float(table[0, 0]) * _RYDBERG
        self.exchange_unconverged = self.exchange_unconverged and mark != "!!"
        self.current = False

    def _close(self) -> None:
        """Keep a self-consistent calculation without forces as a step of its own."""
        if self.energy is not None or self.unconverged:
            self._add_step(None)
        self.current = False

    def _add_step(self, forces: Array | None) -> None:
        if self.steps and self.steps[-1].forces is not None and self.steps[-1].configuration is self.configuration:
            self.configuration = None  # ions that were not printed again are those of the step before
        failed = self.unconverged or self.exchange_unconverged
        self.steps.append(_EspressoStep(self.configuration, self.energy, failed, forces))
        self.energy, self.unconverged, self.exchange_unconverged, self.current = None, False, False, True

    def _take_forces(self, number: int) -> None:
        rows = self._rows(number, _FORCE)
        if not rows or (self.energy is None and not self.unconverged):
            return
        forces = table_of([row[1] for row in rows])
        if not self.configuration or not self.configuration.symbols or len(self.configuration.symbols) == len(rows):
            self._add_step(None if forces is None else forces * (_RYDBERG / BOHR))

    def _take_stress(self, number: int) -> None:
        """Stress is printed as pressure is: positive where the cell pushes outwards."""
        stress = table_of([" ".join(line.split()[:3]) for line in self.lines[number + 1 : number + 4]])
        if self.current:
            self.steps[-1].stress = -printed_stress(stress) * (_RYDBERG / BOHR**3)

    def _take_axes(self, number: int) -> None:
        rows = [found[1] for line in self.lines[number + 1 : number + 4] if (found := _AXIS.match(line))]
        self._set_cell(table_of(rows), self.alat)

    def _take_sites(self, number: int) -> None:
        rows = self._rows(number, _SITE)
        self._set_positions([row[1] for row in rows], table_of([row[2] for row in rows]), "alat")

    def _take_card(self, card: str, unit: str, alat: str | None, number: int) -> None:
        if card == "CELL_PARAMETERS":
            length = self._number(alat) * BOHR if alat else {"bohr": BOHR, "angstrom": 1.0}.get(unit, self.alat)
            self._set_cell(table_of(self.lines[number + 1 : number + 4]), length)
        else:
            rows = self._rows(number, _POSITION)
            self._set_positions([row[1] for row in rows], table_of([row[2] for row in rows]), unit)

    def _set_cell(self, cell: Array | None, length: float) -> None:
        self._close()
        self.configuration = None if cell is None or len(cell) != 3 else _EspressoConfiguration(cell * length)

    def _set_positions(self, labels: list[str], positions: Array | None, unit: str) -> None:
        self._close()
        if self.configuration is not None:
            cell = self.configuration.cell
            symbols = tuple(self._element(label) for label in labels)
            if positions is not None and unit == "crystal":
                positions = positions @ cell
            elif positions is not None:
                positions = positions * {"bohr": BOHR, "angstrom": 1.0}.get(unit, self.alat)
            self.configuration = _EspressoConfiguration(cell, symbols, positions)

    def _rows(self, number: int, row: re.Pattern[str]) -> list[re.Match[str]]:
        """Return the rows behind a line, blank lines before them aside; none if the file ends with them."""
        rows: list[re.Match[str]] = []
        for k in range(number + 1, len(self.lines)):
            if found := row.match(self.lines[k]):
                rows.append(found)
            elif rows or self.lines[k].strip():
                return rows
        return []

    def _element(self, label: str) -> str:
        """Return the element of a species label such as Fe1, Ti_a or Mg2+."""
        letters = re.match("[A-Za-z]*", label)
        name = letters[0][:2].capitalize() if letters else ""
        element = next((name for name in (name, name[:1]) if name in chemical_symbols[1:]), None)
        if element is None:
            raise ReferenceDataError(f"{self.name}: species {label!r} names no element; rename it in the input")
        return element

    def _number(self, text: str) -> float:
        table = table_of([text], 1)
        if table is None:
            raise ReferenceDataError(f"{self.name}: lattice parameter {text!r} is not a number; repeat the calculation")
        return float(table[0, 0])


def _finished(step: _EspressoStep, problem: str) -> IonicStep:
    configuration = step.configuration
    if configuration is None or configuration.positions is None:
        return IonicStep(None, step.unconverged, problem)
    return ionic_step(
        configuration.symbols,
        configuration.positions,
        configuration.cell,
        step.energy,
        step.forces,
        step.stress,
        step.unconverged,
        problem,
    )
