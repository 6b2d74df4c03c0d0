"""A frame's energy model near an anchor: quadratic in the shells, but for the terms that bend or that parameters move.

At the anchor (parameters and shells at rest) stand energy, forces and stress, the inverse Hessian of the shells, and
what a move of the shells does to the force on every core and to the virial. Pairs whose parameters may change, and all
pairs that are close enough to bend noticeably, are computed outright, in place of what these derivatives hold of them.
What is left out is of third order in the moves of shells, through distant pairs.

Springs and Buckingham parameters may differ from the anchor's; charges may not.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from dopantfit.energy.arrays import Flags, Floats, GhostIndices, Integers
from dopantfit.energy.derivatives import shell_hessian, shells_moved
from dopantfit.energy.evaluation import Evaluation
from dopantfit.energy.expansion_relaxation import Springs, relax_all_expanded
from dopantfit.energy.explicit_pairs import ExplicitPairs, pair_energies
from dopantfit.energy.problem import ShellProblem
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.errors import ConvergenceError

#: Pairs closer than this at the anchor [Å] are computed outright, whatever their parameters: all bonds and the edges of
#: PO4. On cells of LAMTP costs over a whole box of Mg parameters are then off by 4e-4 (median); with 3.2 Å by 8e-5, for
#: a quarter more time.
BENDING = 2.6
#: Pairs that only differ in their parameters, and begin farther apart than this [Å], pull as they do at the anchor's
#: shells: beyond the first neighbours, and where the stiffness of a change is below 0.01 eV/Å².
DISTANT = 5.0
#: Forces on the shells of an expansion are below this [eV/Å]; what it leaves out is larger.
TOLERANCE = 1e-3
#: No component of a shell's move from the anchor is trusted beyond this [Å]. Over a whole box of Mg parameters costs
#: with moves up to 0.25 Å are off by 5e-3 at most; whoever gets that far is no good candidate.
FARTHEST = 0.3


@dataclass(frozen=True)
class Expanded:
    """What an expansion says of n candidates.

    relaxed: whether their shells came to rest near enough to the anchor, ``shape=(n,)``; what else is said of those
    where they did not means nothing. energy (n,) [eV], forces (n, n_ions, 3) [eV/Å], stress (n, 6) [eV/Å³] or None,
    and the longest component of a move (n,) [Å].
    """

    relaxed: Flags
    energy: Floats
    forces: Floats
    stress: Floats | None
    farthest: Floats


def stacked(tables: Sequence[SpeciesTable]) -> SpeciesTable:
    """One table with a leading axis over candidates in spring, A, inverse_rho and C; the rest is that of the first."""
    return tables[0]._replace(
        spring=np.array([table.spring for table in tables]),
        A=np.array([table.A for table in tables]),
        inverse_rho=np.array([table.inverse_rho for table in tables]),
        C=np.array([table.C for table in tables]),
    )


def of_species(tables: SpeciesTable, species: Sequence[int]) -> SpeciesTable:
    """These species of stacked tables, in this order.

    In C order, as ``stacked`` makes them: for another order the kernels would be compiled a second time.
    """
    rows = np.array(species, dtype=np.int64)
    pairs = (slice(None), rows[:, None], rows)
    return SpeciesTable(
        tables.core_charge[rows],
        tables.shell_charge[rows],
        tables.has_shell[rows],
        np.ascontiguousarray(tables.spring[:, rows]),
        np.ascontiguousarray(tables.A[pairs]),
        np.ascontiguousarray(tables.inverse_rho[pairs]),
        np.ascontiguousarray(tables.C[pairs]),
        tables.cutoff,
        tables.coulomb,
    )


class ShellExpansion:
    """The expansion of a frame around an evaluation.

    changing: pairs of species whose Buckingham parameters will differ from the anchor's, labels sorted.
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
        # What a unit force on every shell does, axis by axis: the kernels have all x before all y before all z.
        units = np.eye(3 * n).reshape(n, 3, 3 * n).transpose(1, 0, 2).reshape(3 * n, 3 * n)
        moves = scipy.linalg.cho_solve(factor, units.T, check_finite=False).reshape(n, 3, 3 * n)
        self._compliance = np.ascontiguousarray(moves.transpose(1, 0, 2).reshape(3 * n, 3 * n))
        forces, self._virials = shells_moved(relaxed, moves, strain)
        self._core_forces = np.ascontiguousarray(forces.reshape(3 * n, -1))
        self._pairs = explicit_pairs(self._problem, relaxed.displacement, changing)
        self._volume = self._problem.frame.volume
        self._springs = Springs(
            relaxed.displacement,
            self._problem.shell_species,
            self._problem.frame.shell_ions,
            np.zeros_like(self._problem.table.spring),
        )

    @with_one_blas_thread
    def evaluate(self, tables: SpeciesTable, with_stress: bool = False) -> Expanded:
        """Energy and forces, and the stress if asked for, with other parameters; charges are those of the anchor.

        tables: of n candidates, ``stacked``. All at once, since reading what belongs to the frame takes longer than
        computing with it.
        """
        anchor = self._anchor
        springs = self._springs._replace(stiffer=tables.spring - self._problem.table.spring)
        found = relax_all_expanded(
            self._compliance, self._pairs, springs, tables, len(anchor.forces), TOLERANCE, FARTHEST, with_stress
        )
        forces = (found.push @ self._core_forces).reshape(found.core_force.shape)
        forces += anchor.forces
        forces += found.core_force
        stress = None
        if with_stress:
            stress = anchor.stress - (found.virial + found.push @ self._virials) / self._volume
        moves = found.moves.reshape(found.push.shape)
        return Expanded(
            relaxed=found.rounds > 0,
            # At rest H u = w, so that ½ uᵀH u = ½ w·u.
            energy=anchor.energy + found.energy + 0.5 * np.einsum("ni,ni->n", found.push, moves),
            forces=forces,
            stress=stress,
            farthest=np.abs(moves).max(axis=1, initial=0.0),
        )


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
        return _Ends(
            self.first[which],
            self.second[which],
            self.first_shell[which],
            self.second_shell[which],
            self.vector[which],
            self.share[which],
            self.buckingham,
        )


def explicit_pairs(problem: ShellProblem, displacement: Floats, changing: Collection[tuple[str, str]]) -> ExplicitPairs:
    """The pairs of species that change, and the close ones that bend, with their derivatives at these shells."""
    frame, table = problem.frame, problem.table
    labels, n_species = frame.labels, len(frame.labels)
    changes = np.array([[(min(a, b), max(a, b)) in changing for b in labels] for a in labels]).reshape(n_species, -1)
    sites, cores = _listed(problem, displacement)
    distance = np.linalg.norm(sites.vector, axis=1)
    moves = sites.first_shell | sites.second_shell
    bends = moves & (distance < BENDING)
    varies = changes[frame.species[sites.first], frame.species[sites.second]] & (distance < table.cutoff)
    touching = np.linalg.norm(cores.vector, axis=1) < BENDING
    near = varies & moves & ~bends & (distance <= DISTANT)
    close = sites.chosen(near), sites.chosen(bends), cores.chosen(touching)
    return _grouped(problem, [*close, sites.chosen(varies & ~bends & ~near)])


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


def _grouped(problem: ShellProblem, kinds: Sequence[_Ends]) -> ExplicitPairs:
    """Groups by species within each kind; the last kind is distant, or stands still."""
    species, n_species = problem.frame.species, len(problem.frame.labels)
    ordered: list[tuple[_Ends, Floats]] = []
    groups: list[list[int]] = []
    strengths: list[float] = []
    starts: list[int] = []
    position = 0
    for ends in kinds:
        close = ends is not kinds[-1]
        starts.append(len(groups))
        key = species[ends.first] * n_species + species[ends.second]
        for value in np.unique(key):
            group = ends.chosen(key == value)
            s, t = int(value) // n_species, int(value) % n_species
            bends = close and np.linalg.norm(group.vector[0]) < BENDING
            strength = _strength(problem.table, s, t, ends.buckingham) if bends else 0.0
            groups.append([s, t, int(ends.buckingham), position, position + len(group.first)])
            strengths.append(strength)
            ordered.append((group, _anchor_terms(problem.table, group, s, t, strength)))
            position += len(group.first)
    vector = _joined([group.vector.T for group, _ in ordered], (3, 0))
    square = np.sum(vector**2, axis=0)
    return ExplicitPairs(
        vector=vector,
        shells=_shell_numbers(problem, ordered),
        cores=_core_numbers(problem, ordered),
        anchor=_joined([terms for _, terms in ordered], (3, 0)),
        powers=np.array([np.sqrt(square), 1.0 / square, 1.0 / square**3]),
        share=_joined([group.share for group, _ in ordered], (0,)),
        groups=np.array(groups, dtype=np.int64).reshape(-1, 5),
        strength=np.array(strengths, dtype=np.float64),
        n_close=starts[-1],
    )


def _strength(table: SpeciesTable, s: int, t: int, sites: bool) -> float:
    """K q q' of the Buckingham sites of two species, or of the shell of one and the core of the other [eV Å]."""
    charges = np.where(table.has_shell, table.shell_charge, table.core_charge)
    return float(table.coulomb * charges[s] * (charges[t] if sites else table.core_charge[t]))


def _anchor_terms(table: SpeciesTable, group: _Ends, s: int, t: int, strength: float) -> Floats:
    """φ₀, a = φ'/r and b = (φ'' - φ'/r)/r² at the anchor, ``shape=(3, n)``."""
    A, C = (float(table.A[s, t]), float(table.C[s, t])) if group.buckingham else (0.0, 0.0)
    inverse_rho = float(table.inverse_rho[s, t])
    terms = np.zeros((5, len(group.first)))
    terms[:3] = group.vector.T
    pair_energies(len(group.first), table.cutoff, A, inverse_rho, C, strength, terms)
    r = np.linalg.norm(group.vector, axis=1)
    counts = r < table.cutoff
    curvature = counts * (A * inverse_rho**2 * np.exp(-r * inverse_rho) - 42.0 * C / r**8) + 2.0 * strength / r**3
    return np.array([terms[3], terms[4], (curvature - terms[4]) / r**2])


def _shell_numbers(problem: ShellProblem, ordered: list[tuple[_Ends, Floats]]) -> GhostIndices:
    frame = problem.frame
    numbers = np.zeros(len(frame.species), dtype=np.int64)
    numbers[frame.shell_ions] = np.arange(len(frame.shell_ions))
    none = len(frame.shell_ions)
    ends = [
        np.array([np.where(g.first_shell, numbers[g.first], none), np.where(g.second_shell, numbers[g.second], none)])
        for g, _ in ordered
    ]
    return np.ascontiguousarray(np.concatenate([np.empty((2, 0), np.int64), *ends], axis=1), dtype=np.uint32)


def _core_numbers(problem: ShellProblem, ordered: list[tuple[_Ends, Floats]]) -> GhostIndices:
    none = len(problem.frame.species)
    ends = [
        np.array([np.where(g.first_shell, none, g.first), np.where(g.second_shell, none, g.second)]) for g, _ in ordered
    ]
    return np.ascontiguousarray(np.concatenate([np.empty((2, 0), np.int64), *ends], axis=1), dtype=np.uint32)


def _joined(parts: list[Floats], empty: tuple[int, ...]) -> Floats:
    return np.ascontiguousarray(np.concatenate([np.empty(empty), *parts], axis=-1))
