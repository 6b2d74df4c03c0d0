import numpy as np
import pytest

from dopantfit.energy.neighbours import find_neighbours, neighbour_runs


def _brute_force(positions, cell, cutoff, reach=6):
    """Sorted distances around every ion, from all images within ``reach`` cells."""
    grid = np.arange(-reach, reach + 1)
    shifts = np.array(np.meshgrid(grid, grid, grid)).reshape(3, -1).T @ cell
    around = []
    for i in range(len(positions)):
        d = np.linalg.norm(positions[None] + shifts[:, None] - positions[i], axis=2)
        around.append(np.sort(d[(d < cutoff) & (d > 1e-12)]))
    return around


CELLS = {
    "cubic": np.eye(3) * 5.0,
    "smaller than the cutoff": np.diag([2.5, 3.0, 2.8]),
    "strongly triclinic": np.array([[4.0, 0, 0], [3.1, 3.5, 0], [-2.6, 2.4, 4.2]]),
    "left-handed": np.array([[0, 4.0, 0], [4.5, 0, 0], [0.5, 0, 5.0]]),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("cutoff", [3.1, 7.4])
def test_runs_hold_every_neighbour_of_the_right_species_once(cell, cutoff, rng):
    positions = rng.random((6, 3)) @ cell
    species = np.array([0, 1, 0, 2, 1, 0])
    near = find_neighbours(positions, cell, cutoff)
    ghosts, runs = near.ghosts, neighbour_runs(near, species, 3, cutoff)
    places = positions[ghosts.ion] + ghosts.shift
    expected = _brute_force(positions, cell, cutoff)
    for i in range(len(positions)):
        found = []
        for s in range(3):
            run = runs.ghost[runs.start[i, s] : runs.start[i, s + 1]]
            assert len(run) % 8 == 0
            distance = np.linalg.norm(places[run] - positions[i], axis=1)
            close = distance < cutoff
            assert np.all(species[ghosts.ion[run[close]]] == s)
            assert np.all(distance[~close] > 1e5), "what is not a neighbour must be padding"
            found.extend(distance[close])
        np.testing.assert_allclose(np.sort(found), expected[i], rtol=1e-12)


def test_runs_of_some_ions_among_others_are_those_rows_without_the_rest(rng):
    cell, species = CELLS["strongly triclinic"], np.array([0, 1, 0, 2, 1, 0])
    near = find_neighbours(rng.random((6, 3)) @ cell, cell, 7.4)
    ions, among = np.array([4, 1]), np.array([True, False, True, True, False, False])
    whole, some = neighbour_runs(near, species, 3, 5.0), neighbour_runs(near, species, 3, 5.0, ions, among)
    padding = len(near.ghosts.ion) - 1
    for n, i in enumerate(ions):
        for s in range(3):
            run = some.ghost[some.start[n, s] : some.start[n, s + 1]]
            expected = whole.ghost[whole.start[i, s] : whole.start[i, s + 1]]
            expected = expected[(expected != padding) & among[near.ghosts.ion[expected]]]
            np.testing.assert_array_equal(run[run != padding], expected)
