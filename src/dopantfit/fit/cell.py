"""The relaxed cell of a compound as a potential has it: ions, shells and cell at rest, at zero pressure.

Ions and the symmetric strain of the cell are relaxed together by quasi-Newton steps. Their Hessian is made once, by
differences of forces and stress, and then updated, so that a cell under slightly changed parameters is at rest after a
few evaluations.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from dopantfit.energy import Frame, ShellProblem, ShellStart, evaluate, make_frame, species_table
from dopantfit.energy.arrays import VOIGT, Floats
from dopantfit.energy.minimiser import inverse_hessian
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.objective import SHELL_TOLERANCE
from dopantfit.potential import Potential

#: Largest force [eV/Å], and largest stress times volume [eV], of a cell at rest: lengths are then good to 1e-6.
AT_REST = 1e-5
#: Displacement [Å] and strain over which the Hessian is a central difference.
DISPLACEMENT, STRAIN = 1e-3, 1e-4
#: Curvatures are at least this [eV/Å², or eV per unit strain²]: keeps steps along soft modes finite.
SOFTEST = 0.1
#: No coordinate moves farther than this in a step [Å, or relative].
LONGEST_STEP = 0.1
MAX_STEPS = 100


@dataclass(frozen=True)
class RelaxedCell:
    """A relaxed cell. atoms: the ions. shells: displacements of the shells [Å]. inverse: of the Hessian."""

    atoms: Atoms
    shells: Floats
    inverse: Floats
    steps: int

    @property
    def lengths_and_volume(self) -> Floats:
        """The lengths a, b, c [Å] and V [Å³]."""
        return np.array([*self.atoms.cell.lengths(), self.atoms.cell.volume])


def relax_cell(atoms: Atoms, potential: Potential, start: RelaxedCell | None = None) -> RelaxedCell:
    """Relax ions, shells and cell. start: the same compound at rest under parameters nearby.

    Raises ConvergenceError when it does not come to rest, CollapseError when shells leave their cores.
    """
    atoms = (atoms if start is None else start.atoms).copy()
    shells, gradient = _gradient(atoms, potential, None if start is None else start.shells)
    if start is None:
        # A displacement of every coordinate [Å], then the strains.
        widths = np.concatenate([np.full(3 * len(atoms), DISPLACEMENT), np.full(6, STRAIN)])
        inverse = inverse_hessian(
            lambda step: -_gradient(_moved(atoms, step), potential, shells)[1], np.zeros(len(widths)), widths, SOFTEST
        )
    else:
        inverse = start.inverse
    for step_number in range(MAX_STEPS):
        if float(np.abs(gradient).max()) < AT_REST:
            return RelaxedCell(atoms, shells, inverse, step_number)
        step = -inverse @ gradient
        step *= min(1.0, LONGEST_STEP / float(np.abs(step).max()))
        atoms = _moved(atoms, step)
        before = gradient
        shells, gradient = _gradient(atoms, potential, shells)
        inverse = _updated(inverse, step, gradient - before)
    raise ConvergenceError(
        f"the cell of {atoms.get_chemical_formula()} is not at rest after {MAX_STEPS} steps, the largest force is "
        f"{float(np.abs(gradient).max()):.3g} eV/Å; narrow the bounds of the pre-optimised parameters"
    )


def _updated(inverse: Floats, step: Floats, change: Floats) -> Floats:
    """The inverse Hessian after a step, by the formula of Broyden, Fletcher, Goldfarb and Shanno."""
    product = float(step @ change)
    if product <= 0.0:
        return inverse
    moved = inverse @ change
    updated: Floats = (
        inverse
        + (1.0 + float(change @ moved) / product) * np.outer(step, step) / product
        - (np.outer(moved, step) + np.outer(step, moved)) / product
    )
    return updated


def _gradient(atoms: Atoms, potential: Potential, shells: Floats | None) -> tuple[Floats, Floats]:
    """Shell displacements [Å], and the gradient: minus forces [eV/Å], then stress × volume [eV], (3n + 6,)."""
    try:
        frame: Frame = make_frame(atoms, potential, "the pre-optimised cell")
    except ConfigError as error:
        # Ions on top of each other: the parameters did that, not the person.
        raise CollapseError(str(error)) from None
    problem = ShellProblem(frame, species_table(frame.labels, potential))
    result = evaluate(problem, None if shells is None else ShellStart(shells), SHELL_TOLERANCE)
    stress = result.stress * atoms.cell.volume
    # A shear strain stands in two places of the symmetric tensor.
    gradient = np.concatenate([-result.forces.ravel(), stress * np.array([1, 1, 1, 2, 2, 2])])
    return result.relaxed.displacement, gradient


def _moved(atoms: Atoms, step: Floats) -> Atoms:
    """The ions displaced [Å] and the cell strained; the last six numbers are strains in Voigt order."""
    strain = np.zeros((3, 3))
    for (i, j), value in zip(VOIGT, step[-6:], strict=True):
        strain[i, j] = strain[j, i] = value
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    moved.positions += step[:-6].reshape(-1, 3)
    return moved
