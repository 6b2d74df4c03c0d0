"""Where a search starts, and where local refinements start once it has ended."""

from collections.abc import Sequence

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.errors import ConvergenceError
from dopantfit.fit.preoptimise import Preoptimised
from dopantfit.fit.variables import Space
from dopantfit.fit.workers import costs_of_everything
from dopantfit.workflow.pool import Pool

#: Starts of the local refinement are at least this far apart in the unit box (root mean square over coordinates).
APART = 0.02
#: The search knows the frames alone; so many times as many of its best points are held to the exchanges as well.
LOOKED_AT = 4


def known_points(space: Space, preoptimised: Preoptimised | None) -> list[Floats]:
    """What a search starts from: the start, what the pre-optimisation found, and the means of the priors."""
    points = [space.start]
    if preoptimised is not None:
        points.append(preoptimised.point)
    if any(variable.prior for variable in space.variables):
        points.append(space.point([v.prior.value if v.prior else v.start for v in space.variables]))
    return points


def local_starts(
    pool: Pool | None, points: Floats, costs: Floats, count: int, with_exchanges: bool
) -> Sequence[Floats]:
    """The best points of a search, by the frames, or by everything where there are exchanges.

    points (n, n_variables), costs (n,): those that the search did not reject. Raises ConvergenceError where exchanged
    ends come to rest at none of the best.
    """
    if not with_exchanges:
        return best_apart(points, costs, count)
    best = best_apart(points, costs, LOOKED_AT * count)
    found = costs_of_everything(pool, best)
    survived = [(cost, number) for number, cost in enumerate(found) if cost is not None]
    if not survived:
        raise ConvergenceError(
            f"exchanges: ions of an exchanged end do not come to rest at any of the {len(best)} best points of the "
            "search; start from another potential, narrow the bounds, or leave the exchange out (left_out)"
        )
    return [best[number] for _, number in sorted(survived)[:count]]


def best_apart(points: Floats, costs: Floats, count: int) -> list[Floats]:
    """The best points, no two of them closer than ``APART``."""
    chosen: list[Floats] = []
    for number in np.argsort(costs, kind="stable"):
        distances = [float(np.sqrt(np.mean((points[number] - other) ** 2))) for other in chosen]
        if not distances or min(distances) > APART:
            chosen.append(points[number])
        if len(chosen) == count:
            break
    return chosen
