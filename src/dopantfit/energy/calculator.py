"""``ShellModel``: the engine as an ASE calculator, so that all of ASE works on a core-shell potential."""

from typing import Any, ClassVar

import ase
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from dopantfit.energy.arrays import Floats
from dopantfit.energy.evaluation import TOLERANCE, Evaluation, evaluate
from dopantfit.energy.frame import ACCURACY, Frame, background_energy, make_frame
from dopantfit.energy.problem import ShellProblem
from dopantfit.energy.real_space import species_table
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.units import COULOMB

#: Shells start from where they were when no ion has moved farther than this [Å] since.
CONTINUES = 0.3


class ShellModel(Calculator):
    """Core-shell Buckingham energies of ions; the shells are relaxed inside.

    potential: a ``Potential`` or what ``Potential.load`` takes, a path or the name of a published set.
    tolerance: largest force component on a relaxed shell [eV/Å]. accuracy: requested rms error of the forces from the
    Ewald sum [eV/Å]. coulomb: e²/4πε0 [eV Å]. structure_name: what error messages call the structure. background:
    whether a charged cell is taken, with a uniform background that makes it neutral, instead of refused.

    The atoms hold ions only. ``results`` has energy [eV], forces [eV/Å], stress [eV/Å³] and shells: the positions of
    the shells [Å], ``shape=(n_shells, 3)``, in the order of the ions that have one.
    Raises ConfigError for a structure that cannot be evaluated, CollapseError where ions or shells fall into each
    other, and ConvergenceError where the shells do not come to rest.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress", "shells"]

    def __init__(
        self,
        potential: Potential | str,
        *,
        tolerance: float = TOLERANCE,
        accuracy: float = ACCURACY,
        coulomb: float = COULOMB,
        structure_name: str = "structure",
        background: bool = False,
    ) -> None:
        super().__init__()
        if not tolerance > 0:
            raise ConfigError(f"tolerance of the shell forces is {tolerance} eV/Å and must be positive")
        if not coulomb > 0:
            raise ConfigError(f"coulomb, e²/4πε0, is {coulomb} eV Å and must be positive; leave it out for {COULOMB}")
        self._potential = potential if isinstance(potential, Potential) else Potential.load(potential)
        self._tolerance = tolerance
        self._accuracy = accuracy
        self._coulomb = coulomb
        self._structure_name = structure_name
        self._background = background
        self.evaluation: Evaluation | None = None
        self._positions: Floats = np.empty((0, 3))
        self._cell: Floats = np.empty((0, 0))
        self._labels: list[str] = []

    @property
    def potential(self) -> Potential:
        """The potential; another one needs another calculator."""
        return self._potential

    def set(self, **keywords: Any) -> dict[str, Any]:
        """ASE's way to change settings, which this calculator does not have: make a new one."""
        if keywords:
            raise ConfigError(f"ShellModel cannot change {', '.join(keywords)} afterwards; make a new ShellModel")
        return {}

    def check_state(self, atoms: ase.Atoms, tol: float = 1e-15) -> list[str]:
        """ASE's test for changes, which does not see the labels of species."""
        changes: list[str] = super().check_state(atoms, tol)
        if not changes and self._labels and labels_of(atoms) != self._labels:
            changes = ["numbers"]
        return changes

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """ASE's entry point: everything is computed at once."""
        super().calculate(atoms, properties, system_changes)
        evaluation = self._evaluate(self.atoms)
        self.evaluation = evaluation
        self._positions, self._cell = self.atoms.positions.copy(), self.atoms.cell.array.copy()
        self._labels = labels_of(self.atoms)
        frame = evaluation.relaxed.problem.frame
        balancing = background_energy(frame, self.potential, self._coulomb) if self._background else 0.0
        energy = evaluation.energy + balancing
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": evaluation.forces.copy(),
            # The background's energy goes as 1/V.
            "stress": evaluation.stress - balancing / frame.volume * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
            "shells": self._positions[frame.shell_ions] + evaluation.relaxed.displacement,
        }

    def _evaluate(self, atoms: ase.Atoms) -> Evaluation:
        """Continues from the last evaluation where the ions are nearly where they were, else starts afresh."""
        previous = self.evaluation
        if previous is not None and self._continues(atoms):
            problem = ShellProblem(self._frame(atoms, previous), previous.relaxed.problem.table)
            try:
                return evaluate(problem, previous.relaxed.start, self._tolerance)
            except (ConvergenceError, CollapseError):
                pass  # The old shells were a bad start; whether the structure is bad shows below.
        frame = self._new_frame(atoms)
        table = species_table(frame.labels, self.potential, self._coulomb)
        return evaluate(ShellProblem(frame, table), tolerance=self._tolerance)

    def _continues(self, atoms: ase.Atoms) -> bool:
        return (
            labels_of(atoms) == self._labels
            and bool(np.isfinite(atoms.positions).all())
            and bool(atoms.pbc.all())
            and np.abs(atoms.cell.array - self._cell).max() < CONTINUES
            and np.abs(atoms.positions - self._positions).max() < CONTINUES
        )

    def _frame(self, atoms: ase.Atoms, previous: Evaluation) -> Frame:
        if np.array_equal(atoms.cell.array, self._cell):
            return previous.relaxed.problem.frame.moved(atoms.positions)
        return self._new_frame(atoms)

    def _new_frame(self, atoms: ase.Atoms) -> Frame:
        given = self._structure_name, self._accuracy, self._coulomb, self._background
        return make_frame(atoms, self.potential, *given)
