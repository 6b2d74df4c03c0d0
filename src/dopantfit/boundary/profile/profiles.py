"""Composition along the normal, and distances of like ions by domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dopantfit.boundary.profile.domains import NAMES, Domains
from dopantfit.statistics import standard_error
from dopantfit.structures import labels_of
from dopantfit.workflow.outputs import write_csv

Floats = NDArray[np.float64]

#: Width of a bin [Å], as in the published Monte Carlo: a spacing of framework layers of NASICON-type crystals.
BIN = 3.5


@dataclass(frozen=True)
class Profiles:
    """Composition in bins along the normal.

    height: middle of the bins [Å], ``shape=(n_bins,)``. width: of a bin [Å].
    atomic_percent, number_density: by label, [at%] and [1/Å³], each ``shape=(n_bins,)``.
    """

    height: Floats
    width: float
    atomic_percent: Mapping[str, Floats]
    number_density: Mapping[str, Floats]

    def write(self, path: Path) -> None:
        """Write a CSV table: height, then at% and 1/Å³ of every label."""
        labels = list(self.atomic_percent)
        header = ["z_A", *[f"{one}_at%" for one in labels], *[f"{one}_per_A3" for one in labels]]
        columns = [self.height, *self.atomic_percent.values(), *self.number_density.values()]
        write_csv(path, header, zip(*columns, strict=True))


def profiles(atoms: Atoms, width: float = BIN) -> Profiles:
    """Profiles of every label along z, in whole bins of about `width` [Å] that fill the cell."""
    length, volume = float(atoms.cell[2, 2]), float(atoms.get_volume())
    n_bins = max(1, round(length / width))
    z = atoms.positions[:, 2] % length
    labels = np.array(labels_of(atoms))
    bins = np.minimum((z / length * n_bins).astype(int), n_bins - 1)
    counts = {str(one): np.bincount(bins[labels == one], minlength=n_bins).astype(float) for one in np.unique(labels)}
    total = np.maximum(sum(counts.values()), 1.0)
    return Profiles(
        height=(np.arange(n_bins) + 0.5) * length / n_bins,
        width=length / n_bins,
        atomic_percent={one: 100.0 * count / total for one, count in counts.items()},
        number_density={one: count * n_bins / volume for one, count in counts.items()},
    )


def nearest_distances(atoms: Atoms, label: str) -> Floats:
    """Distance of every ion of a label to the nearest other one of it [Å], ``shape=(n,)``; cells orthogonal."""
    positions = atoms.positions[np.array(labels_of(atoms)) == label]
    lengths = atoms.cell.lengths()
    if len(positions) < 2:
        return np.full(len(positions), np.nan)
    wrapped = positions % lengths
    tree = cKDTree(np.where(wrapped >= lengths, 0.0, wrapped), boxsize=lengths)
    return np.asarray(tree.query(tree.data, k=2)[0][:, 1])


def nearest_by_domain(atoms: Atoms, domains: Domains, label: str) -> dict[str, tuple[float, float, int] | None]:
    """Mean nearest-neighbour distance [Å], its standard error and the number of ions, by domain; None without two.

    The neighbour may lie in any domain.
    """
    distances = nearest_distances(atoms, label)
    of_label = np.array(labels_of(atoms)) == label
    result: dict[str, tuple[float, float, int] | None] = {}
    for name in NAMES:
        here = distances[domains.members(atoms, name)[of_label]]
        error = standard_error(here) if len(here) > 1 else 0.0
        result[name] = (float(here.mean()), error, len(here)) if len(here) > 1 else None
    return result


def composition_by_domain(atoms: Atoms, domains: Domains) -> dict[str, dict[str, float]]:
    """Composition of every domain [at%], by label."""
    labels = np.array(labels_of(atoms))
    names = domains.names(atoms)
    return {
        name: {
            str(one): 100.0 * float((labels[names == name] == one).mean()) if (names == name).any() else 0.0
            for one in np.unique(labels)
        }
        for name in NAMES
    }
