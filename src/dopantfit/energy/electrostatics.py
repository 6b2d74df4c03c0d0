"""The smooth part of a Coulomb sum, by the waves of Ewald or by a particle mesh: one interface.

A sum over point charges is what they do through screened charges, in real space (``real_space``), plus what a smooth
density of charge does, here, less what each site does to itself. Sites add up to a density, a density has a field, and
the field pulls on sites; what stands still is added up once.
"""

from typing import Protocol

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.ewald import EwaldPlan
from dopantfit.energy.mesh import add_mesh_forces, make_mesh, mesh_potential, mesh_virial, spread
from dopantfit.energy.reciprocal import add_wave_forces, add_waves, phases, structure_factors


class Electrostatics(Protocol):
    """One way to the smooth part of a Coulomb sum in one cell; its arrays are its own affair.

    alpha: width of the screening charges [1/Å]. cutoff: of the real-space part [Å].
    """

    @property
    def alpha(self) -> float: ...  # noqa: D102

    @property
    def cutoff(self) -> float: ...  # noqa: D102

    def nothing(self) -> Floats:
        """The density of no charge."""

    def add_charge(self, positions: Floats, charges: Floats, density: Floats) -> None:
        """Adds charges (n,) [e] at positions (n, 3) [Å] to a density."""

    def energy(
        self, positions: Floats, charges: Floats, still: Floats, force: Floats, virial: Floats
    ) -> tuple[float, Floats, Floats]:
        """Energy [eV], density and field of charges (n,) [e] at positions (n, 3) [Å] and a density that stands still.

        Adds to the force on the charges (n, 3) [eV/Å], and to the virial (6,) [eV] unless it is empty.
        """

    def add_forces(self, positions: Floats, charges: Floats, field: Floats, force: Floats) -> None:
        """Adds the forces of a field on charges (n,) [e] at positions (n, 3) [Å] to ``force`` (n, 3) [eV/Å]."""


class Ewald:
    """Ewald's sum over waves. A density is S(k), ``shape=(2, n_k)`` [e], and its field 2Kw S(k) [eV/e].

    cell: row vectors [Å]. strain: ``strain_factors`` of the plan. coulomb: K [eV Å].
    """

    def __init__(self, cell: Floats, plan: EwaldPlan, strain: Floats, coulomb: float) -> None:
        self.plan, self._strain, self._coulomb = plan, strain, coulomb
        self.to_fractional = np.ascontiguousarray(np.linalg.inv(cell))
        self._reciprocal = np.ascontiguousarray(2 * np.pi * self.to_fractional.T)

    @property
    def alpha(self) -> float:
        """See ``Electrostatics``."""
        return self.plan.alpha

    @property
    def cutoff(self) -> float:
        """See ``Electrostatics``."""
        return self.plan.cutoff

    def nothing(self) -> Floats:
        """See ``Electrostatics``."""
        return np.zeros((2, len(self.plan.weight)))

    def add_charge(self, positions: Floats, charges: Floats, density: Floats) -> None:
        """See ``Electrostatics``."""
        plan = self.plan
        located = phases(positions @ self.to_fractional, plan.limits)
        density += structure_factors(*located, charges, plan.rows, plan.limits, len(plan.weight))

    def energy(
        self, positions: Floats, charges: Floats, still: Floats, force: Floats, virial: Floats
    ) -> tuple[float, Floats, Floats]:
        """See ``Electrostatics``."""
        return add_waves(
            positions @ self.to_fractional, charges, still, self._coulomb, self.plan, self._strain, self._reciprocal,
            force, virial,
        )  # fmt: skip

    def add_forces(self, positions: Floats, charges: Floats, field: Floats, force: Floats) -> None:
        """See ``Electrostatics``."""
        located = phases(positions @ self.to_fractional, self.plan.limits)
        add_wave_forces(*located, charges, field, self.plan.rows, self.plan.limits, self._reciprocal, force)


class ParticleMesh:
    """A particle mesh. A density is the charge at the mesh points [e], and its field their potential [V].

    cell: row vectors [Å]. spacing: largest distance of mesh points [Å]. coulomb: K [eV Å].
    """

    def __init__(self, cell: Floats, alpha: float, cutoff: float, spacing: float, coulomb: float) -> None:
        self.alpha, self.cutoff = alpha, cutoff
        self._mesh = make_mesh(cell, alpha, spacing, coulomb)

    def nothing(self) -> Floats:
        """See ``Electrostatics``."""
        return np.zeros(self._mesh.shape)

    def add_charge(self, positions: Floats, charges: Floats, density: Floats) -> None:
        """See ``Electrostatics``."""
        spread(positions, charges, self._mesh.to_mesh, density)

    def energy(
        self, positions: Floats, charges: Floats, still: Floats, force: Floats, virial: Floats
    ) -> tuple[float, Floats, Floats]:
        """See ``Electrostatics``."""
        density = still.copy()
        self.add_charge(positions, charges, density)
        potential = mesh_potential(self._mesh, density)
        self.add_forces(positions, charges, potential, force)
        if len(virial):
            virial += mesh_virial(self._mesh, density, self.alpha)
        return 0.5 * float(np.vdot(density, potential)), density, potential

    def add_forces(self, positions: Floats, charges: Floats, field: Floats, force: Floats) -> None:
        """See ``Electrostatics``."""
        add_mesh_forces(positions, charges, self._mesh.to_mesh, field, force)


def self_energy(squares: float, alpha: float, coulomb: float) -> float:
    """What the smooth density of charges of which Σ q² is given [e²] does to itself, taken off: -K α/√π Σ q² [eV]."""
    return float(-coulomb * alpha / np.sqrt(np.pi) * squares)


def background_energy(charge: float, alpha: float, volume: float, coulomb: float) -> float:
    """Energy of a cell [Å³] of this charge [e] with a uniform background, beyond the sums: -πKQ²/(2Vα²) [eV].

    A neutral cell, whose charges sum to the rounding of their decimals, gets less than the last digit of its energy.
    """
    return float(-np.pi * coulomb * charge**2 / (2.0 * volume * alpha**2))
