"""Partial radial distribution functions of a crystal at rest, broadened: which distances a relaxed cell has."""

import numpy as np
from ase import Atoms

from dopantfit.energy.arrays import Floats
from dopantfit.energy.neighbours import find_pairs
from dopantfit.structures import labels_of

#: Farthest distance [Å], its spacing, and the standard deviation by which each distance is broadened.
REACH, SPACING, WIDTH = 5.0, 0.01, 0.05


def distances() -> Floats:
    """The distances r [Å] at which the functions are given."""
    return np.arange(1.0, REACH + 0.5 * SPACING, SPACING)


def partial_rdfs(atoms: Atoms) -> dict[tuple[str, str], Floats]:
    """g(r) of every pair of species (sorted labels) at ``distances()``; 1 on average far away.

    g_ab(r) = V / (N_a N_b 4πr²) Σ δ(r - r_ij) over all i of a and j ≠ i of b, each δ a Gaussian of ``WIDTH``.
    """
    labels, r = np.array(labels_of(atoms)), distances()
    found = find_pairs(atoms.positions, atoms.cell.array, REACH + 4 * WIDTH)
    ends, lengths = labels[found.ions.astype(np.int64)], found.distance.copy()
    functions = {}
    species = sorted(set(labels.tolist()))
    for number, a in enumerate(species):
        for b in species[number:]:
            chosen = ((ends[:, 0] == a) & (ends[:, 1] == b)) | ((ends[:, 0] == b) & (ends[:, 1] == a))
            density = _broadened(lengths[chosen], r)
            ordered = 2.0 if a == b else 1.0
            norm = atoms.cell.volume / (np.sum(labels == a) * np.sum(labels == b))
            functions[a, b] = ordered * norm * density / (4.0 * np.pi * r**2)
    return functions


def _broadened(lengths: Floats, r: Floats) -> Floats:
    """Σ of normalised Gaussians at the lengths [1/Å]."""
    gaussians = np.exp(-0.5 * ((r[:, None] - lengths) / WIDTH) ** 2)
    density: Floats = gaussians.sum(axis=1) / (WIDTH * np.sqrt(2.0 * np.pi))
    return density
