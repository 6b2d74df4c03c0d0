"""What the exchange gate is held against: the labels of its sets, and DFT's word on the same ends."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from dopantfit.errors import DopantFitError
from dopantfit.fit.config import ExchangeSet
from dopantfit.fit.exchanges import RelaxedDifference, targets_of
from dopantfit.fit.inputs import told_apart
from dopantfit.potential import Potential
from dopantfit.reference.exchange_ends import ExchangeEnd, exchange_ends
from dopantfit.reference.frames import FRAMES_FILE, FrameSet, load_set
from dopantfit.reference.manifest import MANIFEST_FILE
from dopantfit.reference.plan import PLAN_FILE
from dopantfit.structures import labels_of
from dopantfit.validate.settings import SETTINGS_FILE, ExchangeSettings, Settings

#: Two frames are one configuration where no ion and no cell vector is farther off than this [Å].
SAME_PLACE = 1e-3


@dataclass(frozen=True)
class LabelDifference:
    """One exchange by the labels and by DFT, single points on the labels' ends [eV]. set: DFT's."""

    exchange: str
    set: str
    label: float
    dft: float

    @property
    def difference(self) -> float:
        """The label less DFT [eV]."""
        return self.label - self.dft

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers [eV]."""
        return {"exchange": self.exchange, "set": self.set, "label_eV": self.label, "dft_eV": self.dft}


@dataclass(frozen=True)
class JudgedExchanges:
    """The exchanges of a gate. unseen: names of those that decide. labels: those whose ends DFT has computed too."""

    targets: tuple[RelaxedDifference, ...]
    unseen: frozenset[str]
    labels: tuple[LabelDifference, ...]

    @property
    def some_were_fitted(self) -> bool:
        """Whether the potential was held to some of them."""
        return len(self.unseen) < len(self.targets)


def load_judged(
    settings: ExchangeSettings, folder: Path, potential: Potential, fitted: frozenset[str]
) -> JudgedExchanges:
    """Read the sets that ``[exchange]`` of ``validate.toml`` in ``folder`` names.

    fitted: names of exchanges that the potential was held to; where that is all of them, all decide.
    Raises ConfigError and ReferenceDataError, for what `exchange_ends` refuses and for a species that the potential
    lacks.
    """
    try:
        loaded = [exchange_ends(_path(folder, one.path), one.left_out) for one in settings.sets]
        of_dft = [load_set(_path(folder, one)) for one in settings.dft]
    except DopantFitError as problem:
        raise type(problem)(f"{folder / SETTINGS_FILE}: exchange: {problem}") from None
    names = told_apart([frames.name for frames, _ in loaded], [one.path for one in settings.sets])
    targets: list[RelaxedDifference] = []
    labels: list[LabelDifference] = []
    for one, (_, ends), name in zip(settings.sets, loaded, names, strict=True):
        targets += targets_of(ends, name, ExchangeSet(path=one.path, energy_error=settings.label_error), potential)
        labels += [found for end in ends for found in _by_dft(end, f"{name}/{end.name}", of_dft)]
    every = frozenset(one.name for one in targets)
    return JudgedExchanges(tuple(targets), every - fitted or every, tuple(labels))


def exchange_files(settings: Settings, folder: Path) -> dict[str, Path]:
    """Frames and manifest of every set that ``[exchange]`` names, and the plans, by name; none without that table."""
    named = settings.exchange
    if named is None:
        return {}
    planned = [one.path for one in named.sets]
    paths = list(dict.fromkeys([*planned, *named.dft]))
    names = told_apart([Path(path).name for path in paths], paths)
    return {
        f"{name}/{file}": folder / path / file
        for name, path in zip(names, paths, strict=True)
        for file in (FRAMES_FILE, MANIFEST_FILE, *((PLAN_FILE,) if path in planned else ()))
    }


def _path(folder: Path, named: str) -> Path:
    return Path(os.path.normpath(folder / named))


def _by_dft(end: ExchangeEnd, name: str, sets: Sequence[FrameSet]) -> list[LabelDifference]:
    """The same exchange in every set that has both of its ends."""
    found = []
    for frames in sets:
        pair = [_same(one, frames.frames) for one in (end.start, end.end)]
        energies = [float(one.calc.results["energy"]) for one in pair if one is not None]
        if len(energies) == len(pair):
            found.append(LabelDifference(name, frames.name, end.energy, energies[1] - energies[0]))
    return found


def _same(atoms: Atoms, frames: Sequence[Atoms]) -> Atoms | None:
    """The frame that has the same ions at the same places, in whatever order; None where there is none."""
    labels = np.array(labels_of(atoms))
    for frame in frames:
        others = np.array(labels_of(frame))
        if sorted(labels) != sorted(others) or np.abs(frame.cell.array - atoms.cell.array).max() > SAME_PLACE:
            continue
        apart = get_distances(atoms.positions, frame.positions, cell=atoms.cell, pbc=True)[1]
        apart[labels[:, None] != others] = np.inf
        if apart.min(axis=1).max() <= SAME_PLACE:
            return frame
    return None
