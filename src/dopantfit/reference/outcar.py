"""Reading VASP's OUTCAR: the ionic steps that were computed from first principles.

The energy is that extrapolated to zero smearing, ``energy(sigma->0)``, as in `vasprun`. Steps of a machine-learned
force field (marked ML) are counted and never taken.

VASP 5 says "aborting loop because EDIFF is reached" also when it ran out of electronic steps (real outputs of
5.4.4 do); before VASP 6 a step that used all ``NELM`` of them is therefore taken as not converged.
"""

import re
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from ase.units import GPa

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.ionic_steps import Array, IonicStep, Output, ionic_step, output_of_runs, table_of

#: At the start of the file, or near it where the first lines are missing.
BANNER = re.compile(r"\A\s*vasp\.\d+\.\d|^ POTCAR: ", re.MULTILINE)
LAST_WORDS = "General timing and accounting"

_VERSION = re.compile(r"^\s*vasp\.(\d+)\.\d", re.MULTILINE)
_ITERATION = re.compile(r"-+ Iteration\s+(\d+)\(\s*(\d+)\s*\)")
_ABORTED = "aborting loop"
_NUMBER = r"([-+.\dE*]+)"
_ENERGY = re.compile(rf"  energy  without entropy=.*?energy\(sigma->0\) =\s*{_NUMBER}")
_KILOBAR = re.compile(r"  in kB\s(.*)$")
_SPECIES = re.compile(r"\s*VRHFIN\s*=\s*([A-Za-z]{1,2})\s*:")
#: Each file is named twice, in one list and where it is read; alone where NWRITE = 0 leaves VRHFIN out.
_POTCAR = re.compile(r"\s*POTCAR:\s+\S+\s+([A-Z][a-z]?)(?![a-z])")
_NELM = re.compile(r"\s*NELM\s*=\s*(\d+)\s*;")
_NIONS = re.compile(r"number of ions\s+NIONS\s*=\s*(\d+)")


@dataclass
class _OutcarStep:
    """What has been printed of an ionic step; lengths in Å, energies in eV, stress in eV/Å³."""

    converged: bool
    positions: Array | None = None
    cell: Array | None = None
    forces: Array | None = None
    stress: Array | None = None
    energy: float | None = None


def read_outcar(text: str, name: str) -> Output:
    """Return the steps of all runs in an OUTCAR; ReferenceDataError names the file where its header is damaged."""

    def read_run(part: str) -> tuple[list[IonicStep], list[str]]:
        run = _OutcarRun(name)
        run.read(part)
        # Linear response iterates on, and so does what was cut, without a result of its own.
        found = [run.finished(step) for step in run.steps if step.positions is not None or step.energy is not None]
        learned = f"{run.learned} steps of a machine-learned force field left out; {len(found)} are of DFT"
        return found, [learned] if run.learned else []

    starts = [match.start() for match in _VERSION.finditer(text)] or [0]
    return output_of_runs("VASP", text, starts, LAST_WORDS, read_run)


class _OutcarRun:
    """One run while its lines go by.

    cell, stress: as printed last; they belong to the block of forces that follows. learned: number of steps of a
    machine-learned force field. electronic: number of electronic steps since the last ionic one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.steps: list[_OutcarStep] = []
        self.version = 0
        self.species: list[str] = []
        self.potcars: list[str] = []
        self.symbols: list[str] = []
        self.limit: int | None = None
        self.ionic = 0
        self.electronic = 0
        self.converged = False
        self.cell: Array | None = None
        self.stress: Array | None = None
        self.learned = 0

    def read(self, text: str) -> None:
        """Take in the text of the run, line by line."""
        self.lines = text.split("\n")
        banner = _VERSION.match(text)
        self.version = int(banner[1]) if banner else 0
        for number, line in enumerate(self.lines):
            if "Iteration" in line and (found := _ITERATION.search(line)):
                self._take_iteration(int(found[1]), int(found[2]))
            elif _ABORTED in line:
                self._take_end_of_loop(line)
            elif "direct lattice vectors" in line:
                self.cell = _vectors(self.lines[number + 1 : number + 4], 3)
            elif line.startswith("  in kB") and (found := _KILOBAR.match(line)):
                self._take_stress(found[1])
            elif "TOTAL-FORCE (eV/Angst)" in line:
                self._take_forces(line, number)
            elif line.startswith("  energy  without") and (found := _ENERGY.match(line)):
                self._take_energy(found[1])
            elif "ML FREE ENERGIE" in line:
                self.learned += 1
            elif not self.ionic:
                self._take_header(line, number)

    def _take_header(self, line: str, number: int) -> None:
        if found := _SPECIES.match(line):
            self.species.append(found[1])
        elif found := _POTCAR.match(line):
            self.potcars.append(found[1])
        elif found := _NELM.match(line):
            self.limit = self.limit or int(found[1])
        elif "ions per type =" in line:
            counts = [int(word) for word in line.split("=")[1].split()]
            # More than ten types go on in the lines that follow.
            for k in range(number + 1, len(self.lines)):
                if not re.fullmatch(r"(\s+\d+)+\s*", self.lines[k]):
                    break
                counts += [int(word) for word in self.lines[k].split()]
            self.symbols = self._symbols(counts)

    def _symbols(self, counts: list[int]) -> list[str]:
        number = next((int(found[1]) for line in self.lines if (found := _NIONS.search(line))), sum(counts))
        half = len(self.potcars) // 2
        species = self.species or self.potcars[: half if self.potcars[:half] == self.potcars[half:] else None]
        if len(counts) != len(species) or sum(counts) != number or not {*species} <= {*chemical_symbols}:
            raise ReferenceDataError(
                f"{self.name}: species {' '.join(species)} and ions per type {counts} do not make up its {number} "
                f"ions; import vasprun.xml of the same run"
            )
        return [symbol for symbol, count in zip(species, counts, strict=True) for _ in range(count)]

    def _take_iteration(self, ionic: int, electronic: int) -> None:
        if ionic != self.ionic:
            self.steps.append(_OutcarStep(converged=False))
        self.ionic, self.electronic = ionic, electronic

    def _take_end_of_loop(self, line: str) -> None:
        """Linear response ends loops of its own, once the step has its forces and energy."""
        step = self.steps[-1] if self.steps else None
        if step and step.positions is None and step.energy is None:
            ran_out = self.version < 6 and self.limit is not None and self.electronic >= self.limit
            step.converged = "EDIFF is reached" in line and not ran_out

    def _take_stress(self, printed: str) -> None:
        """Stress in kB, xx yy zz xy yz zx, is positive where the cell pushes outwards."""
        table = table_of([_apart(printed)], 6)
        xx, yy, zz, xy, yz, zx = np.full(6, np.nan) if table is None else table[0]
        self.stress = -0.1 * np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]) * GPa

    def _take_forces(self, title: str, number: int) -> None:
        """Give positions, forces, cell and stress to the present step, unless a learned force field made them."""
        stress, self.stress = self.stress, None
        table = _vectors(self.lines[number + 2 : number + 2 + len(self.symbols)], 6)
        step = self.steps[-1] if self.steps else None
        if "(ML)" not in title and step and step.positions is None and table is not None and len(table):
            step.positions, step.forces, step.stress, step.cell = table[:, :3], table[:, 3:], stress, self.cell

    def _take_energy(self, printed: str) -> None:
        table, step = table_of([printed], 1), self.steps[-1] if self.steps else None
        if step and step.energy is None and table is not None:
            step.energy = float(table[0, 0])

    def finished(self, step: _OutcarStep) -> IonicStep:
        """Return the step as it is handed on."""
        if step.positions is None or step.cell is None or len(step.positions) != len(self.symbols):
            problem = "its positions and forces are not printed (NWRITE = 0), or are not numbers; import vasprun.xml"
            return IonicStep(None, not step.converged, problem)
        return ionic_step(
            self.symbols, step.positions, step.cell, step.energy, step.forces, step.stress, not step.converged
        )


def _vectors(lines: list[str], columns: int) -> Array | None:
    """Return the first columns of lines whose numbers may run together; None if they are not all numbers."""
    return table_of([" ".join(_apart(line).split()[:columns]) for line in lines], columns)


def _apart(text: str) -> str:
    return re.sub(r"(\d)-", r"\1 -", text)
