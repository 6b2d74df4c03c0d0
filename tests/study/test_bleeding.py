"""What bled, on constructed walkers whose answer is known."""

import numpy as np
import pytest
from scipy.stats import poisson

from dopantfit.boundary.swap.config import Layers
from dopantfit.boundary.swap.temper import Ladder, RoundResult
from dopantfit.structures import labels_of, load_host, with_labels
from dopantfit.study.bleeding_stage import WalkerGrain, counted, depth_of, grain_of, share_of, why_no_depth
from dopantfit.study.boundary_stage import DomainSpans
from dopantfit.study.swap_stage import history_of

LAYERS = Layers(interface=12.0, into_grain=1, reservoir=12.0, width=3.0, count=4, rounds_per_layer=1)
#: Half of the cell is amorphous, half is grain; the interface is in the middle.
DOMAINS = DomainSpans(amorphous=((0.0, 0.5),), complexion=(), grain=((0.5, 1.0),), order_grain=1.0, order_amorphous=0.0)


def walker(n_amorphous, n_grain):
    atoms = load_host().pseudo_cubic((1, 1, 2)).ions
    atoms.set_cell(np.diag([*atoms.cell.lengths()[:2], 24.0]), scale_atoms=True)
    atoms.wrap()
    z, labels = atoms.positions[:, 2], labels_of(atoms)
    ti = [i for i in np.argsort(z) if labels[i] == "Ti"]
    for i in [i for i in ti if z[i] < 12.0][:n_amorphous] + [i for i in ti if z[i] >= 12.0][:n_grain]:
        labels[i] = "Mg"
    return with_labels(atoms, labels)


def grain(count, size=1000, elsewhere=0.05, depth=5.0):
    return WalkerGrain(dopants=count, size=size, elsewhere=elsewhere, depth=depth)


def test_the_grain_of_a_walker_is_counted_ion_by_ion():
    atoms = walker(5, 3)
    found = grain_of(atoms, DOMAINS, LAYERS, walker(0, 0), "Mg")
    z = atoms.positions[:, 2]
    assert len(found.ions) == 3 and found.size == int((z >= 12.0).sum())
    # Ions on the edge of the cell may be counted on either side of it.
    assert found.elsewhere == pytest.approx(5 / (z < 12.0).sum(), rel=0.02)
    depths = np.sort(z[found.ions]) - 12.0
    assert depths[-2] <= counted(found).depth <= depths[-1]


def test_layers_that_were_never_open_do_not_count():
    shallow = LAYERS.model_copy(update={"count": 1})
    all_of_it = grain_of(walker(5, 16), DOMAINS, LAYERS, walker(0, 0), "Mg")
    found = grain_of(walker(5, 16), DOMAINS, shallow, walker(0, 0), "Mg")
    assert found.size < all_of_it.size and len(found.ions) < len(all_of_it.ions) and counted(found).depth <= 3.0


def test_the_interface_moves_with_the_cell():
    longer = walker(5, 3)
    longer.set_cell(np.diag([*longer.cell.lengths()[:2], 26.0]), scale_atoms=True)
    assert len(grain_of(longer, DOMAINS, LAYERS, walker(0, 0), "Mg").ions) == 3


def test_a_share_is_a_ratio_of_fractions():
    share = share_of([grain(10), grain(10)])
    assert share.value == pytest.approx(0.01 / 0.05)


def test_no_ion_in_the_grain_is_the_poisson_limit():
    share = share_of([grain(0), grain(0)])
    assert share.is_upper_bound
    # 3.0 ions among 2000, against 5 % elsewhere.
    assert share.high == pytest.approx(2.996 / 2000 / 0.05, rel=1e-3)


@pytest.mark.parametrize("expected", [2.0, 8.0])
def test_the_interval_of_a_share_covers_at_least_95_times_in_100(expected):
    rng, hits, n = np.random.default_rng(4), 0, 1000
    for _ in range(n):
        share = share_of([grain(int(k)) for k in poisson.rvs(expected, size=3, random_state=rng)])
        hits += share.low <= expected / 1000 / 0.05 <= share.high
    # The wider of two intervals covers more often than either; one standard deviation of 1000 draws is 0.7 %.
    assert hits / n >= 0.95 - 0.014


def test_a_spread_between_walkers_widens_the_interval():
    alike, apart = share_of([grain(50), grain(50)]), share_of([grain(20), grain(80)])
    assert apart.high - apart.low > 2.0 * (alike.high - alike.low)


def test_walkers_of_one_boundary_are_no_independent_ones():
    counts = (10, 10, 90, 90)  # in pairs, each of one boundary
    alone = share_of([grain(k) for k in counts])
    of_two = share_of([grain(k) for k in counts], ladders=2)
    assert of_two.value == alone.value
    # Two boundaries, 40 and 360 % apart: Student's t of one degree of freedom is 12.7, of three 3.2.
    assert of_two.high - of_two.value == pytest.approx(12.706 * 80 / 2 * 1e-3 / 0.05, rel=1e-3)
    assert alone.high - alone.value == pytest.approx(3.182 * 80 / np.sqrt(12) * 1e-3 / 0.05, rel=1e-3)


def test_a_depth_too_scatters_as_boundaries_do():
    depths = [grain(1, depth=depth) for depth in (1.0, 1.0, 5.0, 5.0)]
    alone, of_two = depth_of(depths, LAYERS), depth_of(depths, LAYERS, ladders=2)
    assert of_two.value == alone.value == 3.0 and of_two.error == pytest.approx(2.0)
    assert of_two.high == pytest.approx(3.0 + 12.706 * 2.0, rel=1e-3) and alone.high < 8.0


def test_a_walker_whose_dopant_all_went_into_the_grain_has_the_largest_share():
    share = share_of([grain(2), grain(2), grain(40, elsewhere=0.0)])
    # 44 of 3000 ions over a third of 0.1; the third walker is far from the two others.
    assert share.value == pytest.approx(44 / 3000 / (0.1 / 3))
    assert share.error == pytest.approx(0.38, abs=0.01)


def test_a_share_without_anything_to_compare_is_none():
    assert share_of([grain(0, size=0)]) is None
    assert share_of([grain(1, elsewhere=0.0)]) is None


def test_a_depth_that_reaches_the_last_open_layer_is_no_depth():
    assert depth_of([grain(1, depth=5.0), grain(1, depth=6.0)], LAYERS).value == pytest.approx(5.5)
    deep = [grain(1, depth=5.0), grain(1, depth=11.5)]
    assert depth_of(deep, LAYERS) is None
    assert why_no_depth(deep, LAYERS) == "a walker's dopant reached the last layer that was open, which ends at 12 Å"
    assert depth_of([grain(1)], LAYERS) is None


def test_without_a_dopant_in_any_grain_there_is_no_depth():
    none, some = grain(0, depth=0.0), grain(1, depth=4.0)
    assert depth_of([none, none], LAYERS) is None
    assert why_no_depth([none, none], LAYERS) == "no dopant in the grain whose depth could be measured"
    # A walker that let none in lowers the mean.
    assert depth_of([none, some], LAYERS).value == pytest.approx(2.0)


def test_the_story_of_a_ladder_is_complete():
    ladder = Ladder.new([1000.0, 2000.0], ["a", "b"], 1)
    for energy in (-5.0, -6.0):
        statistics = {"pairs": {"Al": {"attempted": 4, "accepted": 1}}, "across": {}}
        ladder.take(
            [
                RoundResult(energy, "c", {"statistics": statistics}),
                RoundResult(energy + 9.0, "d", {"statistics": statistics}),
            ]
        )
    story = history_of(ladder, LAYERS)
    assert [row[0] for row in story.rounds] == [0, 0, 1, 1]
    assert {row[2] for row in story.rounds} == {1000.0, 2000.0}
    assert (story.statistics.pairs["Al"].attempted, story.statistics.pairs["Al"].accepted) == (16, 4)
    assert len(story.lowest) == 2
