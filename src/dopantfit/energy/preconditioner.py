"""A stand-in for the Hessian of a cell, inverted unit by unit: what steers a relaxation.

Pair by pair, only what is stiff and pushes back is kept: the stretching and the transverse stiffness of near pairs
where they are positive, and the springs of the shells. Such a sum is positive definite at any configuration (Packwood
et al., J. Chem. Phys. 144, 164109 (2016); Mones, Ortner & Csányi, Sci. Rep. 8, 13991 (2018)). Sites that hold together
by more than ``BOND`` are one unit (a PO4 with its shells), and the inverse of the units' own blocks serves a whole
burst of swaps. On 1,008 ions a complete factor of the matrix saves one evaluation in ten; at 12,000 it takes minutes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import erfc

from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.energy.region import Neighbourhood

#: Pairs of ions farther apart than this [Å] are left out; more of them steer no better.
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
class Steering:
    """The inverse blocks of all units as one sparse matrix [Å²/eV] over cores, then shells; the shell of each ion."""

    inverse: scipy.sparse.csr_matrix
    shell_number: Integers

    def of(self, ions: Integers) -> scipy.sparse.csr_matrix:
        """The part for the sites of these ions, in the order of a ``Region`` of them."""
        shells = self.shell_number[ions]
        sites = np.concatenate([ions, shells[shells >= 0]])
        unknowns = (3 * sites[:, None] + np.arange(3)).ravel()
        return self.inverse[unknowns][:, unknowns]


def steering(near: Neighbourhood, table: SpeciesTable, species: Integers, cores: Floats, shells: Floats) -> Steering:
    """Steering made at one configuration; arguments as those of ``Region``."""
    has_shell = table.has_shell[species]
    number = np.full(len(species), -1, np.int64)
    number[has_shell] = len(species) + np.arange(np.count_nonzero(has_shell))
    close = near.distance < REACH
    owner = np.repeat(np.arange(len(species)), np.diff(near.start))[close]
    ghost = near.ghost[close]
    other, shift = near.ghosts.ion[ghost], near.ghosts.shift[ghost]
    n_sites = len(species) + int(np.count_nonzero(has_shell))
    own = np.zeros((n_sites, 3, 3))
    rows, columns, blocks = [], [], []
    for first_is_shell in (False, True):
        for second_is_shell in (False, True):
            kept = (has_shell[owner] | (not first_is_shell)) & (has_shell[other] | (not second_is_shell))
            i, j = owner[kept], other[kept]
            away = (shells if first_is_shell else cores)[i] - (shells if second_is_shell else cores)[j] - shift[kept]
            acts = (first_is_shell | ~has_shell[i]) & (second_is_shell | ~has_shell[j])
            charge = (table.shell_charge if first_is_shell else table.core_charge)[species[i]]
            charge = charge * (table.shell_charge if second_is_shell else table.core_charge)[species[j]]
            block, weight = _pair_blocks(away, table.coulomb * charge, acts, table, species[i], species[j])
            i, j = (number[i] if first_is_shell else i), (number[j] if second_is_shell else j)
            np.add.at(own, i, block)
            stiff = weight > BOND
            rows.append(i[stiff])
            columns.append(j[stiff])
            blocks.append(-block[stiff])
    polarised = np.flatnonzero(has_shell)
    springs = table.spring[species[polarised]][:, None, None] * np.eye(3)
    own[polarised] += springs
    own[number[polarised]] += springs
    rows += [polarised, number[polarised]]
    columns += [number[polarised], polarised]
    blocks += [-springs, -springs]
    own += ANCHOR * np.eye(3)
    bonds = _Bonds(np.concatenate(rows), np.concatenate(columns), np.concatenate(blocks))
    ion = np.concatenate([np.arange(len(species)), polarised])
    return Steering(_inverted(own, bonds, _units(bonds, ion)), number)


def _pair_blocks(
    away: Floats, strength: Floats, acts: Flags, table: SpeciesTable, first: Integers, second: Integers
) -> tuple[Floats, Floats]:
    """Positive part of the stiffness of pairs at distance vectors (n, 3): blocks (n, 3, 3) and their size (n,)."""
    r = np.linalg.norm(away, axis=1)
    gauss = 2 / np.sqrt(np.pi) * SCREENING * np.exp(-((SCREENING * r) ** 2))
    screened = erfc(SCREENING * r) / r
    slope = -strength * (screened + gauss) / r
    curvature = strength * (2 * screened / r**2 + 2 * gauss / r**2 + 2 * SCREENING**2 * gauss)
    A, inverse_rho, C = table.A[first, second], table.inverse_rho[first, second], table.C[first, second]
    repulsion = A * np.exp(-r * inverse_rho)
    slope += np.where(acts, 6 * C / r**7 - inverse_rho * repulsion, 0.0)
    curvature += np.where(acts, inverse_rho**2 * repulsion - 42 * C / r**8, 0.0)
    along, across = np.maximum(curvature, 0.0), np.maximum(slope / r, 0.0)
    unit = away / r[:, None]
    blocks = (along - across)[:, None, None] * unit[:, :, None] * unit[:, None, :]
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
