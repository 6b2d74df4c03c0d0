"""The objective of a fit: ½ Σ residual², with its exact gradient, and what happens to candidates that collapse.

Points are coordinates in the unit box of a ``Space``. A candidate whose shells do not come to rest in some frame, or
whose ions do not in some end of an exchange, gets a finite penalty that grows with the distance from the anchor, so
that a search is steered back; it is counted by reason.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from dopantfit.energy import Evaluation, ShellProblem, evaluate, parameter_derivatives, species_table
from dopantfit.energy.arrays import Floats
from dopantfit.energy.expansion import ShellExpansion
from dopantfit.energy.ion_relaxation import RelaxedIons
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.config import Guards
from dopantfit.fit.data import Target
from dopantfit.fit.exchanges import DifferenceModel, RelaxedDifference
from dopantfit.fit.guard import guard_jacobian, guard_residuals, guarded_pairs
from dopantfit.fit.residuals import EnergyGroups, FrameResult, FrameSums, energy_groups, frame_jacobian, frame_residuals
from dopantfit.fit.variables import Space
from dopantfit.potential import Potential

#: Largest force component on a relaxed shell [eV/Å]. Forces on cores follow it; tighter than the engine's own default,
#: so that the cost is smooth to 1e-7 and line searches see no noise.
SHELL_TOLERANCE = 1e-7
#: A rejected candidate costs this many times the anchor's cost, and more with its distance.
REJECTION = 100.0
#: What a cost is made of.
KINDS = ("forces", "stresses", "energies", "priors and guards", "exchanges")


@dataclass(frozen=True)
class Rejection:
    """Why a candidate has no value: the class of the error, and its message."""

    reason: str
    message: str


@dataclass(frozen=True)
class Candidate:
    """A point that was evaluated.

    values: of the variables, in their units. cost: ½ Σ residual², or the penalty. residuals: all of them, None where
    the candidate was rejected. evaluations: one per frame. relaxed: one per end of an exchange.
    """

    point: Floats
    values: Floats
    cost: float
    residuals: Floats | None
    evaluations: tuple[Evaluation, ...]
    rejection: Rejection | None = None
    relaxed: tuple[RelaxedIons, ...] = ()


class FrameModel:
    """The energy model of one target's frame under changing parameters. tolerance: of shell forces [eV/Å].

    A candidate moves parameters only, so neighbour lists, phases and the waves of the cores are made once. Shells start
    from those of the *anchor*, a fixed set of parameters, and not from the last candidate's: the result is then a
    function of the parameters alone, whatever was evaluated before and in which process, and the same seed gives the
    same bytes.
    """

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


class Objective:
    """½ Σ residual² of some frames and exchanges as a function of the point.

    space: the box. targets: the frames. guards: what is penalised beside the frames. tolerance: largest force on a
    relaxed shell [eV/Å]. exchanges: relaxed energy differences. The start of the space is the anchor until ``anchor``
    moves it; its frames must have values there, its exchanges need not.
    ``penalty`` is what a rejected candidate costs at least. models: of the frames. anchor_point: where the anchor is.
    Raises ConfigError where nothing is compared, CollapseError and ConvergenceError where the start itself collapses.
    """

    def __init__(
        self,
        space: Space,
        targets: Sequence[Target],
        guards: Guards | None = None,
        tolerance: float = SHELL_TOLERANCE,
        exchanges: Sequence[RelaxedDifference] = (),
    ) -> None:
        self.space = space
        self.targets = tuple(targets)
        self.guards = guards or Guards(turn_over_error=None)
        self.rejected: Counter[str] = Counter()
        self._groups: EnergyGroups = energy_groups(self.targets)
        self._pairs = guarded_pairs(space, self.guards)
        self._mixing = space.mixing
        self._exchanges = DifferenceModel((), space.base)
        self.models = tuple(FrameModel(target, tolerance) for target in self.targets)
        self.penalty = 0.0
        self.anchor(space.start)
        start = self.candidate(space.start)
        self.penalty = REJECTION * max(start.cost, 1.0)
        if start.residuals is None or self.data_count == 0:
            raise ConfigError("no residual: no frame has a weight; give the sets errors and weights")
        if exchanges:
            self._exchanges = DifferenceModel(exchanges, space.base)
            start = self.candidate(space.start)
            self.penalty = max(self.penalty, REJECTION * start.cost if start.residuals is not None else 0.0)

    # --- numbers -------------------------------------------------------------------------------------

    @property
    def data_count(self) -> int:
        """Residuals of data: forces, stresses, energies and exchanges, without guards and priors."""
        of_frames = sum(target.force_count + target.stress_count for target in self.targets) + len(self._groups.rows)
        return of_frames + self.exchange_count

    @property
    def exchange_count(self) -> int:
        """Exchange energies that are fitted."""
        return len(self._exchanges.targets)

    @property
    def offset_count(self) -> int:
        """Energy offsets that are fitted along."""
        return len(self._groups.members)

    # --- evaluations ---------------------------------------------------------------------------------

    def anchor(self, point: Floats) -> None:
        """Let shells start from where they rest at this point. Raises CollapseError or ConvergenceError."""
        potential = self.space.potential(self.space.values(point))
        for model in self.models:
            model.anchor(potential)
        self.anchor_point = np.array(point)

    def candidate(self, point: Floats) -> Candidate:
        """Evaluate a point; a collapse becomes a penalty and is counted, never raised."""
        values = self.space.values(point)
        potential = self.space.potential(values)
        try:
            evaluations = tuple(model.evaluate(potential) for model in self.models)
            relaxed = self._exchanges.relax(potential)
        except (CollapseError, ConvergenceError) as error:
            return self.reject(point, Rejection(type(error).__name__, str(error)))
        residuals = self.residuals(values, potential, evaluations, relaxed)
        if not np.isfinite(residuals).all():
            return self.reject(point, Rejection("NotFinite", "a residual is not a finite number"))
        cost = 0.5 * float(residuals @ residuals)
        return Candidate(np.array(point), values, cost, residuals, evaluations, relaxed=relaxed)

    def reject(self, point: Floats, rejection: Rejection) -> Candidate:
        """A point without a value: counted, and steered back by what it costs."""
        self.rejected[rejection.reason] += 1
        away = np.asarray(point) - self.anchor_point
        cost = self.penalty * (1.0 + float(away @ away))
        return Candidate(np.array(point), self.space.values(point), cost, None, (), rejection)

    def parts(self, candidate: Candidate) -> tuple[float, ...]:
        """The cost of a candidate by ``KINDS``, as far as there is something of a kind; empty where it was rejected."""
        if candidate.residuals is None:
            return ()
        sums = dict.fromkeys(KINDS if self.exchange_count else KINDS[:-1], 0.0)
        place = 0
        for target in self.targets:
            for kind, count in (("forces", target.force_count), ("stresses", target.stress_count)):
                sums[kind] += float(np.sum(candidate.residuals[place : place + count] ** 2))
                place += count
        energies = place + len(self._groups.rows)
        sums["energies"] = float(np.sum(candidate.residuals[place:energies] ** 2))
        others = energies + self.exchange_count
        if self.exchange_count:
            sums["exchanges"] = float(np.sum(candidate.residuals[energies:others] ** 2))
        sums["priors and guards"] = float(np.sum(candidate.residuals[others:] ** 2))
        return tuple(0.5 * value for value in sums.values())

    def cost(self, point: Floats) -> float:
        """Cost of a point."""
        return self.candidate(point).cost

    def cost_and_gradient(self, point: Floats) -> tuple[float, Floats]:
        """Cost and its gradient with respect to the coordinates."""
        candidate = self.candidate(point)
        if candidate.residuals is None:
            return candidate.cost, 2.0 * self.penalty * (np.asarray(point) - self.anchor_point)
        gradient: Floats = self.jacobian(candidate).T @ candidate.residuals
        return candidate.cost, gradient

    def linearised(self, candidate: Candidate) -> tuple[Floats, Floats]:
        """Residuals of a candidate and their Jacobian; errors as of ``jacobian``."""
        jacobian = self.jacobian(candidate)
        return (np.zeros(0) if candidate.residuals is None else candidate.residuals), jacobian

    def jacobian(self, candidate: Candidate) -> Floats:
        """Derivatives of all residuals with respect to the coordinates, ``shape=(n_residuals, n)``.

        Raises ConfigError for a rejected candidate, which has no residuals.
        """
        if candidate.residuals is None:
            raise ConfigError("a rejected candidate has no derivatives; start from one that the potential survives")
        sums = [self._sums(*one) for one in zip(self.targets, candidate.evaluations, strict=True)]
        parts = [frame_jacobian(target, one) for target, one in zip(self.targets, sums, strict=True)]
        parts.append(self._groups.centred(np.array([one.energy for one in sums])))
        potential = self.space.potential(candidate.values)
        parts.append(self._exchanges.jacobian(candidate.relaxed, self.space.parameters) @ self._mixing)
        parts.append(guard_jacobian(potential, self._pairs, self.guards, self.space.parameters) @ self._mixing)
        priors = [(number, variable.prior) for number, variable in enumerate(self.space.variables) if variable.prior]
        of_priors = np.zeros((len(priors), len(self.space.variables)))
        for row, (number, prior) in enumerate(priors):
            of_priors[row, number] = 1.0 / prior.error
        jacobian: Floats = np.concatenate([*parts, of_priors]) * self.space.slopes(candidate.values)
        return jacobian

    def residuals(
        self,
        values: Floats,
        potential: Potential,
        evaluations: Sequence[FrameResult],
        relaxed: Sequence[RelaxedIons],
    ) -> Floats:
        """All residuals of these values, whose potential is given, and of what it makes of frames and exchanges."""
        parts = [frame_residuals(target, one) for target, one in zip(self.targets, evaluations, strict=True)]
        parts += [self._energy_residuals(evaluations), self._exchanges.residuals(relaxed)]
        parts.append(self._other_residuals(values, potential))
        residuals: Floats = np.concatenate(parts)
        return residuals

    def costs(
        self, values: Sequence[Floats], potentials: Sequence[Potential], evaluations: Sequence[FrameResult]
    ) -> Floats:
        """½ Σ residual² of n candidates, exchanges left out, ``shape=(n,)``. evaluations: one per frame, of all."""
        other = [self._other_residuals(*one) for one in zip(values, potentials, strict=True)]
        costs = np.array([float(one @ one) for one in other])
        for target, evaluation in zip(self.targets, evaluations, strict=True):
            residuals = frame_residuals(target, evaluation)
            costs += np.einsum("ni,ni->n", residuals, residuals)
        costs += np.sum(self._energy_residuals(evaluations) ** 2, axis=0)
        return 0.5 * costs

    # --- helpers -------------------------------------------------------------------------------------

    def _energy_residuals(self, evaluations: Sequence[FrameResult]) -> Floats:
        differences = [one.energy - target.energy for target, one in zip(self.targets, evaluations, strict=True)]
        return self._groups.centred(np.array(differences))

    def _other_residuals(self, values: Floats, potential: Potential) -> Floats:
        """Of what is not a frame: guards and priors."""
        pairs = zip(self.space.variables, values, strict=True)
        priors = np.array([(v - one.prior.value) / one.prior.error for one, v in pairs if one.prior])
        return np.concatenate([guard_residuals(potential, self._pairs, self.guards), priors])

    def _sums(self, target: Target, evaluation: Evaluation) -> FrameSums:
        """Derivatives of one frame with respect to the variables, zeros where it does not feel them."""
        parameters, n_ions = self.space.parameters, len(target.forces)
        rows = [number for number, one in enumerate(parameters) if set(one.of) <= set(target.frame.labels)]
        energy, stress = np.zeros(len(parameters)), np.zeros((len(parameters), 6))
        forces = np.zeros((len(parameters), n_ions, 3))
        found = parameter_derivatives(evaluation.relaxed, [parameters[row] for row in rows])
        energy[rows], forces[rows], stress[rows] = found.energy, found.forces, found.stress
        mixing = self._mixing.T
        return FrameSums(mixing @ energy, np.tensordot(mixing, forces, axes=1), mixing @ stress)
