"""Preconditioner of a whole cell: a stand-in for its Hessian, inverted unit by unit.

Pair by pair, only what is stiff and pushes back is kept: the stretching and the transverse stiffness of near pairs
where they are positive, and the springs of the shells. Such a sum is positive definite at any configuration (Packwood
et al., J. Chem. Phys. 144, 164109 (2016); Mones, Ortner & Csányi, Sci. Rep. 8, 13991 (2018)). Sites that hold together
by more than ``BOND`` are one unit (a PO4 with its shells), and the inverse of the units' own blocks serves a whole
burst of swaps. On 1,008 ions a complete factor of the matrix saves one evaluation in ten; at 12,000 it takes minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.neighbours import Neighbourhood
from dopantfit.energy.pair_terms import buckingham_stiffness, coulomb_stiffness
from dopantfit.energy.real_space import SpeciesTable

#: Pairs of ions farther apart than this [Å] are left out; more of them make steps no better.
REACH = 3.0
#: Coulomb terms are screened this strongly [1/Å].
SCREENING = 0.45
#: Stiffness of every site against a fixed point [eV/Å²]: soft ions would be sent too far without it.
ANCHOR = 0.3
#: Couplings stiffer than this [eV/Å²] make two sites one unit; springs and P-O bonds are, metal-O bonds are not.
BOND = 35.0
#: A unit of more sites than this falls apart into single ions: its block would cost more than it helps.
LARGEST_UNIT = 60


@dataclass(frozen=True)
class UnitPreconditioner:
    """The inverse blocks of units as one sparse matrix [Å²/eV] over cores, then shells; the shell of each ion, or -1.

    Positive definite as it is made.
    """

    inverse: scipy.sparse.csr_matrix
    shell_number: Integers
    shifted: bool = False

    def step(self, force: Floats) -> Floats:
        """See ``Preconditioner.step``."""
        step: Floats = self.inverse @ force
        return step

    def of(self, ions: Integers) -> "UnitPreconditioner":
        """The part for the sites of these ions, in the order of a ``Region`` of them."""
        shells = self.shell_number[ions]
        sites = np.concatenate([ions, shells[shells >= 0]])
        unknowns = (3 * sites[:, None] + np.arange(3)).ravel()
        return UnitPreconditioner(self.inverse[unknowns][:, unknowns], np.full(len(ions), -1))


def unit_preconditioner(
    near: Neighbourhood, table: SpeciesTable, species: Integers, cores: Floats, shells: Floats
) -> UnitPreconditioner:
    """The preconditioner made at one configuration; arguments as those of ``Region``."""
    polarised = np.flatnonzero(table.has_shell[species])
    number = np.full(len(species), -1, np.int64)
    number[polarised] = len(species) + np.arange(len(polarised))
    ion = np.concatenate([np.arange(len(species)), polarised])
    springs = table.spring[species[polarised]][:, None, None] * np.eye(3)
    own = ANCHOR * np.eye(3) + np.zeros((len(ion), 3, 3))
    own[polarised] += springs
    own[number[polarised]] += springs
    bonds = [_Bonds(polarised, number[polarised], -springs), _Bonds(number[polarised], polarised, -springs)]
    for pairs in _near_pairs(near, table, species, cores, shells):
        block, weight = _pair_blocks(pairs, table)
        i, j = (number[ions] if shell else ions for ions, shell in zip(pairs.ions, pairs.are_shells, strict=True))
        np.add.at(own, i, block)
        stiff = weight > BOND
        bonds.append(_Bonds(i[stiff], j[stiff], -block[stiff]))
    every = _Bonds(*(np.concatenate(parts) for parts in zip(*bonds, strict=True)))
    return UnitPreconditioner(_inverted(own, every, _units(every, ion)), number)


class _Pairs(NamedTuple):
    """Pairs of sites of two species: ions (2, n), which of both are shells, and the vectors between them (n, 3) [Å]."""

    species: tuple[int, int]
    ions: Integers
    are_shells: tuple[bool, bool]
    vector: Floats


def _near_pairs(
    near: Neighbourhood, table: SpeciesTable, species: Integers, cores: Floats, shells: Floats
) -> Iterator[_Pairs]:
    """All pairs of sites whose ions are nearer than ``REACH``, both ways, by species."""
    close = near.distance < REACH
    first = np.repeat(np.arange(len(species)), np.diff(near.start))[close]
    ghost = near.ghost[close]
    second, shift = near.ghosts.ion[ghost], near.ghosts.shift[ghost]
    kind = species[first] * len(table.spring) + species[second]
    for value in np.unique(kind):
        s, t = divmod(int(value), len(table.spring))
        of_kind = kind == value
        i, j = first[of_kind], second[of_kind]
        for one in (False, True)[: 1 + table.has_shell[s]]:
            for other in (False, True)[: 1 + table.has_shell[t]]:
                vector = (shells if one else cores)[i] - (shells if other else cores)[j] - shift[of_kind]
                yield _Pairs((s, t), np.array([i, j]), (one, other), vector)


def _pair_blocks(pairs: _Pairs, table: SpeciesTable) -> tuple[Floats, Floats]:
    """Positive part of the stiffness of pairs: blocks (n, 3, 3) and their size (n,) [eV/Å²]."""
    (s, t), n = pairs.species, len(pairs.vector)
    charges = [
        (table.shell_charge if shell else table.core_charge)[k]
        for k, shell in zip(pairs.species, pairs.are_shells, strict=True)
    ]
    terms = np.zeros((5, n))
    terms[:3] = pairs.vector.T
    coulomb_stiffness(n, SCREENING, np.inf, table.coulomb * charges[0] * charges[1], terms)
    a, b = terms[3].copy(), terms[4].copy()
    if pairs.are_shells == (table.has_shell[s], table.has_shell[t]):
        buckingham_stiffness(n, np.inf, table.A[s, t], table.inverse_rho[s, t], table.C[s, t], terms)
        a += terms[3]
        b += terms[4]
    square = np.sum(terms[:3] ** 2, axis=0)
    along, across = np.maximum(a + b * square, 0.0), np.maximum(a, 0.0)
    blocks = ((along - across) / square)[:, None, None] * pairs.vector[:, :, None] * pairs.vector[:, None, :]
    return blocks + across[:, None, None] * np.eye(3), along + across


class _Bonds(NamedTuple):
    """Couplings within units: the two sites (n,) and the block (n, 3, 3), both directions."""

    first: Integers
    second: Integers
    block: Floats


def _units(bonds: _Bonds, ion: Integers) -> Integers:
    """The unit of every site, ``shape=(n_sites,)``; ion: that each site belongs to."""
    n = len(ion)
    graph = scipy.sparse.coo_matrix((np.ones(len(bonds.first)), (bonds.first, bonds.second)), shape=(n, n))
    count, unit = connected_components(graph, directed=False)
    large = np.bincount(unit, minlength=count)[unit] > LARGEST_UNIT
    units: Integers = np.where(large, count + ion, unit)
    return units


def _inverted(own: Floats, bonds: _Bonds, unit: Integers) -> scipy.sparse.csr_matrix:
    """Inverse blocks of all units, those of one size at once."""
    order = np.argsort(unit, kind="stable")
    _, first, size = np.unique(unit[order], return_index=True, return_counts=True)
    place = np.empty(len(unit), np.int64)
    place[order] = np.arange(len(unit)) - np.repeat(first, size)
    number = np.empty(len(unit), np.int64)
    number[order] = np.repeat(np.arange(len(size)), size)
    within = number[bonds.first] == number[bonds.second]
    i, j, block = bonds.first[within], bonds.second[within], bonds.block[within]
    rows, columns, values = [], [], []
    for n in np.unique(size):
        units = np.flatnonzero(size == n)
        slot = np.full(len(size), -1, np.int64)
        slot[units] = np.arange(len(units))
        members = order[first[units][:, None] + np.arange(n)]
        matrix = np.zeros((len(units), n, n, 3, 3))
        matrix[np.arange(len(units))[:, None], np.arange(n), np.arange(n)] = own[members]
        here = slot[number[i]] >= 0
        np.add.at(matrix, (slot[number[i[here]]], place[i[here]], place[j[here]]), block[here])
        flat = matrix.transpose(0, 1, 3, 2, 4).reshape(len(units), 3 * n, 3 * n)
        unknowns = (3 * members[:, :, None] + np.arange(3)).reshape(len(units), 3 * n)
        rows.append(np.repeat(unknowns, 3 * n, axis=1).ravel())
        columns.append(np.tile(unknowns, (1, 3 * n)).ravel())
        values.append(np.linalg.inv(flat).ravel())
    shape = (3 * len(unit), 3 * len(unit))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.csr_matrix(entries, shape=shape)
