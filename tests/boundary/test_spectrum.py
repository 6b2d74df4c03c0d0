"""Spectra: sites, arrangements, relaxed exchanges, kills, the chain as the check."""

import csv
import json
import sys
from collections import Counter
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from scipy.stats import chi2

from dopantfit import Potential
from dopantfit.boundary.profile.domains import Domains, Span, only_domain
from dopantfit.boundary.spectrum.arrangements import Surroundings, arrangement
from dopantfit.boundary.spectrum.check import ChainPoint, agreement
from dopantfit.boundary.spectrum.config import Sampling, Thermodynamics
from dopantfit.boundary.spectrum.figures import draw_spectrum
from dopantfit.boundary.spectrum.occupation import dilute_weights
from dopantfit.boundary.spectrum.placing import with_one_dopant
from dopantfit.boundary.spectrum.question import SpectrumQuestion
from dopantfit.boundary.spectrum.record import Band
from dopantfit.boundary.spectrum.run import run_spectrum
from dopantfit.boundary.spectrum.sites import ExchangeSite, sampled, site_numbers, sites_of
from dopantfit.boundary.swap.chain import Chain, Sites
from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.kept import state_id
from dopantfit.boundary.swap.model import Swap, SwapEstimate, SwapRelaxation
from dopantfit.boundary.swap.relaxed import RelaxedSwaps
from dopantfit.errors import ConfigError
from dopantfit.structures import labels_of, load_host

sys.path.insert(0, str(Path(__file__).parent))
import swap_toy as toy

POTENTIAL = Potential.load("latp-mg-2022")
PARTNERS = ("Al", "Li", "Ti")
#: Twenty times the default [eV]: what is relaxed here need not be the minimum, only the same every time.
TOLERANCE = 2e-3
#: Few resamplings: the statistics has its own tests.
SETTINGS = Thermodynamics(temperatures=(300.0, 1000.0), resamplings=20)


class Now:
    """An executor that works while it is asked."""

    def submit(self, function, /, *arguments):
        """Call it."""
        future = Future()
        future.set_result(function(*arguments))
        return future


@pytest.fixture(scope="module")
def doped():
    return load_host().doped(np.random.default_rng(4), Fraction(1, 3), Fraction(1, 6), "Mg", 2)


def halves(atoms):
    """The lower half called grain, the upper one amorphous."""
    period = float(atoms.cell[2, 2])
    spans = {"grain": (Span(0.0, 0.5 * period, period),), "complexion": ()}
    spans["amorphous"] = (Span(0.5 * period, period, period),)
    return Domains(spans, 1.0, 0.0, np.empty(0), np.empty(0))


def question(atoms, **changes):
    given = {
        "dopant": "Mg",
        "partners": PARTNERS,
        "sites": 4,
        "arrangements": 2,
        "settling": 0,
        "tolerance": TOLERANCE,
        **changes,
    }
    return SpectrumQuestion(atoms, halves(atoms), load_host(), POTENTIAL, Sampling(**given))


def made_up_sites(numbers):
    rng = np.random.default_rng(1)
    return [
        ExchangeSite(100 * i + k, kind, domain, float(rng.uniform(0.0, 30.0)))
        for i, ((domain, kind), number) in enumerate(numbers.items())
        for k in range(number)
    ]


def test_larger_samples_hold_smaller_ones_and_every_stratum_has_its_turn():
    numbers = {("grain", "Al"): 5, ("grain", "Ti"): 40, ("amorphous", "Li"): 60}
    sites = made_up_sites(numbers)
    for small, large in ((6, 30), (30, 90)):
        assert sampled(sites, large, 3)[:small] == sampled(sites, small, 3)
    counts = [sum(site.stratum == one for site in sampled(sites, 33, 3)) for one in numbers]
    assert counts == [5, 14, 14]  # the small one is used up, the others go on in turn
    assert sorted(site.ion for site in sampled(sites, 1000, 3)) == sorted(site.ion for site in sites)
    assert sampled(sites, 33, 3) != sampled(sites, 33, 4)


def test_a_sample_is_spread_over_depth():
    sites = made_up_sites({("grain", "Ti"): 200})
    ordered = sorted(site.depth for site in sites)
    for seed in range(5):
        ranks = sorted(ordered.index(site.depth) for site in sampled(sites, 20, seed))
        # Twenty at random leave a gap of a fifth of the depth in half of all cases; a recurrence none of a sixth.
        assert max(np.diff([0, *ranks, 200])) < 200 / 6


def test_sites_that_dopants_hold_count_with_the_framework_of_their_domain():
    sites = made_up_sites({("grain", "Al"): 4, ("amorphous", "Al"): 2, ("amorphous", "Ti"): 6, ("amorphous", "Li"): 9})
    held = [ExchangeSite(9000 + k, "Mg", "amorphous", -3.0) for k in range(4)]
    found = site_numbers(sites, held, ("Al", "Ti"))
    assert found == {
        ("grain", "Al"): 4.0, ("amorphous", "Al"): 3.0, ("amorphous", "Li"): 9.0, ("amorphous", "Ti"): 9.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "number", "moved", "to_site"),
    [("Ti", 1, 2, True), ("Ti", 2, 1, True), ("Al", 1, 1, True), ("Li", 1, 1, False)],
)
def test_arrangements_carry_the_charge_of_the_exchange_to_voids_where_it_is_wanted(doped, kind, number, moved, to_site):
    labels = np.array(labels_of(doped))
    around = Surroundings(doped.get_positions(), labels == "O", labels == "Li", doped.cell.array)
    reference = int(np.flatnonzero(labels == "Mg")[0])
    candidates = np.flatnonzero(labels == kind)
    site = int(candidates[np.argmax(doped.get_distances(reference, candidates, mic=True))])
    excess = {"Ti": 2, "Al": 1, "Li": -1}[kind]
    moves = arrangement(around, reference, site, excess, number)
    assert len(moves) == len({move.ion for move in moves}) == moved
    near, far = (site, reference) if to_site else (reference, site)
    for move in moves:
        ends = Atoms(
            "H3", positions=[move.place, doped.positions[near], doped.positions[far]], cell=doped.cell, pbc=True
        )
        assert ends.get_distance(0, 1, mic=True) <= 5.0 + 1e-9
        assert labels[move.ion] == "Li" and move.ion not in (site, reference)
        assert doped.get_distance(move.ion, far, mic=True) < doped.get_distance(move.ion, near, mic=True)
        stays = np.setdiff1d(np.arange(len(doped)), [one.ion for one in moves])
        all_there = doped[stays] + Atoms("H", positions=[move.place])
        away = all_there.get_distances(-1, np.arange(len(stays)), mic=True)
        # 0.82 of the least distances from anions and cations at which a start may put an ion.
        assert away[labels[stays] == "O"].min() > 0.82 * 1.7 - 1e-6
        assert away[labels[stays] != "O"].min() > 0.82 * 2.4 - 1e-6


def test_arrangement_0_moves_nothing_and_equal_charges_have_no_other(doped):
    labels = np.array(labels_of(doped))
    around = Surroundings(doped.get_positions(), labels == "O", labels == "Li", doped.cell.array)
    assert arrangement(around, 0, 1, 2, 0) == []
    assert arrangement(around, 0, 1, 0, 1) is None


@pytest.fixture(scope="module")
def made(doped, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spectrum") / "run"
    return folder, run_spectrum(question(doped), SETTINGS, folder, Now())


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "record.json"
    }


def test_a_record_holds_every_site_with_its_arrangements(made, doped):
    folder, record = made
    assert [len(site.energies_eV) for site in record.sites] == [2] * 4
    assert all(site.energies_eV[0] is not None for site in record.sites)
    assert {site.domain for site in record.sites} == {"grain", "amorphous"}
    assert sum(one.number for one in record.strata) <= sum(label != "P" and label != "O" for label in labels_of(doped))
    for placement in record.placements:
        assert sum(band.value for band in placement.share.values()) == pytest.approx(1.0, rel=1e-9)
    assert "interaction" in " ".join(record.statements) and "not given" in " ".join(record.statements)
    assert json.loads((folder / "spectrum.json").read_text()) == record.as_dict()


def test_figures_show_the_spectrum_and_the_chain_with_their_numbers(made, tmp_path):
    _, record = made
    point = ChainPoint(1000.0, Band(value=0.1, low=0.05, high=0.2), 0.1)
    draw_spectrum(record, tmp_path, [point])
    rows = list(csv.DictReader((tmp_path / "grain.csv").read_text().splitlines()))
    assert [float(row["value"]) for row in rows] == [*(one.ratio.value for one in record.placements), 0.1]
    assert rows[-1]["of"] == "chain"
    assert [float(row["carriers"]) for row in rows[:-1]] == [min(one.carriers.values()) for one in record.placements]
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{kind}" for name in ("grain", "energies", "depth") for kind in ("png", "csv")
    }
    assert [one["agree"] for one in agreement(record, [point])] == [
        record.at(1000.0).ratio.low <= 0.2 and 0.05 <= record.at(1000.0).ratio.high
    ]


def test_what_was_killed_goes_on_to_the_same_bytes_and_more_sites_keep_what_is_there(made, doped, tmp_path):
    import shutil

    folder, _ = made
    whole = files_of(folder)
    copy = tmp_path / "killed"
    shutil.copytree(folder, copy)
    exchanges = sorted((copy / "exchanges").iterdir())
    for path in exchanges[1::2]:
        path.unlink()  # never finished
    exchanges[0].write_text(exchanges[0].read_text().replace("relaxed", "collapsed"))  # damaged
    (copy / "spectrum.json").unlink()
    run_spectrum(question(doped), SETTINGS, copy, Now())
    assert files_of(copy) == whole
    more = run_spectrum(question(doped, sites=5), SETTINGS, copy, Now())
    again = files_of(copy)
    assert {name: again[name] for name in whole if name.startswith("exchanges")} == {
        name: content for name, content in whole.items() if name.startswith("exchanges")
    }
    assert len(more.sites) == 5


def test_a_folder_of_another_spectrum_is_refused(made, doped):
    with pytest.raises(ConfigError, match="holds the spectrum of another structure"):
        run_spectrum(question(doped, seed=2), SETTINGS, made[0], Now())


def test_an_undoped_structure_gets_one_dopant_and_stays_neutral():
    atoms = load_host().doped(np.random.default_rng(4), Fraction(1, 3))
    asked = question(atoms)
    with_one = asked.doped()
    labels = labels_of(with_one)
    assert labels.count("Mg") == 1
    charges = sum(POTENTIAL.species[label].formal_charge for label in labels)
    assert charges == 0
    site = sites_of(with_one, asked.domains, ("Mg",))[0]
    assert site.domain == "amorphous"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dopant": "Zr"}, "Zr is not in potential"),
        ({"dopant": "P", "partners": ("Al",)}, "'P' is an ion of the host"),
        ({"partners": ("Al", "Ga")}, "Ga is not in potential"),
    ],
)
def test_what_cannot_be_exchanged_is_named(doped, changes, message):
    with pytest.raises(ConfigError, match=message):
        question(doped, **changes).check()


def test_relaxations_of_a_chain_are_those_of_the_spectrum_and_are_taken_over(made, doped, tmp_path):
    _, record = made
    swaps = RelaxedSwaps(doped, POTENTIAL, Burst(partners=PARTNERS, mode="full", undo_every=0, tolerance=TOLERANCE))
    state = swaps.cell.minimum(doped)
    assert state_id(swaps.cell, state, POTENTIAL.dumps()) == record.host  # the same command found the same state
    site = next(site for site in record.sites if site.kind == "Al")
    active = np.array([record.reference, site.ion])
    # So cold that nothing is accepted, or everything: the first attempt is of the state itself.
    sites = Sites(active, swaps.labels.index("Mg"), (swaps.labels.index("Al"),))
    chain = Chain(swaps, state, sites, 300.0, swaps.settings, swaps.labels)
    chain.attempt(np.random.default_rng(0))
    (kept,) = chain.relaxed
    # The same relaxation, but for the rounding of another list of neighbours.
    assert kept.change == pytest.approx(site.energies_eV[0], abs=2e-3)
    relaxed = {"start": record.host, "relaxed": [{"first": kept.first, "second": kept.second, "change": 0.123}]}
    other = {"start": "of another state", "relaxed": [{"first": kept.first, "second": site.ion, "change": 9.0}]}
    only = question(doped, sites=2, arrangements=1)
    found = run_spectrum(only, SETTINGS, tmp_path / "run", Now(), chain=[None, {}, other, relaxed])
    by_ion = {one.ion: one for one in found.sites}
    assert [one.endings for one in found.sites].count(("chain",)) == 1
    assert by_ion[kept.second].energies_eV == (0.123,) and by_ion[kept.second].endings == ("chain",)


class OneDopant:
    """One dopant on twelve sites whose other ions are all alike: the states are the sites."""

    energies = np.random.default_rng(8).normal(0.0, 0.1, 12)

    def state(self, species):
        """The state with the dopant where it is."""
        array = np.array(species)
        array.setflags(write=False)
        return toy.ToyState(array, float(self.energies[np.argmin(array)]))

    def rigid(self, state, swap):
        """The energy change."""
        return self.state(swap.exchanged(state.species)).energy - state.energy

    def estimate(self, state, swap):
        """The same: without error."""
        return SwapEstimate(self.rigid(state, swap))

    def relax(self, state, swap, estimate, ceiling):
        """The state after a swap."""
        return SwapRelaxation(self.state(swap.exchanged(state.species)), 1, self.rigid(state, swap))


@pytest.mark.parametrize("temperature", [700.0, 1500.0])
def test_a_long_chain_is_where_the_spectrum_of_its_exchanges_says(temperature):
    model, rng = OneDopant(), np.random.default_rng(2)
    start = model.state([0] + [1] * 11)
    exchanges = np.array([model.rigid(start, Swap(0, site)) if site else 0.0 for site in range(12)])
    expected = dilute_weights(np.ones(12), exchanges, temperature)
    chain = Chain(model, start, Sites(np.arange(12), 0, (1,)), temperature, toy.settings("full"), toy.LABELS)
    visits = np.zeros(12)
    for _ in range(1200):
        for _ in range(6):  # about as many attempts as the chain remembers
            chain.attempt(rng)
        visits[np.argmin(chain.state.species)] += 1
    statistic = float(np.sum((visits - 1200 * expected) ** 2 / (1200 * expected)))
    assert statistic < chi2.ppf(0.999, 11)  # one seed in a thousand would fail by chance
    # A grain of the first six sites against a glass of the others.
    assert abs(visits[:6].sum() / 1200 - expected[:6].sum()) < 4.0 * np.sqrt(0.25 / 1200)


def test_a_bulk_is_one_domain_whatever_its_cell(doped):
    asked = SpectrumQuestion(doped, only_domain(doped, "grain"), load_host(), POTENTIAL, question(doped).sampling)
    sites = sites_of(doped, asked.domains, PARTNERS)
    assert {site.domain for site in sites} == {"grain"} and {site.depth for site in sites} == {None}
    assert asked.doped() is doped
    with pytest.raises(ConfigError, match="no domain 'glass'"):
        only_domain(doped, "glass")


def test_too_many_dopants_are_refused_before_anything_is_relaxed(doped, tmp_path):
    with pytest.raises(ConfigError, match="40 dopants do not fit on 22 sites"):
        run_spectrum(question(doped), Thermodynamics(dopants=40.0), tmp_path / "run", None)


@pytest.mark.slow
def test_a_long_chain_of_relaxed_swaps_is_where_the_spectrum_of_the_same_cell_says():
    """Mg and five Al exchange on their six sites: five exchanges, and the state itself, are all states there are."""
    atoms = load_host().doped(np.random.default_rng(4), Fraction(5, 6), Fraction(1, 6), "Mg", 2)
    swaps = RelaxedSwaps(atoms, POTENTIAL, Burst(partners=("Al",), mode="full", undo_every=0))
    state = swaps.cell.minimum(atoms)
    species = [swaps.labels.index(label) for label in ("Mg", "Al")]
    (reference,) = np.flatnonzero(state.species == species[0])
    active = np.flatnonzero(np.isin(state.species, species))
    rng = np.random.default_rng(1)
    for _ in range(3):  # exchanges and their undoing, until nothing lower is found
        for site in active[active != reference]:
            there = swaps.exchange(state, Swap(int(reference), int(site)), {}).state
            back = swaps.exchange(there, Swap(int(reference), int(site)), {}).state
            state = back if back.energy < state.energy - 1e-3 else state
    energies = np.array(
        [
            0.0
            if site == reference
            else swaps.exchange(state, Swap(int(reference), int(site)), {}).state.energy - state.energy
            for site in active
        ]
    )
    expected = dilute_weights(np.ones(len(active)), energies, 1000.0)
    chain = Chain(swaps, state, Sites(active, species[0], (species[1],)), 1000.0, swaps.settings, swaps.labels)
    visits = np.zeros(len(active))
    for _ in range(300):
        chain.attempt(rng)
        visits[np.flatnonzero(active == np.flatnonzero(chain.state.species == species[0])[0])] += 1
    # Successive states remember each other over some three attempts: 100 independent ones, three standard deviations.
    error = 3.0 * np.sqrt(expected * (1.0 - expected) / 100.0)
    assert np.all(np.abs(visits / visits.sum() - expected) < error + 0.02)


@pytest.mark.parametrize(("dopant", "charge", "places"), [("Na", 1, {"Li"}), ("Mg", 2, {"Ti", "Al"})])
def test_one_dopant_takes_a_place_of_its_charge(dopant, charge, places):
    host = load_host()
    atoms = host.doped(np.random.default_rng(1), Fraction(1, 2))
    ions = {**host.charges, dopant: charge}
    potential = SimpleNamespace(species={label: SimpleNamespace(formal_charge=each) for label, each in ions.items()})
    doped = with_one_dopant(atoms, only_domain(atoms, "grain"), host, dopant, potential, np.random.default_rng(2))
    before, after = Counter(labels_of(atoms)), Counter(labels_of(doped))
    (replaced,) = (before - after).elements()
    assert after[dopant] == 1 and replaced in places
    assert sum(ions[label] * count for label, count in after.items()) == 0
    assert host.framework_with(dopant, charge) == (host.framework if places == {"Li"} else (*host.framework, dopant))
