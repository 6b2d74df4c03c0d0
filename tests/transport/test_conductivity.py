"""Conductivities against numbers worked out by hand, and the Haven ratio of known motion."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.statistics import Estimate
from dopantfit.transport import (
    Diffusion,
    collective_conductivity,
    collective_displacement,
    haven_ratio,
    mean_square_displacement,
    tracer_conductivity,
    tracer_diffusion,
)
from dopantfit.transport.diffusion import collective_diffusion

from .conftest import random_walk, walkers


def diffusion(estimate, n_ions=1):
    return Diffusion("Li", estimate, np.zeros(3), 0.0, (4.0, 8.0), 100.0, n_ions, 40.0, 1, None, None)


def test_nernst_einstein_in_si_units():
    # 32 Mg²⁺ with D = 1e-6 cm²/s in 20 nm³ at 700 K, in SI: e² (4) D N / (V k_B T).
    elementary_charge, boltzmann = 1.602176634e-19, 1.380649e-23
    siemens_per_metre = 4 * elementary_charge**2 * 1e-10 * 32 / (20e-27 * boltzmann * 700.0)
    coefficient = Estimate(1e-2, 1e-3, 0.8e-2, 1.3e-2)  # Å²/ps
    found = tracer_conductivity(diffusion(coefficient, 32), charge=2.0, volume=2.0e4, temperature=700.0)
    # units.BOLTZMANN holds ten digits.
    assert found.value.value == pytest.approx(siemens_per_metre / 100.0, rel=1e-8)
    assert found.value.error == pytest.approx(0.1 * found.value.value)
    assert found.value.high == pytest.approx(1.3 * found.value.value)
    # A factor of 1/6, as one printed equation has, would be seen.
    assert found.value.value > 0.9 * siemens_per_metre / 100.0


def test_the_measured_cell_of_latp():
    # LATP x = 0.29 at 700 K: 23 Li in 439 atoms at 11.9 Å³, D* = 1.0e-6 cm²/s; about 1.2e-2 S/cm.
    found = tracer_conductivity(diffusion(Estimate.upper_bound(1e-2), 23), 1.0, 439 * 11.9, 700.0)
    assert found.value.is_upper_bound
    assert found.value.high == pytest.approx(1.2e-2, rel=0.05)


def test_walkers_that_ignore_one_another_have_a_haven_ratio_of_one(rng):
    inside = 0
    for _ in range(40):
        trajectory = walkers(random_walk(rng, 300, 10))
        tracer = tracer_conductivity(
            tracer_diffusion(mean_square_displacement(trajectory, "Li")), 1.0, trajectory.volume, 700.0
        )
        moment = collective_displacement(trajectory, {"Li": 1.0})
        collective = collective_conductivity(collective_diffusion(moment), trajectory.volume, 700.0)
        ratio = haven_ratio(tracer, collective) if not collective.value.is_upper_bound else None
        inside += ratio is None or ratio.low <= 1.0 <= ratio.high
    # At least 95 %, less twice the binomial error of 40.
    assert inside >= 35


def test_ions_that_move_together_lower_the_haven_ratio(rng):
    # Ten ions that make the same steps carry ten times the current of ten that do not.
    together = np.repeat(random_walk(rng, 2000, 1), 10, axis=1)
    trajectory = walkers(together)
    tracer = tracer_diffusion(mean_square_displacement(trajectory, "Li"))
    moment = collective_displacement(trajectory, {"Li": 1.0})
    collective = collective_diffusion(moment, onset=tracer.window[0])
    one = tracer_conductivity(tracer, 1.0, trajectory.volume, 700.0)
    other = collective_conductivity(collective, trajectory.volume, 700.0)
    # Both see the same walk: their ratio is exact but for the weights of the fits.
    assert haven_ratio(one, other).value == pytest.approx(0.1, rel=1e-6)


def test_a_bound_has_no_haven_ratio():
    number = tracer_conductivity(diffusion(Estimate(1.0, 0.1, 0.8, 1.2)), 1.0, 1e3, 700.0)
    bound = tracer_conductivity(diffusion(Estimate.upper_bound(1.0)), 1.0, 1e3, 700.0)
    for pair in ((number, bound), (bound, number)):
        with pytest.raises(ConvergenceError, match="one is an upper bound"):
            haven_ratio(*pair)


@pytest.mark.parametrize(("volume", "temperature", "word"), [(0.0, 700.0, "volume"), (1e3, -1.0, "temperature")])
def test_conditions_that_cannot_be_are_refused(volume, temperature, word):
    with pytest.raises(ConfigError, match=word):
        tracer_conductivity(diffusion(Estimate.upper_bound(1.0)), 1.0, volume, temperature)


def test_an_estimate_says_what_it_is():
    number, bound = Estimate(1.0e-6, 2.0e-8, 0.9e-6, 1.1e-6), Estimate.upper_bound(3e-9)
    assert str(number) == "1e-06 ± 2e-08"
    assert str(bound) == "< 3e-09"
    assert number.as_dict() == {"value": 1.0e-6, "error": 2.0e-8, "interval_95": [0.9e-6, 1.1e-6]}
    assert bound.as_dict() == {"upper_bound_95": 3e-9}
    assert bound.scaled(2.0).high == 6e-9
