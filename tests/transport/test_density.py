"""Densities hold the ions there are, and surfaces lie where they must."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.transport import Density, Trajectory, density_difference, density_of, isosurface

OBLIQUE = np.array([[6.0, 0.0, 0.0], [2.0, 7.0, 0.0], [-1.0, 1.5, 8.0]])


def trajectory_of(positions, cell=OBLIQUE):
    """Li that stand where they are told, and a framework at rest."""
    still = np.zeros((len(positions), 1, 3))
    labels = ["Li"] * positions.shape[1] + ["Ti"]
    # Positions of an ideal gas jump; a density has no use for a way between frames.
    return Trajectory.from_arrays(np.concatenate([positions, still], axis=1), labels, cell, 1.0)


def test_integral_is_the_number_of_ions(rng):
    positions = rng.normal(0, 0.3, (50, 5, 3)) + rng.uniform(-20, 20, (5, 3))
    density = density_of(trajectory_of(positions), "Li", spacing=0.5)
    # A sum of counts: rounding of float64.
    assert density.values.sum() * density.voxel_volume == pytest.approx(5.0, rel=1e-12)
    assert density.smoothed(0.4).values.sum() * density.voxel_volume == pytest.approx(5.0, rel=1e-9)


def test_an_ion_is_in_the_voxel_it_is_in():
    fractions = np.array([[0.05, 0.55, 0.95]]) + np.array([[3.0, -2.0, 0.0]])
    positions = np.repeat((fractions @ OBLIQUE)[None], 8, axis=0)
    density = density_of(trajectory_of(positions), "Li", shape=(10, 10, 10))
    assert density.values[0, 5, 9] == pytest.approx(1.0 / density.voxel_volume, rel=1e-12)
    assert np.count_nonzero(density.values) == 1
    assert density.error.max() == 0.0


def test_a_drift_of_everything_does_not_smear(rng):
    positions = np.repeat((np.array([[0.25, 0.55, 0.95]]) @ OBLIQUE)[None], 40, axis=0)
    still = trajectory_of(positions)
    drift = np.cumsum(rng.normal(0, 0.5, (40, 1, 3)), axis=0)
    drift -= drift[0]
    moving = Trajectory.from_arrays(still.positions + drift, still.species, OBLIQUE, 1.0)
    np.testing.assert_allclose(
        density_of(moving, "Li", shape=(5, 5, 5)).values, density_of(still, "Li", shape=(5, 5, 5)).values
    )


def test_error_is_that_of_the_mean(rng):
    # Ions that stay for a moment somewhere else: 400 frames, each a new draw in a box so large that it is no jump.
    positions = rng.uniform(0.0, 0.45, (400, 50, 3)) * 10.0
    density = density_of(trajectory_of(positions, np.eye(3) * 10.0), "Li", shape=(2, 2, 2))
    assert density.values[0, 0, 0] == pytest.approx(50 / 125.0)
    wide = density_of(trajectory_of(positions, np.eye(3) * 10.0), "Li", shape=(10, 10, 10))
    inside = wide.values[:4, :4, :4]
    # Poisson: 400 × 50 / 4.5³ counts per voxel of 1 Å³; four blocks give its error to 40 %, 64 voxels to 6 %.
    counts = 400 * 50 / 4.5**3
    assert wide.error[:4, :4, :4].mean() == pytest.approx(np.sqrt(counts) / 400, rel=0.2)
    assert inside.std() == pytest.approx(np.sqrt(counts) / 400, rel=0.3)


def test_smoothing_is_isotropic_in_an_oblique_cell():
    shape = (48, 48, 48)
    values = np.zeros(shape)
    values[0, 0, 0] = 1.0
    density = Density("Li", values, np.zeros(shape), OBLIQUE * 2.0)
    width = 0.8
    smooth = density.smoothed(width).values
    for index in ((5, 0, 0), (0, 5, 0), (0, 0, 5), (4, 46, 3)):
        fractions = (np.array(index) + 24) % 48 - 24
        distance = np.linalg.norm(fractions / 48 @ density.cell)
        expected = np.exp(-0.5 * (distance / width) ** 2) * density.voxel_volume / (2 * np.pi * width**2) ** 1.5
        # Periodic images are 12 Å away, and the grid is fine: exact to rounding of the largest value.
        assert smooth[index] == pytest.approx(expected, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("centre", [(0.5, 0.5, 0.5), (0.2, 0.7, 0.4)])
def test_an_isosurface_of_a_gaussian_is_a_sphere(centre):
    n, cell = 60, np.array([[9.0, 0.0, 0.0], [1.5, 9.0, 0.0], [0.0, 1.0, 9.5]])
    fractions = (np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1) + 0.5) / n - centre
    fractions -= np.round(fractions)
    radius = np.linalg.norm(fractions @ cell, axis=-1)
    surface = isosurface(Density("Li", np.exp(-(radius**2)), np.zeros_like(radius), cell), float(np.exp(-(1.5**2))))
    middle = np.array(centre) @ cell
    # Voxels of 0.15 Å; linear interpolation of a curved function.
    np.testing.assert_allclose(np.linalg.norm(surface.vertices - middle, axis=1), 1.5, atol=0.01)
    assert surface.area == pytest.approx(4 * np.pi * 1.5**2, rel=0.02)


def test_difference_of_two_densities(rng):
    positions = rng.normal(0, 0.3, (50, 5, 3))
    one = density_of(trajectory_of(positions), "Li", shape=(6, 6, 6))
    other = density_of(trajectory_of(positions[:, :4]), "Li", shape=(6, 6, 6))
    assert np.abs(density_difference(one, one).values).max() == 0.0
    difference = density_difference(one, other)
    assert difference.values.sum() * difference.voxel_volume == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(difference.error, np.hypot(one.error, other.error))


def test_what_does_not_compare_is_refused(rng):
    trajectory = trajectory_of(rng.normal(0, 0.3, (50, 5, 3)))
    one = density_of(trajectory, "Li", shape=(6, 6, 6))
    with pytest.raises(ConfigError, match="same `shape`"):
        density_difference(one, density_of(trajectory, "Li", shape=(6, 6, 5)))
    with pytest.raises(ConfigError, match="more than 5 %"):
        density_difference(one, Density("Li", one.values, one.error, one.cell * 1.1))
    with pytest.raises(ConfigError, match="lies outside the densities"):
        isosurface(one, 1e6)
    with pytest.raises(ConfigError, match="must be positive"):
        density_of(trajectory, "Li", spacing=0.0)
    with pytest.raises(ConfigError, match="three positive numbers"):
        density_of(trajectory, "Li", shape=(0, 3, 3))
    with pytest.raises(ConfigError, match="no ion of species"):
        density_of(trajectory, "Mg")


@pytest.mark.parametrize("width", [1e300, 1e3, float("nan"), float("inf"), -0.1])
def test_a_gaussian_wider_than_the_cell_is_refused(width, rng):
    trajectory = Trajectory.from_arrays(rng.random((8, 3, 3)), ["Li", "Li", "O"], np.eye(3) * 9, 1.0)
    found = density_of(trajectory, "Li", 1.0)
    with pytest.raises(ConfigError, match="the length of the cell, 9 Å"):
        found.smoothed(width)
    # What a Gaussian of the length of the cell leaves is a constant.
    np.testing.assert_allclose(found.smoothed(9.0).values, 2 / 9**3, rtol=1e-6)


@pytest.mark.parametrize("spacing", [1e-300, 1e-3, 0.0, float("nan")])
def test_a_grid_that_does_not_fit_into_memory_is_refused(spacing, rng):
    trajectory = Trajectory.from_arrays(rng.random((8, 1, 3)), ["Li"], np.eye(3) * 9, 1.0)
    with pytest.raises(ConfigError, match="spacing"):
        density_of(trajectory, "Li", spacing)
