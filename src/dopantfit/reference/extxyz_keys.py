"""Energy, forces and stress of an extended XYZ file under the names and in the units that its maker gave them.

What ASE does not read as ``energy``, ``forces`` and ``stress`` is taken by name (``REF_energy``, ``dft_forces``,
``virial``). A unit that the comment line names is converted; one that is not known is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import calculated, read_frames
from dopantfit.reference.named_units import OWN, Quantity, unit_factor

Array = npt.NDArray[np.float64]

#: The name that leaves a stress out.
NONE = "none"
#: Names that are taken without being asked for: what they hold is known. W = -V σ (GAP, ACE, GPUMD) [eV].
_VIRIALS = ("virial", "virials")
#: A key that names a unit: ``energy_unit``, ``force_units``, ``units``, ``unit_stress``.
_UNIT = re.compile(r"units?$|^units?_(?!cell)", re.IGNORECASE)
#: Part of such a key → what the unit is of.
_OF: Mapping[str, str] = {
    **{"energ": "energy", "force": "force", "stress": "stress", "virial": "virial", "pressure": "stress"},
    **dict.fromkeys(("length", "position", "distance", "coord", "cell", "lattice"), "length"),
}
_ATOMIC = (("energy", "hartree"), ("length", "bohr"), ("force", "hartree/bohr"), ("stress", "hartree/bohr^3"))
#: What a key that names no quantity may say: systems of units.
_SYSTEMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ase": tuple(OWN.items()),
    "metal": (("energy", "eV"), ("length", "Å"), ("force", "eV/Å"), ("stress", "bar")),
    "real": (("energy", "kcal/mol"), ("length", "Å"), ("force", "kcal/mol/Å"), ("stress", "atm")),
    **dict.fromkeys(("atomic", "au", "a.u.", "hartree"), _ATOMIC),
}


#: What the unit of each is a unit of.
_QUANTITIES: Mapping[str, Quantity] = {
    "energy": "energy",
    "length": "length",
    "force": "force",
    "stress": "stress",
    "virial": "energy",
}


@dataclass(frozen=True)
class ResultKeys:
    """Under which names a file has its results; None where they have their own. stress: also ``none``."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None


def read_named(path: Path, keys: ResultKeys) -> tuple[list[Atoms], list[str]]:
    """Return the frames of an extended XYZ file with the results under ``keys``, and what was converted.

    Energy [eV], forces [eV/Å], stress [eV/Å³]. Raises ReferenceDataError naming file and frame, and the keys that
    there are, when a key is missing or two contradict each other, or for a unit that is not known.
    """
    frames, remarks = [], dict[str, int]()
    for number, frame in enumerate(read_frames(path)):
        named, said = _ExtxyzFrame(frame, keys, f"{path}: frame {number}").named()
        frames.append(named)
        for line in said:
            remarks[line] = remarks.get(line, 0) + 1
    return frames, [f"{count} frames: {line}" for line, count in remarks.items()]


@dataclass(frozen=True)
class _ExtxyzFrame:
    """A frame as ASE reads it, and the keys that are asked for."""

    atoms: Atoms
    keys: ResultKeys
    name: str

    def named(self) -> tuple[Atoms, list[str]]:
        """Return the frame with its results in its calculator, and what was done to them."""
        energy, forces = self.chosen("energy", self.keys.energy), self.chosen("forces", self.keys.forces)
        stress = self.stress_key()
        factors, units = self.factors(stress)
        results = {
            "energy": self.numbers(energy, ()),
            "forces": self.numbers(forces, (len(self.atoms), 3)),
            "stress": None if stress is None else self.stress(stress, factors),
        }
        remarks = [f"{what} is in {unit}, and was converted" for what, unit in units if factors[what] != 1.0]
        if stress is not None and "virial" in stress.lower():
            remarks.append(f"stress was made of {stress}, as -{stress}/V")
        frame = self.atoms.copy()
        if factors["length"] != 1.0:
            frame.set_cell(frame.cell.array * factors["length"], scale_atoms=True)
        scale = {"energy": factors["energy"], "forces": factors["force"], "stress": 1.0}
        frame.info = {key: value for key, value in frame.info.items() if not self.is_used(key, stress)}
        known: dict[str, Any] = {key: value * scale[key] for key, value in results.items() if value is not None}
        if "energy" in known:
            known["energy"] = float(known["energy"])
        frame.calc = SinglePointCalculator(frame, **known)
        return frame, remarks

    def is_used(self, key: str, stress: str | None) -> bool:
        """Return whether a key of the comment line says what the results now say, or would contradict them."""
        return key in (self.keys.energy, self.keys.forces, self.keys.stress, stress) or _UNIT.search(key) is not None

    @property
    def there(self) -> dict[str, Any]:
        """Everything that the frame carries, by key."""
        return {**self.atoms.arrays, **self.atoms.info, **calculated(self.atoms)}

    def others(self, word: str, shape: tuple[int, ...]) -> list[str]:
        """Return the keys of numbers of a shape whose name has a word in it."""
        found = []
        for key, value in self.there.items():
            plain = word in key.lower() and not _UNIT.search(key)
            if plain and np.shape(value) == shape and np.issubdtype(np.asarray(value).dtype, np.number):
                found.append(key)
        return found

    def chosen(self, own: str, asked: str | None) -> str | None:
        """Return the key of the energy or the forces; None where the frame has nothing like it."""
        shape = () if own == "energy" else (len(self.atoms), 3)
        others = [key for key in self.others(own.rstrip("s"), shape) if key not in (own, "free_energy")]
        option = f"--{own}-key"
        if asked is not None:
            return self.checked(asked, option)
        if own in calculated(self.atoms):
            # Such as REF_energy; not energy_per_atom, which is another thing.
            for other in [key for key in others if key.lower().rstrip("s").endswith(own.rstrip("s"))]:
                if not np.allclose(self.there[other], self.there[own], rtol=1e-9, atol=1e-9):
                    raise ReferenceDataError(
                        f"{self.name}: has {own} and {other}, which differ; say which one is meant with {option}"
                    )
            return own
        others += ["free_energy"] if own == "energy" and "free_energy" in self.there else []
        if others:
            raise ReferenceDataError(
                f"{self.name}: has no {own}, but {', '.join(others)}; name the one that is meant, {option} {others[0]}"
            )
        return None

    def stress_key(self) -> str | None:
        """Return the key of the stress or the virial; None where the frame has none, or it is to be left out."""
        asked = self.keys.stress
        if asked is not None:
            return None if asked == NONE else self.checked(asked, "--stress-key")
        words = [key for key in self.there if "stress" in key.lower() or "virial" in key.lower()]
        tensors = [key for key in words if np.size(self.there[key]) in (6, 9) and not _UNIT.search(key)]
        if "stress" in tensors or not tensors:
            return "stress" if tensors else None
        known = [key for key in tensors if key in _VIRIALS]
        if len(known) == 1 == len(tensors):
            return known[0]
        raise ReferenceDataError(
            f"{self.name}: has no stress, but {', '.join(tensors)}; name the one that is meant, --stress-key "
            f"{tensors[0]}, or leave it out, --stress-key {NONE}"
        )

    def checked(self, key: str, option: str) -> str:
        """Return a key that is there."""
        if key not in self.there:
            has = ", ".join(key for key in self.there if key not in ("numbers", "positions"))
            raise ReferenceDataError(f"{self.name}: {option} {key}: the frame has no such key; it has {has or 'none'}")
        return key

    def numbers(self, key: str | None, shape: tuple[int, ...]) -> Array | None:
        """Return the numbers under a key; None for no key."""
        if key is None:
            return None
        try:
            table = np.asarray(self.there[key], dtype=float)
        except (TypeError, ValueError):
            table = np.empty(0)
        if table.shape != shape:
            raise ReferenceDataError(f"{self.name}: {key} is not of numbers of shape {shape}")
        return table

    def stress(self, key: str, factors: Mapping[str, float]) -> Array:
        """Return the stress under a key [eV/Å³], Voigt order; of a virial W, -W/V."""
        try:
            numbers = np.asarray(self.there[key], dtype=float).ravel()
        except (TypeError, ValueError):
            numbers = np.empty(0)
        if len(numbers) not in (6, 9):
            raise ReferenceDataError(f"{self.name}: {key} is not of six or nine numbers")
        if len(numbers) == 9:
            tensor = numbers.reshape(3, 3)
            if not np.allclose(tensor, tensor.T, rtol=1e-3, atol=1e-3 * float(np.abs(tensor).max())):
                raise ReferenceDataError(f"{self.name}: {key} is not symmetric; it is no stress")
            symmetric = (tensor + tensor.T) / 2
            numbers = symmetric[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        if "virial" not in key.lower():
            return numbers * factors["stress"]
        volume = abs(float(np.linalg.det(self.atoms.cell.array))) * factors["length"] ** 3
        if volume == 0:
            raise ReferenceDataError(f"{self.name}: {key} of a cell without volume")
        return -numbers * factors.get("virial", factors["energy"]) / volume

    def factors(self, stress: str | None) -> tuple[dict[str, float], list[tuple[str, str]]]:
        """Return what one of each quantity is in eV, Å, eV/Å and eV/Å³, and the units that the frame names."""
        factors: dict[str, float] = {"energy": 1.0, "length": 1.0, "force": 1.0, "stress": 1.0}
        named: list[tuple[str, str]] = []
        for key, value in self.atoms.info.items():
            if _UNIT.search(key):
                named += self.units(key, str(value))
        for quantity, unit in named:
            of: Quantity = _QUANTITIES[quantity]
            factor = unit_factor(unit, of)
            if factor is None:
                raise ReferenceDataError(
                    f"{self.name}: its comment says {quantity} in {unit!r}, a unit that is not known here; convert "
                    f"it to {OWN[of]}, and take the word out"
                )
            factors[quantity] = factor
        # A length alone may be in another unit; energy, forces and stress are of one system.
        needed = ["energy", "force"] + ["stress"] * (stress is not None and "virial" not in stress.lower())
        silent = [quantity for quantity in needed if quantity not in dict(named)]
        odd = next(((of, unit) for of, unit in named if of != "length" and factors[of] != 1.0), None)
        if odd is not None and silent:
            raise ReferenceDataError(
                f"{self.name}: its comment names the unit of its {odd[0]}, {odd[1]}, and none of its {silent[0]}; name "
                f"both, or convert them"
            )
        return factors, named

    def units(self, key: str, value: str) -> list[tuple[str, str]]:
        """Return (quantity, unit) as a key of the comment line says; nothing for units of other things."""
        quantity = next((of for word, of in _OF.items() if word in key.lower()), None)
        if quantity is not None:
            return [(quantity, value)]
        if key.lower() not in ("unit", "units"):
            return []
        system = _SYSTEMS.get(value.lower())
        if system is None:
            raise ReferenceDataError(
                f"{self.name}: its comment says {key} = {value!r}; expected one of {', '.join(_SYSTEMS)}; convert to "
                f"eV and Å, and take the word out"
            )
        return list(system)
