"""Real-space sums over sites: Coulomb and Buckingham energies and forces, and their second derivatives.

Energies are shared between the two ends of a pair by weights ("shares") that the caller gives, so that one kernel
serves both passes of an evaluation: over the shells while the cores stand still, and over the cores at the end.
"""

from typing import NamedTuple

import numpy as np

from dopantfit.energy.arrays import Flags, Floats, Integers
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.neighbours import Lists, run_buffer
from dopantfit.energy.pair_terms import (
    Sums,
    buckingham_forces,
    buckingham_parameter_forces,
    coulomb_forces,
    gather_vectors,
    run_sums,
)
from dopantfit.potential import Potential
from dopantfit.units import COULOMB


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


def species_table(labels: tuple[str, ...], potential: Potential, coulomb: float = COULOMB) -> SpeciesTable:
    """The numbers of a potential for these species, in their order. coulomb: e²/4πε0 [eV Å]."""
    species = [potential.species[label] for label in labels]
    pairs = [[potential.pair(a, b) for b in labels] for a in labels]
    return SpeciesTable(
        core_charge=np.array([one.charge for one in species], dtype=np.float64),
        shell_charge=np.array([one.shell.charge if one.shell else 0.0 for one in species], dtype=np.float64),
        has_shell=np.array([one.shell is not None for one in species]),
        spring=np.array([one.shell.spring if one.shell else 0.0 for one in species], dtype=np.float64),
        A=np.array([[pair.A for pair in row] for row in pairs], dtype=np.float64),
        inverse_rho=np.array([[1 / pair.rho for pair in row] for row in pairs], dtype=np.float64),
        C=np.array([[pair.C for pair in row] for row in pairs], dtype=np.float64),
        cutoff=potential.cutoff,
        coulomb=coulomb,
    )


@kernel
def add_coulomb(
    sites: Floats,
    charges: Floats,
    ions: Integers,
    ghost_cores: Floats,
    ghost_sites: Floats,
    lists: Lists,
    table: SpeciesTable,
    alpha: float,
    cutoff: float,
    core_share: float,
    shell_share: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Screened Coulomb energy [eV] of ``sites`` (n, 3) with all ghosts; adds to force (n, 3) and virial (6,).

    charges, ions: charge of each site and the ion that it belongs to. Ghosts: ``shape=(3, n_ghosts)`` [Å]; where an
    ion has a shell, its ghost site is the shell.
    """
    energy = 0.0
    runs, terms = lists.coulomb, run_buffer(lists)
    for n in range(len(sites)):
        for s in range(len(table.core_charge)):
            first, last = runs.start[ions[n], s], runs.start[ions[n], s + 1]
            for kind in range(2):
                if kind == 0:
                    charge, ghosts, share = table.core_charge[s], ghost_cores, core_share
                else:
                    charge, ghosts, share = table.shell_charge[s], ghost_sites, shell_share
                if charge == 0.0 or first == last:
                    continue
                gather_vectors(sites[n], ghosts, runs.ghost, first, last, terms)
                coulomb_forces(last - first, alpha, cutoff, terms)
                strength = table.coulomb * charges[n] * charge
                energy += _add_sums(run_sums(last - first, terms), strength, share, force[n], virial)
    return energy


@kernel
def add_buckingham(
    sites: Floats,
    acting: Integers,
    ions: Integers,
    species: Integers,
    ghost_sites: Floats,
    lists: Lists,
    table: SpeciesTable,
    core_share: float,
    shell_share: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Buckingham energy [eV] of ``sites`` (n, 3) with all ghosts; adds to force (n, 3) and virial (6,).

    acting: the sites on which a Buckingham term acts: shells, and cores of ions that have none. ions: of every site,
    species: of every ion. shell_share applies to neighbours that have a shell, core_share to the others.
    """
    energy = 0.0
    runs, terms = lists.buckingham, run_buffer(lists)
    for n in acting:
        i = ions[n]
        for s in range(len(table.core_charge)):
            first, last = runs.start[i, s], runs.start[i, s + 1]
            A, inverse_rho, C = table.A[species[i], s], table.inverse_rho[species[i], s], table.C[species[i], s]
            if first == last or (A == 0.0 and C == 0.0):
                continue
            gather_vectors(sites[n], ghost_sites, runs.ghost, first, last, terms)
            buckingham_forces(last - first, table.cutoff, A, inverse_rho, C, terms)
            share = shell_share if table.has_shell[s] else core_share
            energy += _add_sums(run_sums(last - first, terms), 1.0, share, force[n], virial)
    return energy


class ActiveSites(NamedTuple):
    """Sites whose pairs are summed up: their charges [e], their ions (n,), and those that Buckingham terms act on (m,).

    species: of every ion that ``ions`` counts, and so do the rows of the neighbour lists.
    """

    charges: Floats
    ions: Integers
    acting: Integers
    species: Integers


@kernel
def add_pair_terms(
    sites: Floats,
    active: ActiveSites,
    ghost_cores: Floats,
    ghost_sites: Floats,
    lists: Lists,
    table: SpeciesTable,
    alpha: float,
    cutoff: float,
    core_share: float,
    shell_share: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Coulomb and Buckingham energy [eV] of active sites (n, 3); arguments as above."""
    energy = add_coulomb(
        sites, active.charges, active.ions, ghost_cores, ghost_sites, lists, table, alpha, cutoff, core_share,
        shell_share, force, virial,
    )  # fmt: skip
    return energy + add_buckingham(
        sites, active.acting, active.ions, active.species, ghost_sites, lists, table, core_share, shell_share, force,
        virial,
    )  # fmt: skip


@kernel
def buckingham_derivatives(
    pairs: Integers,
    coefficients: Floats,
    species: Integers,
    sites: Floats,
    ghost_sites: Floats,
    lists: Lists,
    table: SpeciesTable,
    forces: Floats,
    virials: Floats,
) -> Floats:
    """∂E/∂p of p parameters of Buckingham terms, ``shape=(p,)``; fills ∂F/∂p (p, n_ions, 3) and ∂virial/∂p (p, 6).

    pairs: the two species of each parameter, ``shape=(p, 2)``. coefficients: see ``derivative_coefficients``, (p, 6).
    """
    energies = np.zeros(len(pairs))
    runs, terms = lists.buckingham, run_buffer(lists)
    for p in range(len(pairs)):
        s, t = pairs[p, 0], pairs[p, 1]
        for i in range(len(species)):
            if species[i] != s and species[i] != t:
                continue
            other = t if species[i] == s else s
            first, last = runs.start[i, other], runs.start[i, other + 1]
            gather_vectors(sites[i], ghost_sites, runs.ghost, first, last, terms)
            buckingham_parameter_forces(last - first, table.cutoff, table.inverse_rho[s, t], coefficients[p], terms)
            energies[p] += _add_sums(run_sums(last - first, terms), 1.0, 0.5, forces[p, i], virials[p])
    return energies


def derivative_coefficients(quantity: str, A: float, inverse_rho: float) -> Floats:
    """(c0, c1, c2, d0, d1, d2) with which one loop serves the derivatives by A, ρ and C.

    ∂φ/∂p = (c0 + c1 r) e + c2/r⁶ and ∂(-φ'/r)/∂p = (d0/r + d1) e + d2/r⁸, where e = exp(-r/ρ).
    """
    if quantity == "A":
        return np.array([1.0, 0.0, 0.0, inverse_rho, 0.0, 0.0])
    if quantity == "rho":
        return np.array([0.0, A * inverse_rho**2, 0.0, -A * inverse_rho**2, A * inverse_rho**3, 0.0])
    return np.array([0.0, 0.0, -1.0, 0.0, 0.0, -6.0])


@kernel
def _add_sums(sums: Sums, strength: float, share: float, force: Floats, virial: Floats) -> float:
    """Adds the sums of a run to the force on its site (3,) and to the virial (6,); returns the energy."""
    for c in range(3):
        force[c] += strength * sums[1 + c]
    for c in range(6):
        virial[c] += share * strength * sums[4 + c]
    return share * strength * sums[0]
