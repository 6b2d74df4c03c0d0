"""The energy of one frame as a function of where its shells are.

Cores stand still while shells relax, so an evaluation comes in two passes. The *shell pass* sums all that changes when
a shell moves and is repeated until the shells are at rest; the *core pass* adds the rest, once, at the end.
"""

from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.electrostatics import Ewald, self_energy
from dopantfit.energy.frame import Frame
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.neighbours import place_ghosts
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.real_space import ActiveSites, SpeciesTable, add_buckingham, add_coulomb, add_pair_terms
from dopantfit.energy.stiffness import Placement
from dopantfit.errors import ConfigError


@dataclass(frozen=True)
class Pass:
    """What one pass found: energy [eV], force on its sites (n, 3) [eV/Å], virial (6,) [eV].

    structure_factor: S(k) of all sites [e], field: that of the waves [eV/e], both ``shape=(2, n_k)``.
    """

    energy: float
    force: Floats
    virial: Floats
    structure_factor: Floats
    field: Floats


class ShellProblem:
    """One frame with one set of parameters; shells are given as displacements from their cores [Å], (n_shells, 3).

    cores: what cores do in another problem of the same frame, if there is one.
    """

    def __init__(self, frame: Frame, table: SpeciesTable, cores: "ShellProblem | None" = None) -> None:
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
        self._shells = ActiveSites(
            self.shell_charges, frame.shell_ions, np.arange(len(frame.shell_ions)), frame.species
        )
        self.waves: Ewald
        self._ghost_cores: Floats
        self._core_density: Floats
        if cores is not None and cores.table.coulomb == table.coulomb:
            self.waves, self._ghost_cores = cores.waves, cores._ghost_cores
        else:
            self.waves = Ewald(frame.cell, frame.plan, frame.strain, table.coulomb)
            self._ghost_cores = self._placed(frame.positions)
        if cores is not None and np.array_equal(cores.core_charges, self.core_charges):
            self._core_density = cores._core_density
        else:
            self._core_density = self.waves.nothing()
            self.waves.add_charge(frame.positions, self.core_charges, self._core_density)

    @property
    def to_fractional(self) -> Floats:
        """Turns positions [Å] into fractional coordinates (positions @ to_fractional), ``shape=(3, 3)``."""
        return self.waves.to_fractional

    def relisted(self, displacement: Floats) -> "ShellProblem":
        """The same problem with neighbour lists that hold for these shells."""
        return ShellProblem(self.frame.relisted(displacement), self.table)

    def with_table(self, table: SpeciesTable) -> "ShellProblem":
        """The same frame with other parameters; what these leave as it is is not computed again."""
        return ShellProblem(self.frame, table, cores=self)

    def placement(self, displacement: Floats) -> Placement:
        """Where all sites and their images are for these shells."""
        frame = self.frame
        sites = frame.positions.copy()
        sites[frame.shell_ions] += displacement
        return Placement(
            frame.species, frame.shell_ions, frame.positions, sites, self._ghost_cores, self._placed(sites), frame.lists
        )

    def _placed(self, sites: Floats) -> Floats:
        """Positions of all ghosts, ``shape=(3, n_ghosts)`` [Å]."""
        ghosts = self.frame.lists.ghosts
        placed = np.empty((3, len(ghosts.ion)))
        place_ghosts(sites, np.arange(len(sites)), ghosts, placed)
        return placed

    def shell_pass(self, displacement: Floats) -> Pass:
        """Energy of everything that sees a shell (and of all waves), and the force on every shell."""
        force, virial = np.zeros_like(displacement), np.zeros(6)
        placement, waves = self.placement(displacement), self.waves
        shells = placement.sites[placement.shell_ions]
        energy = _add_shell_terms(
            shells, displacement, self._shells, placement, self.table, waves.alpha, waves.cutoff, force, virial
        )
        wave_energy, density, field = waves.energy(shells, self.shell_charges, self._core_density, force, virial)
        return Pass(energy + wave_energy, force, virial, density, field)

    def core_pass(self, displacement: Floats, shells: Pass) -> Pass:
        """The terms between cores, the self-energies, and the force on every core, after a shell pass there.

        The two energies and virials add up to the frame's.
        """
        frame, table, waves, placement = self.frame, self.table, self.waves, self.placement(displacement)
        force, virial, every = np.zeros_like(frame.positions), np.zeros(6), np.arange(len(frame.positions))
        energy = add_coulomb(
            frame.positions, self.core_charges, every, placement.ghost_cores, placement.ghost_sites, frame.lists, table,
            waves.alpha, waves.cutoff, 0.5, 0.0, force, virial,
        )  # fmt: skip
        bare = np.flatnonzero(~table.has_shell[frame.species])
        bare_force = np.zeros_like(force)
        energy += add_buckingham(
            frame.positions, bare, every, frame.species, placement.ghost_sites, frame.lists, table, 0.5, 0.0,
            bare_force, virial,
        )  # fmt: skip
        force += bare_force
        bond_force = np.zeros_like(displacement)
        add_bonds(displacement, self.shell_species, table, waves.alpha, bond_force, np.zeros(6))
        force[frame.shell_ions] -= bond_force
        waves.add_forces(frame.positions, self.core_charges, shells.field, force)
        squares = float(np.sum(self.core_charges**2) + np.sum(self.shell_charges**2))
        energy += self_energy(squares, waves.alpha, table.coulomb)
        return Pass(energy, force, virial, shells.structure_factor, shells.field)


@kernel
def _add_shell_terms(
    shells: Floats,
    displacement: Floats,
    active: ActiveSites,
    placement: Placement,
    table: SpeciesTable,
    alpha: float,
    cutoff: float,
    force: Floats,
    virial: Floats,
) -> float:
    """Pair terms and bonds of all shells [eV]; adds to force (n_shells, 3) and virial (6,)."""
    energy = add_pair_terms(
        shells, active, placement.ghost_cores, placement.ghost_sites, placement.lists, table, alpha, cutoff, 1.0, 0.5,
        force, virial,
    )  # fmt: skip
    return energy + add_bonds(displacement, active.species[active.ions], table, alpha, force, virial)
