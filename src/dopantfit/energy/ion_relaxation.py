"""Ions and shells of a frame at rest in its cell, as a function of the parameters alone.

Every relaxation begins where the frame has its ions, with one preconditioner: the Hessian of all sites, made once at
the minimum of the parameters that the model was made with. So the end depends on the parameters and not on what was
relaxed before.

Buckingham terms end at their cutoff by a small step, and a pair that crosses it as ions give way would make the energy
jump. Forces know nothing of the step, so what they are the gradient of is the energy without it; that is what is given
here. At a minimum its derivative with respect to a parameter is the partial one (Hellmann-Feynman).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.cell_preconditioner import unit_preconditioner
from dopantfit.energy.closest import refuse_collapse
from dopantfit.energy.electrostatics import Ewald
from dopantfit.energy.evaluation import COLLAPSE_DISTANCE
from dopantfit.energy.explicit_derivatives import explicit_derivatives
from dopantfit.energy.frame import Frame, longest
from dopantfit.energy.minimiser import (
    EnergyAndForces,
    MinimisationMethod,
    Minimum,
    Preconditioner,
    inverse_hessian,
    minimise,
)
from dopantfit.energy.neighbours import find_neighbours
from dopantfit.energy.problem import SKIN, ProblemForces, Region, ShellProblem, energy_of
from dopantfit.energy.real_space import SpeciesTable, derivative_coefficients
from dopantfit.energy.threads import one_blas_thread
from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.potential import Parameter

#: Largest force component on a core or shell at rest [eV/Å]: energies are then within 1e-8 eV of the minimum, and
#: their derivatives within 1e-4 of themselves.
AT_REST = 1e-4
#: A pair that crosses the cutoff may raise the energy of one step by this much [eV].
ROUGHNESS = 1e-3
#: In a symmetric crystal a hundred pairs cross it at once, and may raise it by this much if forces get smaller [eV].
ROUGHNESS_OF_MANY = 0.05
#: Displacement over which the Hessian is a central difference [Å].
DISPLACEMENT = 1e-3
#: Curvatures of the preconditioner are at least this [eV/Å²]: translations and soft ions are not sent too far.
SOFTEST = 0.5


def _low_enough(before: EnergyAndForces, after: EnergyAndForces, decrease: float) -> bool:
    """Armijo's condition, to the roughness of the energy; where many pairs cross the cutoff a smaller force will do."""
    rise = after.energy - before.energy + 1e-4 * decrease
    if rise <= ROUGHNESS:
        return True
    return rise <= ROUGHNESS_OF_MANY and float(np.linalg.norm(after.force)) < float(np.linalg.norm(before.force))


METHOD = MinimisationMethod(
    accepts=_low_enough,
    longest_step=0.25,
    shortening=0.4,
    shortenings=8,
    memory=20,
    most_calls=300,
    force_tolerance=AT_REST,
)


@dataclass(frozen=True)
class RelaxedIons:
    """Ions and shells at rest.

    problem: with the cores where they rest. displacement: of the shells from their cores [Å], ``shape=(n_shells, 3)``.
    energy: without steps at the cutoff [eV]. farthest: an ion has moved from the frame's positions [Å]. calls:
    evaluations that it took.
    """

    problem: ShellProblem
    displacement: Floats
    energy: float
    farthest: float
    calls: int


@dataclass(frozen=True)
class _Dense:
    """A preconditioner that is a matrix: the inverse Hessian [Å²/eV] of all coordinates of all sites."""

    inverse: Floats
    shifted: bool = False

    def step(self, force: Floats) -> Floats:
        """See ``Preconditioner.step``."""
        step: Floats = self.inverse @ force
        return step


@dataclass(frozen=True)
class _Prepared:
    """What every relaxation of a frame begins with: a preconditioner, and displacements of the shells [Å]."""

    preconditioner: Preconditioner
    displacement: Floats


def _hessian_at(end: Minimum[ProblemForces[Region]]) -> _Dense:
    """The preconditioner that fits where a minimisation ended."""
    problem, widths = end.found.problem, np.full(end.sites.size, DISPLACEMENT)
    return _Dense(inverse_hessian(lambda sites: problem.evaluate(sites).force, end.sites, widths, SOFTEST))


class IonModel:
    """A frame whose ions relax, under parameters that change.

    frame: where every relaxation begins. table: the parameters that the preconditioner is made for.
    """

    def __init__(self, frame: Frame, table: SpeciesTable) -> None:
        self.frame = frame
        self._table = table
        self._near = find_neighbours(frame.positions, frame.cell, max(frame.plan.cutoff, frame.cutoff) + SKIN)

    def relax(self, table: SpeciesTable) -> RelaxedIons:
        """Ions and shells at rest under these parameters.

        Where pairs that cross the cutoff again and again spoil what the steps tell of the curvature, it goes on once
        from where it is, with the Hessian there. Raises CollapseError where sites fall into each other,
        ConvergenceError where they do not come to rest.
        """
        with one_blas_thread():
            end = self._minimum(table, self._prepared)
            if end.ended in ("most calls", "no way down") and end.forbidden is None:
                end = self._minimum(table, _Prepared(_hessian_at(end), self._prepared.displacement), end.sites)
            return self._checked(table, end)

    @cached_property
    def _prepared(self) -> _Prepared:
        """The Hessian at the minimum of the first parameters; where there is none nearby, a preconditioner of units."""
        frame, table = self.frame, self._table
        none = np.zeros((len(frame.shell_ions), 3))
        cores = frame.positions
        units = _Prepared(unit_preconditioner(self._near, table, frame.species, cores, self._with_shells(none)), none)
        try:
            end = self._minimum(table, units)
            displacement = self._checked(table, end).displacement
        except (CollapseError, ConvergenceError):
            return units
        return _Prepared(_hessian_at(end), displacement)

    def _with_shells(self, displacement: Floats) -> Floats:
        """Positions of all shells [Å], of the core where an ion has none."""
        shells = self.frame.positions.copy()
        shells[self.frame.shell_ions] += displacement
        return shells

    def _minimum(
        self, table: SpeciesTable, prepared: _Prepared, sites: Floats | None = None
    ) -> Minimum[ProblemForces[Region]]:
        """Where the minimiser ends. sites: where it begins; by default with the frame's ions."""
        frame, n = self.frame, len(self.frame.positions)
        waves = Ewald(frame.cell, frame.plan, frame.strain, table.coulomb)
        shells = self._with_shells(prepared.displacement)
        region = Region(self._near, waves, table, frame.species, frame.positions, shells)
        return minimise(
            energy_of(region),
            region.start() if sites is None else sites,
            METHOD,
            prepared.preconditioner,
            allowed=lambda sites: longest(sites[n:] - sites[frame.shell_ions]) <= COLLAPSE_DISTANCE,
        )

    def _checked(self, table: SpeciesTable, end: Minimum[ProblemForces[Region]]) -> RelaxedIons:
        """The end of a minimisation as a result; an error where it is none."""
        name = self.frame.name
        if end.forbidden is not None:
            raise CollapseError(
                f"{name}: a shell moves more than {COLLAPSE_DISTANCE} Å from its core as the ions relax: they come too "
                "close for this potential; check its turn-over radii"
            )
        if end.ended != "converged":
            largest = float(np.abs(end.found.force).max())
            raise ConvergenceError(
                f"{name}: ions not at rest after {end.calls} evaluations, the largest force is {largest:.3g} eV/Å"
            )
        n = len(self.frame.positions)
        cores, displacement = end.sites[:n], end.sites[n:] - end.sites[:n][self.frame.shell_ions]
        problem = ShellProblem(self.frame.moved(cores), table).holding(displacement)
        refuse_collapse(problem, displacement)
        steps = float(np.sum(pairs_within(problem, displacement) * _at_cutoff(table)))
        return RelaxedIons(
            problem, displacement, end.found.energy - steps, longest(cores - self.frame.positions), end.calls
        )


def pairs_within(problem: ShellProblem, displacement: Floats) -> Floats:
    """How many pairs of two species' Buckingham sites are within the cutoff, ``shape=(n_species, n_species)``.

    Each ordered pair counts one half, so that the sum with any symmetric matrix is that over pairs.
    """
    frame, placement = problem.frame, problem.placement(displacement)
    runs, ghosts = frame.lists.buckingham, frame.lists.ghosts
    first = np.repeat(np.arange(len(frame.species)), runs.start[:, -1] - runs.start[:, 0])
    ghost = runs.ghost.astype(np.int64)
    distance = np.linalg.norm(placement.sites[first] - placement.ghost_sites[:, ghost].T, axis=1)
    inside = distance < problem.table.cutoff
    n = len(frame.labels)
    kind = frame.species[first[inside]] * n + frame.species[ghosts.ion[ghost[inside]]]
    counts = np.bincount(kind, minlength=n * n).reshape(n, n)
    return np.asarray(0.5 * counts, dtype=np.float64)


def _at_cutoff(table: SpeciesTable) -> Floats:
    """Buckingham energies of all pairs of species at the cutoff [eV]."""
    energies: Floats = table.A * np.exp(-table.cutoff * table.inverse_rho) - table.C / table.cutoff**6
    return energies


def relaxed_derivatives(rest: RelaxedIons, parameters: Sequence[Parameter]) -> Floats:
    """Derivatives of ``rest.energy`` with respect to parameters, ``shape=(p,)`` [eV per unit]; zeros where unfelt."""
    problem, result = rest.problem, np.zeros(len(parameters))
    labels, table = problem.frame.labels, problem.table
    felt = [number for number, one in enumerate(parameters) if set(one.of) <= set(labels)]
    chosen = [parameters[number] for number in felt]
    result[felt] = explicit_derivatives(problem, rest.displacement, chosen).energies
    counts = pairs_within(problem, rest.displacement)
    for number, one in zip(felt, chosen, strict=True):
        if len(one.of) == 2:
            s, t = (labels.index(label) for label in one.of)
            c = derivative_coefficients(one.quantity, table.A[s, t], table.inverse_rho[s, t])
            r = table.cutoff
            slope = (c[0] + c[1] * r) * np.exp(-r * table.inverse_rho[s, t]) + c[2] / r**6
            result[number] -= (counts[s, t] if s == t else counts[s, t] + counts[t, s]) * slope
    return result
