"""How many waves LAMMPS's plain Ewald sum takes, where its own choice reads memory that was never written.

In a tilted cell LAMMPS (22 July 2025) sums the waves (0, 0, m) up to the largest count of the three directions, but
makes their phases only up to the count along the third. Where that count is not the largest, the phases beyond it are
whatever lay in memory: zeros in a young process, once in hundreds of evaluations in an old one numbers so large that
energy and virial become infinite. With counts that are given, no wave beyond the third count is short enough to be
summed.
"""

import numpy as np
from numpy.typing import NDArray

from dopantfit.units import COULOMB_LAMMPS

Array = NDArray[np.float64]


def sound_waves(cell: Array, charges: Array, cutoff: float, accuracy: float) -> tuple[int, int, int] | None:
    """Return the counts to give to ``kspace_modify kmax/ewald``; None where LAMMPS's own are sound.

    cell: lower triangular [Å], ``shape=(3, 3)``. charges: of all sites [e]. cutoff: of the real-space sum [Å].
    accuracy: of forces, relative to that of two unit charges 1 Å apart.
    """
    lengths = cell.diagonal()
    counts = _counts(lengths, charges, cutoff, accuracy * COULOMB_LAMMPS)
    # What LAMMPS makes of them: "scaled for triclinic skew", and rounded down.
    scaled = np.maximum(1, (np.abs(cell) @ (counts / lengths)).astype(int))
    tilted = np.any(cell[np.tril_indices(3, -1)])
    if not tilted or scaled[2] == scaled.max():
        return None
    longest = (counts / lengths).max()
    # A wave vector k has k·a / 2π waves along the cell vector a, at most |k| |a| / 2π.
    x, y, z = np.ceil(longest * np.linalg.norm(cell, axis=1)).astype(int)
    # LAMMPS sums what is no longer than the longest of these along the box; no (0, 0, z + 1) may be among that.
    shortest_sound = np.ceil(max(x / lengths[0], y / lengths[1]) * lengths[2])
    return int(x), int(y), int(max(z, shortest_sound))


def _counts(lengths: Array, charges: Array, cutoff: float, force: float) -> NDArray[np.int64]:
    """LAMMPS's counts for a box of these lengths [Å] and an error of forces [eV/Å], from its error estimate."""
    n, square = len(charges), COULOMB_LAMMPS * float(charges @ charges)
    screening = force * np.sqrt(n * cutoff * lengths.prod()) / (2.0 * square)
    if screening >= 1.0:
        screening = (1.35 - 0.15 * np.log(force)) / cutoff
    else:
        screening = np.sqrt(-np.log(screening)) / cutoff
    waves = np.arange(1, 1000)
    found = []
    for length in lengths:
        decay = np.exp(-((np.pi * waves / (screening * length)) ** 2))
        error = 2.0 * square * screening / length / np.sqrt(np.pi * waves * n) * decay
        found.append(waves[np.argmax(error <= force)])
    return np.array(found)
