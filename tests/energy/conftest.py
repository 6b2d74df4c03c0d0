"""Cells and potentials that the engine's tests share."""

from fractions import Fraction

import numpy as np
import pytest
from ase import Atoms

from dopantfit import Potential
from dopantfit.structures import load_host


@pytest.fixture(scope="session")
def potential() -> Potential:
    return Potential.load("latp-mg-2022")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20220824)


@pytest.fixture
def perturbed_lamtp(rng: np.random.Generator) -> Atoms:
    """Li10Al2MgTi9P18O72, 112 ions, every coordinate off its site by 0.08 Å rms."""
    atoms = load_host().doped(rng, Fraction(1, 3), Fraction(1, 6), "Mg", 2)
    atoms.positions += rng.normal(0, 0.08, atoms.positions.shape)
    return atoms
