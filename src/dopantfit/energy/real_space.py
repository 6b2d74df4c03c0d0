"""Real-space sums over sites: Coulomb and Buckingham energies and forces, and their second derivatives.

Energies are shared between the two ends of a pair by weights ("shares") that the caller gives, so that one kernel
serves both passes of an evaluation: over the shells while the cores stand still, and over the cores at the end.
"""

from typing import NamedTuple

from numba import njit

from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.energy.functions import JIT
from dopantfit.energy.neighbours import NeighbourRuns
from dopantfit.energy.pair_terms import buckingham_run, coulomb_run


class SpeciesTable(NamedTuple):
    """The numbers of a potential for the species of one frame; K is the Coulomb constant.

    core_charge, shell_charge: [e], ``shape=(n_species,)``; shell_charge is 0 for a species without a shell.
    has_shell: ``shape=(n_species,)``. spring: k of ½kr² [eV/Å²].
    A [eV], inverse_rho [1/Å], C [eV Å⁶]: ``shape=(n_species, n_species)``. cutoff: of the Buckingham terms [Å].
    """

    core_charge: Floats
    shell_charge: Floats
    has_shell: Flags
    spring: Floats
    A: Floats
    inverse_rho: Floats
    C: Floats
    cutoff: float
    coulomb: float


@njit(**JIT)
def add_coulomb(
    sites: Floats,
    charges: Floats,
    ions: Integers,
    ghost_cores: Floats,
    ghost_shells: Floats,
    runs: NeighbourRuns,
    table: SpeciesTable,
    alpha: float,
    cutoff: float,
    core_share: float,
    shell_share: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Screened Coulomb energy [eV] of ``sites`` (n, 3) with all ghosts; adds to force (n, 3) and virial (6,).

    charges, ions: charge of each site and the ion that it belongs to. Ghosts: ``shape=(3, n_ghosts)`` [Å].
    """
    energy = 0.0
    for n in range(len(sites)):
        x, y, z = sites[n, 0], sites[n, 1], sites[n, 2]
        for s in range(len(table.core_charge)):
            first, last = runs.start[ions[n], s], runs.start[ions[n], s + 1]
            for kind in range(2):
                if kind == 0:
                    charge, ghosts, share = table.core_charge[s], ghost_cores, core_share
                else:
                    charge, ghosts, share = table.shell_charge[s], ghost_shells, shell_share
                if charge == 0.0 or first == last:
                    continue
                sums = coulomb_run(x, y, z, ghosts, runs.ghost, first, last, alpha, cutoff)
                strength = table.coulomb * charges[n] * charge
                energy += share * strength * sums[0]
                for c in range(3):
                    force[n, c] += strength * sums[1 + c]
                for c in range(6):
                    virial[c] += share * strength * sums[4 + c]
    return energy


@njit(**JIT)
def add_buckingham(
    ions: Integers,
    species: Integers,
    sites: Floats,
    ghost_sites: Floats,
    runs: NeighbourRuns,
    table: SpeciesTable,
    core_share: float,
    shell_share: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Buckingham energy [eV] of ``ions`` with all ghosts; adds to force (len(ions), 3) and virial (6,).

    sites: where the Buckingham term of every ion acts (its shell, or its core if it has none), ``shape=(n_ions, 3)``.
    shell_share applies to neighbours that have a shell, core_share to the others.
    """
    energy = 0.0
    for n in range(len(ions)):
        i = ions[n]
        x, y, z = sites[i, 0], sites[i, 1], sites[i, 2]
        for s in range(len(table.core_charge)):
            first, last = runs.start[i, s], runs.start[i, s + 1]
            A, C = table.A[species[i], s], table.C[species[i], s]
            if first == last or (A == 0.0 and C == 0.0):
                continue
            inverse_rho = table.inverse_rho[species[i], s]
            sums = buckingham_run(x, y, z, ghost_sites, runs.ghost, first, last, table.cutoff, A, inverse_rho, C)
            share = shell_share if table.has_shell[s] else core_share
            energy += share * sums[0]
            for c in range(3):
                force[n, c] += sums[1 + c]
            for c in range(6):
                virial[c] += share * sums[4 + c]
    return energy
