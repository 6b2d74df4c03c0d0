"""``configuration.extxyz`` beside an output: which configuration of a plan was computed there, and how it is called.

`write_inputs` leaves it; an import takes name, family, strain and temperature of the frames from it, so that what comes
back is what the plan asked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import find_mic

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import calculated, composition_of, read_frames

CONFIGURATION_FILE = "configuration.extxyz"
#: Most steps of the relaxation that was asked for; not there for a single point.
STEPS = "relaxation_steps"
#: Which of its ionic steps join the set: those of a relaxation between its ends do not always, those of a check never.
COLLECTED = "collected_steps"
ENDS, LAST, NONE = "ends", "last", "none"
#: Set on the last frame of a relaxation that its code has ended: no further step is due.
ENDED = "relaxation_ended"
#: Outputs print positions to 1e-6 of a cell or better; an ion farther off belongs to another configuration [Å].
_SAME_START = 1e-3


@dataclass(frozen=True)
class WrittenJob:
    """A configuration that was written to be computed elsewhere.

    steps: of its relaxation, 0 for a single point. collected: which ionic steps join the set: ``all``, `ENDS`, `LAST`
    or `NONE`.
    """

    file: Path
    atoms: Atoms
    steps: int
    collected: str

    @property
    def choice(self) -> str:
        """Which ionic steps join the set, as ``--steps`` takes them."""
        return "0,-1" if self.collected == ENDS else self.collected

    def named(self, frames: Sequence[tuple[int, Atoms]], path: Path, ended: bool) -> list[tuple[int, Atoms]]:
        """Return the frames of an output with the names that the plan has for them, in its order of the ions.

        frames: with the numbers of their ionic steps. ended: whether the last of them ends the run.
        Raises ReferenceDataError when the output is that of another configuration.
        """
        taken = [(number, self._described(number, frame, path)) for number, frame in frames]
        if self.steps and ended and taken:
            taken[-1][1].info[ENDED] = True
        return taken

    def _described(self, number: int, frame: Atoms, path: Path) -> Atoms:
        ordered = self._in_its_order(frame, path)
        if number == 0:
            ordered = self._at_its_start(ordered, path)
        given = {key: value for key, value in self.atoms.info.items() if key not in (STEPS, COLLECTED)}
        ordered.info = given | dict(frame.info)
        if self.steps:
            # A relaxation that was begun elsewhere goes on from the number that it had come to.
            stem, _, begun = str(given["frame_id"]).rpartition("-")
            ordered.info |= {
                "frame_id": f"{stem}-{int(begun) + number:03d}",
                "origin": f"step {number} of {given['origin']}",
            }
        return ordered

    def _in_its_order(self, frame: Atoms, path: Path) -> Atoms:
        """The ions in the order of the configuration; codes that group them by element keep the order within each."""
        if composition_of(frame) != composition_of(self.atoms):
            raise ReferenceDataError(
                f"{path}: is about {composition_of(frame)}, and {self.file.name} beside it about "
                f"{composition_of(self.atoms)}; keep each output in its own folder"
            )
        order = np.empty(len(frame), dtype=int)
        for number in np.unique(frame.numbers):
            order[self.atoms.numbers == number] = np.flatnonzero(frame.numbers == number)
        results = dict(calculated(frame))
        if "forces" in results:
            results["forces"] = np.asarray(results["forces"])[order]
        return _with_results(frame[order], results)

    def _at_its_start(self, frame: Atoms, path: Path) -> Atoms:
        """The first step with the positions of the configuration, of which outputs print fewer digits."""
        apart = find_mic(frame.positions - self.atoms.positions, self.atoms.cell)[1].max()
        apart = max(float(apart), float(np.abs(frame.cell.array - self.atoms.cell.array).max()))
        if apart > _SAME_START:
            raise ReferenceDataError(
                f"{path}: its first step is {apart:.3f} Å from {self.file.name} beside it; it is the output of another "
                "configuration, or was started from elsewhere: move it to a folder of its own"
            )
        start = frame.copy()
        start.set_cell(self.atoms.cell)
        start.positions = self.atoms.positions.copy()
        return _with_results(start, dict(calculated(frame)))


def job_beside(path: Path) -> WrittenJob | None:
    """Return the configuration that lies beside an output; None where there is none."""
    file = path.parent / CONFIGURATION_FILE
    if not file.is_file() or path.name == CONFIGURATION_FILE:
        return None
    atoms = read_frames(file)[0]
    for key in ("frame_id", "family", "origin"):
        if key not in atoms.info:
            raise ReferenceDataError(f"{file}: says no {key}; remove it, or write the inputs again")
    steps = int(atoms.info.get(STEPS, 0))
    if steps and not re.fullmatch(r".+-\d+", str(atoms.info["frame_id"])):
        raise ReferenceDataError(f"{file}: frame_id {atoms.info['frame_id']!r} ends in no number of a step; mend it")
    return WrittenJob(file, atoms, steps, str(atoms.info.get(COLLECTED, "all" if steps else LAST)))


def _with_results(atoms: Atoms, results: dict[str, object]) -> Atoms:
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
