"""Whether the numbers of a calculator are in eV and Å: its energy against its own forces and stress.

The energy difference between two configurations is the integral of the forces along the way, and of the stress when the
cell is strained, whatever the calculator. Energies per ion, or energies and forces in two units, break that by a
large factor. Energies and forces that are both in another unit keep it; then a bond is too stiff for any solid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import ReferenceDataError

Array = npt.NDArray[np.float64]

#: Displacement along which forces are integrated [Å rms per component], and strain [per component]. Simpson's rule on
#: three points is then good to a per cent.
DISPLACEMENT = 0.03
STRAIN = 0.01
#: How far the ratio may be from 1. Models whose forces are no gradient are off by some per cent, units by a factor of 2
#: and more.
TOLERANCE = 0.1
#: Least energy difference that says anything [eV]: hundred times what single precision leaves of a thousand eV.
NOISE = 5e-3
#: Ratios of units, energy difference over integral, and what they mean.
_UNITS = {
    "energies in kcal/mol": 23.0605,
    "energies in kJ/mol": 96.485,
    "energies in Hartree": 1.0 / 27.2114,
    "energies in Rydberg": 1.0 / 13.6057,
    "energies in meV": 1000.0,
    "forces in kcal/mol/Å": 1.0 / 23.0605,
    "forces in Hartree/Bohr": 51.4221,
    "forces in Hartree/Å": 27.2114,
    "forces in Rydberg/Bohr": 25.7110,
    "forces of the opposite sign": -1.0,
}
_STRESS_UNITS = {
    "the stress in GPa": 1.0 / 160.2177,
    "the stress in kbar": 1.0 / 1602.177,
    "the stress in bar": 1.0 / 1602177.0,
    "the stress as a pressure, of the opposite sign": -1.0,
    "the stress in GPa and as a pressure": -1.0 / 160.2177,
    "the stress in kbar and as a pressure": -1.0 / 1602.177,
}
#: No ion of a solid is held more stiffly than this [eV/Å²]: P in PO4 by 90, C in diamond by 50, the O–H bond by 50.
STIFFEST = 300.0
#: How far an ion is moved to measure that [Å].
_NUDGE = 0.02


@dataclass(frozen=True)
class Consistency:
    """Energy differences over the integral of forces and of stress; 1 for a calculator in one set of units.

    stiffness: of the ion in the shortest bond, along it [eV/Å²].
    """

    force_ratio: float
    stress_ratio: float
    stiffness: float


def check_units(atoms: Atoms, evaluate: Callable[[Atoms], Atoms], name: str) -> Consistency:
    """Return how a calculator's numbers hang together; ReferenceDataError saying which unit it seems to use.

    evaluate: returns a frame with energy [eV], forces [eV/Å] and stress [eV/Å³]. name: of the calculator.
    """
    rng = np.random.default_rng(0)
    moves = rng.normal(scale=DISPLACEMENT, size=(len(atoms), 3))
    moves -= moves.mean(axis=0)
    ratio = _ratio(*_along_moves(atoms, evaluate, moves))
    if abs(ratio - 1.0) > TOLERANCE:
        guess = _guess(ratio, {"energies per ion": 1.0 / len(atoms), **_UNITS})
        raise ReferenceDataError(
            f"calculator {name}: its energies change by {ratio:.4g} times the work of its forces; are these "
            f"{guess}? Labels are in eV and eV/Å: convert them in a file of your own (./file.py:function)"
        )
    strain = rng.normal(scale=STRAIN, size=(3, 3))
    # Towards one volume change, so that a crystal at rest says something too.
    strained = _ratio(*_along_strain(atoms, evaluate, (strain + strain.T) / 2.0 + 0.02 * np.eye(3)))
    if abs(strained - 1.0) > TOLERANCE:
        raise ReferenceDataError(
            f"calculator {name}: its energies change by {strained:.4g} times the work of its stress under a strain; is "
            f"it {_guess(strained, _STRESS_UNITS)}? Labels have it in eV/Å³, positive under tension"
        )
    stiffness = _stiffness(atoms, evaluate)
    if stiffness > STIFFEST:
        raise ReferenceDataError(
            f"calculator {name}: its shortest bond is held by {stiffness:.3g} eV/Å², more than any in a solid "
            f"({STIFFEST:g}); are energies and forces in another unit than eV (kcal/mol, kJ/mol, meV)?"
        )
    return Consistency(ratio, strained, stiffness)


def _ratio(change: float, work: float) -> float:
    if max(abs(change), abs(work)) < NOISE:
        return 1.0  # ions that do not feel each other tell nothing
    return change / work if work else float("inf")


def _along_moves(atoms: Atoms, evaluate: Callable[[Atoms], Atoms], moves: Array) -> tuple[float, float]:
    """Return the energy difference and -the integral of -F·dx by Simpson's rule [eV]."""
    frames = []
    for part in (0.0, 0.5, 1.0):
        moved = atoms.copy()
        moved.positions += part * moves
        frames.append(evaluate(moved))
    rates = [-float(np.sum(frame.get_forces() * moves)) for frame in frames]
    return _difference(frames), _simpson(rates)


def _along_strain(atoms: Atoms, evaluate: Callable[[Atoms], Atoms], strain: Array) -> tuple[float, float]:
    """Return the energy difference and the integral of V σ:dε along the deformation 1 + t·strain [eV]."""
    frames, rates = [], []
    for part in (0.0, 0.5, 1.0):
        deformation = np.eye(3) + part * strain
        moved = atoms.copy()
        moved.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
        frame = evaluate(moved)
        rate = strain @ np.linalg.inv(deformation)
        rates.append(float(frame.cell.volume * np.sum(frame.get_stress(voigt=False) * rate)))
        frames.append(frame)
    return _difference(frames), _simpson(rates)


def _stiffness(atoms: Atoms, evaluate: Callable[[Atoms], Atoms]) -> float:
    """Return the force constant of the first ion in the shortest bond, along the bond [eV/Å²]."""
    from ase.neighborlist import neighbor_list

    reach = 2.0 * max(1.0, (atoms.cell.volume / len(atoms)) ** (1 / 3))
    ions, distances, vectors = neighbor_list("idD", atoms, reach)
    if not len(ions):
        return 0.0
    shortest = int(np.argmin(distances))
    ion, along = int(ions[shortest]), vectors[shortest] / distances[shortest]
    forces = []
    for sign in (-1.0, 1.0):
        moved = atoms.copy()
        moved.positions[ion] += sign * _NUDGE * along
        forces.append(float(evaluate(moved).get_forces()[ion] @ along))
    return (forces[0] - forces[1]) / (2.0 * _NUDGE)


def _difference(frames: list[Atoms]) -> float:
    return float(frames[2].get_potential_energy() - frames[0].get_potential_energy())


def _simpson(rates: list[float]) -> float:
    return (rates[0] + 4.0 * rates[1] + rates[2]) / 6.0


def _guess(ratio: float, known: dict[str, float]) -> str:
    """Return which known ratio is meant, to a tenth."""
    near = {what: abs(ratio / value - 1.0) for what, value in known.items()}
    best = min(near, key=lambda what: near[what])
    return best if near[best] < TOLERANCE else "in two units, or not of one model"
