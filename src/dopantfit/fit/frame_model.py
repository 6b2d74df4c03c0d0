"""One frame under changing parameters: what does not change is kept, and shells start from where an anchor left them.

A candidate moves parameters only, so neighbour lists, phases and the waves of the cores are made once. Shells start
from those of the *anchor*, a fixed set of parameters, and not from the last candidate's: the result is then a function
of the parameters alone, whatever was evaluated before and in which process, and the same seed gives the same bytes.
"""

import copy
from collections.abc import Collection

from dopantfit.energy import Derivatives, Evaluation, evaluate, parameter_derivatives, species_table
from dopantfit.energy.arrays import Floats
from dopantfit.energy.expansion import ShellExpansion
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.energy.relaxation import RelaxedShells, relax_shells
from dopantfit.energy.shell_problem import ShellProblem
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.fit.data import Target
from dopantfit.potential import Parameter, Potential


class FrameModel:
    """The energy model of one target's frame; see the module for what is kept."""

    def __init__(self, target: Target, moves_charges: bool, tolerance: float) -> None:
        self.target = target
        self.tolerance = tolerance
        self._moves_charges = moves_charges
        self._problem: ShellProblem | None = None
        self._anchor: Evaluation | None = None

    def anchor(self, potential: Potential) -> None:
        """Let later evaluations start from the shells at these parameters, found from a start on the cores."""
        self._anchor = None
        self._anchor = self.evaluate(potential)

    def expansion(self, changing: Collection[tuple[str, str]]) -> ShellExpansion:
        """The expansion around the anchor for parameters of these pairs of species (labels sorted), and springs.

        Raises ConvergenceError where the anchor's shells rest on a saddle.
        """
        if self._anchor is None:
            raise ConvergenceError(f"{self.target.frame.name}: there is no anchor to expand around; anchor it first")
        return ShellExpansion(self._anchor, changing)

    def evaluate(self, potential: Potential) -> Evaluation:
        """Energy, forces and stress at relaxed shells.

        Raises CollapseError and ConvergenceError when shells do not come to rest, neither from the anchor nor from a
        start on the cores.
        """
        frame = self.target.frame
        table = species_table(frame.labels, potential)
        if self._anchor is not None:
            try:
                return self._evaluate(table, self._anchor.relaxed)
            except (CollapseError, ConvergenceError):
                pass  # The anchor's shells were a bad start; whether the parameters are bad shows below.
        return evaluate(frame, table, tolerance=self.tolerance)

    def derivatives(self, relaxed: RelaxedShells, parameters: tuple[Parameter, ...]) -> Derivatives | None:
        """Derivatives with respect to those of the parameters that this frame feels; None when it feels none."""
        felt = self.felt(parameters)
        return parameter_derivatives(relaxed, felt) if felt else None

    def felt(self, parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        """The parameters whose species this frame holds."""
        return tuple(p for p in parameters if set(p.of) <= set(self.target.frame.labels))

    def _evaluate(self, table: SpeciesTable, anchor: RelaxedShells) -> Evaluation:
        problem = self._problem_with(table)
        relaxed = relax_shells(problem, anchor.displacement, anchor.steering, self.tolerance)
        cores = relaxed.problem.core_pass(relaxed.displacement, relaxed.shells)
        forces: Floats = cores.force
        forces[problem.frame.shell_ions] += relaxed.shells.force
        return Evaluation(
            energy=relaxed.shells.energy + cores.energy,
            forces=forces,
            stress=-(relaxed.shells.virial + cores.virial) / problem.frame.volume,
            relaxed=relaxed,
        )

    def _problem_with(self, table: SpeciesTable) -> ShellProblem:
        """The problem with another table; phases and core waves are those of the first one while charges stand."""
        if self._problem is None or self._moves_charges:
            self._problem = ShellProblem(self.target.frame, table)
            return self._problem
        problem = copy.copy(self._problem)
        problem.table = table
        return problem
