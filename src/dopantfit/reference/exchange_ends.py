"""Exchange energies of a set: relaxed ends of every ``exchange`` of its plan against the end without one."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import FrameSet, load_set
from dopantfit.reference.plan import PLAN_FILE, CationExchange, load_plan
from dopantfit.reference.relaxation import largest_force
from dopantfit.structures import labels_of

#: An end with a larger force on an ion [eV/Å] is none: at 6 eV/Å², which hold a Li ion, this is worth 8 meV.
UNRELAXED = 0.3
#: Cells of two ends differ by no more [Å].
SAME_CELL = 1e-6


@dataclass(frozen=True)
class ExchangeEnd:
    """A dopant that has changed places with a partner, and the same cell where it has not, both relaxed.

    name: ``item-partner`` and a number. energy: of the end less that of the start [eV].
    """

    name: str
    item: str
    family: str
    partner: str
    start: Atoms
    end: Atoms
    energy: float

    @property
    def names(self) -> frozenset[str]:
        """Every name by which a file may mean it: its own, that of its item, and its family."""
        return frozenset((self.name, self.item, self.family))


def exchange_ends(
    folder: str | os.PathLike[str], left_out: Collection[str] = ()
) -> tuple[FrameSet, tuple[ExchangeEnd, ...]]:
    """Return the set in ``folder`` and the exchanges of its plan, in the order of the plan.

    left_out: names of exchanges, items or families that are not looked at.
    Raises ReferenceDataError for a set without an exchange, for one that has not been computed to its end, for ends of
    two compositions or cells, and for a name that nothing has; ConfigError for a plan that cannot be read.
    """
    frames, ends, missing = _looked_up(Path(folder), left_out)
    if missing:
        raise ReferenceDataError(
            f"{folder}: no relaxed end and energy of {', '.join(missing)}; run `dopantfit reference run {folder}` to "
            "its end, or leave them out (left_out)"
        )
    return frames, ends


def unfinished_ends(folder: str | os.PathLike[str], left_out: Collection[str] = ()) -> tuple[str, ...]:
    """Names of relaxations that a set lacks; raises as `exchange_ends` for whatever else is wrong."""
    return _looked_up(Path(folder), left_out)[2]


def _looked_up(folder: Path, left_out: Collection[str]) -> tuple[FrameSet, tuple[ExchangeEnd, ...], tuple[str, ...]]:
    """A set, the exchanges whose ends it has, and names of relaxations that it lacks."""
    frames = load_set(folder)
    items = _items(folder)
    found: list[ExchangeEnd] = []
    known: set[str] = set()
    missing: list[str] = []
    for item in items:
        family = _family_of(item, frames)
        labels = [(f"{partner}{k}", partner) for partner in item.partners for k in range(item.pairs)]
        names = {label: f"{item.name}-{label}" for label, _ in labels}
        known |= {item.name, family, *names.values()}
        if {item.name, family} & set(left_out):
            continue
        start = _last(frames, f"{item.name}-start")
        for label, partner in labels:
            if names[label] in left_out:
                continue
            end = _last(frames, names[label])
            if start is None or end is None:
                missing.append(names[label] if start is not None else f"{item.name}-start")
                continue
            energy = _energy_between(start, end, names[label], folder)
            found.append(ExchangeEnd(names[label], item.name, family, partner, start, end, energy))
    _refuse(folder, known, left_out, missing or found)
    return frames, tuple(found), tuple(dict.fromkeys(missing))


def _items(folder: Path) -> list[CationExchange]:
    """Items of kind exchange in the plan of a set."""
    if not (folder / PLAN_FILE).is_file():
        raise ReferenceDataError(f"{folder}: has no {PLAN_FILE}, which says what was exchanged; name a set with a plan")
    items = [item for item in load_plan(folder).configurations if isinstance(item, CationExchange)]
    if not items:
        raise ReferenceDataError(f'{folder}: its {PLAN_FILE} has no item of kind "exchange"; name a set that has one')
    return items


def _family_of(item: CationExchange, frames: FrameSet) -> str:
    """Family of the frames of an item; what it will be where there is none yet."""
    start = _last(frames, f"{item.name}-start")
    return item.family or (item.name if start is None else str(start.info["family"]))


def _last(frames: FrameSet, relaxation: str) -> Atoms | None:
    """The last step of a relaxation; None where it is not there, or a step on the way."""
    steps = {
        int(number): atoms
        for atoms in frames.frames
        for name, _, number in [str(atoms.info["frame_id"]).rpartition("-")]
        if name == relaxation and number.isdecimal()
    }
    if not steps:
        return None
    last = steps[max(steps)]
    return last if max(steps) > 0 or largest_force(last) <= UNRELAXED else None


def _energy_between(start: Atoms, end: Atoms, name: str, folder: Path) -> float:
    """Energy of one end less that of the other [eV]; ReferenceDataError where that means nothing."""
    if sorted(labels_of(start)) != sorted(labels_of(end)):
        raise ReferenceDataError(
            f"{folder}: {name}: the ends are {start.info['composition']} and {end.info['composition']}; energies of "
            "two compositions cannot be compared, leave it out (left_out)"
        )
    if np.abs(start.cell.array - end.cell.array).max() > SAME_CELL:
        raise ReferenceDataError(
            f"{folder}: {name}: the ends have two cells; an exchange is relaxed in the cell of its start, leave it out "
            "(left_out)"
        )
    for atoms in (start, end):
        if (force := largest_force(atoms)) > UNRELAXED:
            raise ReferenceDataError(
                f"{folder}: {name}: {atoms.info['frame_id']} is not relaxed, its largest force is {force:.2f} eV/Å, at "
                f"most {UNRELAXED} is taken for an end; give it more steps, or leave it out (left_out)"
            )
    return float(end.calc.results["energy"]) - float(start.calc.results["energy"])


def _refuse(folder: Path, known: Collection[str], left_out: Collection[str], kept: Collection[object]) -> None:
    """Refuse names that nothing has, and a set of which nothing is left."""
    unknown = sorted(set(left_out) - set(known))
    if unknown:
        raise ReferenceDataError(
            f"{folder}: left_out names {unknown[0]!r}, which is no exchange, item or family; there are "
            f"{', '.join(sorted(known))}"
        )
    if not kept:
        raise ReferenceDataError(f"{folder}: left_out leaves no exchange; remove the table")
