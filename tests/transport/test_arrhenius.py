"""The Arrhenius line gives back what made it, and says where it guesses."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.statistics import Estimate
from dopantfit.transport import fit_arrhenius
from dopantfit.units import BOLTZMANN

TEMPERATURES = (500.0, 600.0, 700.0, 900.0)


def estimate(value, relative=0.1):
    return Estimate(value, relative * value, 0.8 * value, 1.2 * value)


def line(temperature, energy=0.34, prefactor=2.0):
    return prefactor * np.exp(-energy / (BOLTZMANN * temperature))


def test_an_exact_line_is_given_back():
    fit = fit_arrhenius(TEMPERATURES, [estimate(line(t)) for t in TEMPERATURES])
    assert fit.activation_energy.value == pytest.approx(0.34, rel=1e-9)
    assert fit.log_prefactor == pytest.approx(np.log(2.0), rel=1e-9)
    assert fit.scatter == pytest.approx(0.0, abs=1e-6)
    assert fit.predict(650.0).value.value == pytest.approx(line(650.0), rel=1e-9)


def test_a_conductivity_is_fitted_as_sigma_times_temperature():
    fit = fit_arrhenius(TEMPERATURES, [estimate(line(t) / t) for t in TEMPERATURES], "conductivity")
    assert fit.activation_energy.value == pytest.approx(0.34, rel=1e-9)
    assert fit.predict(300.0).value.value == pytest.approx(line(300.0) / 300.0, rel=1e-9)


def test_extrapolation_is_labelled_and_its_band_wider():
    fit = fit_arrhenius(TEMPERATURES, [estimate(line(t)) for t in TEMPERATURES])
    room, inside = fit.predict(300.0), fit.predict(600.0)
    assert room.extrapolated
    assert "(extrapolated)" in str(room)
    assert not inside.extrapolated
    assert "extrapolated" not in str(inside)
    assert room.value.error / room.value.value > 2.0 * inside.value.error / inside.value.value
    assert room.value.low < room.value.value < room.value.high


def test_bands_and_energies_cover_the_truth():
    inside = np.zeros(2)
    for trial in range(400):
        rng = np.random.default_rng([11, trial])
        values = [estimate(line(t) * np.exp(rng.normal(0, 0.1))) for t in TEMPERATURES]
        fit = fit_arrhenius(TEMPERATURES, values)
        energy, room = fit.activation_energy, fit.predict(300.0).value
        inside += [energy.low <= 0.34 <= energy.high, room.low <= line(300.0) <= room.high]
    # 95 % plus what the scale factor adds; binomial error 1.1 %.
    assert (inside / 400 >= 0.925).all()
    assert (inside / 400 <= 0.995).all()


def test_points_off_the_line_widen_its_errors():
    values = [estimate(line(t) * factor) for t, factor in zip(TEMPERATURES, (1.0, 2.0, 0.5, 1.0), strict=True)]
    fit = fit_arrhenius(TEMPERATURES, values)
    exact = fit_arrhenius(TEMPERATURES, [estimate(line(t)) for t in TEMPERATURES])
    assert fit.scatter > 3.0
    assert fit.activation_energy.error == pytest.approx(fit.scatter * exact.activation_energy.error, rel=1e-9)


def test_upper_bounds_are_left_out_and_named():
    values = [Estimate.upper_bound(1e-9), *(estimate(line(t)) for t in TEMPERATURES[1:])]
    fit = fit_arrhenius(TEMPERATURES, values)
    assert fit.bounds == (500.0,)
    assert fit.used == (600.0, 700.0, 900.0)
    assert fit.activation_energy.value == pytest.approx(0.34, rel=1e-9)
    assert fit.predict(500.0).extrapolated


def test_two_points_have_an_error_but_no_scatter():
    fit = fit_arrhenius((600.0, 700.0), [estimate(line(t)) for t in (600.0, 700.0)])
    assert fit.scatter is None
    # Two ends of a lever, 10 % each: √2 × 0.1 k_B / (1/600 - 1/700).
    assert fit.activation_energy.error == pytest.approx(2**0.5 * 0.1 * BOLTZMANN / (1 / 600 - 1 / 700), rel=1e-9)


def test_what_makes_no_line_is_refused():
    with pytest.raises(ConvergenceError, match="1 of 2 values are numbers"):
        fit_arrhenius((600.0, 700.0), [estimate(1.0), Estimate.upper_bound(1.0)])
    with pytest.raises(ConvergenceError, match="two temperatures"):
        fit_arrhenius((600.0, 600.0), [estimate(1.0), estimate(1.1)])
    with pytest.raises(ConfigError, match="one for each"):
        fit_arrhenius((600.0,), [estimate(1.0), estimate(1.1)])
    with pytest.raises(ConfigError, match="must be positive"):
        fit_arrhenius((600.0, -1.0), [estimate(1.0), estimate(1.1)])
