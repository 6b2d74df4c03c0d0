"""What a configuration must be before its energy means anything; each refusal names the ions and the remedy."""

import os
from collections.abc import Sequence

import ase
import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.neighbours import Neighbourhood
from dopantfit.errors import ConfigError
from dopantfit.structures.cells import THINNEST, cell_fault, heights

#: Closer than this [Å] two ions overlap.
OVERLAP_DISTANCE = THINNEST
#: Memory [bytes] of a neighbour in all lists and what they are made of, of an image of an ion that may be numbered, and
#: of a point of a mesh with its waves.
NEIGHBOUR_BYTES, IMAGE_BYTES, MESH_POINT_BYTES = 64, 40, 100


def check_geometry(atoms: ase.Atoms, name: str) -> None:
    """Raises ConfigError for an empty, open or impossible cell, and positions that are not numbers."""
    if len(atoms) == 0:
        raise ConfigError(f"{name}: it holds no ions")
    if not atoms.pbc.all():
        raise ConfigError(f"{name}: the cell must be periodic in all three directions, pbc is {atoms.pbc.tolist()}")
    if fault := cell_fault(atoms.cell.array):
        raise ConfigError(f"{name}: {fault}")
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        raise ConfigError(
            f"{name}: the position of ion {bad[0]} ({atoms[bad[0]].symbol}) is {atoms.positions[bad[0]]}; "
            "finite coordinates in Å are needed"
        )


def check_memory(name: str, n_ions: int, cell: Floats, reach: float, mesh_points: int = 0) -> None:
    """Raises ConfigError where lists of all neighbours within ``reach`` [Å], and a mesh, take more than there is."""
    density = n_ions / abs(float(np.linalg.det(cell)))
    neighbours = n_ions * density * 4 / 3 * np.pi * reach**3
    images = n_ions * float(np.prod(2 * np.ceil(reach / heights(cell)) + 1))
    needed = NEIGHBOUR_BYTES * neighbours + IMAGE_BYTES * images + MESH_POINT_BYTES * mesh_points
    available = memory()
    if needed > available:
        raise ConfigError(
            f"{name}: {n_ions} ions with their neighbours to {reach:.1f} Å take some {needed / 1e9:.3g} GB of memory, "
            f"this machine has {available / 1e9:.3g} GB; take a smaller cell, or check that it is in Å"
        )


def memory() -> int:
    """Memory of this machine [bytes]."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def refuse_overlap(near: Neighbourhood, name: str, labels: Sequence[str]) -> None:
    """Raises ConfigError for ions that overlap, with each other or with their own periodic images."""
    if len(near.distance) == 0 or near.distance.min() >= OVERLAP_DISTANCE:
        return
    worst = int(near.distance.argmin())
    i, j = int(np.searchsorted(near.start, worst, side="right")) - 1, int(near.ghosts.ion[near.ghost[worst]])
    raise ConfigError(
        f"{name}: ions {i} ({labels[i]}) and {j} ({labels[j]}) are {near.distance[worst]:.3g} Å apart, "
        f"closer than {OVERLAP_DISTANCE} Å; remove one of them or check that positions and cell are in Å"
    )
