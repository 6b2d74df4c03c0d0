"""What a structure shows after a stage: polyanions, coordination numbers, densities, closest contacts."""

import json
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from typing import Any

import ase.units
import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from dopantfit.boundary.build.stages import Health
from dopantfit.errors import CollapseError
from dopantfit.potential import Potential
from dopantfit.potential.turnover import turn_over
from dopantfit.structures import labels_of
from dopantfit.structures.hosts import Host, Polyanion

#: g/cm³ per u/Å³.
_DENSITY = 1e24 / ase.units.mol
#: The largest turn-over radius of any cation pair that matters lies below this [Å].
_CONTACT_REACH = 3.0


@dataclass(frozen=True)
class Checkup:
    """Health of one structure.

    lengths: of the cell [Å]. mass_density: [g/cm³]. volume_per_atom: of everything [Å³].
    grain_thickness: [Å]. amorphous_volume_per_atom: of all that is not grain [Å³].
    four_coordinated: part of all polyanions that are whole;
    amorphous_four_coordinated: of those outside the grain.
    coordination: mean number of anions around the cations beside them outside the grain, by label.
    closest: shortest distance of every pair of cations that can fall together, "Mg-P" → [Å, its turn-over radius].
    """

    lengths: tuple[float, float, float]
    mass_density: float
    volume_per_atom: float
    grain_thickness: float
    amorphous_volume_per_atom: float
    four_coordinated: float
    amorphous_four_coordinated: float
    coordination: dict[str, float]
    closest: dict[str, tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries and lists, as JSON gives them back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def checkup(atoms: Atoms, potential: Potential, host: Host) -> Checkup:
    """Return the health of a structure with ``info["grain_ions"]``; cells orthogonal."""
    unit = host.polyanion
    labels = np.array(labels_of(atoms))
    outside = np.arange(len(atoms)) >= int(atoms.info["grain_ions"])
    anions = _anions_around(atoms, labels, host)
    centres = labels == unit.centre
    whole = anions == unit.count
    mass = float(sum(potential.species[label].total_mass for label in labels))
    lengths = tuple(float(x) for x in atoms.cell.lengths())
    thickness = grain_thickness(atoms, unit)
    area = lengths[0] * lengths[1]
    return Checkup(
        lengths=(lengths[0], lengths[1], lengths[2]),
        mass_density=float(mass / atoms.get_volume() * _DENSITY),
        volume_per_atom=float(atoms.get_volume() / len(atoms)),
        grain_thickness=thickness,
        amorphous_volume_per_atom=area * (lengths[2] - thickness) / max(1, int(outside.sum())),
        four_coordinated=float(whole[centres].mean()),
        amorphous_four_coordinated=float(whole[centres & outside].mean()) if (centres & outside).any() else 1.0,
        coordination={
            str(one): float(anions[(labels == one) & outside].mean())
            for one in np.unique(labels[outside])
            if one != unit.ligand
        },
        closest=_closest(atoms, labels, potential),
    )


def require(found: Checkup, limits: Health, unit: Polyanion, where: str) -> None:
    """Raise CollapseError naming `where` when ions have fallen together or polyanions apart."""
    for pair, (distance, turn) in found.closest.items():
        if distance < turn:
            raise CollapseError(
                f"{where}: {pair} ions are {distance:.3f} Å apart, inside their turn-over radius {turn:.3f} Å; "
                "lower the temperature or compress in smaller steps"
            )
    if found.four_coordinated < limits.four_coordinated:
        raise CollapseError(
            f"{where}: only {100 * found.four_coordinated:.1f} % of {unit.centre} have {unit.count} {unit.ligand} "
            f"within {unit.reach} Å, "
            f"expected {100 * limits.four_coordinated:.1f} %; lower the temperature or compress in smaller steps"
        )


def with_grain(atoms: Atoms, grain_ions: int, thickness: float, unit: Polyanion) -> Atoms:
    """Return a copy whose first `grain_ions` ions are the grain, `thickness` [Å] thick as it stands here."""
    result = atoms.copy()
    result.info = {"grain_ions": grain_ions, "grain_thickness": thickness}
    result.info["grain_spread"] = _spread(result, unit)
    return result


def grain_thickness(atoms: Atoms, unit: Polyanion) -> float:
    """Thickness of the grain now [Å]: that at the start, scaled as the spread of its polyanions along the normal."""
    return float(atoms.info["grain_thickness"] * _spread(atoms, unit) / atoms.info["grain_spread"])


def grain_centre(atoms: Atoms, unit: Polyanion) -> float:
    """Height of the middle of the grain [Å]: the circular mean of its polyanions."""
    length = atoms.cell.lengths()[2]
    return float(np.angle(np.exp(2j * np.pi * _heights_in_grain(atoms, unit) / length).sum()) * length / (2.0 * np.pi))


def _spread(atoms: Atoms, unit: Polyanion) -> float:
    length = atoms.cell.lengths()[2]
    z = _heights_in_grain(atoms, unit) - grain_centre(atoms, unit)
    z -= np.round(z / length) * length
    return float(z.std())


def _heights_in_grain(atoms: Atoms, unit: Polyanion) -> NDArray[np.float64]:
    n = int(atoms.info["grain_ions"])
    return np.asarray(atoms.positions[:n, 2][np.array(labels_of(atoms))[:n] == unit.centre])


def _anions_around(atoms: Atoms, labels: NDArray[np.str_], host: Host) -> NDArray[np.intp]:
    """Number of anions within the reach of every ion's first shell, ``shape=(n,)``."""
    unit = host.polyanion
    first, second, distance = neighbor_list("ijd", atoms, max(unit.reach, host.cation_reach))
    reach = np.where(labels == unit.centre, unit.reach, host.cation_reach)
    bound = (labels[second] == unit.ligand) & (distance < reach[first])
    return np.bincount(first[bound], minlength=len(atoms))


def _closest(atoms: Atoms, labels: NDArray[np.str_], potential: Potential) -> dict[str, tuple[float, float]]:
    cations = sorted({str(one) for one in labels if potential.species[one].total_charge > 0.0})
    first, second, distance = neighbor_list("ijd", atoms, _CONTACT_REACH)
    result = {}
    for a, b in combinations_with_replacement(cations, 2):
        turn = turn_over(potential, a, b)
        here = distance[(labels[first] == a) & (labels[second] == b)]
        if turn is not None and len(here):
            result[f"{a}-{b}"] = (float(here.min()), turn.radius)
    return result
