"""What a structure shows after a stage: phosphates, coordination numbers, densities, closest contacts."""

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

#: g/cm³ per u/Å³.
_DENSITY = 1e24 / ase.units.mol
#: The largest turn-over radius of any cation pair that matters lies below this [Å].
_CONTACT_REACH = 3.0


@dataclass(frozen=True)
class Checkup:
    """Health of one structure.

    lengths: of the cell [Å]. mass_density: [g/cm³]. volume_per_atom: of everything [Å³].
    grain_thickness: [Å]. amorphous_volume_per_atom: of all that is not grain [Å³].
    four_coordinated: part of all P with exactly four O; amorphous_four_coordinated: of those outside the grain.
    coordination: mean number of O around the cations outside the grain, by label.
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

    def __str__(self) -> str:
        around = ", ".join(f"{label} {number:.2f}" for label, number in self.coordination.items() if label != "P")
        return (
            f"{self.lengths[2]:.2f} Å along the normal, {self.mass_density:.3f} g/cm³, amorphous "
            f"{self.amorphous_volume_per_atom:.2f} Å³/ion, {100 * self.four_coordinated:.1f} % of P in PO4, "
            f"O around {around}"
        )


def checkup(atoms: Atoms, potential: Potential, limits: Health) -> Checkup:
    """Return the health of a structure with ``info["grain_ions"]``; cells orthogonal."""
    labels = np.array(labels_of(atoms))
    outside = np.arange(len(atoms)) >= int(atoms.info["grain_ions"])
    oxygens = _oxygens(atoms, labels, limits)
    phosphorus = labels == "P"
    whole = oxygens == 4
    mass = float(sum(potential.species[label].total_mass for label in labels))
    lengths = tuple(float(x) for x in atoms.cell.lengths())
    thickness = grain_thickness(atoms)
    area = lengths[0] * lengths[1]
    return Checkup(
        lengths=(lengths[0], lengths[1], lengths[2]),
        mass_density=float(mass / atoms.get_volume() * _DENSITY),
        volume_per_atom=float(atoms.get_volume() / len(atoms)),
        grain_thickness=thickness,
        amorphous_volume_per_atom=area * (lengths[2] - thickness) / max(1, int(outside.sum())),
        four_coordinated=float(whole[phosphorus].mean()),
        amorphous_four_coordinated=float(whole[phosphorus & outside].mean()) if (phosphorus & outside).any() else 1.0,
        coordination={
            str(one): float(oxygens[(labels == one) & outside].mean())
            for one in np.unique(labels[outside])
            if one != "O"
        },
        closest=_closest(atoms, labels, potential),
    )


def require(found: Checkup, limits: Health, where: str) -> None:
    """Raise CollapseError naming `where` when a structure is not what a phosphate is."""
    for pair, (distance, turn) in found.closest.items():
        if distance < turn:
            raise CollapseError(
                f"{where}: {pair} ions are {distance:.3f} Å apart, inside their turn-over radius {turn:.3f} Å; "
                "lower the temperature or compress in smaller steps"
            )
    if found.four_coordinated < limits.four_coordinated:
        raise CollapseError(
            f"{where}: only {100 * found.four_coordinated:.1f} % of P have four O within {limits.phosphate_reach} Å, "
            f"expected {100 * limits.four_coordinated:.1f} %; lower the temperature or compress in smaller steps"
        )


def with_grain(atoms: Atoms, grain_ions: int, thickness: float) -> Atoms:
    """Return a copy whose first `grain_ions` ions are the grain, `thickness` [Å] thick as it stands here."""
    result = atoms.copy()
    result.info = {"grain_ions": grain_ions, "grain_thickness": thickness}
    result.info["grain_spread"] = _spread(result)
    return result


def grain_thickness(atoms: Atoms) -> float:
    """Thickness of the grain now [Å]: that at the start, scaled as the spread of its P along the normal."""
    return float(atoms.info["grain_thickness"] * _spread(atoms) / atoms.info["grain_spread"])


def grain_centre(atoms: Atoms) -> float:
    """Height of the middle of the grain [Å]: the circular mean of its P."""
    length = atoms.cell.lengths()[2]
    return float(np.angle(np.exp(2j * np.pi * _grain_phosphorus(atoms) / length).sum()) * length / (2.0 * np.pi))


def _spread(atoms: Atoms) -> float:
    length = atoms.cell.lengths()[2]
    z = _grain_phosphorus(atoms) - grain_centre(atoms)
    z -= np.round(z / length) * length
    return float(z.std())


def _grain_phosphorus(atoms: Atoms) -> NDArray[np.float64]:
    n = int(atoms.info["grain_ions"])
    return np.asarray(atoms.positions[:n, 2][np.array(labels_of(atoms))[:n] == "P"])


def _oxygens(atoms: Atoms, labels: NDArray[np.str_], limits: Health) -> NDArray[np.intp]:
    """Number of O within the reach of every ion's first shell, ``shape=(n,)``."""
    first, second, distance = neighbor_list("ijd", atoms, max(limits.phosphate_reach, limits.cation_reach))
    reach = np.where(labels == "P", limits.phosphate_reach, limits.cation_reach)
    bound = (labels[second] == "O") & (distance < reach[first])
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
