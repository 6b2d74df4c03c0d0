"""Cations and whole polyanions at random on a sparse grid between the grains, no two ions nearer than a start may."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from dopantfit.boundary.build.config import Amorphous
from dopantfit.errors import ConfigError
from dopantfit.structures import labels_of
from dopantfit.structures.cells import ANION_ANION, CATION_CATION
from dopantfit.structures.hosts import Polyanion

Floats = NDArray[np.float64]

#: Least distance of a cation and an anion of another unit [Å]: below any bond of a metal to oxygen, beyond the walls.
CATION_ANION = 1.7

#: Directions of the bonds of a polyanion by their number, and the length that these vectors have.
_SHAPES: dict[int, tuple[Floats, float]] = {
    1: (np.array([[0, 0, 1]], float), 1.0),
    2: (np.array([[0, 0, 1], [0, 0, -1]], float), 1.0),
    3: (np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2]], float), np.sqrt(6.0)),
    4: (np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float), np.sqrt(3.0)),
    6: (np.vstack([np.eye(3), -np.eye(3)]), 1.0),
}

#: How often a gap is filled anew where a unit finds no place.
DRAWS = 10


def place(
    grain: Atoms,
    gap: tuple[float, float],
    counts: Mapping[str, int],
    settings: Amorphous,
    unit: Polyanion,
    rng: np.random.Generator,
) -> tuple[list[str], Floats]:
    """Return labels and positions [Å] of the ions that fill the gap of an orthogonal cell.

    gap: its two ends along z [Å]. counts: of the centres of polyanions, each with its ligands, and of every cation.
    Where a unit finds no place, all are drawn anew. Raises ConfigError when none of some draws holds all of them.
    """
    n_units, ions = sum(counts.values()), sum(counts.values()) + unit.count * counts[unit.centre]
    most = 0
    for _ in range(DRAWS):
        labels, positions = _draw(grain, gap, counts, settings, unit, rng)
        if len(labels) == ions:
            return labels, positions
        most = max(most, len(labels) - unit.count * labels.count(unit.centre))
    raise ConfigError(
        f"amorphous: {n_units - most} of {n_units} units find no place in a gap of {gap[1] - gap[0]:.2f} Å, the gap is "
        f"too thin (the best of {DRAWS} draws); raise placed_volume_per_atom ({settings.placed_volume_per_atom!r}) or "
        f"points_per_unit ({settings.points_per_unit!r})"
    )


def _draw(
    grain: Atoms,
    gap: tuple[float, float],
    counts: Mapping[str, int],
    settings: Amorphous,
    unit: Polyanion,
    rng: np.random.Generator,
) -> tuple[list[str], Floats]:
    """One filling of the gap, as of `place`, of those units that found a place."""
    n_units = sum(counts.values())
    points = _grid(grain, gap, n_units * settings.points_per_unit)
    placed = _Placed(grain, unit.ligand)
    shape = ligands(unit)
    free = [points[i] for i in rng.permutation(len(points))]
    cations = [label for label, count in sorted(counts.items()) if label != unit.centre for _ in range(count)]
    # Polyanions first: they need the room; cations go anywhere between them.
    no_polyanion: list[Floats] = []
    labels: list[str] = []
    for _ in range(counts[unit.centre]):
        if _place_polyanion(shape, free, no_polyanion, placed, settings.orientations, rng):
            labels += [unit.centre, *[unit.ligand] * unit.count]
    free += no_polyanion
    for label in cations:
        labels += _place_cation(label, free, placed)
    return labels, placed.positions[len(grain) :]


def ligands(unit: Polyanion) -> Floats:
    """Return where the ligands of a polyanion are, from its centre [Å], ``shape=(count, 3)``; ConfigError for five."""
    if unit.count not in _SHAPES:
        raise ConfigError(f"{unit.formula}: units of {unit.count} ligands cannot be placed, only of 1, 2, 3, 4 or 6")
    directions, length = _SHAPES[unit.count]
    return np.asarray(unit.bond / length * directions)


def _place_polyanion(
    shape: Floats,
    free: list[Floats],
    no_polyanion: list[Floats],
    placed: "_Placed",
    tries: int,
    rng: np.random.Generator,
) -> bool:
    """Put a polyanion on the first free point that takes one; whether there is such a point.

    Points leave `free` as they are tried, because ions only come; those with room for a cation go to `no_polyanion`.
    """
    anion = np.arange(1 + len(shape)) > 0
    while free:
        point = free.pop()
        if not placed.fits(point[None], anion[:1]):
            continue
        for turn in Rotation.random(tries, random_state=rng).as_matrix():
            sites = point + np.vstack([np.zeros(3), shape @ turn])
            if placed.fits(sites, anion):
                placed.add(sites, anion)
                return True
        no_polyanion.append(point)
    return False


def _place_cation(label: str, free: list[Floats], placed: "_Placed") -> list[str]:
    """Put a cation on the first free point where it fits; return its label, none where no point does."""
    while free:
        point = free.pop()[None]
        if placed.fits(point, np.array([False])):
            placed.add(point, np.array([False]))
            return [label]
    return []


def _grid(grain: Atoms, gap: tuple[float, float], wanted: float) -> Floats:
    """Return the points of a nearly cubic grid in the gap, at least `wanted` of them, ``shape=(n, 3)``."""
    lengths = np.array([grain.cell[0, 0], grain.cell[1, 1], gap[1] - gap[0]])
    spacing = (lengths.prod() / wanted) ** (1 / 3)
    numbers = np.ceil(lengths / spacing).astype(int)
    axes = [(np.arange(n) + 0.5) * length / n for n, length in zip(numbers, lengths, strict=True)]
    points: Floats = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points[:, 2] += gap[0]
    return points


class _Placed:
    """The ions there are, and whether more fit between them; periodic in an orthogonal cell."""

    def __init__(self, grain: Atoms, anion: str) -> None:
        self._lengths = grain.cell.lengths()
        self._sites = [np.array(grain.positions)]
        self._anion = [np.array(labels_of(grain)) == anion]
        self._rebuild()

    @property
    def positions(self) -> Floats:
        """All ions in the order they came [Å], ``shape=(n, 3)``."""
        return np.concatenate(self._sites)

    def add(self, sites: Floats, anion: NDArray[np.bool_]) -> None:
        """Add ions."""
        self._sites.append(sites)
        self._anion.append(anion)
        if sum(map(len, self._sites[self._in_tree :])) > 300:  # a short list beside the tree is cheap to search
            self._rebuild()

    def fits(self, sites: Floats, anion: NDArray[np.bool_]) -> bool:
        """Whether no ion there is nearer to one of the sites than a start may have it."""
        reach = max(CATION_CATION, ANION_ANION, CATION_ANION)
        for site, is_anion in zip(sites, anion, strict=True):
            near = self._tree.query_ball_point(site % self._lengths, reach)
            others = np.concatenate([self._tree_sites[near], *self._sites[self._in_tree :]])
            kinds = np.concatenate([self._tree_anion[near], *self._anion[self._in_tree :]])
            gap = others - site
            gap -= np.round(gap / self._lengths) * self._lengths
            limits = np.where(kinds == is_anion, ANION_ANION if is_anion else CATION_CATION, CATION_ANION)
            if ((gap**2).sum(axis=1) < limits**2).any():
                return False
        return True

    def _rebuild(self) -> None:
        self._in_tree = len(self._sites)
        self._tree_sites = self.positions
        self._tree_anion = np.concatenate(self._anion)
        wrapped = self._tree_sites % self._lengths
        self._tree = cKDTree(np.where(wrapped >= self._lengths, 0.0, wrapped), boxsize=self._lengths)
