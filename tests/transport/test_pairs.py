"""Pair distributions of a gas and of crystals are known."""

import numpy as np
import pytest
from ase.build import bulk

from dopantfit.errors import ConfigError
from dopantfit.structures import prototype
from dopantfit.transport import Trajectory, coordination_number, pair_distribution
from dopantfit.transport.pairs import AT_REST_SPACING, pair_distributions_at_rest, radii_at_rest


def crystal(rng, amplitude, n_frames=8, repeat=1):
    atoms = bulk("MgO", "rocksalt", a=4.2, cubic=False).repeat(repeat)
    positions = atoms.positions + rng.normal(0, amplitude, (n_frames, len(atoms), 3))
    return Trajectory.from_arrays(positions, atoms.get_chemical_symbols(), atoms.cell.array, 1.0)


@pytest.mark.parametrize("repeat", [1, 3])
def test_shells_of_rocksalt_even_beyond_the_cell(repeat, rng):
    # Two ions in a rhombohedral cell of 3 Å: most neighbours are images.
    trajectory = crystal(rng, 1e-4, repeat=repeat)
    around = pair_distribution(trajectory, ("Mg", "O"), cutoff=5.0, width=0.08)  # no shell on an edge of a bin
    assert around.first_peak == pytest.approx(2.1, abs=0.05)
    for radius, count in ((2.5, 6), (3.9, 14), (5.0, 38)):
        # 6 at a/2, 8 at √3 a/2 = 3.64 Å, 24 at √5 a/2 = 4.70 Å.
        assert coordination_number(around, radius).value == pytest.approx(count, abs=1e-9)
    same = pair_distribution(trajectory, ("Mg", "Mg"), cutoff=5.0)
    assert coordination_number(same, 3.2).value == pytest.approx(12, abs=1e-9)
    assert coordination_number(same, 4.4).value == pytest.approx(18, abs=1e-9)


@pytest.mark.parametrize("cutoff", [2.0, 9.0])
def test_neighbours_of_another_kind_are_those_of_the_direct_sum_in_an_oblique_cell(cutoff, rng):
    cell = np.array([[5.0, 0.0, 0.0], [-2.0, 4.0, 0.0], [1.5, 2.5, 6.0]])
    # Ions in any cell, one kind more numerous than the other.
    fractions = rng.uniform(-0.3, 1.3, (1, 13, 3))
    labels = ["O", "O", "Mg"] * 4 + ["O"]
    trajectory = Trajectory.from_arrays(np.repeat(fractions @ cell, 2, axis=0), labels, cell, 1.0)
    shifts = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3) @ cell
    oxygen = np.array(labels) == "O"
    apart = (fractions[0, oxygen] @ cell)[None] - (fractions[0, ~oxygen] @ cell)[:, None]
    distance = np.linalg.norm(apart[..., None, :] + shifts, axis=-1).ravel()
    for pair, centres in ((("Mg", "O"), 4), (("O", "Mg"), 9)):
        found = pair_distribution(trajectory, pair, cutoff, width=0.1)
        expected = np.histogram(distance, np.linspace(0.0, cutoff, round(cutoff / 0.1) + 1))[0]
        np.testing.assert_allclose(found.neighbours.mean(axis=0) * centres, expected, atol=1e-9)


def test_first_minimum_separates_the_shells(rng):
    around = pair_distribution(crystal(rng, 0.1, n_frames=40, repeat=2), ("Mg", "O"), cutoff=5.0)
    assert 2.5 < around.first_minimum < 3.3
    found = coordination_number(around)
    # A Gaussian of 0.14 Å ends well before it.
    assert found.value == pytest.approx(6.0, abs=1e-3)
    # Parabola through the top bins of a Gaussian of 0.14 Å, √(Poisson) noise in 8 × 6 × 40 pairs.
    assert around.first_peak == pytest.approx(2.1, abs=0.05)


@pytest.mark.parametrize("pair", [("Li", "Li"), ("Li", "O")])
def test_an_ideal_gas_is_flat_and_its_error_honest(pair, rng):
    cell = np.array([[9.0, 0.0, 0.0], [3.0, 9.0, 0.0], [0.0, 2.0, 10.0]])
    # Steps of half a cell, which are no jumps yet, soon forget where they came from.
    fractions = rng.random((40, 3)) + np.cumsum(rng.uniform(-0.45, 0.45, (60, 40, 3)), axis=0)
    trajectory = Trajectory.from_arrays(fractions @ cell, ["Li"] * 20 + ["O"] * 20, cell, 1.0)
    found = pair_distribution(trajectory, pair, cutoff=8.0, width=0.5)
    z = (found.values[2:] - 1.0) / found.error[2:]
    # Four blocks: Student's t of three degrees of freedom, whose 99.9 % point is 12.9.
    assert np.abs(z).max() < 13.0
    np.testing.assert_allclose(found.values[6:], 1.0, atol=0.08)


def test_settings_that_cannot_be_are_refused(rng):
    trajectory = crystal(rng, 0.1)
    with pytest.raises(ConfigError, match="0 < width < cutoff"):
        pair_distribution(trajectory, ("Mg", "O"), cutoff=5.0, width=6.0)
    with pytest.raises(ConfigError, match="no ion of species 'Al'"):
        pair_distribution(trajectory, ("Mg", "Al"))
    with pytest.raises(ConfigError, match="cutoff, 5 Å"):
        coordination_number(pair_distribution(trajectory, ("Mg", "O"), cutoff=5.0), 6.0)


def test_an_ion_is_no_neighbour_of_itself(rng):
    # Two ions that know nothing of one another: g is 1, not the 1/2 of two partners.
    cell = np.eye(3) * 9.0
    fractions = np.cumsum(rng.uniform(-0.5, 0.5, (4000, 2, 3)), axis=0)
    trajectory = Trajectory.from_arrays(fractions @ cell, ["Li", "Li"], cell, 1.0)
    found = pair_distribution(trajectory, ("Li", "Li"), cutoff=4.4, width=1.1, n_frames=4000)
    # Half a sphere of 4.4 Å in 729 Å³ holds 49 % of 4,000 pairs: 2 % error, twice that for the outer bins.
    np.testing.assert_allclose(found.values[2:], 1.0, atol=0.15)


def test_distributions_of_a_crystal_at_rest_count_neighbours():
    atoms = prototype("MgO")
    functions, r = pair_distributions_at_rest(atoms), radii_at_rest()
    assert set(functions) == {("Mg", "Mg"), ("Mg", "O"), ("O", "O")}
    density = np.sum(atoms.symbols == "O") / atoms.cell.volume
    for pair, limit, count in ((("Mg", "O"), 2.5, 6), (("Mg", "Mg"), 3.3, 12), (("Mg", "O"), 3.9, 6 + 8)):
        shell = (4 * np.pi * r**2 * functions[pair] * density)[r < limit]
        # Rock salt: 6 at 2.1 Å, 12 at 3.0 Å, 8 at 3.6 Å; sums over Gaussians 5 steps wide are exact to far below 1e-3.
        assert shell.sum() * AT_REST_SPACING == pytest.approx(count, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((300.0, 0.05), "give a cutoff below"),
        ((1e300, 0.05), "bins of 0.05 Å up to 1e.300 Å"),
        ((8.0, 1e-9), "give wider bins"),
        ((8.0, float("nan")), "give 0 < width < cutoff"),
        ((float("nan"), 0.05), "give 0 < width < cutoff"),
    ],
)
def test_more_pairs_or_bins_than_can_be_counted_are_refused_before_they_are(arguments, word, rng):
    # 432 ions: within 300 Å there are 3e9 pairs of Mg and O.
    trajectory = crystal(rng, 0.05, n_frames=2, repeat=6)
    with pytest.raises(ConfigError, match=word):
        pair_distribution(trajectory, ("Mg", "O"), *arguments)


def test_a_cutoff_of_many_cells_is_refused_with_one_that_is_not(rng):
    # Two ions in 3 Å: 300 Å are a few million copies of the cell and no more than a few million pairs.
    trajectory = crystal(rng, 0.05, n_frames=2)
    with pytest.raises(ConfigError, match="copies of the cell, which say the same again") as caught:
        pair_distribution(trajectory, ("Mg", "O"), 300.0)
    largest = float(str(caught.value).split("cutoff below ")[1].split()[0])
    assert 15.0 < largest < 30.0
    pair_distribution(trajectory, ("Mg", "O"), 0.99 * largest)


def test_the_largest_cutoff_that_is_named_is_taken(rng, monkeypatch):
    monkeypatch.setattr("dopantfit.transport.pairs._MOST_PAIRS", 1e4)
    trajectory = crystal(rng, 0.05, n_frames=2, repeat=4)
    with pytest.raises(ConfigError) as caught:
        pair_distribution(trajectory, ("Mg", "O"), 30.0)
    largest = float(str(caught.value).split("cutoff below ")[1].split()[0])
    assert 5.0 < largest < 30.0
    pair_distribution(trajectory, ("Mg", "O"), 0.99 * largest)


@pytest.mark.parametrize("radius", [float("nan"), float("inf"), 0.0, -1.0, 9.0])
def test_a_radius_that_is_no_distance_within_the_cutoff_is_refused(radius, rng):
    with pytest.raises(ConfigError, match="radius"):
        coordination_number(pair_distribution(crystal(rng, 0.05), ("Mg", "O")), radius)
