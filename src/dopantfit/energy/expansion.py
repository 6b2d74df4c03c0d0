"""A frame's energy model near an anchor: quadratic in the shells, but for the terms that bend or that parameters move.

At the anchor (parameters and shells at rest) stand energy, forces and stress, the inverse Hessian of the shells, and
what a move of the shells does to the force on every core and to the virial. Pairs whose parameters may change, and all
pairs that are close enough to bend noticeably, are computed outright, in place of what these derivatives hold of them.
What is left out is of third order in the moves of shells, through distant pairs.

Springs and Buckingham parameters may differ from the anchor's; charges may not.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.energy.derivatives import shell_hessian, shells_moved
from dopantfit.energy.evaluation import Evaluation
from dopantfit.energy.explicit_pairs import ExplicitPairs, add_pair_changes, pair_energies
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.energy.relaxation import COLLAPSE_DISTANCE
from dopantfit.energy.settling import add_spring_changes, settle
from dopantfit.energy.shell_problem import ShellProblem
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.errors import ConvergenceError

#: Pairs closer than this at the anchor [Å] are computed outright, whatever their parameters: all bonds, O-O contacts.
BENDING = 3.2
#: A pair that begins within this [Å] beyond the cutoff may come inside it.
MARGIN = 0.3
#: Forces on the shells of an expansion are below this [eV/Å]; what it leaves out is larger.
TOLERANCE = 1e-4
#: No component of a shell's move from the anchor is trusted beyond this [Å].
FARTHEST = 0.15


@dataclass(frozen=True)
class Expanded:
    """What an expansion says: energy [eV], forces (n_ions, 3) [eV/Å], stress (6,) [eV/Å³], and the longest move [Å]."""

    energy: float
    forces: Floats
    stress: Floats
    farthest: float


class ShellExpansion:
    """The expansion of a frame around an evaluation.

    changing: pairs of species whose Buckingham parameters will differ from the anchor's.
    Raises ConvergenceError where the anchor's shells rest on a saddle.
    """

    @with_one_blas_thread
    def __init__(self, anchor: Evaluation, changing: Collection[tuple[str, str]]) -> None:
        relaxed = anchor.relaxed
        self._problem, self._anchor = relaxed.problem, anchor
        n = len(relaxed.displacement)
        hessian, strain = shell_hessian(relaxed)
        try:
            factor = scipy.linalg.cho_factor(hessian, lower=False, check_finite=False)
        except scipy.linalg.LinAlgError:
            raise ConvergenceError(f"{self._problem.frame.name}: an anchor on a saddle cannot be expanded") from None
        self._compliance = np.ascontiguousarray(scipy.linalg.cho_solve(factor, np.eye(3 * n), check_finite=False))
        forces, virials = shells_moved(relaxed, np.eye(3 * n).reshape(n, 3, 3 * n), strain)
        self._core_forces = np.ascontiguousarray(forces.reshape(3 * n, -1).T)
        self._virials = np.ascontiguousarray(virials.T)
        self._pairs = explicit_pairs(self._problem, relaxed.displacement, changing)

    def evaluate(self, table: SpeciesTable) -> Expanded:
        """Energy, forces and stress with other parameters; charges are those of the anchor.

        Raises ConvergenceError where the shells do not come to rest near enough to the anchor.
        """
        frame, anchor = self._problem.frame, self._anchor
        displacement, species = anchor.relaxed.displacement, self._problem.shell_species
        stiffer = table.spring - self._problem.table.spring
        w, moves, rounds = settle(
            self._compliance, self._pairs, displacement, species, stiffer, table, TOLERANCE, FARTHEST
        )
        if rounds < 0 or np.abs(displacement + moves[:-1]).max(initial=0.0) > COLLAPSE_DISTANCE:
            raise ConvergenceError(f"{frame.name}: shells leave the neighbourhood of the anchor; evaluate it exactly")
        shell_force, core_force = np.zeros_like(moves), np.zeros((len(frame.positions) + 1, 3))
        virial, bonds = np.zeros(6), np.zeros_like(moves)
        energy = add_pair_changes(self._pairs, moves, table, True, shell_force, core_force, virial)
        energy += add_spring_changes(displacement, moves, stiffer, species, bonds)
        steps = moves[:-1].ravel()
        forces = anchor.forces + (self._core_forces @ steps).reshape(-1, 3) + core_force[:-1]
        forces[frame.shell_ions] -= bonds[:-1]
        virial += self._virials @ steps + _spring_virial(bonds[:-1], displacement + moves[:-1])
        return Expanded(
            # At rest H u = w, so that ½ uᵀH u = ½ w·u.
            energy=anchor.energy + energy + 0.5 * float(w @ steps),
            forces=forces,
            stress=anchor.stress - virial / frame.volume,
            farthest=float(np.abs(moves).max(initial=0.0)),
        )


def _spring_virial(force: Floats, displacement: Floats) -> Floats:
    """Σ d⊗F in Voigt order (6,)."""
    outer = displacement.T @ force
    return outer[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


# --- which pairs ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ends:
    """Candidates for explicit pairs: ions at both ends (n,), whether a shell is there, vectors (n, 3) [Å], shares."""

    first: Integers
    second: Integers
    first_shell: Flags
    second_shell: Flags
    vector: Floats
    share: Floats
    buckingham: bool

    def chosen(self, which: Flags) -> "_Ends":
        """Some of them."""
        fields = (self.first, self.second, self.first_shell, self.second_shell, self.vector, self.share)
        first, second, first_shell, second_shell, vector, share = (field[which] for field in fields)
        return _Ends(first, second, first_shell, second_shell, vector, share, self.buckingham)


def explicit_pairs(problem: ShellProblem, displacement: Floats, changing: Collection[tuple[str, str]]) -> ExplicitPairs:
    """The pairs of species that change, and the close ones that bend, with their derivatives at these shells."""
    frame, table = problem.frame, problem.table
    labels, n_species = frame.labels, len(frame.labels)
    changes = np.array([[(min(a, b), max(a, b)) in changing for b in labels] for a in labels]).reshape(n_species, -1)
    sites, core_of_other = _listed(problem, displacement)
    distance = np.linalg.norm(sites.vector, axis=1)
    moves = sites.first_shell | sites.second_shell
    bends = moves & (distance < BENDING)
    varies = changes[frame.species[sites.first], frame.species[sites.second]] & (distance < table.cutoff + MARGIN)
    close = np.linalg.norm(core_of_other.vector, axis=1) < BENDING
    kinds = (
        (sites.chosen(varies & ~bends & moves), False),
        (sites.chosen(bends), True),
        (core_of_other.chosen(close), True),
        (sites.chosen(varies & ~moves), False),
    )
    return _grouped(problem, kinds)


def _listed(problem: ShellProblem, displacement: Floats) -> tuple[_Ends, _Ends]:
    """Pairs of Buckingham sites, each once; and pairs of a shell with the core of another ion that has a shell."""
    frame, placement = problem.frame, problem.placement(displacement)
    runs, ghosts = frame.lists.buckingham, frame.lists.ghosts
    first = np.repeat(np.arange(len(frame.species)), runs.start[:, -1] - runs.start[:, 0])
    real = runs.ghost < len(ghosts.ion) - 1  # the last ghost is padding
    first, ghost = first[real], runs.ghost[real].astype(np.int64)
    second = ghosts.ion[ghost]
    polarised = problem.table.has_shell[frame.species]
    once = first <= second
    one, two = first[once], second[once]
    sites = _Ends(
        one,
        two,
        polarised[one],
        polarised[two],
        placement.sites[one] - placement.ghost_sites[:, ghost[once]].T,
        np.where(one == two, 0.5, 1.0),
        True,
    )
    both = polarised[first] & polarised[second]
    one, two = first[both], second[both]
    vector = placement.sites[one] - placement.ghost_cores[:, ghost[both]].T
    shells = np.ones(len(one), dtype=bool)
    return sites, _Ends(one, two, shells, ~shells, vector, np.ones(len(one)), False)


def _grouped(problem: ShellProblem, kinds: tuple[tuple[_Ends, bool], ...]) -> ExplicitPairs:
    """Groups by species within each kind, in order; every kind says whether its pairs have a Coulomb term.

    The last kind, and no other, holds pairs that stand still.
    """
    species, n_species = problem.frame.species, len(problem.frame.labels)
    ordered, groups, strengths, position, n_moving = [], [], [], 0, 0
    for number, (ends, coulomb) in enumerate(kinds):
        if number == len(kinds) - 1:
            n_moving = len(groups)
        key = species[ends.first] * n_species + species[ends.second]
        for value in np.unique(key):
            group = ends.chosen(key == value)
            s, t = int(value) // n_species, int(value) % n_species
            strength = _strength(problem.table, s, t, ends.buckingham) if coulomb else 0.0
            groups.append([s, t, int(ends.buckingham), position, position + len(group.first)])
            strengths.append(strength)
            ordered.append((group, _anchor_terms(problem.table, group, s, t, strength)))
            position += len(group.first)
    return ExplicitPairs(
        vector=_joined([group.vector.T for group, _ in ordered], (3, 0)),
        shells=_shell_numbers(problem, ordered),
        cores=_core_numbers(problem, ordered),
        anchor=_joined([terms for _, terms in ordered], (3, 0)),
        share=_joined([group.share for group, _ in ordered], (0,)),
        groups=np.array(groups, dtype=np.int64).reshape(-1, 5),
        strength=np.array(strengths, dtype=np.float64),
        n_moving=n_moving,
    )


def _strength(table: SpeciesTable, s: int, t: int, sites: bool) -> float:
    """K q q' of the Buckingham sites of two species, or of the shell of one and the core of the other [eV Å]."""
    charges = np.where(table.has_shell, table.shell_charge, table.core_charge)
    return float(table.coulomb * charges[s] * (charges[t] if sites else table.core_charge[t]))


def _anchor_terms(table: SpeciesTable, group: _Ends, s: int, t: int, strength: float) -> Floats:
    """φ₀, a = φ'/r and b = (φ'' - φ'/r)/r² at the anchor, ``shape=(3, n)``."""
    A, C = (float(table.A[s, t]), float(table.C[s, t])) if group.buckingham else (0.0, 0.0)
    inverse_rho = float(table.inverse_rho[s, t])
    terms = np.zeros((8, len(group.first)))
    terms[:3] = group.vector.T
    pair_energies(len(group.first), table.cutoff, A, inverse_rho, C, strength, terms)
    r = np.linalg.norm(group.vector, axis=1)
    counts = r < table.cutoff
    curvature = counts * (A * inverse_rho**2 * np.exp(-r * inverse_rho) - 42.0 * C / r**8) + 2.0 * strength / r**3
    return np.array([terms[3], terms[4], (curvature - terms[4]) / r**2])


def _shell_numbers(problem: ShellProblem, ordered: list[tuple[_Ends, Floats]]) -> Integers:
    frame = problem.frame
    numbers = np.zeros(len(frame.species), dtype=np.int64)
    numbers[frame.shell_ions] = np.arange(len(frame.shell_ions))
    none = len(frame.shell_ions)
    ends = [
        np.array([np.where(g.first_shell, numbers[g.first], none), np.where(g.second_shell, numbers[g.second], none)])
        for g, _ in ordered
    ]
    return np.ascontiguousarray(np.concatenate([np.empty((2, 0), np.int64), *ends], axis=1))


def _core_numbers(problem: ShellProblem, ordered: list[tuple[_Ends, Floats]]) -> Integers:
    none = len(problem.frame.species)
    ends = [
        np.array([np.where(g.first_shell, none, g.first), np.where(g.second_shell, none, g.second)]) for g, _ in ordered
    ]
    return np.ascontiguousarray(np.concatenate([np.empty((2, 0), np.int64), *ends], axis=1))


def _joined(parts: list[Floats], empty: tuple[int, ...]) -> Floats:
    return np.ascontiguousarray(np.concatenate([np.empty(empty), *parts], axis=-1))
