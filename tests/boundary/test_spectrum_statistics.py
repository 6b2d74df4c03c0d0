"""Fermi-Langmuir statistics over a spectrum, in limits whose answer is known."""

from itertools import product

import numpy as np
import pytest

from dopantfit.boundary.spectrum.config import Thermodynamics
from dopantfit.boundary.spectrum.occupation import FermiSites, dilute_weights, site_energies
from dopantfit.boundary.spectrum.placement import LayerIons, SampledSpectrum, placements
from dopantfit.boundary.spectrum.sites import ExchangeSite
from dopantfit.errors import ConfigError
from dopantfit.units import BOLTZMANN

KT = BOLTZMANN * 1000.0


def ensemble(weight, dopants, interaction=0.0, domain=None, held=(0.0,)):
    weight = np.array(weight, float)
    domain = np.zeros(weight.shape[-1], int) if domain is None else np.array(domain)
    return FermiSites(weight, domain, dopants, interaction, np.array(held))


def spectrum(grain, glass, numbers=(100.0, 50.0), dopants=5.0, layers=()):
    """Sites of one kind in two domains, with their energies, (n, n_arrangements) or (n,) [eV]."""
    energies = np.vstack([np.reshape(part, (len(part), -1)) for part in (grain, glass)])
    sites = [ExchangeSite(i, "Al", "grain", 1.0 + i) for i in range(len(grain))]
    sites += [ExchangeSite(1000 + i, "Al", "amorphous", -1.0 - i) for i in range(len(glass))]
    strata = {("grain", "Al"): numbers[0], ("amorphous", "Al"): numbers[1]}
    ions = {"grain": 1000, "complexion": 0, "amorphous": 500}
    taken = {one: int(number) for one, number in strata.items()}
    return SampledSpectrum(sites, energies, strata, taken, ions, {"amorphous": int(dopants)}, layers, dopants)


def settings(temperatures=(1000.0,), **changes):
    return Thermodynamics(temperatures=tuple(temperatures), **changes)


def test_equal_energies_share_dopants_as_the_numbers_of_sites():
    (found,) = placements(spectrum(np.full(7, 0.3), np.full(4, 0.3)), settings(), 1)
    assert found.share["grain"].value == pytest.approx(100.0 / 150.0, rel=1e-12)
    # Per ion: 1000 ions hold twice what 500 hold.
    assert found.ratio.value == pytest.approx(100.0 / 1000.0 / (50.0 / 500.0), rel=1e-12)
    assert found.dilute_ratio == pytest.approx(1.0, rel=1e-12)
    assert found.carriers["grain"] == pytest.approx(7.0)
    assert found.share["grain"].low == pytest.approx(found.share["grain"].high)  # all sites are alike


def test_cold_dopants_fill_the_lowest_sites_and_hot_ones_all_alike():
    grain, glass = np.linspace(0.4, 1.4, 10), np.linspace(0.0, 0.8, 5)
    cold, hot = placements(spectrum(grain, glass, (10.0, 5.0), dopants=3.0), settings((1.0, 1e8)), 1)
    # 0.0 and 0.2 are full; the third is shared by the two sites at 0.4, one in either domain.
    assert cold.share["grain"].value == pytest.approx(0.5 / 3.0, abs=1e-9)
    assert hot.share["grain"].value == pytest.approx(10.0 / 15.0, abs=1e-4)


@pytest.mark.parametrize("dopants", [0.3, 1.0, 1.8])
def test_occupations_are_those_of_the_grand_canonical_sum(dopants):
    energies, weight = np.array([0.0, 0.15]), np.ones(2)
    found = ensemble(weight, dopants).occupation(energies[None], 1000.0)[0]
    # From the occupation of one site to its chemical potential, and from there over all four states.
    potential = energies[0] + KT * np.log(found[0] / (1.0 - found[0]))
    states = np.array(list(product((0, 1), repeat=2)))
    boltzmann = np.exp(-(states @ energies - potential * states.sum(axis=1)) / KT)
    mean = boltzmann @ states / boltzmann.sum()
    np.testing.assert_allclose(found, mean, rtol=1e-10)
    assert mean.sum() == pytest.approx(dopants, rel=1e-10)


def test_the_dilute_limit_is_the_canonical_sum_of_one_dopant_and_what_few_dopants_approach():
    energies, weight = np.array([0.0, 0.15, -0.1]), np.array([3.0, 1.0, 2.0])
    canonical = weight * np.exp(-energies / KT)
    canonical /= canonical.sum()
    np.testing.assert_allclose(dilute_weights(weight, energies, 1000.0), canonical, rtol=1e-12)
    few = ensemble(weight, 1e-6).occupation(energies[None], 1000.0)[0] * weight / 1e-6
    np.testing.assert_allclose(few, canonical, rtol=1e-5)  # linear in the number of dopants


def test_a_site_counts_once_however_many_arrangements_it_has():
    single = site_energies(np.array([[0.2]]), 1000.0)
    assert site_energies(np.array([[0.2, 0.2, 0.2]]), 1000.0) == pytest.approx(single)
    assert site_energies(np.array([[0.2, np.nan, 0.2]]), 1000.0) == pytest.approx(single)
    # One that has no minimum is there, and empty.
    assert site_energies(np.array([[0.2, np.inf]]), 1000.0) == pytest.approx(single + KT * np.log(2.0))
    mean = -KT * np.log(np.mean(np.exp(-np.array([0.1, 0.5]) / KT)))
    assert site_energies(np.array([[0.1, 0.5]]), 1000.0)[0] == pytest.approx(mean)


def test_the_mean_field_term_is_the_self_consistent_shift_and_none_at_the_concentration_of_the_structure():
    weight, domain = np.array([10.0, 5.0]), [0, 1]
    energies = np.array([[0.1, 0.0]])
    plain = ensemble(weight, 2.0, 0.0, domain).occupation(energies, 1000.0)[0]
    same = ensemble(weight, 2.0, 0.7, domain, held=plain).occupation(energies, 1000.0)[0]
    np.testing.assert_allclose(same, plain, rtol=1e-9)
    shifted = ensemble(weight, 2.0, 0.7, domain, held=(0.0, 0.0)).occupation(energies, 1000.0)[0]
    again = ensemble(weight, 2.0).occupation(energies + 0.7 * shifted, 1000.0)[0]
    np.testing.assert_allclose(shifted, again, rtol=1e-9)
    assert shifted[1] < plain[1]  # the fuller domain gives some of its dopants to the other


def test_more_dopants_than_sites_are_refused():
    with pytest.raises(ConfigError, match="200 dopants do not fit on 150 sites"):
        placements(spectrum(np.zeros(3), np.zeros(3), dopants=200.0), settings(), 1)


def test_the_error_of_the_force_field_widens_the_band_by_its_boltzmann_factor_and_moves_no_estimate():
    grain, glass = np.full(5, 0.4), np.full(5, 0.0)
    without = placements(spectrum(grain, glass, (1e5, 1e5)), settings(), 1)[0].ratio
    given = placements(spectrum(grain, glass, (1e5, 1e5)), settings(exchange_error=0.1, resamplings=4000), 1)[0].ratio
    assert given.value == without.value and given.low == without.low
    # Quantiles of 4000 draws are good to 4 % of the width.
    width = np.log(given.high_with_force_field / given.low_with_force_field)
    assert width == pytest.approx(2 * 1.96 * 0.1 / KT, rel=0.1)


def test_strata_that_were_taken_whole_have_no_error_of_sampling():
    rng = np.random.default_rng(3)
    grain, glass = rng.normal(0.3, 0.1, 10), rng.normal(0.0, 0.1, 5)
    whole = placements(spectrum(grain, glass, (10.0, 5.0), dopants=1.0), settings(), 1)[0].ratio
    part = placements(spectrum(grain, glass, (20.0, 10.0), dopants=1.0), settings(), 1)[0].ratio
    assert whole.low == pytest.approx(whole.high)
    assert part.high > 1.5 * part.low


def test_bands_hold_the_truth_of_a_known_distribution():
    """Energies are normal in both domains; the truth is the same statistics over 20,000 quantiles of it."""
    rng = np.random.default_rng(5)
    spread, inside, tries = 0.08, 0, 40
    quantiles = spread * np.sqrt(2.0) * np.array(erfinv_grid(2000))
    truth = placements(spectrum(0.3 + quantiles, quantiles, (2000.0, 2000.0), 40.0), settings(resamplings=20), 1)[0]
    for number in range(tries):
        grain, glass = rng.normal(0.3, spread, 25), rng.normal(0.0, spread, 25)
        found = placements(spectrum(grain, glass, (2000.0, 2000.0), 40.0), settings(resamplings=100), number)[0].ratio
        inside += found.low <= truth.ratio.value <= found.high
    # 95 % by name; resampling 25 skewed weights holds a little less: 33 of 40 is more than two deviations below that.
    assert inside >= 33


def erfinv_grid(count):
    from scipy.special import erfinv

    return erfinv(2.0 * (np.arange(count) + 0.5) / count - 1.0)


def test_layers_hold_what_their_sites_hold():
    layers = (LayerIons(0.0, 3.5, "grain", 400), LayerIons(3.5, 7.0, "grain", 600))
    (found,) = placements(spectrum(np.full(6, 0.2), np.full(4, 0.0), layers=layers), settings(), 1)
    percent = {layer.from_A: layer.percent.value for layer in found.layers}
    held = sum(percent[layer.low] * layer.ions / 100.0 for layer in layers)
    assert held == pytest.approx(5.0 * found.share["grain"].value, rel=1e-12)


def test_the_same_seed_gives_the_same_bands():
    rng = np.random.default_rng(3)
    of = spectrum(rng.normal(0.3, 0.1, (6, 3)), rng.normal(0.0, 0.1, (5, 3)))
    assert placements(of, settings(), 4) == placements(of, settings(), 4) != placements(of, settings(), 5)
