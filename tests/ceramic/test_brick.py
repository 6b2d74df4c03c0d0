"""The brick layer and its circuit: limits, published sums, and the exact equivalence of the two."""

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dopantfit.ceramic import BrickLayer, circuit_of, measured_of
from dopantfit.errors import ConfigError
from dopantfit.units import VACUUM_PERMITTIVITY_F_PER_CM

BULK, BOUNDARY = 2e-3, 3e-6


@pytest.mark.parametrize("name", ["glass-ceramic", "glass-ceramic with B", "ceramic", "ceramic with B"])
def test_the_series_sum_gives_the_measured_total_within_6_percent(name):
    (sample,) = (one for one in measured_of("latp") if one.name == name)
    found = BrickLayer.series().conductivity(sample.bulk, sample.boundary)
    assert found == pytest.approx(1.0 / (1.0 / sample.bulk + 1.0 / sample.boundary), rel=1e-12)
    assert found == pytest.approx(sample.total, rel=0.06)


def test_without_thickness_the_pellet_conducts_as_its_bulk():
    assert BrickLayer.of(1000.0, 0.0).conductivity(BULK, BOUNDARY) == pytest.approx(BULK, rel=1e-14)
    assert BrickLayer.of(1000.0, 0.0).conductivity(BULK, 0.0) == pytest.approx(BULK, rel=1e-14)
    thin = [BrickLayer.of(1000.0, 10.0**-n).conductivity(BULK, BOUNDARY) for n in range(6)]
    # The boundary's share of the resistance, φ σ_bulk/σ_boundary, is 0.67 at a thickness of 1 and falls with it.
    assert np.all(np.diff(thin) > 0.0) and thin[-1] == pytest.approx(BULK, rel=2e-5)


@given(st.floats(0.0, 0.999), st.floats(1e-12, 1e3))
def test_equal_conductivities_are_that_of_the_pellet(part, sigma):
    assert BrickLayer.of(1.0, part).conductivity(sigma, sigma) == pytest.approx(sigma, rel=1e-12)


@given(st.floats(0.0, 0.9), st.floats(1e-9, 1.0), st.floats(1e-9, 1.0))
def test_the_pellet_lies_between_all_in_series_and_all_in_parallel(part, bulk, boundary):
    """Wiener's bounds for the volumes of the two."""
    # 1 - (1 - part)³, which must not vanish with a part that is smaller than the last digit of 1.
    rest = part * (3.0 - 3.0 * part + part**2)
    found = BrickLayer.of(1.0, part).conductivity(bulk, boundary)
    series = 1.0 / ((1.0 - rest) / bulk + rest / boundary)
    assert series * (1 - 1e-9) <= found <= ((1.0 - rest) * bulk + rest * boundary) * (1 + 1e-9)


def test_thin_boundaries_add_their_thickness_over_the_grain_size():
    found = BrickLayer.of(1000.0, 1.0).conductivity(BULK, BOUNDARY)
    # Corrections are of the order of δ/d = 1e-3.
    assert 1.0 / found == pytest.approx(1.0 / BULK + 1e-3 / BOUNDARY, rel=3e-3)


def test_pores_take_the_power_three_halves_of_the_density():
    dense, porous = (BrickLayer.of(1.0, 0.1, density).conductivity(BULK, BOUNDARY) for density in (1.0, 0.81))
    assert porous / dense == pytest.approx(0.729, rel=1e-12)


@pytest.mark.parametrize(("shape", "said"), [((1.0, 1.0), "thinner"), ((1.0, 0.1, 1.01), "relative_density")])
def test_a_shape_that_cannot_be_is_refused(shape, said):
    with pytest.raises(ConfigError, match=said):
        BrickLayer.of(*shape)


sigmas = st.floats(-12.0, 1.0).map(lambda power: 10.0**power)
permittivities = st.tuples(st.floats(1.0, 1e3), st.floats(1.0, 1e3))


@settings(max_examples=60)
@given(st.floats(1e-5, 0.9), sigmas, sigmas, permittivities, st.floats(0.5, 1.0))
def test_two_arcs_are_the_complex_brick_layer_at_every_frequency(part, bulk, boundary, eps, density):
    brick = BrickLayer.of(1.0, part, density)
    circuit = circuit_of(brick, bulk, boundary, eps)
    frequencies = circuit.frequencies()
    omega = 2j * pi * VACUUM_PERMITTIVITY_F_PER_CM * frequencies
    direct = [1.0 / brick.conductivity(bulk + one * eps[0], boundary + one * eps[1]) for one in omega]
    # Poles and residues of 13 orders of magnitude leave some rounding.
    np.testing.assert_allclose(circuit.impedance(frequencies), direct, rtol=1e-6)


def test_low_frequency_gives_the_total_and_high_frequency_the_geometric_capacitance():
    brick = BrickLayer.of(1000.0, 5.0, 0.97)
    circuit = circuit_of(brick, BULK, BOUNDARY, (15.0, 30.0))
    slow, fast = 1e-6 * circuit.slow.frequency, 1e6 * circuit.fast.frequency
    low, high = circuit.impedance(np.array([slow, fast]))
    assert low.real == pytest.approx(1.0 / brick.conductivity(BULK, BOUNDARY), rel=1e-9)
    assert circuit.resistance == pytest.approx(1.0 / brick.conductivity(BULK, BOUNDARY), rel=1e-12)
    capacitance = (1.0 / (2j * pi * fast * high)).real
    # At high frequency only permittivities count, and they mix as conductivities do.
    assert capacitance == pytest.approx(VACUUM_PERMITTIVITY_F_PER_CM * brick.conductivity(15.0, 30.0), rel=1e-5)


def test_one_relaxation_time_is_one_arc():
    circuit = circuit_of(BrickLayer.of(1.0, 0.1), 1e-3, 1e-3, (10.0, 10.0))
    assert circuit.fast.resistance == 0.0 and circuit.slow.resistance == pytest.approx(1e3, rel=1e-12)
    assert circuit.slow.capacitance == pytest.approx(10.0 * VACUUM_PERMITTIVITY_F_PER_CM, rel=1e-9)


def test_slow_arc_of_a_thin_boundary_holds_its_resistance_and_capacitance():
    circuit = circuit_of(BrickLayer.of(1e4, 1.0), BULK, 1e-8, (15.0, 15.0))
    assert circuit.slow.resistance == pytest.approx(1e-4 / 1e-8, rel=1e-3)
    assert circuit.fast.resistance == pytest.approx(1.0 / BULK, rel=1e-3)
    assert circuit.slow.capacitance / circuit.fast.capacitance == pytest.approx(1e4, rel=1e-3)
