"""Arrangements of the mobile ions that balance an exchange between two places of unlike charge.

A dopant of formal charge z that takes the site of an ion of charge z_h leaves z - z_h there, and z_h - z where it came
from. The lowest states have mobile ions moved from where there is too much charge to where there is too little. A
relaxation goes only downhill and moves them by a site at most, so some of them are moved before it: from the ions
nearest to the one place to the largest voids near the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from dopantfit.boundary.build.amorphous import CATION_ANION
from dopantfit.boundary.dope.voids import SMALLEST_ROOM
from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.structures.cells import CATION_CATION

#: Voids are looked for within this of a site [Å]: Li stands 2.9 Å from Ti and Al in the crystal, the next site 4.4.
REACH = 5.0
#: Spacing of the grid of voids [Å], and distance within which two points are one void.
_SPACING, _SAME = 0.4, 1.4


@dataclass(frozen=True)
class Move:
    """An ion and where it is put [Å]."""

    ion: int
    place: tuple[float, float, float]


@dataclass(frozen=True)
class Surroundings:
    """What arrangements are made in: positions (n, 3) [Å], which ions are anions and which mobile (n,), the cell."""

    positions: Floats
    anions: Flags
    mobile: Flags
    cell: Floats

    def away(self, points: Floats, centre: Floats) -> Floats:
        """Distances to a point [Å], nearest images, of points (m, 3)."""
        fractions = (points - centre) @ np.linalg.inv(self.cell)
        return np.asarray(np.linalg.norm((fractions - np.round(fractions)) @ self.cell, axis=1))


def moves_of(around: Surroundings, donor: int, taker: int, count: int, variant: int) -> list[Move] | None:
    """Move `count` mobile ions from near one site to near another, or none where there is no room or no ion.

    donor, taker: ions on the two sites. variant: 0 takes the nearest ions and the largest voids, every further one the
    next of both.
    """
    givers = _givers(around, donor, taker)[variant : variant + count]
    if len(givers) < count:
        return None
    places = _voids(around, taker, givers, count, variant)
    if places is None:
        return None
    return [Move(int(ion), (float(x), float(y), float(z))) for ion, (x, y, z) in zip(givers, places, strict=True)]


def _givers(around: Surroundings, donor: int, taker: int) -> Integers:
    """Mobile ions that are nearer to the donor than to the taker, nearest first; neither of the two."""
    mobile = np.flatnonzero(around.mobile)
    mobile = mobile[(mobile != donor) & (mobile != taker)]
    there, here = (around.away(around.positions[mobile], around.positions[one]) for one in (donor, taker))
    mobile, there = mobile[there < here], there[there < here]
    return np.asarray(mobile[np.argsort(there, kind="stable")])


def _voids(around: Surroundings, taker: int, gone: Integers, count: int, variant: int) -> Floats | None:
    """The largest voids around a site but for the first ones, ``shape=(count, 3)`` [Å]; None where there are less."""
    centre = around.positions[taker]
    points = centre + _ball()
    stays = np.ones(len(around.positions), np.bool_)
    stays[gone] = False
    room = np.minimum(
        _distances(around, points, stays & ~around.anions) / CATION_CATION,
        _distances(around, points, stays & around.anions) / CATION_ANION,
    )
    found: list[Floats] = []
    for rank in range(variant + count):
        best = int(room.argmax())
        if room[best] < SMALLEST_ROOM:
            return None
        near = np.linalg.norm(points - points[best], axis=1)
        if rank >= variant:
            found.append(points[best])
            room = np.minimum(room, near / CATION_CATION)
        # One that is passed over is one void, not many points.
        room[near < _SAME] = 0.0
    return np.array(found)


def _ball() -> Floats:
    axis = np.arange(-REACH, REACH + 0.5 * _SPACING, _SPACING)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(points[np.linalg.norm(points, axis=1) <= REACH])


def _distances(around: Surroundings, points: Floats, chosen: Flags) -> Floats:
    """Distance of points near each other to the nearest of some ions [Å], ``shape=(m,)``."""
    centre, positions = points.mean(axis=0), around.positions[chosen]
    fractions = (positions - centre) @ np.linalg.inv(around.cell)
    near = centre + (fractions - np.round(fractions)) @ around.cell
    # A small cell holds several images of an ion near the same place.
    shifts = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]) @ around.cell
    images = (near[:, None, :] + shifts).reshape(-1, 3)
    images = images[np.linalg.norm(images - centre, axis=1) < 2.0 * REACH]
    if not len(images):
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(images).query(points)[0])


def arrangement(around: Surroundings, reference: int, site: int, excess: int, number: int) -> Sequence[Move] | None:
    """Moves of arrangement `number` of an exchange between the dopant at `reference` and the ion at `site`.

    excess: charge of the site's ion less that of the dopant, in charges of the mobile ion, rounded towards zero:
    positive where the site's surroundings want more mobile ions. Arrangement 0 moves none; 1, 2, ... move all, then one
    less, ..., and then again, from other ions to other voids. None where it cannot be made.
    """
    if number == 0:
        return []
    if excess == 0:
        return None
    most = abs(excess)
    count, variant = most - (number - 1) % most, (number - 1) // most
    donor, taker = (reference, site) if excess > 0 else (site, reference)
    return moves_of(around, donor, taker, count, variant)
