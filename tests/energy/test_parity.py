"""The engine against LAMMPS, each at the shells that the engine calls relaxed."""

from fractions import Fraction

import numpy as np
import pytest
from ase import Atoms

from dopantfit import Potential, ShellModel
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.structures import load_host, prototype
from dopantfit.units import COULOMB_LAMMPS, EV_PER_A3_IN_GPA


def _doped(rng: np.random.Generator) -> Atoms:
    return load_host().doped(rng, Fraction(1, 3), Fraction(1, 6), "Mg", 2)


def _strained(rng: np.random.Generator) -> Atoms:
    atoms = _doped(rng)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.04, (3, 3))), scale_atoms=True)
    return atoms


CELLS = {
    "LiTi2(PO4)3": lambda rng: prototype("LiTi2P3O12"),
    "AlPO4": lambda rng: prototype("AlPO4"),
    "LiTiOPO4": lambda rng: prototype("LiTiOPO4"),
    "Mg3(PO4)2, monoclinic": lambda rng: prototype("Mg3P2O8"),
    "Li3PO4": lambda rng: prototype("Li3PO4_gamma"),
    "TiP2O7": lambda rng: prototype("TiP2O7"),
    "Al2O3": lambda rng: prototype("Al2O3"),
    "MgO, a cell smaller than the cutoff": lambda rng: prototype("MgO"),
    "LAMTP": _doped,
    "LAMTP, triclinic": _strained,
    "LATP, 1171 ions": lambda rng: load_host().doped(rng, Fraction(19, 64), cell=load_host().pseudo_cubic(2)),
}


@pytest.mark.parametrize("build", CELLS.values(), ids=CELLS.keys())
def test_energy_forces_and_stress_are_those_of_lammps(build, rng, potential: Potential):
    atoms = build(rng)
    atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    atoms.calc = ShellModel(potential, tolerance=1e-7, coulomb=COULOMB_LAMMPS)
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    shells = atoms.positions.copy()
    shells[[atom.index for atom in atoms if atom.symbol == "O"]] = atoms.calc.results["shells"]
    with InProcessLammps(atoms, potential, kspace="ewald 1e-8") as lammps:
        lammps.tabulate_coulomb()
        lammps.set_positions(atoms.positions, shells)
        assert abs(lammps.energy() - energy) / len(atoms) < 1e-6
        # 1e-5 eV/Å: fifty times the rms error that our Ewald sum is planned for, a tenth of what is asked.
        np.testing.assert_allclose(forces, lammps.forces(), atol=1e-5, rtol=0)
        np.testing.assert_allclose(stress, lammps.stress(), atol=1e-3 / EV_PER_A3_IN_GPA, rtol=0)
        # LAMMPS agrees that these shells are at rest: the minimum is the same, not only the energy at it.
        assert np.abs(lammps.shell_forces()).max() < 1e-5
