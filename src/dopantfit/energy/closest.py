"""Closest approach of every pair of species: where a potential is about to turn over."""

import math

import numpy as np
from numba import njit

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.functions import JIT
from dopantfit.energy.relaxation import RelaxedShells
from dopantfit.energy.stiffness import Placement
from dopantfit.errors import CollapseError


def refuse_collapse(relaxed: RelaxedShells, turn_over: Floats) -> None:
    """Raises CollapseError when two sites are closer than where their pair energy turns over.

    turn_over: [Å], ``shape=(n_species, n_species)``, 0 for pairs that do not turn over.
    """
    problem = relaxed.problem
    frame = problem.frame
    distance, ions = _closest(problem.placement(relaxed.displacement), len(frame.labels))
    excess = distance - turn_over
    s, t = np.unravel_index(int(excess.argmin()), excess.shape)
    if excess[s, t] >= 0:
        return
    i, j = ions[s, t]
    raise CollapseError(
        f"{frame.name}: ions {i} ({frame.labels[s]}) and {j} ({frame.labels[t]}) are {distance[s, t]:.3g} Å apart, "
        f"inside the turn-over radius {turn_over[s, t]:.3g} Å where the potential pulls them together; start from a "
        "structure with larger distances"
    )


@njit(**JIT)
def _closest(placement: Placement, n_species: int) -> tuple[Floats, Integers]:
    """Shortest distance of every pair of species [Å] and the two ions that have it."""
    species, sites, ghost_sites = placement.species, placement.sites, placement.ghost_sites
    runs = placement.lists.buckingham
    square = np.full((n_species, n_species), np.inf)
    ions = np.zeros((n_species, n_species, 2), np.int64)
    for i in range(len(species)):
        for t in range(n_species):
            for p in range(runs.start[i, t], runs.start[i, t + 1]):
                g = runs.ghost[p]
                r2 = 0.0
                for c in range(3):
                    r2 += (sites[i, c] - ghost_sites[c, g]) ** 2
                if r2 < square[species[i], t]:
                    square[species[i], t] = r2
                    ions[species[i], t, 0] = i
                    ions[species[i], t, 1] = placement.lists.ghosts.ion[g]
    for s in range(n_species):
        for t in range(n_species):
            square[s, t] = math.sqrt(square[s, t])
    return square, ions
