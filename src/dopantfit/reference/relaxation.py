"""The next step of a relaxation in a fixed cell, from the frames computed so far.

A quasi-Newton step (BFGS, Nocedal & Wright, Numerical Optimization, 2nd ed., eq. 6.19) as a pure function of
the history: a relaxation that was killed goes on where it stopped, because nothing else is its state.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms

Array = npt.NDArray[np.float64]

#: First guess of the force constant that holds an ion in a phosphate or oxide [eV/Å²]: P and O of the
#: framework are much stiffer than the mobile ions, and one value for all would make Li crawl.
STIFFNESS = {
    "Li": 6.0,
    "Na": 6.0,
    "K": 6.0,
    "Mg": 20.0,
    "Zn": 20.0,
    "Ca": 20.0,
    "P": 90.0,
    "B": 60.0,
    "Si": 80.0,
}
#: For the elements that are not listed [eV/Å²].
DEFAULT_STIFFNESS = 50.0
#: No ion moves further in one step [Å].
LARGEST_STEP = 0.12


def next_positions(frames: Sequence[Atoms]) -> Array:
    """Return the positions [Å] of the next step, ``shape=(n, 3)``.

    frames: the steps so far, at least one, each with its forces [eV/Å] in its calculator. The mean force,
    which the integration grid leaves behind, is taken off before a step.
    """
    positions = [frame.positions.ravel() for frame in frames]
    gradients = [-_without_drift(frame).ravel() for frame in frames]
    hessian = np.diag(np.repeat(_stiffness(frames[0]), 3))
    for k in range(1, len(frames)):
        hessian = _updated(hessian, positions[k] - positions[k - 1], gradients[k] - gradients[k - 1])
    values, vectors = np.linalg.eigh(hessian)
    step = -(vectors @ ((vectors.T @ gradients[-1]) / np.abs(values))).reshape(-1, 3)
    # A shift of all ions changes nothing but where the grid meets them.
    step -= step.mean(axis=0)
    longest = float(np.linalg.norm(step, axis=1).max())
    result: Array = frames[-1].positions + step * min(1.0, LARGEST_STEP / max(longest, 1e-300))
    return result


def largest_force(frame: Atoms) -> float:
    """Return the largest force on an ion [eV/Å], the mean force of the frame taken off."""
    return float(np.linalg.norm(_without_drift(frame), axis=1).max())


def _without_drift(frame: Atoms) -> Array:
    forces: Array = frame.get_forces()
    result: Array = forces - forces.mean(axis=0)
    return result


def _stiffness(frame: Atoms) -> Array:
    return np.array([STIFFNESS.get(symbol, DEFAULT_STIFFNESS) for symbol in frame.symbols])


def _updated(hessian: Array, step: Array, change: Array) -> Array:
    """Return the Hessian after the BFGS update, unchanged where the curvature along the step is negative."""
    curvature = float(step @ change)
    if curvature <= 1e-10:
        return hessian
    image = hessian @ step
    result: Array = hessian + np.outer(change, change) / curvature - np.outer(image, image) / (step @ image)
    return result
