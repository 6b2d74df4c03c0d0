"""Relaxes LiTi2(PO4)3, cell and ions, with the published potential, and prints the cell."""

from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dopantfit import Potential, ShellModel
from dopantfit.structures import prototype

atoms = prototype("LiTi2P3O12")
atoms.calc = ShellModel(Potential.load("latp-mg-2022"))
BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01)
a, _, c, _, _, gamma = atoms.cell.cellpar()
print(
    f"LiTi2(PO4)3, {len(atoms)} ions: a = {a:.3f} Å, c = {c:.3f} Å, gamma = {gamma:.2f}°, E = {atoms.get_potential_energy():.3f} eV"
)
