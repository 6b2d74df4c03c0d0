"""A start changed without any run: strained, displaced at random, or as it is."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.reference.plan import Rattle, Recompute, Strains, Volumes

Array = npt.NDArray[np.float64]


def variants(
    item: Volumes | Strains | Rattle | Recompute, start: Atoms, what: str, rng: np.random.Generator
) -> Iterator[tuple[Atoms, str]]:
    """Yield the configurations of an item, each with what it is in words. what: the start in words."""
    if isinstance(item, Volumes):
        for scale in item.scales:
            yield strained(start, scale - 1.0), f"{what}, lengths scaled by {scale!r}"
    elif isinstance(item, Strains):
        for tensor in item.strains:
            xx, yy, zz, yz, xz, xy = tensor
            matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            yield (
                _deformed(start, matrix),
                f"{what}, strain (xx yy zz yz xz xy) {' '.join(map(repr, tensor))}",
            )
    elif isinstance(item, Rattle):
        strains = item.strains or (0.0,) * len(item.sigmas)
        for sigma, strain in zip(item.sigmas, strains, strict=True):
            atoms = strained(start, strain)
            moves = rng.normal(scale=sigma, size=(len(atoms), 3))
            atoms.positions += moves - moves.mean(axis=0)
            yield atoms, f"{what}, displaced with sigma {sigma!r} Å, strain {strain!r}, seed {item.seed}"
    else:
        yield start.copy(), what


def strained(atoms: Atoms, strain: float) -> Atoms:
    """Return a copy under an isotropic linear strain, fractional coordinates kept."""
    return _deformed(atoms, np.eye(3) * strain)


def _deformed(atoms: Atoms, strain: Array) -> Atoms:
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result
