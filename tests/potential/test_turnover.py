"""Turn-over radii against the published set's known ones, an analytic case, and brute force."""

import numpy as np
import pytest

from dopantfit.potential import Buckingham, Potential, Species
from dopantfit.potential.figure import plot_pairs
from dopantfit.potential.turnover import TurnOver, is_dangerous, pair_energy, turn_over, turn_overs
from dopantfit.units import COULOMB


@pytest.fixture(scope="module")
def published():
    return Potential.load("latp-mg-2022")


def one_ion(charge, A, rho, C, cutoff=9.0):
    species = {"Na": Species(formal_charge=int(np.sign(charge)), charge=charge, mass=23.0)}
    return Potential("one", "test", cutoff, species, {("Na", "Na"): Buckingham(A=A, rho=rho, C=C)})


@pytest.mark.parametrize(
    ("a", "b", "radius", "energy"),
    [
        ("Mg", "P", 1.74, 20.7),
        ("Al", "P", 1.59, 33.9),
        ("Ti", "P", 1.56, 46.3),
        ("Mg", "Ti", 0.81, 33.7),
        ("O", "O", 0.67, 393.0),
    ],
)
def test_the_published_set_turns_over_where_it_is_known_to(published, a, b, radius, energy):
    found = turn_over(published, a, b)
    # The known values are given to these digits.
    assert found.radius == pytest.approx(radius, abs=0.005)
    assert found.energy == pytest.approx(energy, abs=0.5 if energy > 100 else 0.05)


def test_coulomb_and_dispersion_alone_turn_over_at_the_analytic_radius():
    # d/dr (k q²/r - C/r⁶) = 0 gives r⁵ = 6 C / (k q²).
    found = turn_over(one_ion(1.5, A=0.0, rho=0.2, C=50.0), "Na", "Na")
    radius = (6 * 50.0 / (COULOMB * 1.5**2)) ** 0.2
    assert found.radius == pytest.approx(radius, rel=1e-12)  # root finding to rounding
    assert found.energy == pytest.approx(COULOMB * 1.5**2 / radius - 50.0 / radius**6, rel=1e-12)


def test_a_pure_repulsion_never_turns_over():
    assert turn_over(one_ion(1.0, A=1e4, rho=0.2, C=0.0), "Na", "Na") is None


def test_nothing_turns_over_beyond_the_cutoff():
    # r⁵ = 6 C / (k q²) puts the maximum at 9.5 Å.
    C = 9.5**5 * COULOMB / 6
    assert turn_over(one_ion(1.0, A=0.0, rho=0.2, C=C, cutoff=9.0), "Na", "Na") is None
    assert turn_over(one_ion(1.0, A=0.0, rho=0.2, C=C, cutoff=10.0), "Na", "Na") is not None


def test_every_turn_over_is_the_highest_maximum_on_a_fine_grid(published):
    r = np.linspace(0.01, 9.0, 900_000)
    for pair, found in turn_overs(published).items():
        energy = pair_energy(published, *pair, r)
        peaks = np.flatnonzero((energy[1:-1] > energy[:-2]) & (energy[1:-1] >= energy[2:])) + 1
        if found is None:
            assert len(peaks) == 0, pair
        else:
            highest = peaks[energy[peaks].argmax()]
            assert r[highest] == pytest.approx(found.radius, abs=2e-5), pair  # two grid steps
            assert energy[highest] == pytest.approx(found.energy, rel=1e-4), pair


def test_of_two_maxima_the_higher_one_counts():
    # Strong dispersion under a weak Coulomb repulsion: a low hump, a well inside it, then the barrier to collapse.
    potential = one_ion(0.3, A=5e4, rho=0.2, C=400.0)
    r = np.linspace(0.05, 9.0, 400_000)
    energy = pair_energy(potential, "Na", "Na", r)
    peaks = np.flatnonzero((energy[1:-1] > energy[:-2]) & (energy[1:-1] >= energy[2:])) + 1
    assert len(peaks) == 2
    highest = peaks[energy[peaks].argmax()]
    assert turn_over(potential, "Na", "Na").radius == pytest.approx(r[highest], abs=5e-5)  # two grid steps


def test_dangerous_are_cations_that_turn_over_far_out(published):
    found = turn_overs(published)
    assert {pair for pair in found if is_dangerous(published, pair, found[pair])} == {
        ("Mg", "P"),
        ("Al", "P"),
        ("P", "Ti"),
    }
    assert not is_dangerous(published, ("Mg", "O"), TurnOver(radius=2.0, energy=10.0))
    assert not is_dangerous(published, ("Mg", "P"), TurnOver(radius=1.4, energy=10.0))


def test_the_pair_curves_are_drawn(published, tmp_path):
    plot_pairs(published, tmp_path / "pairs.png")
    assert (tmp_path / "pairs.png").read_bytes().startswith(b"\x89PNG")
