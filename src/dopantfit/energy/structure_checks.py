"""What a configuration must be before its energy means anything; each refusal names the ions and the remedy."""

from collections.abc import Sequence

import ase
import numpy as np

from dopantfit.energy.neighbours import Neighbourhood
from dopantfit.errors import ConfigError

#: Closer than this [Å] two ions overlap: the shortest bond of all, H-H, measures 0.74 Å.
OVERLAP_DISTANCE = 0.6


def check_geometry(atoms: ase.Atoms, name: str) -> None:
    """Raises ConfigError for an empty or open cell, a flat cell, and positions that are not numbers."""
    if len(atoms) == 0:
        raise ConfigError(f"{name}: it holds no ions")
    if not np.isfinite(atoms.cell.array).all():
        raise ConfigError(f"{name}: cell vectors must be finite, they are {atoms.cell.array.tolist()}; give them in Å")
    if not atoms.pbc.all():
        raise ConfigError(f"{name}: the cell must be periodic in all three directions, pbc is {atoms.pbc.tolist()}")
    heights = _heights(atoms.cell.array)
    if heights.min() < OVERLAP_DISTANCE:
        raise ConfigError(
            f"{name}: the cell is smaller than a bond ({heights.min():.3g} Å between opposite faces, at least "
            f"{OVERLAP_DISTANCE} Å expected); check that its unit is Å"
        )
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        raise ConfigError(
            f"{name}: the position of ion {bad[0]} ({atoms[bad[0]].symbol}) is {atoms.positions[bad[0]]}; "
            "finite coordinates in Å are needed"
        )


def _heights(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces of a cell [Å]; zeros where it has no volume."""
    volume = abs(np.linalg.det(cell))
    areas = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    return np.divide(volume, areas, out=np.zeros(3), where=areas > 0)


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
