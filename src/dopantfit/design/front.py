"""Pareto fronts of two objectives that are both to be large, and what a point adds to one.

A point is dominated by another that is at least as large in both and larger in one. The hypervolume of a front is the
area that its points dominate, down to a reference point (Zitzler & Thiele, IEEE Trans. Evol. Comput. 3, 257 (1999)).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats: TypeAlias = NDArray[np.float64]
#: In place of an end at infinity; objectives are logarithms.
_NO_END = 1e6


def front_of(points: Floats) -> list[int]:
    """Numbers of the points that no other dominates, in their order. points: ``shape=(n, 2)``."""
    different, place = np.unique(points, axis=0, return_inverse=True)
    # From the largest of the first objective on, a point is on the front where the second one is a record.
    second = different[::-1, 1]
    records = second > np.concatenate([[-np.inf], np.maximum.accumulate(second)[:-1]])
    return [int(number) for number in np.flatnonzero(records[::-1][place.ravel()])]


def steps(points: Floats, reference: Floats) -> tuple[Floats, Floats, Floats]:
    """The boundary of what is dominated, as steps: low and high end along the first axis, and height on the second.

    They cover the first axis from the reference on, the last without end; ``shape=(n_steps,)``.
    """
    inside = points[(points > reference).all(axis=1)]
    front = inside[front_of(inside)] if len(inside) else inside
    front = np.unique(front, axis=0)
    ends = np.concatenate([[reference[0]], front[:, 0]])
    heights = np.concatenate([front[:, 1], [reference[1]]])
    return ends, np.concatenate([ends[1:], [np.inf]]), heights


def hypervolume(points: Floats, reference: Floats) -> float:
    """Area between the reference and the front of the points, ``shape=(n, 2)``; points below the reference add none."""
    low, high, heights = steps(points, reference)
    return float(((high[:-1] - low[:-1]) * (heights[:-1] - reference[1])).sum())


def expected_gain(means: Floats, errors: Floats, points: Floats, reference: Floats) -> Floats:
    """Hypervolume that new points are expected to add to that of others, ``shape=(n,)``.

    means, errors: of the new points, normal and independent, ``shape=(n, 2)``. Exact: over a step of the front the gain
    is a product of one factor for each axis, and so is its expectation (Emmerich, Deutz & Klinkenberg, IEEE CEC 2147
    (2011)).
    """
    low, high, heights = steps(points, reference)
    wide = _excess(means[:, :1], errors[:, :1], low[None, :]) - _excess(means[:, :1], errors[:, :1], high[None, :])
    return np.asarray((wide * _excess(means[:, 1:], errors[:, 1:], heights[None, :])).sum(axis=1))


def _excess(mean: Floats, error: Floats, limit: Floats) -> Floats:
    """Expected part of a normal quantity above a limit, E[max(0, x - limit)]."""
    above = mean - np.minimum(limit, _NO_END)
    z = np.clip(above / np.maximum(error, 1e-12), -40.0, 40.0)
    return np.asarray(above * ndtr(z) + error * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi))
