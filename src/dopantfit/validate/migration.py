"""Migration of one mobile ion from site to site through an empty one: the hop, before anything of it is relaxed.

The hop is that of a vacancy: of two neighbouring sites of the mobile ion one is emptied, and the ion of the other goes
there (M1-M2-M1 in a NASICON). One ion too few, and a dopant that nothing balances, leave a charge, which a uniform
background makes up for: it changes no force, and no difference of energies in one cell. The cell is that of the relaxed
crystal: squeezed into another one, polyanions turn and spoil the symmetry of the path.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.geometry import find_mic
from ase.optimize import BFGS
from ase.optimize.optimize import Optimizer
from numpy.typing import NDArray

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.structures import labels_of
from dopantfit.structures.cells import with_labels
from dopantfit.structures.prototypes import Crystal

Floats = NDArray[np.float64]
#: Makes a calculator for one image of a band.
MakeCalculator = Callable[[], Calculator]

#: Largest force on what is at rest [eV/Å]: its energy is then good to a meV.
AT_REST = 0.01
#: Distances that differ by less are one [Å]: coordinates of crystals have three or four decimals.
_SAME = 0.01
#: A dopant is next to a path within so many of the shortest distance from one of its sites to a place for a dopant.
_BESIDE = 1.2
#: Steps until an iteration is given up.
_STEPS = 500


@dataclass(frozen=True)
class MigrationPath:
    """A hop before anything is relaxed.

    start: cell with the ion on the first site. ion: its index. via, end: how far from there the empty site and the
    second one are [Å], ``shape=(3,)``.
    """

    start: Atoms
    ion: int
    via: Floats
    end: Floats

    def displacement(self, part: float) -> Floats:
        """How far the ion is from its first site [Å], 0 to 1: on straight lines by the empty site at ½."""
        first = 2.0 * min(part, 0.5) * self.via
        return np.asarray(first + max(2.0 * part - 1.0, 0.0) * (self.end - self.via))

    def at(self, part: float) -> Atoms:
        """The cell with the ion on a part of its way."""
        moved = self.start.copy()
        moved.positions[self.ion] += self.displacement(part)
        return moved


def migration_path(crystal: Crystal, chosen_in: Crystal | None = None) -> MigrationPath:
    """Return the hop of a crystal's mobile ion by the empty site that is nearest to two neighbouring ones.

    chosen_in: the same crystal before it was relaxed, where its sites are chosen; of equivalent ones, which differ by
    what a relaxation leaves, each calculator would take another. Raises ConfigError for a crystal without two such
    sites, or without empty ones between them.
    """
    ion, emptied, empty = _chosen(chosen_in or crystal)
    ions = crystal.ions
    steps, _ = find_mic(crystal.empty[empty] - ions.positions[[ion, emptied]], ions.cell, ions.pbc)
    start = ions.copy()
    del start[emptied]
    return MigrationPath(start, ion - (emptied < ion), steps[0], steps[0] - steps[1])


def _chosen(crystal: Crystal) -> tuple[int, int, int]:
    """Which ion hops, whose place is emptied for it, and by which empty site; the first of equivalent ones."""
    ions, labels = crystal.ions, labels_of(crystal.ions)
    mobile = [index for index, label in enumerate(labels) if label == crystal.mobile]
    if len(mobile) < 2 or not len(crystal.empty):
        raise ConfigError(
            f"{ions.get_chemical_formula()}: a migration path needs two sites of {crystal.mobile} and an empty one "
            f"between; the cell has {len(mobile)} and {len(crystal.empty)}: give a larger cell, or empty_sites"
        )
    found: list[tuple[float, int, int, int]] = []
    for number, empty in enumerate(crystal.empty):
        _, lengths = find_mic(empty - ions.positions[mobile], ions.cell, ions.pbc)
        near = _first_of_least(lengths)
        others = np.where(np.arange(len(mobile)) == near, np.inf, lengths)
        next_one = _first_of_least(others)
        found.append((float(lengths[near] + lengths[next_one]), mobile[near], mobile[next_one], number))
    return found[_first_of_least(np.array([length for length, *_ in found]))][1:]


def _first_of_least(lengths: Floats) -> int:
    """Index of the first length [Å] that is no longer than the least."""
    return int(np.flatnonzero(lengths < lengths.min() + _SAME)[0])


def relaxed_crystal(crystal: Crystal, make: MakeCalculator) -> Crystal:
    """Return a crystal at rest, with its cell; empty sites keep their fractions.

    Raises ConvergenceError when it does not come to rest.
    """
    ions = crystal.ions
    ions.calc = make()
    converge(BFGS(FrechetCellFilter(ions), logfile=None), AT_REST, "crystal")
    empty = crystal.sites[crystal.sites.numbers == 0]
    empty.set_cell(ions.cell, scale_atoms=True)
    ions.calc = None
    return replace(crystal, sites=ions + empty)


@dataclass(frozen=True)
class DopantSites:
    """Where a dopant may stand, as indices.

    near: the different places next to the path, by their distance [Å] from its empty site, rising; far: the farthest.
    """

    near: Mapping[float, int]
    far: int


def dopant_sites(path: MigrationPath, replaced: str) -> DopantSites:
    """Return the different places of the host ions `replaced` next to a path, and the farthest one.

    Next to the path they are next to one of its three sites; the ion that hops is none of them. Of a place and its
    mirror image, the same path the other way, the one nearer to the first site is there: the ion leaves the dopant.
    Raises ConfigError where no other ion is left.
    """
    places = [i for i, label in enumerate(labels_of(path.start)) if label == replaced and i != path.ion]
    if not places:
        raise ConfigError(f"a hop beside a dopant needs another {replaced} to replace, and the cell has none")
    first = path.start.positions[path.ion]
    lengths = np.array(
        [
            find_mic(path.start.positions[places] - first - step, path.start.cell, path.start.pbc)[1]
            for step in (path.via, np.zeros(3), path.end)
        ]
    ).T
    # Told apart by distances from the empty site and both ends; of mirror images the nearer to the first end is first.
    order = sorted(range(len(places)), key=lambda place: np.round(lengths[place] / _SAME).tolist())
    near: dict[float, int] = {}
    seen: list[Floats] = []
    for place in order:
        told = np.array([lengths[place, 0], *sorted(lengths[place, 1:])])
        if told.min() < _BESIDE * lengths.min() and all(np.abs(told - one).max() > _SAME for one in seen):
            seen.append(told)
            near[float(lengths[place, 0])] = places[place]
    far = next(place for place in order if lengths[place, 0] > lengths[:, 0].max() - _SAME)
    return DopantSites(near, places[far])


def with_dopant(path: MigrationPath, site: int, dopant: str) -> MigrationPath:
    """Return the path with a dopant on the place of an ion."""
    labels = labels_of(path.start)
    labels[site] = dopant
    return MigrationPath(with_labels(path.start, labels), path.ion, path.via, path.end)


def converge(optimiser: Optimizer, tolerance: float, name: str) -> None:
    """Run an optimiser until no force is above a tolerance [eV/Å]; ConvergenceError where it does not come to rest."""
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
