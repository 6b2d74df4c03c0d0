"""Migration of one mobile ion from site to site through an empty one: the hop, before anything of it is relaxed.

The hop is that of a vacancy: of two neighbouring sites of the mobile ion one is emptied, and the ion of the other goes
there (M1-M2-M1 in a NASICON). One ion too few, and a dopant that nothing balances, leave a charge, which a uniform
background makes up for: it changes no force, and no difference of energies in one cell. The cell is that of the relaxed
crystal: squeezed into another one, polyanions turn and spoil the symmetry of the path.
"""

from collections.abc import Callable
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

    def displacement(self, part: float) -> Floats:
        """How far the ion is from its first site [Å], 0 to 1: on straight lines by the empty site at ½."""
        first = 2.0 * min(part, 0.5) * self.via
        return np.asarray(first + max(2.0 * part - 1.0, 0.0) * (self.end - self.via))

    def at(self, part: float) -> Atoms:
        """The cell with the ion on a part of its way."""
        moved = self.start.copy()
        moved.positions[self.ion] += self.displacement(part)
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
    converge(BFGS(FrechetCellFilter(ions), logfile=None), AT_REST, "crystal")
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
