"""The energy of one frame as a function of where its shells are.

Cores stand still while shells relax, so an evaluation comes in two passes. The *shell pass* sums all that changes when
a shell moves and is repeated until the shells are at rest; the *core pass* adds the rest, once, at the end.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.ewald import EwaldPlan
from dopantfit.energy.frame import Frame
from dopantfit.energy.functions import JIT
from dopantfit.energy.neighbours import Ghosts, NeighbourRuns
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.real_space import SpeciesTable, add_buckingham, add_coulomb
from dopantfit.energy.reciprocal import add_wave_forces, phases, structure_factors


@dataclass(frozen=True)
class Pass:
    """What one pass found: energy [eV], force on its sites (n, 3) [eV/Å], virial (6,) [eV], S(k) (2, n_k) [e]."""

    energy: float
    force: Floats
    virial: Floats
    structure_factor: Floats


class ShellProblem:
    """One frame with one set of parameters; shells are given as displacements from their cores [Å], (n_shells, 3)."""

    def __init__(self, frame: Frame, table: SpeciesTable) -> None:
        self.frame = frame
        self.table = table
        self.ions = np.arange(len(frame.species), dtype=np.int64)
        self.shell_species = frame.species[frame.shell_ions]
        self.core_charges = table.core_charge[frame.species]
        self.shell_charges = table.shell_charge[self.shell_species]
        self._to_fractional = np.ascontiguousarray(np.linalg.inv(frame.cell))
        self.ghost_cores = _place(frame.positions, frame.ghosts)
        limits, rows = frame.plan.limits, frame.plan.rows
        self._core_phases = phases(frame.positions @ self._to_fractional, limits)
        self.core_factor = structure_factors(
            *self._core_phases, self.core_charges, rows, limits, len(frame.plan.weight)
        )

    def relisted(self, displacement: Floats) -> "ShellProblem":
        """The same problem with neighbour lists that hold for these shells."""
        return ShellProblem(self.frame.relisted(displacement), self.table)

    def sites(self, displacement: Floats) -> Floats:
        """Where the Buckingham terms act: shells, and the cores of ions without one [Å], ``shape=(n_ions, 3)``."""
        sites = self.frame.positions.copy()
        sites[self.frame.shell_ions] += displacement
        return sites

    def ghost_sites(self, sites: Floats) -> Floats:
        """The sites' periodic images, ``shape=(3, n_ghosts)`` [Å]."""
        return _place(sites, self.frame.ghosts)

    def shell_pass(self, displacement: Floats) -> Pass:
        """Energy of everything that sees a shell (and of all waves), and the force on every shell."""
        frame = self.frame
        force, virial = np.zeros((len(frame.shell_ions), 3)), np.zeros(6)
        energy, factor = _shell_pass(
            displacement,
            frame.positions,
            frame.species,
            frame.shell_ions,
            self.shell_species,
            self.shell_charges,
            self.ghost_cores,
            frame.ghosts,
            frame.coulomb_runs,
            frame.buckingham_runs,
            self.table,
            frame.plan,
            frame.strain,
            self.core_factor,
            self._to_fractional,
            force,
            virial,
        )
        return Pass(energy, force, virial, factor)

    def core_pass(self, displacement: Floats, shells: Pass) -> Pass:
        """The terms between cores, the self-energies, and the force on every core, after a shell pass there.

        The two energies and virials add up to the frame's.
        """
        frame, table, plan = self.frame, self.table, self.frame.plan
        n_ions = len(self.ions)
        force, virial = np.zeros((n_ions, 3)), np.zeros(6)
        ghost_sites = self.ghost_sites(self.sites(displacement))
        energy = add_coulomb(
            frame.positions, self.core_charges, self.ions, self.ghost_cores, ghost_sites, frame.coulomb_runs,
            table, plan.alpha, plan.cutoff, 0.5, 0.0, force, virial,
        )  # fmt: skip
        bare = np.flatnonzero(~table.has_shell[frame.species])
        bare_force = np.zeros((len(bare), 3))
        energy += add_buckingham(
            bare,
            frame.species,
            frame.positions,
            ghost_sites,
            frame.buckingham_runs,
            table,
            0.5,
            0.0,
            bare_force,
            virial,
        )
        force[bare] += bare_force
        bond_force = np.zeros_like(displacement)
        add_bonds(displacement, self.shell_species, table, plan.alpha, bond_force, np.zeros(6))
        force[frame.shell_ions] -= bond_force
        waves = 2 * table.coulomb * plan.weight * shells.structure_factor
        add_wave_forces(*self._core_phases, self.core_charges, waves, plan.rows, plan.limits, frame.reciprocal, force)
        background = self._background()
        virial[:3] += background
        return Pass(energy + self._self_energy() + background, force, virial, shells.structure_factor)

    def _self_energy(self) -> float:
        """-K α/√π Σ q² over all sites [eV]."""
        squares = np.sum(self.core_charges**2) + np.sum(self.shell_charges**2)
        return float(-self.table.coulomb * self.frame.plan.alpha / np.sqrt(np.pi) * squares)

    def _background(self) -> float:
        """Energy of the uniform background that neutralises a charged cell [eV]; zero but for charge derivatives."""
        total = float(np.sum(self.core_charges) + np.sum(self.shell_charges))
        return -self.table.coulomb * np.pi * total**2 / (2 * self.frame.volume * self.frame.plan.alpha**2)


@njit(**JIT)
def _place(sites: Floats, ghosts: Ghosts) -> Floats:
    """Positions of all ghosts of the given sites, ``shape=(3, n_ghosts)`` [Å]."""
    placed = np.empty((3, len(ghosts.ion)))
    for g in range(len(ghosts.ion)):
        for c in range(3):
            placed[c, g] = sites[ghosts.ion[g], c] + ghosts.shift[g, c]
    return placed


@njit(**JIT)
def _shell_pass(
    displacement: Floats,
    positions: Floats,
    species: Integers,
    shell_ions: Integers,
    shell_species: Integers,
    shell_charges: Floats,
    ghost_cores: Floats,
    ghosts: Ghosts,
    coulomb_runs: NeighbourRuns,
    buckingham_runs: NeighbourRuns,
    table: SpeciesTable,
    plan: EwaldPlan,
    strain: Floats,
    core_factor: Floats,
    to_fractional: Floats,
    force: Floats,
    virial: Floats,
) -> tuple[float, Floats]:
    """Fills force (n_shells, 3) and virial (6,); returns the energy and the structure factor of all sites."""
    sites = positions.copy()
    shells = np.empty_like(displacement)
    for n in range(len(shell_ions)):
        for c in range(3):
            sites[shell_ions[n], c] += displacement[n, c]
            shells[n, c] = sites[shell_ions[n], c]
    ghost_sites = _place(sites, ghosts)
    energy = add_coulomb(
        shells, shell_charges, shell_ions, ghost_cores, ghost_sites, coulomb_runs,
        table, plan.alpha, plan.cutoff, 1.0, 0.5, force, virial,
    )  # fmt: skip
    energy += add_buckingham(shell_ions, species, sites, ghost_sites, buckingham_runs, table, 1.0, 0.5, force, virial)
    energy += add_bonds(displacement, shell_species, table, plan.alpha, force, virial)
    fractional = np.empty_like(shells)
    for n in range(len(shells)):
        for c in range(3):
            fractional[n, c] = (
                shells[n, 0] * to_fractional[0, c]
                + shells[n, 1] * to_fractional[1, c]
                + shells[n, 2] * to_fractional[2, c]
            )
    first, second, third = phases(fractional, plan.limits)
    factor = structure_factors(first, second, third, shell_charges, plan.rows, plan.limits, len(plan.weight))
    waves = np.empty_like(factor)
    for k in range(len(plan.weight)):
        factor[0, k] += core_factor[0, k]
        factor[1, k] += core_factor[1, k]
        strength = table.coulomb * plan.weight[k]
        intensity = strength * (factor[0, k] ** 2 + factor[1, k] ** 2)
        energy += intensity
        for c in range(6):
            virial[c] += intensity * strain[k, c]
        waves[0, k] = 2 * strength * factor[0, k]
        waves[1, k] = 2 * strength * factor[1, k]
    reciprocal = 2.0 * np.pi * to_fractional.T.copy()
    add_wave_forces(first, second, third, shell_charges, waves, plan.rows, plan.limits, reciprocal, force)
    return energy, factor
