"""Masses of shells as a setting of a run, and the longest time step that shells can follow.

Masses change no equilibrium average, and only the sum of core and shell enters the motion of an ion; a heavier shell
moves more slowly against its core and allows a longer step, as long as that motion stays far above the frequencies of
the ions, so that it does not take up their heat.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, pi, sqrt

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.lammps.data_file import Array
from dopantfit.lammps.settings import Dynamics
from dopantfit.potential import Potential
from dopantfit.units import AMU_A2_PER_PS2

#: Fewest time steps in a core-shell period: with 5.4, LATP at 1400 K still kept its energy (see docs/md.md).
STEPS_PER_PERIOD = 6.5
#: No shell is made heavier than this part of its ion unasked.
HEAVIEST = 0.25


def with_shell_masses(potential: Potential, part: float | None) -> Potential:
    """Return the potential with shells of `part` of the mass of core and shell together; as it is for None."""
    if part is None:
        return potential
    species = {}
    for label, ion in potential.species.items():
        if ion.shell is not None:
            whole = ion.total_mass
            shell = ion.shell.model_copy(update={"mass": part * whole})
            ion = ion.model_copy(update={"mass": (1.0 - part) * whole, "shell": shell})
        species[label] = ion
    return replace(potential, species=species)


def shell_parts(potential: Potential, labels: Sequence[str]) -> Array:
    """Return the mass of the shell of every ion as a part of the ion's, ``shape=(n,)``; 0 without a shell."""
    ions = [potential.species[label] for label in labels]
    return np.array([0.0 if ion.shell is None else ion.shell.mass / ion.total_mass for ion in ions])


def same_motion(cores: Array, shells: Array, before: Array, after: Array) -> tuple[Array, Array]:
    """Return velocities with which ions, and shells against their cores, move as before a change of masses.

    cores, shells: velocities before, ``shape=(n, 3)``. before, after: masses of shells as parts of their ions', (n,).
    """
    shift = (before - after)[:, None] * (shells - cores)
    return cores + shift, shells + shift


def longest_timestep(potential: Potential) -> float:
    """Longest time step [ps] that the shells of a potential can follow; inf without shells."""
    periods = [
        2.0 * pi * sqrt(AMU_A2_PER_PS2 * ion.mass * ion.shell.mass / (ion.mass + ion.shell.mass) / ion.shell.spring)
        for ion in potential.species.values()
        if ion.shell is not None
    ]
    return min(periods, default=float("inf")) / STEPS_PER_PERIOD


def suited(settings: Dynamics, potential: Potential) -> Dynamics:
    """Return the settings with shells as heavy as stiff springs need for a step of the default's length or less.

    Core and shell then move against each other with the period that softer springs give lighter shells, so that this
    motion stays as far above the ions' own. Others are left as they are: longer steps, masses of the potential itself,
    and springs that would need more than ``HEAVIEST``.
    """
    if settings.shell_mass is None or settings.timestep > Dynamics.timestep:
        return settings
    needed = [
        (STEPS_PER_PERIOD * settings.timestep / (2.0 * pi)) ** 2 * ion.shell.spring / (AMU_A2_PER_PS2 * ion.total_mass)
        for ion in potential.species.values()
        if ion.shell is not None
    ]
    # The reduced mass of a part m is m (1 - m) of the ion's.
    most = max(needed, default=0.0)
    if not settings.shell_mass * (1.0 - settings.shell_mass) < most <= HEAVIEST * (1.0 - HEAVIEST):
        return settings
    return replace(settings, shell_mass=ceil(50.0 * (1.0 - sqrt(1.0 - 4.0 * most))) / 100.0)


def prepared(potential: Potential, settings: Dynamics) -> Potential:
    """Return the potential with the masses of a run; ConfigError for a time step that its shells cannot follow."""
    made = with_shell_masses(potential, settings.shell_mass)
    longest = longest_timestep(made)
    if settings.timestep > longest:
        raise ConfigError(
            f"molecular dynamics: timestep = {1e3 * settings.timestep:g} fs is too long for the shells of "
            f"{potential.name}; at most {1e3 * longest:.2g} fs with these masses and springs, "
            "or heavier shells (shell_mass)"
        )
    return made
