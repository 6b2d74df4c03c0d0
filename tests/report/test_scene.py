import base64

import numpy as np

from dopantfit.report.scene import _surface as surface
from dopantfit.report.scene import enclosing, ions_scene, smoothed, thinned
from dopantfit.report.style import Palette
from dopantfit.structures import load_host


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_positions_survive_to_within_their_sixteen_bits(make_ions):
    atoms = make_ions(60)
    scene = ions_scene(atoms, Palette(load_host(), "Mg"))
    at = unpacked(scene["at"], "<u2").reshape(-1, 3) / 65535 @ np.array(scene["cell"])
    # Half a step of 28 Å / 65535 along each axis.
    assert np.abs(at - atoms.positions).max() < 28.0 / 65535
    names = [scene["kinds"][k]["name"] for k in unpacked(scene["kind"], np.uint8)]
    assert names == atoms.get_chemical_symbols()
    assert scene["kinds"][-1]["name"] == "Mg" and scene["kinds"][-1]["count"] == 10


def test_the_surface_encloses_the_part_that_it_says():
    grid = np.random.default_rng(1).random((10, 11, 12))
    level = enclosing(grid, 0.8)
    # The voxel at the level itself is 1/1320 of the whole, give or take.
    assert abs(grid[grid >= level].sum() / grid.sum() - 0.8) < 2e-3


def test_smoothing_and_thinning_keep_the_mean():
    grid = np.random.default_rng(1).random((90, 88, 60))
    cell = np.diag([36.0, 36.0, 24.0])
    # Gaussian weights add up to one; thinning samples a blurred grid, so that its mean is kept to sampling error.
    assert abs(smoothed(grid, cell, 0.6).mean() - grid.mean()) < 1e-12
    small = thinned(grid)
    assert max(small.shape) <= 45 and abs(small.mean() - grid.mean()) < 2e-3


def test_an_isosurface_of_a_ball_has_its_radius_and_its_place():
    n, cell = 30, 12.0
    x = (np.indices((n, n, n)) + 0.5) * cell / n - 5.0
    ball = -np.sqrt((x**2).sum(axis=0))
    found = surface("ball", ball, -3.0, "#000000", 1.0)
    corners = unpacked(found["at"], "<u2").reshape(-1, 3) / 65535 * found["longest"] * cell
    radius = np.linalg.norm(corners - 5.0, axis=1)
    # Linear interpolation between voxels of 0.4 Å on a sphere of 3 Å is off by at most h²/8r = 0.007 Å.
    assert np.abs(radius - 3.0).max() < 0.01
    assert unpacked(found["faces"], "<u4").max() < len(corners)


def test_a_level_that_is_not_reached_has_no_surface():
    assert surface("none", np.ones((4, 4, 4)), 2.0, "#000000", 1.0) is None
