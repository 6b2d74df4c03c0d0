"""Pairs of near frames: those that comparing every two frames finds, in less than the time that takes."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dopantfit.reference.similarity import near_pairs, rms_displacement


def cloud(rng: np.random.Generator, n_ions: int, limit: float) -> list[Atoms]:
    """Frames in a skewed cell, near each other and not, with every difference that a distance ignores."""
    base = bulk("MgO", "rocksalt", a=4.25, cubic=True)[:n_ions]
    base.set_cell(rng.normal(scale=2.0, size=(3, 3)) + 5 * np.eye(3))
    frames: list[Atoms] = []
    for k in range(24):
        frame = frames[-1].copy() if k % 3 else base.copy()
        frame.positions += rng.normal(scale=limit * rng.choice([0.2, 0.6, 1.0]), size=(n_ions, 3))
        frame.positions += 3 * rng.normal(size=3) + rng.integers(-2, 3, size=(n_ions, 3)) @ frame.cell.array
        frame.set_cell(frame.cell.array @ (np.eye(3) + rng.normal(scale=0.1 * limit, size=(3, 3))), scale_atoms=True)
        frames.append(frame)
    return frames


@pytest.mark.parametrize("limit", [1e-3, 0.03, 0.3, 1.5])
@pytest.mark.parametrize("n_ions", [1, 2, 8])
def test_no_near_pair_is_missed_and_none_is_made_up(n_ions: int, limit: float) -> None:
    for seed in range(4):
        frames = cloud(np.random.default_rng([seed, n_ions]), n_ions, limit)
        every = [(i, j, rms_displacement(frames[i], frames[j])) for j in range(24) for i in range(j)]
        wanted = sorted((i, j) for i, j, distance in every if distance < limit)
        found = near_pairs(frames, limit)
        assert sorted((i, j) for i, j, _ in found) == wanted, f"seed {seed}"
        for i, j, distance in found:
            assert distance == pytest.approx(rms_displacement(frames[i], frames[j]), rel=1e-9)
        across = near_pairs(frames, limit, [k % 2 == 0 for k in range(24)])
        assert sorted((i, j) for i, j, _ in across) == [(i, j) for i, j in wanted if (i - j) % 2]
