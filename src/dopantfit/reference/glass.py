"""A small glass by a force field: polyanions and cations placed at random, compressed, melted, cooled."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.geometry import get_distances

from dopantfit.errors import CollapseError, ConfigError, EngineError, ReferenceDataError
from dopantfit.potential.checks import element_of
from dopantfit.reference.plan import Glass
from dopantfit.structures.cells import labels_of, sorted_by_label, with_labels
from dopantfit.structures.hosts.model import Polyanion
from dopantfit.structures.polyanions import polyanion_of

Array = npt.NDArray[np.float64]

#: Shortest distances at which ions are placed [Å]: beyond the turn-over radii of every potential of phosphates.
APART = {
    frozenset({"cation"}): 2.4,
    frozenset({"ligand"}): 2.2,
    frozenset({"centre"}): 3.0,
    frozenset({"cation", "centre"}): 2.6,
    frozenset({"cation", "ligand"}): 1.6,
    frozenset({"centre", "ligand"}): 2.6,  # of two units
}
#: Volume in which it is placed [Å³ per ion]; so sparse a cell takes rigid units at random.
SPARSE = 19.0
#: Attempts at one unit, and at a whole cell.
_TRIES, _CELLS = 2000, 20
#: Glasses that are melted, at most, until one keeps its polyanions; far enough apart for the seeds of their legs.
_DRAWS, _SEEDS_APART = 4, 1000
#: A glass is compressed in so many steps, while it is kept at this temperature [K].
_COMPRESSIONS, _WARM = 4, 600.0


def sound_glass(item: Glass, unit: Polyanion, folder: Path, work: Path) -> tuple[Glass, Sequence[Atoms]]:
    """Return snapshots of a glass that kept its polyanions, and the item with the seed that made them.

    A melt that loses one, or collapses, is drawn anew with another seed; ReferenceDataError where all are lost.
    """
    lost = []
    for number in range(_DRAWS):
        drawn = item.model_copy(update={"seed": item.seed + _SEEDS_APART * number})
        try:
            frames = quenched(drawn, unit, folder, work / f"draw-{number}", np.random.default_rng(drawn.seed))
            for atoms in frames:
                require_polyanions(atoms, unit, f"{folder}: {item.name}")
        except (CollapseError, EngineError, ReferenceDataError) as problem:
            lost.append(str(problem))
            continue
        return drawn, frames
    raise ReferenceDataError(f"{lost[-1]} ({len(lost)} seeds were tried)")


def quenched(item: Glass, unit: Polyanion, folder: Path, work: Path, rng: np.random.Generator) -> Sequence[Atoms]:
    """Return snapshots of the last leg: placed, compressed in steps, melted, cooled by way of the mean temperature."""
    from dopantfit.lammps import Launcher
    from dopantfit.lammps.snapshots import md_snapshots
    from dopantfit.potential import Potential
    from dopantfit.potential.files import named_in

    potential = Potential.load(named_in(folder, item.potential))
    charges = {label: one.formal_charge for label, one in potential.species.items()}
    frames: Sequence[Atoms] = [placed_glass(item.cations, unit, item.units, charges, rng)]
    volumes = np.geomspace(SPARSE, item.volume, _COMPRESSIONS + 1)
    legs = [(volume, _WARM, 0.5 * item.duration, 1) for volume in volumes]
    middle = 0.5 * (item.melt + item.temperature)
    legs += [(item.volume, kelvin, item.duration, 1) for kelvin in (item.melt, middle)]
    legs.append((item.volume, item.temperature, item.duration, item.snapshots))
    for number, (volume, kelvin, duration, snapshots) in enumerate(legs):
        atoms = frames[-1].copy()
        atoms.set_cell(np.eye(3) * float((volume * len(atoms)) ** (1 / 3)), scale_atoms=True)
        place = work / f"leg-{number}"
        frames = md_snapshots(
            atoms, potential, kelvin, duration, snapshots, item.seed + number + 1, place, Launcher(ranks=1)
        )
    return frames


def placed_glass(
    cations: Mapping[str, int], unit: Polyanion, units: int, charges: Mapping[str, int], rng: np.random.Generator
) -> Atoms:
    """Return a sparse cubic cell of rigid polyanions and cations at random places, to be melted.

    charges: formal ones by label [e]. Raises ConfigError where the cell would be charged or a label has no charge.
    """
    unknown = [label for label in (*cations, unit.centre, unit.ligand) if label not in charges]
    if unknown:
        raise ConfigError(f"the potential has no {unknown[0]}; it has {', '.join(sorted(charges))}")
    of_unit = charges[unit.centre] + unit.count * charges[unit.ligand]
    total = units * of_unit + sum(count * charges[label] for label, count in cations.items())
    if total:
        raise ConfigError(
            f"{units} {unit.formula} with {dict(cations)} have the charge {total:+d} e; change the counts"
        )
    for _ in range(_CELLS):
        placed = _try_to_place(cations, unit, units, rng)
        if placed is not None:
            return sorted_by_label(placed)
    raise ConfigError(f"{units} {unit.formula} with {dict(cations)} find no places in {SPARSE:g} Å³ per ion")


def require_polyanions(atoms: Atoms, unit: Polyanion, name: str) -> None:
    """Raise ReferenceDataError where a polyanion was lost: a centre has not its ligands, or a ligand has no centre."""
    owner, _ = polyanion_of(atoms, unit)
    elements = [element_of(label) for label in labels_of(atoms)]
    counts = np.bincount(owner[owner >= 0], minlength=len(atoms))
    broken = [i for i, element in enumerate(elements) if element == unit.centre and counts[i] != unit.count]
    loose = [i for i, element in enumerate(elements) if element == unit.ligand and owner[i] < 0]
    if broken or loose:
        raise ReferenceDataError(
            f"{name}: the glass lost {len(broken) or len(loose)} {unit.formula} in its melt ({len(loose)} loose "
            f"{unit.ligand}); melt it cooler, or take another seed"
        )


def _try_to_place(cations: Mapping[str, int], unit: Polyanion, units: int, rng: np.random.Generator) -> Atoms | None:
    ions = units * (1 + unit.count) + sum(cations.values())
    cell = np.eye(3) * (SPARSE * ions) ** (1 / 3)
    labels: list[str] = []
    kinds: list[str] = []
    positions = np.zeros((0, 3))
    groups = [([unit.centre] + [unit.ligand] * unit.count, ["centre"] + ["ligand"] * unit.count)] * units
    groups += [([label], ["cation"]) for label, count in cations.items() for _ in range(count)]
    for names, what in groups:
        shape = _unit_shape(unit) if len(names) > 1 else np.zeros((1, 3))
        for _ in range(_TRIES):
            new = rng.random(3) @ cell + shape @ _rotation(rng).T
            if _free(new, what, positions, kinds, cell):
                break
        else:
            return None
        labels, kinds, positions = labels + names, kinds + what, np.concatenate([positions, new])
    bare = Atoms([element_of(label) for label in labels], positions, cell=cell, pbc=True)
    return with_labels(bare, labels)


def _free(new: Array, what: Sequence[str], there: Array, kinds: Sequence[str], cell: Array) -> bool:
    if not len(there):
        return True
    _, distances = get_distances(new, there, cell=cell, pbc=True)
    return all(
        distances[a, b] >= APART[frozenset({one, other})] for a, one in enumerate(what) for b, other in enumerate(kinds)
    )


def _unit_shape(unit: Polyanion) -> Array:
    """Return a centre and its ligands, evenly around it [Å]."""
    n = unit.count
    if n == 4:
        around = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0)
    else:
        angles = 2.0 * np.pi * np.arange(n) / n
        around = np.stack([np.cos(angles), np.sin(angles), np.zeros(n)], axis=1)
    return np.concatenate([np.zeros((1, 3)), unit.bond * around])


def _rotation(rng: np.random.Generator) -> Array:
    """Return a rotation drawn evenly (QR of a Gaussian matrix; Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation: Array = q * np.sign(np.diag(r))
    rotation *= np.sign(np.linalg.det(rotation))
    return rotation
