"""The smooth part of a Coulomb sum, by the waves of Ewald or by a particle mesh: one interface.

A sum over point charges is what they do through screened charges, in real space (``real_space``), plus what a smooth
density of charge does, here, less what each site does to itself. Sites add up to a density, a density has a field, and
the field pulls on sites; what stands still is added up once.
"""

from typing import Any, Protocol

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.ewald import EwaldPlan
from dopantfit.energy.mesh import add_mesh_forces, make_mesh, mesh_potential, mesh_virial, spread
from dopantfit.energy.reciprocal import add_wave_forces, phases, structure_factors, wave_field


class Electrostatics(Protocol):
    """One way to the smooth part of a Coulomb sum in one cell; its arrays are its own affair.

    alpha: width of the screening charges [1/Å]. cutoff: of the real-space part [Å].
    """

    @property
    def alpha(self) -> float: ...  # noqa: D102

    @property
    def cutoff(self) -> float: ...  # noqa: D102

    def located(self, positions: Floats) -> Any:
        """What the other methods need of positions (n, 3) [Å]."""

    def nothing(self) -> Floats:
        """The density of no charge."""

    def add_charge(self, located: Any, charges: Floats, density: Floats) -> None:
        """Adds charges (n,) [e] to a density."""

    def field(self, density: Floats, virial: Floats) -> tuple[float, Floats]:
        """Energy [eV] and field of a density; adds to the virial (6,) [eV] unless it is empty."""

    def add_forces(self, located: Any, charges: Floats, field: Floats, force: Floats) -> None:
        """Adds the forces of a field on charges (n,) [e] to ``force`` (n, 3) [eV/Å]."""


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

    def located(self, positions: Floats) -> tuple[Floats, Floats, Floats]:
        """Phases of every lattice direction."""
        return phases(positions @ self.to_fractional, self.plan.limits)

    def nothing(self) -> Floats:
        """See ``Electrostatics``."""
        return np.zeros((2, len(self.plan.weight)))

    def add_charge(self, located: tuple[Floats, Floats, Floats], charges: Floats, density: Floats) -> None:
        """See ``Electrostatics``."""
        density += structure_factors(*located, charges, self.plan.rows, self.plan.limits, len(self.plan.weight))

    def field(self, density: Floats, virial: Floats) -> tuple[float, Floats]:
        """See ``Electrostatics``."""
        return wave_field(density, self.plan.weight, self._coulomb, self._strain, virial)

    def add_forces(self, located: tuple[Floats, Floats, Floats], charges: Floats, field: Floats, force: Floats) -> None:
        """See ``Electrostatics``."""
        add_wave_forces(*located, charges, field, self.plan.rows, self.plan.limits, self._reciprocal, force)


class ParticleMesh:
    """A particle mesh. A density is the charge at the mesh points [e], and its field their potential [V].

    cell: row vectors [Å]. spacing: largest distance of mesh points [Å]. coulomb: K [eV Å].
    """

    def __init__(self, cell: Floats, alpha: float, cutoff: float, spacing: float, coulomb: float) -> None:
        self.alpha, self.cutoff = alpha, cutoff
        self._mesh = make_mesh(cell, alpha, spacing, coulomb)

    def located(self, positions: Floats) -> Floats:
        """Positions as they are."""
        return positions

    def nothing(self) -> Floats:
        """See ``Electrostatics``."""
        return np.zeros(self._mesh.shape)

    def add_charge(self, located: Floats, charges: Floats, density: Floats) -> None:
        """See ``Electrostatics``."""
        spread(located, charges, self._mesh.to_mesh, density)

    def field(self, density: Floats, virial: Floats) -> tuple[float, Floats]:
        """See ``Electrostatics``."""
        potential = mesh_potential(self._mesh, density)
        if len(virial):
            virial += mesh_virial(self._mesh, density, self.alpha)
        return 0.5 * float(np.vdot(density, potential)), potential

    def add_forces(self, located: Floats, charges: Floats, field: Floats, force: Floats) -> None:
        """See ``Electrostatics``."""
        add_mesh_forces(located, charges, self._mesh.to_mesh, field, force)


def self_energy(squares: float, alpha: float, coulomb: float) -> float:
    """What the smooth density of charges of which Σ q² is given [e²] does to itself, taken off: -K α/√π Σ q² [eV]."""
    return float(-coulomb * alpha / np.sqrt(np.pi) * squares)
