"""What glasses show: intervals that hold the truth, and who is surely better than whom."""

import numpy as np
import pytest

from dopantfit.design.results import CompositionGlasses, GlassCell
from dopantfit.statistics import Estimate
from dopantfit.study.conduction import SpeciesTransport, Transported
from dopantfit.study.dynamics import Equilibrated

VOLUME = 2000.0


def cell(sigma, relative, ions, volume=VOLUME, volume_error=2.0):
    """A glass with a conductivity and its relative error (None: a bound), and so many reducible ions."""
    found = Estimate.upper_bound(sigma) if relative is None else Estimate.symmetric(sigma, sigma * relative)
    species = SpeciesTransport.model_construct(tracer_conductivity_S_per_cm=found)
    transport = Transported.model_construct(species={"M": species})
    equilibrated = Equilibrated.model_construct(
        counts={"R": ions, "M": 9}, atoms=160, volume_A3=Estimate.symmetric(volume, volume_error)
    )
    return GlassCell(equilibrated, transport, {"R": 2})


def glasses(cells):
    return CompositionGlasses(dict(enumerate(cells, 1)), "M", "R")


def simulated(rng, quenches, sigma, density, relative=0.1, of_quench=0.5, own=0.15):
    """Two compositions out of the same boundaries; each boundary has its own level, each glass its own scatter."""
    level = of_quench * rng.normal(size=quenches)
    made = []
    for factor, ions in ((sigma, density), (1.0, 1.0)):
        truth = factor * np.exp(level + own * rng.normal(size=quenches))
        shown = truth * (1.0 + relative * rng.normal(size=quenches))
        volumes = VOLUME * np.exp(0.5 * level + 0.02 * rng.normal(size=quenches)) / ions
        made.append(glasses([cell(s, relative, 13, v) for s, v in zip(shown.tolist(), volumes.tolist(), strict=True)]))
    return made


def test_intervals_of_what_is_derived_hold_the_truth_in_93_to_97_percent():
    rng, count = np.random.default_rng(11), 1_500
    held = {"sigma": 0, "density": 0, "ratio of sigma": 0, "ratio of density": 0}
    for _ in range(count):
        one, other = simulated(rng, 4, 3.0, 0.6)
        ratios = one.over(other)
        found = {"sigma": (one.sigma, 3.0), "density": (one.density, 0.6 * 13 / VOLUME)}
        found |= {"ratio of sigma": (ratios[0], 3.0), "ratio of density": (ratios[1], 0.6)}
        for name, (interval, truth) in found.items():
            held[name] += interval.low <= truth <= interval.high
    # Of 1,500 the share of what holds has a standard error of 0.6 %.
    assert {name: 0.93 <= number / count <= 0.97 for name, number in held.items()} == dict.fromkeys(held, True)


def test_what_a_boundary_has_of_its_own_drops_out_of_comparisons():
    rng = np.random.default_rng(4)
    one, other = simulated(rng, 4, 3.0, 0.6, relative=0.02, own=0.05)
    assert one.surely_dominates(other) and not other.surely_dominates(one)
    # By themselves the two could not be told apart.
    assert one.sigma.low < other.sigma.high


def test_a_bound_is_no_proof():
    sure, bound = glasses([cell(2.0, 0.05, 5)] * 3), glasses([cell(9.0, None, 5)] * 3)
    assert not sure.surely_dominates(bound) and not bound.surely_dominates(sure)
    measured = bound.measured(sure)
    assert measured.sigma == pytest.approx(9.0 / np.e) and measured.error_of_sigma == 1.0


def test_no_reducible_ion_counts_as_half_a_one():
    none = glasses([cell(2.0, 0.05, 0)] * 3)
    assert none.measured(glasses([cell(2.0, 0.05, 5)] * 3)).density == pytest.approx(0.5 / (3 * VOLUME))


def test_one_glass_alone_is_not_known():
    alone = glasses([cell(2.0, 0.05, 5)])
    assert not alone.is_known and alone.measured(alone) is None


def test_ions_that_gave_their_places_are_summed():
    assert glasses([cell(2.0, 0.05, 5)] * 3).replaced == {"R": 6}
