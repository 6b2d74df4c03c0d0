"""Migration of one mobile ion from site to site through an empty one: the path, and its barrier by the elastic band.

The mechanism is that of a vacancy: of two neighbouring sites of the mobile ion one is emptied, and the ion of the other
goes there (M1-M2-M1 in a NASICON). One ion too few, and a dopant that nothing balances, leave a charge, which a uniform
background makes up for: it changes no force, and no difference of energies in one cell. The cell is that of the relaxed
crystal: squeezed into another one, polyanions turn and spoil the symmetry of the path.

Band: nudged, improved tangents (Henkelman & Jónsson, J. Chem. Phys. 113, 9978 (2000)); between its images the energy is
the cubic curve through energies and forces along it. No image climbs: one that does leaves the
path where polyanions turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from ase.utils.forcecurve import fit_images
from numpy.typing import NDArray

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.structures import labels_of
from dopantfit.structures.cells import with_labels
from dopantfit.structures.prototypes import Crystal

Floats = NDArray[np.float64]
#: Makes a calculator for one image of a band.
MakeCalculator = Callable[[], Calculator]

#: Largest force [eV/Å] on the ends, and across the band: 0.03 eV/Å over the 0.1 Å that a saddle is off by are 3 meV.
ENDS, BAND = 0.01, 0.03
#: Images between the ends; an odd number has one in the middle, where a symmetric path turns.
IMAGES = 7
#: Random displacements of the images [Å]: what is symmetric stays on its ridge, where a path beside it is lower.
RATTLE, _SEED = 0.05, 20220824
#: Largest distance of the ends over all ions, in hops; 1.1 where the surroundings give way, 2 where others move too.
_ALONG = 1.6
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


def relaxed_crystal(crystal: Crystal, make: MakeCalculator) -> Crystal:
    """Return a crystal at rest, with its cell; empty sites keep their fractions.

    Raises ConvergenceError when it does not come to rest.
    """
    ions = crystal.ions
    ions.calc = make()
    _converge(BFGS(FrechetCellFilter(ions), logfile=None), ENDS, "crystal")
    empty = crystal.sites[crystal.sites.numbers == 0]
    empty.set_cell(ions.cell, scale_atoms=True)
    ions.calc = None
    return replace(crystal, sites=ions + empty)


def with_dopant(path: MigrationPath, replaced: str, dopant: str, near: bool) -> MigrationPath:
    """Return the path with a dopant on the site of a host ion nearest to its empty site, or farthest.

    The ion that hops is none of them. Raises ConfigError where no other is left.
    """
    labels = labels_of(path.start)
    sites = [index for index, label in enumerate(labels) if label == replaced and index != path.ion]
    if not sites:
        raise ConfigError(f"a hop beside {dopant} needs another {replaced} to replace, and the cell has none")
    middle = path.start.positions[path.ion] + path.via
    _, lengths = find_mic(path.start.positions[sites] - middle, path.start.cell, path.start.pbc)
    site = sites[int(np.argmin(lengths) if near else np.argmax(lengths))]
    labels[site] = dopant
    return MigrationPath(with_labels(path.start, labels), path.ion, path.via, path.end, site)


@dataclass(frozen=True)
class MigrationBarrier:
    """A relaxed path. distances: of the images along the band [Å]; energies: over that of the first end [eV].

    forward, backward: barriers from the first and from the second end [eV], by the curve between the images.
    """

    distances: Floats
    energies: Floats
    forward: float
    backward: float


def find_barrier(
    path: MigrationPath, make: MakeCalculator, report: Callable[[str], None] = lambda text: None
) -> MigrationBarrier:
    """Relax both ends and the band between them, at the cell as it is.

    Raises ConvergenceError when one of them does not come to rest.
    """
    report("relaxing the ends")
    images = _band(path, *_ends(path, make))
    for image in images[1:-1]:
        image.calc = make()
    shared = len({id(image.calc) for image in images}) < len(images)
    report("relaxing the band")
    band = NEB(images, k=1.0, method="improvedtangent", allow_shared_calculator=shared)
    # Short steps: those of the full length take images over each other.
    _converge(FIRE(band, logfile=None, maxstep=0.1, dtmax=0.3), BAND, "band")
    curve = fit_images(images)
    top = max(float(curve.fit_energies.max()), 0.0)
    energies = np.asarray(curve.energies)
    return MigrationBarrier(np.asarray(curve.path), energies, top, max(top - float(energies[-1]), 0.0))


def _ends(path: MigrationPath, make: MakeCalculator) -> tuple[Atoms, Atoms]:
    """Both ends at rest; each from the other, so that polyanions which may turn either way turn the same way."""
    found = _relaxed(path.at(0.0 * path.end), make, "start")
    ends = []
    for shift, name in ((path.end, "end"), (0.0 * path.end, "start")):
        moved = found.copy()
        moved.positions[path.ion] = path.start.positions[path.ion] + shift
        found = _relaxed(moved, make, name)
        ends.append(found)
    return ends[1], ends[0]


def _relaxed(atoms: Atoms, make: MakeCalculator, name: str) -> Atoms:
    atoms.calc = make()
    _converge(BFGS(atoms, logfile=None), ENDS, name)
    return atoms


def _converge(optimiser: BFGS | FIRE, tolerance: float, name: str) -> None:
    try:
        ended = optimiser.run(fmax=tolerance, steps=_STEPS)
    except ConfigError as problem:
        # Ions on one another, by the potential's doing: nobody wrote them there.
        raise ConvergenceError(f"{name}: {problem}") from None
    if not ended:
        raise ConvergenceError(
            f"migration path: the {name} did not come to rest within {_STEPS} steps (largest force above {tolerance} "
            "eV/Å); the ion may have left the path, look at the potential"
        )


def _band(path: MigrationPath, start: Atoms, end: Atoms) -> list[Atoms]:
    """Images evenly spread: the ion on straight lines by the empty site, the others on straight lines."""
    total, _ = find_mic(end.positions - start.positions, start.cell, start.pbc)
    reach, hop = float(np.linalg.norm(total)), float(np.linalg.norm(path.end))
    if reach > _ALONG * hop:
        raise ConvergenceError(
            f"migration path: its ends are {reach:.1f} Å apart over all ions, and the hop is {hop:.1f} Å; other ions "
            "go along, and no one barrier is that of the hop"
        )
    middle = path.start.positions[path.ion] + path.via - start.positions[path.ion]
    images, rng = [start], np.random.default_rng(_SEED)
    for part in np.linspace(0.0, 1.0, IMAGES + 2)[1:-1]:
        image = start.copy()
        image.positions += part * total
        bend = 2.0 * min(part, 1.0 - part) * (middle - 0.5 * total[path.ion])
        image.positions[path.ion] += bend
        image.positions += rng.normal(0.0, RATTLE, image.positions.shape)
        images.append(image)
    return [*images, end]
