"""The part of a walker's grain that its swaps could reach, and the dopant in it."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from dopantfit.boundary.profile.domains import Domains
from dopantfit.boundary.swap.config import Layers
from dopantfit.boundary.swap.layers import depths
from dopantfit.energy.arrays import Floats, Integers
from dopantfit.structures import labels_of


@dataclass(frozen=True)
class ExploredGrain:
    """The explored part of a grain.

    ions: indices of its dopants, depths: theirs below the interface [Å], both ``shape=(n,)``. size: number of all its
    ions. elsewhere: dopant fraction of the amorphous domain, 0 where there is none.
    """

    ions: Integers
    depths: Floats
    size: int
    elsewhere: float


def explored_grain(atoms: Atoms, domains: Domains, layers: Layers, start_length: float, dopant: str) -> ExploredGrain:
    """What a walker has in its grain. domains: in the walker's own cell. start_length: see `layers.depths` [Å]."""
    depth = depths(layers, atoms.positions[:, 2], float(atoms.cell[2, 2]), start_length)
    explored = (depth >= 0.0) & (depth < layers.count * layers.width) & domains.members(atoms, "grain")
    is_dopant = np.array(labels_of(atoms)) == dopant
    amorphous = domains.members(atoms, "amorphous")
    ions = np.flatnonzero(explored & is_dopant)
    elsewhere = float(is_dopant[amorphous].mean()) if amorphous.any() else 0.0
    return ExploredGrain(ions, depth[ions], int(explored.sum()), elsewhere)
