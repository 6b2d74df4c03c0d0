from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dopantfit import ShellModel
from dopantfit.structures import prototype

atoms = prototype("LiTi2P3O12")
atoms.calc = ShellModel("latp-mg-2022")
BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01)
a, _, c, _, _, gamma = atoms.cell.cellpar()
print(f"LiTi2(PO4)3: a = {a:.3f} Å, c = {c:.3f} Å, gamma = {gamma:.2f}°, E = {atoms.get_potential_energy():.3f} eV")
