"""The crystals that a potential is held against."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dopantfit.fit.config import load_config
from dopantfit.structures import labels_of, prototype
from dopantfit.validate.presets import GATE_PRESETS
from dopantfit.validate.settings import load_settings
from dopantfit.validate.subject import load_subject

FITS = Path(__file__).parents[2] / "fits"
#: Li1.6 Al0.4 Mg0.1 Ti1.5 (PO4)3, the crystal of the published work's Fig. S3.
WANTED = {"Li": 1.6, "Al": 0.4, "Mg": 0.1, "Ti": 1.5, "P": 3.0, "O": 12.0}


def neutral(units, partners, dopants):
    """Ions of `units` formula units of LiTi2(PO4)3 with Al and Mg on Ti sites, Li for the charge."""
    ions = {"Li": units + partners + 2 * dopants, "Al": partners, "Mg": dopants, "Ti": 2 * units - partners - dopants}
    return ions | {"P": 3 * units, "O": 12 * units}


def distance(ions, units):
    return sum((ions[name] - wanted * units) ** 2 for name, wanted in WANTED.items())


@pytest.mark.parametrize("name", GATE_PRESETS)
def test_the_crystal_of_the_ion_dynamics_is_the_nearest_to_the_published_composition(folder, name):
    subject = load_subject(folder, "latp-mg-2022", name)
    of, repeats = subject.settings.mobility, subject.preset.mobility_repeats
    found = Counter(labels_of(subject.crystal(of.x, of.y, repeats, np.random.default_rng(1))))
    units = 6 * int(np.prod(repeats))
    nearest = min(
        (neutral(units, *counts) for counts in product(range(units), repeat=2)), key=lambda o: distance(o, units)
    )
    assert found == nearest


def test_a_cell_too_small_for_the_dopant_still_gets_one(folder):
    subject = load_subject(folder, "latp-mg-2022", "quick")
    found = Counter(labels_of(subject.crystal(0.4, 0.01, (1, 1, 1), np.random.default_rng(1))))
    assert found == neutral(6, 2, 1)


def test_the_mg_phosphate_is_held_against_the_measured_cell_that_the_fit_refers_to():
    compound = load_settings(FITS / "Mg").compound
    config, _ = load_config(FITS / "Mg")
    reference = config.preoptimisation.reference
    assert compound.prototype == reference.prototype
    assert compound.cell == (reference.a, reference.b, reference.c, 90.0, reference.beta, 90.0)
    assert reference.source in compound.source
    # The library's cell is within 2 % of it, axis by axis: none is permuted.
    assert prototype(compound.prototype).cell.cellpar() == pytest.approx(compound.cell, rel=0.02)
