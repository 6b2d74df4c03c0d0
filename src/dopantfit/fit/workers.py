"""Candidates on several processes: every worker builds the objective once and is then sent points only.

One worker is this process, and goes through the same functions: what is computed does not depend on how many there are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.threads import one_blas_thread
from dopantfit.fit.config import Guards, Local
from dopantfit.fit.data import Target
from dopantfit.fit.local import Refined, refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.surrogate import Evaluated, Surrogate
from dopantfit.fit.variables import Space
from dopantfit.workflow.pool import Pool, local_pool

#: Candidates whose estimates are computed together.
BLOCK = 20

_surrogate: Surrogate | None = None


def _begin(space: Space, targets: Sequence[Target], guards: Guards) -> None:
    global _surrogate
    _surrogate = Surrogate(Objective(space, targets, guards))


def _here() -> Surrogate:
    if _surrogate is None:
        raise RuntimeError("a worker was asked before it began")
    return _surrogate


def _estimates(points: Floats, anchor: Floats) -> list[Evaluated]:
    _here().anchor(anchor)
    return _here().estimates(points)


def _exact(point: Floats, anchor: Floats) -> Evaluated:
    _here().anchor(anchor)
    return _here().exact(point)


def _refine(start: Floats, settings: Local) -> Refined:
    return refine(_here().objective, start, settings)


@contextmanager
def worker_pool(objective: Objective, workers: int) -> Iterator[Pool | None]:
    """A pool whose workers know the objective; None for one worker, which is this process.

    Meanwhile BLAS has one thread here as it has in the workers, where it would round sums differently with more.
    """
    global _surrogate
    if workers == 1:
        _surrogate = Surrogate(objective)
        try:
            with one_blas_thread():
                yield None
        finally:
            _surrogate = None
        return
    with local_pool(workers, _begin, objective.space, objective.targets, objective.guards) as pool, one_blas_thread():
        yield pool


def evaluate_all(pool: Pool | None, points: Floats, anchor: Floats, lowest: float = float("inf")) -> list[Evaluated]:
    """Results of a generation, in its order: by expansion around the anchor, exactly where they are a new best.

    lowest: exact cost of the best point so far. Where something falls below it, the lowest cost of all is exact.
    """
    # Sums over a block are rounded by its size, so blocks are cut alike however many workers there are.
    blocks = [points[first : first + BLOCK] for first in range(0, len(points), BLOCK)]
    results = [one for block in _mapped(pool, _estimates, blocks, repeat(anchor)) for one in block]
    while True:
        best = int(np.argmin([one.cost for one in results]))
        if results[best].exact or results[best].cost >= lowest:
            return results
        (exact,) = _mapped(pool, _exact, [points[best]], [anchor])
        results[best] = exact._replace(estimate=results[best].estimate)


def refine_all(pool: Pool | None, starts: Sequence[Floats], settings: Local) -> list[Refined]:
    """A local refinement from every start, in their order."""
    return _mapped(pool, _refine, starts, repeat(settings))


def _mapped(pool: Pool | None, function: Callable[..., Any], first: Iterable[Any], *more: Iterable[Any]) -> list[Any]:
    return list(map(function, first, *more)) if pool is None else pool.map(function, first, *more)
