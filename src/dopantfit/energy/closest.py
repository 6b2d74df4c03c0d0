"""Sites that are so close that their pair energy has turned over: they fall into each other (Buckingham catastrophe).

Made for every evaluation, so it looks only outwards of the closest distance of each pair of species. The published way
to find a turn-over radius, ``dopantfit.potential.turnover``, is the same search to more digits.
"""

import math

import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.kernel_cache import kernel
from dopantfit.energy.problem import ShellProblem
from dopantfit.energy.real_space import SpeciesTable
from dopantfit.energy.stiffness import Placement
from dopantfit.errors import CollapseError

#: Ratio of neighbouring radii of the search: extrema of a pair energy lie farther apart.
FINER = 1.01
#: Smallest radius searched [Å], as in ``potential.turnover``.
INNERMOST = 1e-4


def refuse_collapse(problem: ShellProblem, displacement: Floats) -> None:
    """Raises CollapseError when two sites are closer than where their pair energy turns over."""
    frame = problem.frame
    # The short lists: where potentials turn over, no more than 2 Å, these hold every pair.
    placement = problem.placement(displacement)._replace(lists=frame.near_lists)
    distance, ions = _closest(placement, len(frame.labels))
    s, t, radius = _first_collapsed(distance, problem.table)
    if radius == 0.0:
        return
    i, j = ions[s, t]
    raise CollapseError(
        f"{frame.name}: ions {i} ({frame.labels[s]}) and {j} ({frame.labels[t]}) are {distance[s, t]:.3g} Å apart, "
        f"inside the turn-over radius {radius:.3g} Å where the potential pulls them together; start from a "
        "structure with larger distances"
    )


@kernel
def _closest(placement: Placement, n_species: int) -> tuple[Floats, Integers]:
    """Shortest distance of every pair of species [Å] and the two ions that have it."""
    species, sites, ghosts = placement.species, placement.sites, placement.ghost_sites
    runs = placement.lists.buckingham
    square = np.full((n_species, n_species), np.inf)
    ions = np.zeros((n_species, n_species, 2), np.int64)
    for i in range(len(species)):
        x, y, z = sites[i, 0], sites[i, 1], sites[i, 2]
        for t in range(n_species):
            for p in range(runs.start[i, t], runs.start[i, t + 1]):
                g = runs.ghost[p]
                r2 = (x - ghosts[0, g]) ** 2 + (y - ghosts[1, g]) ** 2 + (z - ghosts[2, g]) ** 2
                if r2 < square[species[i], t]:
                    square[species[i], t] = r2
                    ions[species[i], t, 0] = i
                    ions[species[i], t, 1] = placement.lists.ghosts.ion[g]
    return np.sqrt(square), ions


@kernel
def _first_collapsed(distance: Floats, table: SpeciesTable) -> tuple[int, int, float]:
    """The first pair of species that are inside their turn-over radius, and that radius [Å]; 0 when there is none."""
    for s in range(len(distance)):
        for t in range(s, len(distance)):
            # Only a maximum farther out can be the one they passed; whether it is, those farther in decide.
            if distance[s, t] < table.cutoff and turn_over_beyond(distance[s, t], s, t, table) > 0.0:
                radius = turn_over_beyond(INNERMOST, s, t, table)
                if radius > distance[s, t]:
                    return s, t, radius
    return 0, 0, 0.0


@kernel
def turn_over_beyond(lowest: float, s: int, t: int, table: SpeciesTable) -> float:
    """Where the energy of two species' sites has its highest maximum between ``lowest`` and the cutoff, or 0 [Å]."""
    A, inverse_rho, C = table.A[s, t], table.inverse_rho[s, t], table.C[s, t]
    first = table.shell_charge[s] if table.has_shell[s] else table.core_charge[s]
    second = table.shell_charge[t] if table.has_shell[t] else table.core_charge[t]
    coulomb = table.coulomb * first * second
    highest, radius, rising = -np.inf, 0.0, False
    r = lowest
    while r < table.cutoff:
        inverse = 1.0 / r
        repulsion, dispersion = A * math.exp(-r * inverse_rho), C * inverse**6
        slope = (6.0 * dispersion - coulomb * inverse) * inverse - repulsion * inverse_rho
        energy = repulsion - dispersion + coulomb * inverse
        if slope <= 0.0 and rising and energy > highest:
            highest, radius = energy, r
        rising = slope > 0.0
        r *= FINER
    return radius
