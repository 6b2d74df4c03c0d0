"""The energy of one frame as a function of where its shells are.

Cores stand still while shells relax, so an evaluation comes in two passes. The *shell pass* sums all that changes when
a shell moves and is repeated until the shells are at rest; the *core pass* adds the rest, once, at the end.
"""

from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.ewald import EwaldPlan
from dopantfit.energy.frame import Frame
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.neighbours import Ghosts
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.real_space import SpeciesTable, add_buckingham, add_coulomb
from dopantfit.energy.reciprocal import add_wave_forces, phases, structure_factors
from dopantfit.energy.stiffness import Placement
from dopantfit.errors import ConfigError


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
        if frame.cutoff != table.cutoff or len(frame.labels) != len(table.core_charge):
            raise ConfigError(
                f"{frame.name}: the frame was made for {len(frame.labels)} species and cutoff {frame.cutoff} Å, the "
                f"table has {len(table.core_charge)} and {table.cutoff} Å; make both from one potential"
            )
        self.frame = frame
        self.table = table
        self.shell_species = frame.species[frame.shell_ions]
        self.core_charges = table.core_charge[frame.species]
        self.shell_charges = table.shell_charge[self.shell_species]
        self.to_fractional = np.ascontiguousarray(np.linalg.inv(frame.cell))
        self._reciprocal = np.ascontiguousarray(2 * np.pi * self.to_fractional.T)
        self._ghost_cores = _place(frame.positions, frame.lists.ghosts)
        limits, rows = frame.plan.limits, frame.plan.rows
        self._core_phases = phases(frame.positions @ self.to_fractional, limits)
        self.core_factor = structure_factors(
            *self._core_phases, self.core_charges, rows, limits, len(frame.plan.weight)
        )

    def relisted(self, displacement: Floats) -> "ShellProblem":
        """The same problem with neighbour lists that hold for these shells."""
        return ShellProblem(self.frame.relisted(displacement), self.table)

    def placement(self, displacement: Floats) -> Placement:
        """Where all sites and their images are for these shells."""
        frame = self.frame
        sites = frame.positions.copy()
        sites[frame.shell_ions] += displacement
        return Placement(
            frame.species, frame.shell_ions, frame.positions, sites, self._ghost_cores,
            _place(sites, frame.lists.ghosts), frame.lists,
        )  # fmt: skip

    def shell_pass(self, displacement: Floats) -> Pass:
        """Energy of everything that sees a shell (and of all waves), and the force on every shell."""
        force, virial = np.zeros_like(displacement), np.zeros(6)
        placement, plan = self.placement(displacement), self.frame.plan
        energy = _shell_pair_energy(displacement, placement, self.shell_charges, self.table, plan, force, virial)
        shells = placement.sites[placement.shell_ions]
        wave_energy, factor = _shell_wave_energy(
            shells @ self.to_fractional, self.shell_charges, self.core_factor, self.table.coulomb, plan,
            self.frame.strain, self._reciprocal, force, virial,
        )  # fmt: skip
        return Pass(energy + wave_energy, force, virial, factor)

    def core_pass(self, displacement: Floats, shells: Pass) -> Pass:
        """The terms between cores, the self-energies, and the force on every core, after a shell pass there.

        The two energies and virials add up to the frame's.
        """
        frame, table, plan = self.frame, self.table, self.frame.plan
        placement = self.placement(displacement)
        force, virial = np.zeros_like(frame.positions), np.zeros(6)
        energy = add_coulomb(
            placement.cores, self.core_charges, np.arange(len(force)), placement.ghost_cores, placement.ghost_sites,
            frame.lists, table, plan.alpha, plan.cutoff, 0.5, 0.0, force, virial,
        )  # fmt: skip
        bare = np.flatnonzero(~table.has_shell[frame.species])
        bare_force = np.zeros((len(bare), 3))
        energy += add_buckingham(
            bare,
            frame.species,
            placement.cores,
            placement.ghost_sites,
            frame.lists,
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
        add_wave_forces(*self._core_phases, self.core_charges, waves, plan.rows, plan.limits, self._reciprocal, force)
        return Pass(energy + self._self_energy(), force, virial, shells.structure_factor)

    def _self_energy(self) -> float:
        """-K α/√π Σ q² over all sites [eV]."""
        squares = np.sum(self.core_charges**2) + np.sum(self.shell_charges**2)
        return float(-self.table.coulomb * self.frame.plan.alpha / np.sqrt(np.pi) * squares)


@kernel
def _place(sites: Floats, ghosts: Ghosts) -> Floats:
    """Positions of all ghosts of the given sites, ``shape=(3, n_ghosts)`` [Å]."""
    placed = np.empty((3, len(ghosts.ion)))
    for g in range(len(ghosts.ion)):
        for c in range(3):
            placed[c, g] = sites[ghosts.ion[g], c] + ghosts.shift[g, c]
    return placed


@kernel
def _shell_pair_energy(
    displacement: Floats,
    placement: Placement,
    shell_charges: Floats,
    table: SpeciesTable,
    plan: EwaldPlan,
    force: Floats,
    virial: Floats,
) -> float:
    """Pair terms and bonds of all shells [eV]; adds to force (n_shells, 3) and virial (6,)."""
    ions = placement.shell_ions
    energy = add_coulomb(
        placement.sites[ions], shell_charges, ions, placement.ghost_cores, placement.ghost_sites, placement.lists,
        table, plan.alpha, plan.cutoff, 1.0, 0.5, force, virial,
    )  # fmt: skip
    energy += add_buckingham(
        ions, placement.species, placement.sites, placement.ghost_sites, placement.lists, table, 1.0, 0.5, force, virial
    )
    return energy + add_bonds(displacement, placement.species[ions], table, plan.alpha, force, virial)


@kernel
def _shell_wave_energy(
    fractional: Floats,
    shell_charges: Floats,
    core_factor: Floats,
    coulomb: float,
    plan: EwaldPlan,
    strain: Floats,
    reciprocal: Floats,
    force: Floats,
    virial: Floats,
) -> tuple[float, Floats]:
    """Energy of all waves [eV] and S(k) of all sites; adds to the force on shells (n_shells, 3) and the virial (6,).

    fractional: of the shells. core_factor: S(k) of the cores.
    """
    first, second, third = phases(fractional, plan.limits)
    factor = structure_factors(first, second, third, shell_charges, plan.rows, plan.limits, len(plan.weight))
    factor += core_factor
    waves = np.empty_like(factor)
    energy = 0.0
    for k in range(len(plan.weight)):
        strength = coulomb * plan.weight[k]
        intensity = strength * (factor[0, k] ** 2 + factor[1, k] ** 2)
        energy += intensity
        for c in range(6):
            virial[c] += intensity * strain[k, c]
        waves[0, k] = 2 * strength * factor[0, k]
        waves[1, k] = 2 * strength * factor[1, k]
    add_wave_forces(first, second, third, shell_charges, waves, plan.rows, plan.limits, reciprocal, force)
    return energy, factor
