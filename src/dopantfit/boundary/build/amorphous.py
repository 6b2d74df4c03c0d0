"""Cations and whole PO4 units at random on a sparse grid between the grains, no two ions nearer than a start may be."""

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

Floats = NDArray[np.float64]

#: P-O bond of a phosphate unit [Å].
PHOSPHATE_BOND = 1.53
#: Least distance of a cation and an O of another unit [Å]: below Al-O 1.75, above every cation-O repulsion wall.
CATION_ANION = 1.7

_TETRAHEDRON = PHOSPHATE_BOND / np.sqrt(3.0) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)


def place(
    grain: Atoms,
    gap: tuple[float, float],
    counts: Mapping[str, int],
    settings: Amorphous,
    rng: np.random.Generator,
) -> tuple[list[str], Floats]:
    """Return labels and positions [Å] of the ions that fill the gap of an orthogonal cell.

    gap: its two ends along z [Å]. counts: of P, each with its four O, and of every cation.
    Raises ConfigError when a unit finds no place.
    """
    n_units = sum(counts.values())
    points = _grid(grain, gap, n_units * settings.points_per_unit)
    placed = _Placed(grain)
    free = [points[i] for i in rng.permutation(len(points))]
    cations = [label for label, count in sorted(counts.items()) if label != "P" for _ in range(count)]
    # Phosphates first: they need the room; cations go anywhere between them.
    no_phosphate: list[Floats] = []
    labels: list[str] = []
    for _ in range(counts["P"]):
        labels += _place_phosphate(free, no_phosphate, placed, settings.orientations, rng)
    free += no_phosphate
    for label in cations:
        labels += _place_cation(label, free, placed)
    if len(labels) < n_units + 4 * counts["P"]:
        lost = n_units - (len(labels) - 4 * labels.count("P"))
        raise ConfigError(
            f"amorphous: {lost} of {n_units} units find no place in a gap of {gap[1] - gap[0]:.2f} Å, the gap is too "
            f"thin; raise placed_volume_per_atom ({settings.placed_volume_per_atom!r}) or points_per_unit "
            f"({settings.points_per_unit!r})"
        )
    return labels, placed.positions[len(grain) :]


def _place_phosphate(
    free: list[Floats], no_phosphate: list[Floats], placed: "_Placed", tries: int, rng: np.random.Generator
) -> list[str]:
    """Put a PO4 on the first free point that takes one; return its labels, none where no point does.

    Points leave `free` as they are tried, because ions only come; those with room for a cation go to `no_phosphate`.
    """
    anion = np.arange(5) > 0
    while free:
        point = free.pop()
        if not placed.fits(point[None], anion[:1]):
            continue
        for turn in Rotation.random(tries, random_state=rng).as_matrix():
            sites = point + np.vstack([np.zeros(3), _TETRAHEDRON @ turn])
            if placed.fits(sites, anion):
                placed.add(sites, anion)
                return ["P", "O", "O", "O", "O"]
        no_phosphate.append(point)
    return []


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


def _place_one(
    unit: str, points: Floats, free: list[int], tries: int, placed: "_Placed", rng: np.random.Generator
) -> bool:
    """Put a unit on the first free point where it fits; points that no unit can take any more leave `free`."""
    at = 0
    while at < len(free):
        point = points[free[at]]
        if not placed.fits(point[None], np.array([False])):
            del free[at]  # ions only come, so that it never fits again
            continue
        shapes = [np.zeros((1, 3))]
        if unit == "P":
            turns = Rotation.random(tries, random_state=rng).as_matrix()
            shapes = [np.vstack([np.zeros(3), _TETRAHEDRON @ turn]) for turn in turns]
        for shape in shapes:
            anion = np.arange(len(shape)) > 0
            if placed.fits(point + shape, anion):
                placed.add(point + shape, anion)
                del free[at]
                return True
        at += 1
    return False


class _Placed:
    """The ions there are, and whether more fit between them; periodic in an orthogonal cell."""

    def __init__(self, grain: Atoms) -> None:
        self._lengths = grain.cell.lengths()
        self._sites = [np.array(grain.positions)]
        self._anion = [np.array(labels_of(grain)) == "O"]
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
