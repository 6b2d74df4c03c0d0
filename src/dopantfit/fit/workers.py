"""Candidates on several processes: every worker builds the objective once and is then sent points only."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.fit.config import Guards, Local
from dopantfit.fit.data import Target
from dopantfit.fit.local import Refined, refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.search import Evaluated
from dopantfit.fit.variables import Space

_objective: Objective | None = None


def _begin(space: Space, targets: Sequence[Target], guards: Guards, anchor: Floats) -> None:
    global _objective
    _objective = Objective(space, targets, guards)
    _objective.anchor(anchor)


def _evaluate(point: Floats) -> Evaluated:
    if _objective is None:
        raise RuntimeError("a worker was asked before it began")
    return evaluate_point(_objective, point)


def _refine(start: Floats, settings: Local) -> Refined:
    if _objective is None:
        raise RuntimeError("a worker was asked before it began")
    return refine(_objective, start, settings)


def evaluate_point(objective: Objective, point: Floats) -> Evaluated:
    """Cost of a point and the reason of its rejection."""
    candidate = objective.candidate(point)
    return candidate.cost, candidate.rejection.reason if candidate.rejection else None


@contextmanager
def worker_pool(objective: Objective, anchor: Floats, workers: int) -> Iterator[Executor | None]:
    """A pool whose workers know the objective, anchored at ``anchor``; None for one worker, which is this process."""
    if workers == 1:
        objective.anchor(anchor)
        yield None
        return
    # Spawned, not forked: libraries with threads of their own do not survive a fork. One thread each, before numpy.
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(objective.space, objective.targets, objective.guards, anchor),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def evaluate_all(objective: Objective, pool: Executor | None, points: Floats) -> list[Evaluated]:
    """Results of many points, in their order."""
    if pool is None:
        return [evaluate_point(objective, point) for point in points]
    return list(pool.map(_evaluate, [np.array(point) for point in points]))


def refine_all(objective: Objective, pool: Executor | None, starts: Sequence[Floats], settings: Local) -> list[Refined]:
    """A local refinement from every start, in their order."""
    if pool is None:
        return [refine(objective, start, settings) for start in starts]
    return list(pool.map(_refine, starts, [settings] * len(starts)))
