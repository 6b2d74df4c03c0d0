"""Ions that are told where to sit are found there."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.transport import Trajectory, site_occupancy
from dopantfit.transport.occupancy import BETWEEN

CELL = np.array([[9.0, 0.0, 0.0], [3.0, 9.0, 0.0], [0.0, 2.0, 10.0]])
SITES = np.array([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5]])


def visiting(paths, rng, drift=0.0):
    """Ions at the sites they visit frame by frame; half-way to the next site where told BETWEEN."""
    frames = np.array(paths).T
    fractions = SITES[np.maximum(frames, 0)]
    fractions[frames == BETWEEN] = np.array([0.25, 0.0, 0.0])
    positions = fractions @ CELL + rng.normal(0, 0.05, fractions.shape)
    still = np.ones((len(positions), 1, 3))
    positions = np.concatenate([positions, still], axis=1)
    shift = drift * np.arange(len(positions))[:, None, None] * np.array([0.3, -0.2, 0.1])
    labels = ["Li"] * frames.shape[1] + ["Ti"]
    # float64 positions; images in other cells are made by the drift.
    return Trajectory.from_arrays(positions + shift, labels, CELL * 1.0, 0.5)


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_occupancy_and_jumps_of_known_paths(rng, drift):
    paths = [[0, 0, 0, 0, BETWEEN, 1, 1, 1], [3, 3, 2, 2, 2, 3, 3, 3], [1, BETWEEN, 1, 1, BETWEEN, BETWEEN, 1, 1]]
    found = site_occupancy(visiting(paths, rng, drift), "Li", SITES)
    np.testing.assert_array_equal(found.assignment.T, paths)
    np.testing.assert_allclose(found.occupancy, np.array([4, 3 + 5, 3, 5]) / 8)
    assert found.between == pytest.approx(4 / 24)
    # Leaving a site and coming back is no jump.
    np.testing.assert_array_equal(found.jumps, [[2, 1, 3, 2], [5, 0, 0, 1], [5, 1, 2, 3]])
    # Three ions for seven intervals of 0.5 ps.
    assert found.jump_rate.value == pytest.approx(3 / 10.5)
    assert found.jump_rate.error == pytest.approx(3**0.5 / 10.5)


def test_no_jump_leaves_a_bound(rng):
    found = site_occupancy(visiting([[0] * 9, [2] * 9], rng), "Li", SITES)
    assert found.jumps.shape == (0, 4)
    # Rule of three: ln 20 events in 2 × 4 ps.
    assert found.jump_rate.high == pytest.approx(np.log(20.0) / 8.0, rel=1e-9)


def test_rates_of_random_jumps_are_covered():
    inside = 0
    for trial in range(100):
        rng = np.random.default_rng([4, trial])
        # Between two sites only, so that every event is a jump.
        parity = np.cumsum(rng.random((200, 5)) < 0.01, axis=0) % 2
        rate = site_occupancy(visiting(parity.T, rng), "Li", SITES).jump_rate
        inside += rate.low <= 0.01 / 0.5 <= rate.high
    # 95 % at least (exact Poisson intervals are wide), less twice the binomial error of 100.
    assert inside >= 91


def test_sites_that_cannot_be_are_refused(rng):
    trajectory = visiting([[0, 0, 0]], rng)
    with pytest.raises(ConfigError, match=r"4\.50 Å apart.*radius below 2\.25 Å"):
        site_occupancy(trajectory, "Li", SITES, radius=2.5)
    with pytest.raises(ConfigError, match=r"expected \(n_sites, 3\)"):
        site_occupancy(trajectory, "Li", SITES[:, :2])
    with pytest.raises(ConfigError, match="must be positive"):
        site_occupancy(trajectory, "Li", SITES, radius=0.0)
