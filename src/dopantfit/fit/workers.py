"""Candidates on several processes: every worker builds the objective once and is then sent points only.

One worker is this process, and goes through the same functions: what is computed does not depend on how many there are.
"""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.threads import one_blas_thread
from dopantfit.fit.config import Guards, Local
from dopantfit.fit.crystals import CRYSTALS
from dopantfit.fit.data import Target
from dopantfit.fit.exchanges import RelaxedDifference
from dopantfit.fit.local import Refined, refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.surrogate import Evaluated, Surrogate
from dopantfit.fit.variables import Space
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.pool import Pool, local_pool
from dopantfit.workflow.progress import ProgressObserver, WorkProgress, progress_of, write_progress

#: Candidates whose estimates are computed together.
BLOCK = 20
#: Seconds between two words on the local refinements.
_TELL = 5.0


@dataclass
class _Worker:
    """What a process computes with: the frames alone, and with exchanges, made when it is first asked for them."""

    surrogate: Surrogate
    exchanges: Sequence[RelaxedDifference]
    everything: Objective | None = None

    @property
    def crystals(self) -> list[RelaxedDifference]:
        return [one for one in self.exchanges if one.set == CRYSTALS]

    def without_exchanges(self) -> Objective:
        return including(self.surrogate.objective, self.crystals)

    def with_exchanges(self) -> Objective:
        if self.everything is None:
            self.everything = including(self.surrogate.objective, self.exchanges)
        return self.everything


_worker: _Worker | None = None


def including(frames: Objective, exchanges: Sequence[RelaxedDifference]) -> Objective:
    """An objective of the same frames and of exchanges; itself where there is none."""
    if not exchanges:
        return frames
    return Objective(frames.space, frames.targets, frames.guards, exchanges=exchanges)


def _begin(space: Space, targets: Sequence[Target], guards: Guards, exchanges: Sequence[RelaxedDifference]) -> None:
    global _worker
    _worker = _Worker(Surrogate(Objective(space, targets, guards)), exchanges)


def _here() -> _Worker:
    if _worker is None:
        raise RuntimeError("a worker was asked before it began")
    return _worker


def _estimates(points: Floats, anchor: Floats) -> list[Evaluated]:
    surrogate = _here().surrogate
    surrogate.anchor(anchor)
    return surrogate.estimates(points)


def _exact(point: Floats, anchor: Floats) -> Evaluated:
    surrogate = _here().surrogate
    surrogate.anchor(anchor)
    return surrogate.exact(point)


def _cost_of_everything(point: Floats) -> float | None:
    objective = _here().with_exchanges()
    objective.anchor(point)
    candidate = objective.candidate(point)
    return None if candidate.rejection else candidate.cost


def _refine(start: Floats, settings: Local, folder: Path | None, number: int) -> Refined:
    steps = count(1)

    def report(cost: float) -> None:
        if folder is not None:
            text = f"start {number + 1} at step {(step := next(steps))}, cost {cost:.6g}"
            write_progress(make_folder(folder / str(number)), WorkProgress(float(step), text=text))

    worker = _here()
    everything = worker.with_exchanges()
    if len(worker.exchanges) > len(worker.crystals):
        start = _nearer(everything, worker.without_exchanges(), start, settings, report)
    return refine(everything, start, settings, report)


def _nearer(
    everything: Objective, smooth: Objective, start: Floats, settings: Local, report: Callable[[float], None]
) -> Floats:
    """The minimum of everything but the exchanges, if it is one of which the exchanges can be told.

    Where a potential is far off, ions of an exchanged end go to other sites than the reference's, and energies jump
    as its parameters move; where its forces are right, they follow smoothly.
    """
    found = refine(smooth, start, settings, report).point
    everything.anchor(found)
    return start if everything.candidate(found).rejection else found


@contextmanager
def told(folder: Path, observer: ProgressObserver) -> Iterator[Path]:
    """Yield a folder in which refinements write how far they are; meanwhile that is told now and then."""
    shutil.rmtree(folder, ignore_errors=True)
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(_TELL):
            found = [progress_of(one) for one in sorted(folder.glob("*"))]
            steps = [one for one in found if one is not None]
            if steps:
                text = "; ".join(one.text for one in steps)
                observer.show("local", WorkProgress(sum(one.done for one in steps), text=text))

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield folder
    finally:
        ended.set()
        teller.join()


@contextmanager
def worker_pool(
    objective: Objective, workers: int, exchanges: Sequence[RelaxedDifference] = (), everything: Objective | None = None
) -> Iterator[Pool | None]:
    """A pool whose workers know the objective of the frames; None for one worker, which is this process.

    exchanges: what local refinements are held to beside the frames. everything: the objective with them, if it is made.
    Meanwhile BLAS has one thread here as it has in the workers, where it would round sums differently with more.
    """
    global _worker
    if workers == 1:
        _worker = _Worker(Surrogate(objective), exchanges, everything)
        try:
            with one_blas_thread():
                yield None
        finally:
            _worker = None
        return
    known = (objective.space, objective.targets, objective.guards, exchanges)
    with local_pool(workers, _begin, *known) as pool, one_blas_thread():
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


def costs_of_everything(pool: Pool | None, points: Sequence[Floats]) -> list[float | None]:
    """Exact costs with exchanges, in the order of the points; None for a point that is rejected."""
    return _mapped(pool, _cost_of_everything, points)


def refine_all(
    pool: Pool | None, starts: Sequence[Floats], settings: Local, folder: Path | None = None
) -> list[Refined]:
    """A local refinement from every start, in their order. folder: where each writes how far it is."""
    return _mapped(pool, _refine, starts, repeat(settings), repeat(folder), range(len(starts)))


def _mapped(pool: Pool | None, function: Callable[..., Any], first: Iterable[Any], *more: Iterable[Any]) -> list[Any]:
    return list(map(function, first, *more)) if pool is None else pool.map(function, first, *more)
