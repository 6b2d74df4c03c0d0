"""Measured crystals as targets: a crystal that is at rest in its cell costs the same stretched and compressed.

The two differ by twice the strain times the stress of relaxed ions, up to the third order of the strain. So a measured
cell is one relaxed energy difference for every axis, whose reference is zero.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.energy import make_frame
from dopantfit.energy.arrays import VOIGT
from dopantfit.errors import ConfigError
from dopantfit.fit.config import FitConfig, MeasuredCrystal
from dopantfit.fit.exchanges import RelaxedDifference
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.units import EV_PER_A3_IN_GPA

#: What the crystals are called among the sets.
CRYSTALS = "crystals"
#: Strain to either side. Third-order constants of some 3000 GPa make 2e-3 GPa of it, too little to be seen in a cell.
STRAIN = 2e-3
_NAMES = ("xx", "yy", "zz", "yz", "xz", "xy")


def crystal_targets(config: FitConfig, base: Potential, file: Path) -> tuple[RelaxedDifference, ...]:
    """One difference for every strain of every crystal of the file.

    base: a potential of the fit's species. file: of the configuration, whose folder paths start from. Raises
    ConfigError for an unknown crystal, for a file that is none, and for one of species that are not here.
    """
    return tuple(one for crystal in config.crystals for one in _of_crystal(crystal, base, file))


def _of_crystal(crystal: MeasuredCrystal, base: Potential, file: Path) -> Iterator[RelaxedDifference]:
    atoms, name = crystal.atoms(file.parent), f"{CRYSTALS}/{crystal.name}"
    missing = sorted(set(labels_of(atoms)) - set(base.species))
    if missing:
        raise ConfigError(
            f"{file}: crystals: {crystal.name} holds {', '.join(missing)}, which neither the host nor the "
            f"dopant is ({', '.join(base.species)}); remove it"
        )
    for strain in _strains(crystal):
        short, long = (
            make_frame(_strained(atoms, strain, sign * STRAIN), base, f"{name} {_NAMES[strain]} {sign:+d}")
            for sign in (-1, 1)
        )
        yield RelaxedDifference(
            name=f"{name} {_NAMES[strain]}",
            set=CRYSTALS,
            item=crystal.name,
            family=crystal.name,
            partner=_NAMES[strain],
            start=short,
            end=long,
            reference=0.0,
            error=2.0 * STRAIN * float(atoms.cell.volume) * crystal.stress_error / EV_PER_A3_IN_GPA,
        )


def _strains(crystal: MeasuredCrystal) -> list[int]:
    """The Voigt components that a cell can relax by: lengths, and angles that no symmetry fixes."""
    angles = (crystal.alpha, crystal.beta, crystal.gamma)
    return [0, 1, 2] + [3 + number for number, angle in enumerate(angles) if angle not in (90.0, 120.0)]


def _strained(atoms: Atoms, component: int, strain: float) -> Atoms:
    """A copy under one symmetric strain, fractional coordinates kept."""
    row, column = VOIGT[component]
    change = np.zeros((3, 3))
    change[row, column] += 0.5 * strain
    change[column, row] += 0.5 * strain
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + change), scale_atoms=True)
    return strained
