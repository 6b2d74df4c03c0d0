"""One frame under changing parameters: what does not change is kept, and shells start from where an anchor left them.

A candidate moves parameters only, so neighbour lists, phases and the waves of the cores are made once. Shells start
from those of the *anchor*, a fixed set of parameters, and not from the last candidate's: the result is then a function
of the parameters alone, whatever was evaluated before and in which process, and the same seed gives the same bytes.
"""

from collections.abc import Collection

from dopantfit.energy import Derivatives, Evaluation, ShellProblem, evaluate, parameter_derivatives, species_table
from dopantfit.energy.expansion import ShellExpansion
from dopantfit.energy.relaxation import RelaxedShells
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.fit.data import Target
from dopantfit.potential import Parameter, Potential


class FrameModel:
    """The energy model of one target's frame; see the module for what is kept. tolerance: of shell forces [eV/Å]."""

    def __init__(self, target: Target, tolerance: float) -> None:
        self.target = target
        self.tolerance = tolerance
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

        Raises CollapseError where sites have fallen into each other, and ConvergenceError when shells do not come to
        rest, neither from the anchor nor from a start on the cores.
        """
        table = species_table(self.target.frame.labels, potential)
        problem = ShellProblem(self.target.frame, table) if self._problem is None else self._problem.with_table(table)
        self._problem = problem
        if self._anchor is not None:
            try:
                return evaluate(problem, self._anchor.relaxed.start, self.tolerance)
            except (CollapseError, ConvergenceError):
                pass  # The anchor's shells were a bad start; whether the parameters are bad shows below.
        return evaluate(problem, tolerance=self.tolerance)

    def derivatives(self, relaxed: RelaxedShells, parameters: tuple[Parameter, ...]) -> Derivatives | None:
        """Derivatives with respect to those of the parameters that this frame feels; None when it feels none."""
        felt = self.felt(parameters)
        return parameter_derivatives(relaxed, felt) if felt else None

    def felt(self, parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        """The parameters whose species this frame holds."""
        return tuple(p for p in parameters if set(p.of) <= set(self.target.frame.labels))
