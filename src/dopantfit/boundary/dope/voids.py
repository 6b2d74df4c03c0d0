"""Where an extra ion has the most room: the largest empty sphere, again and again."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dopantfit.boundary.build.amorphous import CATION_ANION
from dopantfit.boundary.profile.domains import Span
from dopantfit.errors import ConfigError
from dopantfit.structures.cells import CATION_CATION

Floats = NDArray[np.float64]

#: Spacing of the grid [Å]; the best point is then searched on one ten times finer.
_SPACING = 0.4
#: A void with less than this part of the least distances is none: a cation would start within 1.4 Å of an anion.
SMALLEST_ROOM = 0.82


def largest_voids(atoms: Atoms, anions: NDArray[np.bool_], domain: Span, count: int) -> tuple[Floats, Floats]:
    """Return the sites [Å] of `count` extra cations, ``shape=(count, 3)``, and the room of each, ``shape=(count,)``.

    The room of a point is its distance to the nearest ion, in units of the least distance a start may have from it
    (CATION_ANION, CATION_CATION): the radius of the largest sphere that is empty of ions of those two sizes. The
    points with the most room are taken one after the other, each an ion for those that follow. Orthogonal cells.
    Raises ConfigError when no point of the domain has room for all of them.
    """
    lengths = atoms.cell.lengths()
    points = _grid(lengths, domain)
    cations, others = (_tree(atoms.positions[kind], lengths) for kind in (~anions, anions))
    room = np.minimum(cations.query(points)[0] / CATION_CATION, others.query(points)[0] / CATION_ANION)
    tree = _tree(points, lengths)
    sites, rooms = np.empty((count, 3)), np.empty(count)
    for number in range(count):
        best = points[int(room.argmax())]
        sites[number], rooms[number] = _refined(best, cations, others, sites[:number], domain)
        if rooms[number] < SMALLEST_ROOM:
            raise ConfigError(
                f"{count} extra ions have no room in the amorphous domain: the void for number {number + 1} is "
                f"{rooms[number]:.2f} of the least distances, expected {SMALLEST_ROOM}; dope less"
            )
        near = tree.query_ball_point(sites[number] % lengths, CATION_CATION * room.max())
        room[near] = np.minimum(room[near], _distances(points[near], sites[number], lengths) / CATION_CATION)
    return sites, rooms


def _refined(best: Floats, cations: cKDTree, others: cKDTree, extra: Floats, domain: Span) -> tuple[Floats, float]:
    """Search around a grid point inside the domain; return the best site and its room."""
    lengths = cations.boxsize
    offsets = np.linspace(-0.5, 0.5, 11) * _SPACING
    around = best + np.stack(np.meshgrid(offsets, offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 3)
    around = around[domain.contains(around[:, 2])]
    wrapped = _wrapped(around, lengths)
    room = np.minimum(cations.query(wrapped)[0] / CATION_CATION, others.query(wrapped)[0] / CATION_ANION)
    for site in extra:
        room = np.minimum(room, _distances(around, site, lengths) / CATION_CATION)
    at = int(room.argmax())
    return around[at], float(room[at])


def _grid(lengths: Floats, domain: Span) -> Floats:
    spans = np.array([lengths[0], lengths[1], domain.width])
    axes = [
        (np.arange(n) + 0.5) / n * span for n, span in zip(np.ceil(spans / _SPACING).astype(int), spans, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points[:, 2] += domain.low
    return _wrapped(points, lengths)


def _wrapped(points: Floats, lengths: Floats) -> Floats:
    inside = points % lengths
    return np.asarray(np.where(inside >= lengths, 0.0, inside))


def _tree(points: Floats, lengths: Floats) -> cKDTree:
    return cKDTree(_wrapped(points, lengths), boxsize=lengths)


def _distances(points: Floats, site: Floats, lengths: Floats) -> Floats:
    gap = points - site
    gap -= np.round(gap / lengths) * lengths
    return np.asarray(np.linalg.norm(gap, axis=-1))
