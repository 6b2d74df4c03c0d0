"""Structures and potentials that the LAMMPS tests share."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dopantfit.potential import Buckingham, Potential, Shell, Species
from dopantfit.structures import prototype

NOTHING = Buckingham(A=0.0, rho=1.0, C=0.0)


def oxide(oxygen: Species, mg_o: Buckingham = NOTHING, o_o: Buckingham = NOTHING, cutoff: float = 9.0) -> Potential:
    """Return a potential of MgO with formal charges."""
    magnesium = Species(formal_charge=2, charge=2.0, mass=24.305)
    pairs = {("Mg", "Mg"): NOTHING, ("Mg", "O"): mg_o, ("O", "O"): o_o}
    return Potential("oxide", "made for tests", cutoff, {"Mg": magnesium, "O": oxygen}, pairs)


@pytest.fixture
def ionic() -> Potential:
    """Point charges +2 and -2, nothing else."""
    return oxide(Species(formal_charge=-2, charge=-2.0, mass=15.999))


@pytest.fixture
def polarisable() -> Potential:
    """MgO after Lewis and Catlow: O with a shell; no dispersion, whose truncation makes energies jump."""
    shell = Shell(charge=-2.869, mass=0.3, spring=74.92)
    oxygen = Species(formal_charge=-2, charge=0.869, mass=15.699, shell=shell)
    return oxide(oxygen, Buckingham(A=1428.5, rho=0.2945, C=0.0), Buckingham(A=22764.0, rho=0.149, C=0.0))


@pytest.fixture
def rocksalt() -> Atoms:
    """Eight ions of MgO, a = 4.2 Å."""
    return bulk("MgO", "rocksalt", a=4.2, cubic=True)


@pytest.fixture
def shaken(rocksalt: Atoms) -> Atoms:
    """Return the same, sheared and with every ion displaced by about 0.1 Å: no symmetry hides a mistake."""
    generator = np.random.default_rng(7)
    strain = np.eye(3) + generator.normal(0.0, 0.03, (3, 3))
    rocksalt.set_cell(rocksalt.cell.array @ strain, scale_atoms=True)
    rocksalt.positions += generator.normal(0.0, 0.1, (8, 3))
    return rocksalt


@pytest.fixture
def published_pair() -> tuple[Atoms, Potential]:
    """Farringtonite with a Mg, ion 0, that was put 1.2 Å from the P that is ion 1, opposite to one of its four O."""
    atoms = prototype("Mg3P2O8")
    magnesium, phosphorus = (int(np.flatnonzero(atoms.symbols == symbol)[0]) for symbol in ("Mg", "P"))
    rest = [i for i in range(len(atoms)) if i not in (magnesium, phosphorus)]
    atoms = atoms[[magnesium, phosphorus, *rest]]
    oxygen = 2 + int(np.argmin(atoms.get_distances(1, range(2, len(atoms)), mic=True)))
    direction = atoms.get_distance(oxygen, 1, mic=True, vector=True)
    atoms.positions[0] = atoms.positions[1] + 1.2 * direction / np.linalg.norm(direction)
    return atoms, Potential.load("latp-mg-2022")
