"""Layers, acceptance intervals, penetration and occupied sites, on structures made by hand."""

import numpy as np
import pytest
from ase import Atoms

from dopantfit.boundary.swap.acceptance import Counts
from dopantfit.boundary.swap.bleeding import acceptance, mean_profiles, occupied_sites, penetration
from dopantfit.boundary.swap.config import Layers, SwapConfig, load_swap, parse_swap
from dopantfit.boundary.swap.layers import active_sites, depths, open_layers
from dopantfit.errors import ConfigError

LAYERS = Layers(interface=30.0, into_grain=-1, reservoir=10.0, width=3.5, count=4, rounds_per_layer=2)


def column(labels, heights, length=50.0):
    return Atoms(labels, positions=[[1.0, 1.0, z] for z in heights], cell=[10, 10, length], pbc=True)


def test_a_new_layer_opens_every_so_many_rounds_until_all_are():
    assert [open_layers(LAYERS, one) for one in range(10)] == [1, 1, 2, 2, 3, 3, 4, 4, 4, 4]
    assert LAYERS.rounds == 8


def test_depth_counts_into_the_grain_and_wraps_in_the_reservoir():
    heights = np.array([30.0, 29.0, 31.0, 39.9, 40.1, 1.0, 49.0])
    found = depths(LAYERS, heights, 50.0, 50.0)
    np.testing.assert_allclose(found, [0.0, 1.0, -1.0, -9.9, 39.9, 29.0, 31.0])
    # The interface stretches with the cell.
    np.testing.assert_allclose(depths(LAYERS, np.array([33.0]), 55.0, 50.0), [0.0], atol=1e-12)
    np.testing.assert_array_equal(active_sites(LAYERS, found, 0), [0, 1, 2, 3])
    np.testing.assert_array_equal(active_sites(LAYERS, np.array([3.4, 3.6, 6.9, 7.1]), 2), [0, 1, 2])


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"need 24 Å along the normal, the cell has 20 Å"):
        depths(LAYERS, np.array([0.0]), 20.0, 20.0)


def test_acceptance_has_wilsons_interval():
    yes_or_no = Counts(attempted=100, accepted=8, metropolis=8.0, metropolis_squares=8.0)
    found = acceptance({"Al": yes_or_no, "Li": Counts(), "Ti": Counts(attempted=50)})
    assert set(found) == {"Al", "Ti"}
    # Interval of 8 of 100 as tabulated by Newcombe, Stat. Med. 17, 857 (1998), method 3, to the digits given there.
    assert (found["Al"].share, found["Al"].low, found["Al"].high) == pytest.approx((0.08, 0.0411, 0.1500), abs=1e-4)
    assert found["Ti"].low == 0.0 and found["Ti"].high == pytest.approx(0.0713, abs=1e-4)


def test_weights_that_vary_widen_the_interval_and_none_narrows_it():
    even, yes_or_no, rare = (
        acceptance({"Al": Counts(attempted=100, metropolis=8.0, metropolis_squares=squares)})["Al"]
        for squares in (0.65, 8.0, 32.0)
    )
    assert even.share == yes_or_no.share == rare.share
    widths = [one.high - one.low for one in (even, yes_or_no, rare)]
    assert widths[0] == widths[1] < widths[2]


def test_penetration_is_the_deepest_dopant_within_the_layers():
    atoms = column(["Mg", "Mg", "Ti", "Mg", "Ti"], [35.0, 28.0, 25.0, 21.5, 5.0])
    found = penetration(atoms, LAYERS, 50.0, "Mg")
    assert (found.deepest, found.inside) == (8.5, 2)
    assert found.impurity_depth == pytest.approx(3 * 3.5)
    untouched = penetration(column(["Mg", "Ti"], [35.0, 28.0]), LAYERS, 50.0, "Mg")
    assert (untouched.deepest, untouched.inside, untouched.impurity_depth) == (0.0, 0, 0.0)


def test_profiles_are_means_over_walkers_with_their_spread():
    walkers = [column(["Mg", "Ti"], [1.0, 1.5], 7.0), column(["Ti", "Ti", "Mg"], [1.0, 1.5, 5.0], 7.0)]
    found = mean_profiles(walkers)
    np.testing.assert_allclose(found.mean["Mg"], [25.0, 50.0])
    np.testing.assert_allclose(found.spread["Mg"], [50.0 / np.sqrt(2), 100.0 / np.sqrt(2)])
    assert np.isnan(mean_profiles(walkers[:1]).spread["Mg"]).all()
    with pytest.raises(ConfigError, match="no walker"):
        mean_profiles([])


def test_sites_are_named_by_the_nearest_cation_of_the_reference():
    reference = column(["Al", "Ti", "Li", "O"], [1.0, 5.0, 9.0, 20.0])
    atoms = column(["Mg", "Mg", "Mg", "Mg", "Ti"], [49.8, 5.4, 9.9, 20.0, 1.0])
    found = occupied_sites(atoms, reference, "Mg", range(5), ("Al", "Li", "Ti"))
    assert [one.kind for one in found] == ["Al", "Ti", "Li", "between"]
    np.testing.assert_allclose([one.distance for one in found], [1.2, 0.4, 0.9, 11.0])
    with pytest.raises(ConfigError, match="before the swaps"):
        occupied_sites(atoms, column(["O"], [1.0]), "Mg", [0], ("Al",))


def test_defaults_are_the_published_protocol_and_files_are_strict(tmp_path):
    layers = {"interface": 70.0, "into_grain": 1, "reservoir": 43.0}
    paper = parse_swap({"dopant": "Mg", "layers": layers}, "swap.toml")
    assert (paper.layers.rounds, paper.layers.rounds * paper.attempts, paper.walkers) == (150, 15_000, 12)
    assert paper.layers.rounds * paper.dynamics.duration == 300.0
    assert paper.temperatures[0] == 1000.0 and paper.temperatures[-1] == 2000.0
    one = {"dopant": "Mg", "layers": layers, "walkers": 1, "hottest": 1000.0}
    assert parse_swap(one, "swap.toml").temperatures == (1000.0,)
    with pytest.raises(ConfigError, match="cannot change places with itself"):
        parse_swap({"dopant": "Al", "layers": layers}, "swap.toml")
    file = tmp_path / "swap.toml"
    file.write_text('dopant = "Mg"\n[layers]\ninterface = 1.0\ninto_grain = 1\nreservoir = 5.0\n')
    assert isinstance(load_swap(file), SwapConfig)
    file.write_text('dopant = "Mg"\ntypo = 1\n[layers]\ninterface = 1.0\ninto_grain = 1\nreservoir = 5.0\n')
    with pytest.raises(ConfigError, match=r"swap.toml: typo is no known key"):
        load_swap(file)
    for table, key in (("", "seed"), ("[burst]\n", "undo_every")):
        file.write_text(
            f'dopant = "Mg"\n{table}{key} = -1\n[layers]\ninterface = 1.0\ninto_grain = 1\nreservoir = 5.0\n'
        )
        with pytest.raises(ConfigError, match=rf"swap.toml: .*{key} = -1: .* mend it"):
            load_swap(file)
    # What a program gives is refused in the words of what people write.
    with pytest.raises(ConfigError, match=r"swap.toml: typo is no known key"):
        parse_swap({"dopant": "Mg", "layers": layers, "typo": 1}, "swap.toml")
