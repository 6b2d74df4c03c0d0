"""Small things that several gates do with structures and frames."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter
from ase.neighborlist import neighbor_list
from ase.optimize import LBFGS

from dopantfit.energy import ShellModel
from dopantfit.errors import ConvergenceError
from dopantfit.fit.data import Target
from dopantfit.potential import Potential, element_of
from dopantfit.structures import labels_of, with_labels

#: Largest force on an ion at rest, and stress times volume per ion [eV/Å]: lengths are then good to 1e-3.
AT_REST = 5e-3
#: Largest force that a start of molecular dynamics may have [eV/Å]; the heat in it is small against k T.
START_FORCE = 0.1
_STEPS = 2000


def at_rest(atoms: Atoms, potential: Potential, cell: bool = True, largest_force: float = AT_REST) -> Atoms:
    """Return the ions (and the cell) at a minimum of the energy, shells relaxed; the own engine, checked by parity.

    Raises ConvergenceError when it is not reached, CollapseError when ions or shells fall into each other.
    """
    ions = atoms.copy()
    ions.calc = ShellModel(potential, structure_name=atoms.get_chemical_formula())
    optimiser = LBFGS(FrechetCellFilter(ions) if cell else ions, logfile=None)
    if not optimiser.run(fmax=largest_force, steps=_STEPS):
        raise ConvergenceError(
            f"{atoms.get_chemical_formula()} is not at rest after {_STEPS} steps with {potential.name}; "
            "its energy has no minimum near the crystal"
        )
    ions.calc = None
    return ions


def ions_of(target: Target) -> Atoms:
    """The ions of a reference frame."""
    labels, frame = target.ion_labels, target.frame
    atoms = Atoms([element_of(one) for one in labels], positions=frame.positions, cell=frame.cell, pbc=True)
    return with_labels(atoms, labels)


def spread_over(targets: Sequence[Target], count: int) -> list[Target]:
    """Return `count` targets of every group (set and composition), evenly spread over it; all where it has fewer."""
    chosen = []
    for group in dict.fromkeys(one.group for one in targets):
        members = [one for one in targets if one.group == group]
        places = np.unique(np.linspace(0, len(members) - 1, min(count, len(members))).round().astype(int))
        chosen += [members[place] for place in places]
    return chosen


def repeats_for(atoms: Atoms, edge: float) -> tuple[int, int, int]:
    """Repeats along the vectors after which no two faces of the cell are closer than `edge` [Å]."""
    heights = atoms.cell.volume / np.linalg.norm(
        [np.cross(atoms.cell[i - 2], atoms.cell[i - 1]) for i in range(3)], axis=1
    )
    one, two, three = (int(n) for n in np.ceil(edge / heights - 1e-9))
    return one, two, three


def bond_lengths(atoms: Atoms, centre: str, anion: str, reach: float) -> np.typing.NDArray[np.float64]:
    """Distances [Å] from every `centre` to the `anion` ions within `reach` [Å]."""
    labels = np.array(labels_of(atoms))
    first, second, distances = neighbor_list("ijd", atoms, reach)
    chosen = (labels[first] == centre) & (labels[second] == anion)
    return np.asarray(distances[chosen], dtype=np.float64)
