"""The Li density around a dopant, over all runs of the doped and the undoped crystal."""

import numpy as np
import pytest

from dopantfit.study.mobile_density import changes_around, densities, mean_density
from dopantfit.transport.trajectory import Trajectory

PLACE = np.array([6.0, 6.0, 6.0])


def run(near, seed):
    """A run of 40 frames in which `near` of 20 Li stay within 2.5 Å of the dopant; the others are anywhere beyond."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(20, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    distance = np.where(np.arange(20) < near, 0.5, 5.5)
    li = PLACE + distance[:, None] * directions
    frames = [np.vstack([li + 0.1 * rng.normal(size=(20, 3)), np.zeros((1, 3)), PLACE]) for _ in range(40)]
    return Trajectory.from_arrays(np.array(frames), ("Li",) * 20 + ("O", "Mg on Ti"), 12.0 * np.eye(3), 0.05)


def innermost(doped, reference):
    there, before = densities([run(*one) for one in doped], [run(*one) for one in reference], "Li")
    return changes_around([PLACE] * len(there), there, before)[0]


def test_every_run_counts():
    # Gaussians of 0.6 Å at 0.5 Å from the middle stay within 2.5 Å, a shell of 65.4 Å³; voxels are 0.4 Å wide.
    low, high, change, _ = innermost([(4, 1), (8, 2)], [(2, 3), (2, 4)])
    alone = [innermost([one], [(2, 3), (2, 4)])[2] for one in ((4, 1), (8, 2))]
    assert (low, high) == (0.0, 2.5)
    assert change == pytest.approx(np.mean(alone))
    assert change == pytest.approx((6 - 2) / 65.4, rel=0.15)


def test_the_error_includes_the_spread_between_runs():
    alike = innermost([(6, 1), (6, 2)], [(2, 3), (2, 4)])[3]
    apart = innermost([(4, 1), (8, 2)], [(2, 3), (2, 4)])[3]
    # Two runs 4 Li apart: a standard error of 2 Li per shell; Student's interval of 2 + 2 runs is 4.30/1.96 as wide.
    assert apart == pytest.approx(2 / 65.4 * 4.303 / 1.96, rel=0.15)
    assert alike < 0.2 * apart


def test_a_spread_of_the_reference_counts_too():
    assert innermost([(6, 1), (6, 2)], [(2, 3), (6, 4)])[3] == pytest.approx(2 / 65.4 * 4.303 / 1.96, rel=0.15)


def test_one_run_of_each_has_the_error_of_its_voxels_alone():
    assert 0.0 < innermost([(6, 1)], [(2, 3)])[3] < 1 / 65.4


def test_the_mean_of_two_runs_keeps_the_number_of_ions():
    there, _ = densities([run(4, 1), run(8, 2)], [run(2, 3)], "Li")
    mean = mean_density(there)
    assert mean.values.sum() * mean.voxel_volume == pytest.approx(20.0)
