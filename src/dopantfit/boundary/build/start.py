"""Grains with a gap between them, and the amorphous phase placed in it: the start of the sintering.

The grain stands around z = 0 (it wraps around the cell), the amorphous domain in the middle of the cell; the normal is
z. Ions of the grain come first, ``info["grain_ions"]`` says how many they are (see `build_health.with_grain`).
"""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.boundary.build.amorphous import place
from dopantfit.boundary.build.config import BuildConfig, amorphous_counts
from dopantfit.boundary.build.health import with_grain
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.structures import Substitution, host, labels_of, substituted, total_formal_charge, with_labels
from dopantfit.structures.prototypes import LTP

Floats = NDArray[np.float64]

#: Formula units of LiTi2(PO4)3 in a pseudo-cubic cell.
_FORMULA_UNITS = 8


def initial_boundary(config: BuildConfig, potential: Potential, rng: np.random.Generator) -> Atoms:
    """Build grains and the sparse amorphous phase between them, exactly charge-balanced.

    Raises ConfigError when the composition has a charge, or the gap cannot hold its units.
    """
    counts = amorphous_counts(config, potential)
    grain = build_grain(config, rng)
    area = config.grain.in_plane**2 * config.grain.edge**2
    n_ions = sum(counts.values()) + 4 * counts["P"]
    gap = n_ions * config.amorphous.placed_volume_per_atom / area
    thickness = config.grain.thickness * config.grain.edge
    grain.cell[2, 2] = thickness + gap
    labels, positions = place(grain, (0.5 * thickness, 0.5 * thickness + gap), counts, config.amorphous, rng)
    atoms = grain + with_labels(Atoms("X" * len(labels), positions=positions), labels)
    atoms = with_labels(atoms, [*labels_of(grain), *labels])
    _check_neutral(atoms, potential)
    return with_grain(atoms, len(grain), thickness)


def build_grain(config: BuildConfig, rng: np.random.Generator) -> Atoms:
    """Build the crystal, centred on z = 0, its cell one grain thick; no phosphate reaches across its faces.

    The faces of the pseudo-cubic cell are planes of Li sites, 1.3 Å from the nearest P. The rhombohedral angle of LATP
    differs from a cube's by less than 0.1 %; the cell is made exactly orthogonal, as that of the whole boundary.
    """
    n, m, edge = config.grain.in_plane, config.grain.thickness, config.grain.edge
    crystal = host(LTP).pseudo_cubic((n, n, m))
    aluminium = round(config.grain.x * _FORMULA_UNITS * n * n * m)
    grain = substituted(crystal, [Substitution("Ti", "Al", 3, aluminium)], rng)
    grain.set_cell(np.diag([n * edge, n * edge, m * edge]), scale_atoms=True)
    grain.wrap(eps=1e-9)
    grain.positions[:, 2] -= 0.5 * m * edge
    return grain


def phosphate_of(atoms: Atoms, reach: float = 2.0) -> tuple[NDArray[np.intp], Floats]:
    """Return for every ion the nearest P it is bound to (-1 without one), and the vector from that P [Å].

    reach: longest P-O bond [Å]. Shapes ``(n,)`` and ``(n, 3)``.
    """
    from ase.neighborlist import neighbor_list

    labels = np.array(labels_of(atoms))
    first, second, distance, vector = neighbor_list("ijdD", atoms, {("P", "O"): reach})
    from_p = labels[first] == "P"
    order = np.argsort(-distance[from_p], kind="stable")  # the nearest P is written last
    owner = np.full(len(atoms), -1, dtype=np.intp)
    shift = np.zeros((len(atoms), 3))
    owner[second[from_p][order]] = first[from_p][order]
    shift[second[from_p][order]] = vector[from_p][order]
    return owner, shift


def composition(atoms: Atoms) -> Mapping[str, int]:
    """Return the number of ions of every label, sorted by label."""
    labels, counts = np.unique(labels_of(atoms), return_counts=True)
    return {str(label): int(count) for label, count in zip(labels, counts, strict=True)}


def _check_neutral(atoms: Atoms, potential: Potential) -> None:
    charge = total_formal_charge(atoms, {label: ion.formal_charge for label, ion in potential.species.items()})
    if charge:
        raise ConfigError(f"the boundary has a net formal charge of {charge:+d} e; change its composition")
