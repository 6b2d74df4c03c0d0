"""Migration of one mobile ion from site to site through an empty one: the path, and its barrier by the elastic band.

The mechanism is that of a vacancy: of two neighbouring sites of the mobile ion one is emptied, and the ion of the other
goes there (M1-M2-M1 in a NASICON). One ion too few, and a dopant that nothing balances, leave a charge, which a uniform
background makes up for: it changes no force, and no difference of energies in one cell. The cell is the crystal's.

Band: climbing image, improved tangents (Henkelman, Uberuaga & Jónsson, J. Chem. Phys. 113, 9901 and 9978 (2000)).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from numpy.typing import NDArray

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.structures import labels_of
from dopantfit.structures.cells import with_labels
from dopantfit.structures.prototypes import Crystal

Floats = NDArray[np.float64]
#: Makes a calculator for one image of a band.
MakeCalculator = Callable[[], Calculator]

#: Largest force [eV/Å] on the ends, on the band before its highest image climbs, and at the end: 0.03 eV/Å over the
#: 0.1 Å that a saddle is off by are 3 meV.
ENDS, BAND, CLIMBED = 0.01, 0.1, 0.03
#: Images between the ends; an odd number has one in the middle, where a symmetric path turns.
IMAGES = 7
#: Steps until an iteration is given up.
_STEPS = 500


@dataclass(frozen=True)
class MigrationPath:
    """A hop before anything is relaxed.

    start: cell with the ion on the first site. ion: its index. via, end: how far from there the empty site and the
    second one are [Å], ``shape=(3,)``. dopant: index of one, None without.
    """

    start: Atoms
    ion: int
    via: Floats
    end: Floats
    dopant: int | None = None

    def at(self, displacement: Floats) -> Atoms:
        """The cell with the ion moved so far from its first site [Å]."""
        moved = self.start.copy()
        moved.positions[self.ion] += displacement
        return moved


def migration_path(crystal: Crystal) -> MigrationPath:
    """Return the hop of a crystal's mobile ion by the empty site that is nearest to two neighbouring ones.

    Raises ConfigError for a crystal without two such sites, or without empty ones between them.
    """
    ions, labels = crystal.ions, labels_of(crystal.ions)
    mobile = [index for index, label in enumerate(labels) if label == crystal.mobile]
    if len(mobile) < 2 or not len(crystal.empty):
        raise ConfigError(
            f"{ions.get_chemical_formula()}: a migration path needs two sites of {crystal.mobile} and an empty one "
            f"between; the cell has {len(mobile)} and {len(crystal.empty)}: give a larger cell, or empty_sites"
        )
    best: tuple[float, int, int, Floats] | None = None
    for empty in crystal.empty:
        steps, lengths = find_mic(empty - ions.positions[mobile], ions.cell, ions.pbc)
        near, next_one = np.argsort(lengths, kind="stable")[:2]
        length = round(float(lengths[near] + lengths[next_one]), 6)  # rounding decides between equals by their order
        if best is None or length < best[0]:
            best = length, mobile[near], mobile[next_one], np.array([steps[near], steps[next_one]])
    assert best is not None
    _, ion, emptied, steps = best
    start = ions.copy()
    del start[emptied]
    return MigrationPath(start, ion - (emptied < ion), steps[0], steps[0] - steps[1])


def with_dopant(path: MigrationPath, replaced: str, dopant: str, near: bool) -> MigrationPath:
    """Return the path with a dopant on the site of a host ion nearest to its empty site, or farthest."""
    labels = labels_of(path.start)
    sites = [index for index, label in enumerate(labels) if label == replaced]
    middle = path.start.positions[path.ion] + path.via
    _, lengths = find_mic(path.start.positions[sites] - middle, path.start.cell, path.start.pbc)
    site = sites[int(np.argmin(lengths) if near else np.argmax(lengths))]
    labels[site] = dopant
    return MigrationPath(with_labels(path.start, labels), path.ion, path.via, path.end, site)


@dataclass(frozen=True)
class MigrationBarrier:
    """A relaxed path. distances: along the band [Å]; energies: over that of the first end [eV]; ``shape=(n_images,)``.

    residual: largest force on the band [eV/Å].
    """

    distances: Floats
    energies: Floats
    residual: float

    @property
    def forward(self) -> float:
        """Barrier from the first end [eV]."""
        return float(self.energies.max())

    @property
    def backward(self) -> float:
        """Barrier from the second end [eV]."""
        return float(self.energies.max() - self.energies[-1])


def find_barrier(
    path: MigrationPath, make: MakeCalculator, report: Callable[[str, float], None] = lambda text, part: None
) -> MigrationBarrier:
    """Relax both ends and the band between them, at the cell as it is.

    Raises ConvergenceError when one of them does not come to rest.
    """
    report("relaxing the ends", 0.0)
    ends = [_relaxed(path.at(shift), make, name) for shift, name in ((0.0 * path.end, "start"), (path.end, "end"))]
    images = _band(path, *ends)
    for image in images[1:-1]:
        image.calc = make()
    shared = len({id(image.calc) for image in images}) < len(images)
    band = NEB(images, k=1.0, method="improvedtangent", allow_shared_calculator=shared)
    report("relaxing the band", 0.2)
    _converge(FIRE(band, logfile=None), BAND, "band")
    band.climb = True
    report("climbing to the saddle", 0.6)
    residual = _converge(FIRE(band, logfile=None), CLIMBED, "band with its climbing image")
    energies = np.array([image.get_potential_energy() for image in images])
    moves = [find_mic(b.positions - a.positions, a.cell, a.pbc)[0] for a, b in pairwise(images)]
    distances = np.cumsum([0.0, *(float(np.linalg.norm(move)) for move in moves)])
    return MigrationBarrier(distances, energies - energies[0], residual)


def _relaxed(atoms: Atoms, make: MakeCalculator, name: str) -> Atoms:
    atoms.calc = make()
    _converge(BFGS(atoms, logfile=None), ENDS, name)
    return atoms


def _converge(optimiser: BFGS | FIRE, tolerance: float, name: str) -> float:
    if not optimiser.run(fmax=tolerance, steps=_STEPS):
        raise ConvergenceError(
            f"migration path: the {name} did not come to rest within {_STEPS} steps (largest force above {tolerance} "
            "eV/Å); the ion may have left the path, look at the potential"
        )
    return tolerance


def _band(path: MigrationPath, start: Atoms, end: Atoms) -> list[Atoms]:
    """Images evenly spread: the ion on straight lines by the empty site, the others on straight lines."""
    total, _ = find_mic(end.positions - start.positions, start.cell, start.pbc)
    middle = path.start.positions[path.ion] + path.via - start.positions[path.ion]
    images = [start]
    for part in np.linspace(0.0, 1.0, IMAGES + 2)[1:-1]:
        image = start.copy()
        image.positions += part * total
        bend = 2.0 * min(part, 1.0 - part) * (middle - 0.5 * total[path.ion])
        image.positions[path.ion] += bend
        images.append(image)
    return [*images, end]
