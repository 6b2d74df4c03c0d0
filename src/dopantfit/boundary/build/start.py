"""Grains with a gap between them, and the amorphous phase placed in it: the start of the sintering.

The grain stands around z = 0 (it wraps around the cell), the amorphous domain in the middle of the cell; the normal is
z. Ions of the grain come first, ``info["grain_ions"]`` says how many they are (see `build_health.with_grain`).
"""

from collections.abc import Mapping

import numpy as np
from ase import Atoms

from dopantfit.boundary.build.amorphous import place
from dopantfit.boundary.build.config import BuildConfig, amorphous_counts
from dopantfit.boundary.build.health import with_grain
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.structures import labels_of, substituted, total_formal_charge, with_labels


def initial_boundary(config: BuildConfig, potential: Potential, rng: np.random.Generator) -> Atoms:
    """Build grains and the sparse amorphous phase between them, exactly charge-balanced.

    Raises ConfigError when the composition has a charge, or the gap cannot hold its units.
    """
    unit = config.host.polyanion
    counts = amorphous_counts(config, potential)
    grain = build_grain(config, rng)
    area = config.grain.in_plane**2 * config.edge**2
    n_ions = sum(counts.values()) + unit.count * counts[unit.centre]
    gap = n_ions * config.amorphous.placed_volume_per_atom / area
    thickness = config.grain.thickness * config.edge
    grain.cell[2, 2] = thickness + gap
    labels, positions = place(grain, (0.5 * thickness, 0.5 * thickness + gap), counts, config.amorphous, unit, rng)
    atoms = grain + with_labels(Atoms("X" * len(labels), positions=positions), labels)
    atoms = with_labels(atoms, [*labels_of(grain), *labels])
    _check_neutral(atoms, potential)
    return with_grain(atoms, len(grain), thickness, unit)


def build_grain(config: BuildConfig, rng: np.random.Generator) -> Atoms:
    """Build the crystal, centred on z = 0, its cell one grain thick.

    The pseudo-cubic cell, whose angles may differ a little from a cube's, is made exactly orthogonal, as that of the
    whole boundary.
    """
    n, m, edge, host = config.grain.in_plane, config.grain.thickness, config.edge, config.host
    partners = host.partners(round(config.x * host.units_in((n, n, m))))
    grain = substituted(host.pseudo_cubic((n, n, m)), [partners], rng)
    grain.set_cell(np.diag([n * edge, n * edge, m * edge]), scale_atoms=True)
    grain.wrap(eps=1e-9)
    grain.positions[:, 2] -= 0.5 * m * edge
    return grain


def composition(atoms: Atoms) -> Mapping[str, int]:
    """Return the number of ions of every label, sorted by label."""
    labels, counts = np.unique(labels_of(atoms), return_counts=True)
    return {str(label): int(count) for label, count in zip(labels, counts, strict=True)}


def _check_neutral(atoms: Atoms, potential: Potential) -> None:
    charge = total_formal_charge(atoms, {label: ion.formal_charge for label, ion in potential.species.items()})
    if charge:
        raise ConfigError(f"the boundary has a net formal charge of {charge:+d} e; change its composition")
