"""Global search in the unit box, generation by generation, through one interface for every method.

A method proposes the points of a generation and is told their costs; it draws from the generator that it is given and
nothing else. A search is resumed by *replay*: the journal holds the cost of every point of every finished generation,
the method runs again from its seed, and what the journal knows is not computed again. So the state of no method has to
be saved, and a search that was killed ends with the same bytes as one that was not.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.stats import qmc

from dopantfit.energy.arrays import Floats
from dopantfit.errors import ConfigError
from dopantfit.fit.config import Swarm
from dopantfit.fit.surrogate import Evaluated, expansion_errors
from dopantfit.workflow.journal import Journal

#: Where the expansion was off by more than this for a new best point, relative to its cost, the next generations are
#: expanded around that point.
ANCHOR_ERROR = 1e-4
#: Costs of the points (n, n_variables) of one generation.
Evaluate = Callable[[Floats], list[float]]


class Method(Protocol):
    """A search: proposes generations to ``evaluate`` until it has proposed ``settings.generations`` + 1 of them."""

    def __call__(self, evaluate: Evaluate, first: Floats, settings: Swarm, rng: np.random.Generator) -> None:
        """first: the points of the first generation, ``shape=(particles, n_variables)``."""


def first_generation(known: Sequence[Floats], n: int, settings: Swarm, rng: np.random.Generator) -> Floats:
    """The known points first, filled up from a Latin hypercube: ``shape=(particles, n)``."""
    points = [np.asarray(point, dtype=np.float64) for point in known][: settings.particles]
    missing = settings.particles - len(points)
    if missing:
        points += list(qmc.LatinHypercube(n, rng=rng).random(missing))
    return np.array(points)


def particle_swarm(evaluate: Evaluate, first: Floats, settings: Swarm, rng: np.random.Generator) -> None:
    """The particle swarm of inspyred, global best topology."""
    from inspyred import ec, swarm  # type: ignore[import-untyped]

    def evaluator(candidates: list[list[float]], args: dict[str, Any]) -> list[float]:
        return evaluate(np.array(candidates))

    # inspyred draws from Python's generator; its seed comes from the one handed in.
    search = swarm.PSO(random.Random(int(rng.integers(2**63))))
    search.terminator = ec.terminators.generation_termination
    search.evolve(
        generator=_no_more_points,
        evaluator=evaluator,
        pop_size=len(first),
        seeds=[[float(x) for x in point] for point in first],
        maximize=False,
        bounder=ec.Bounder(0.0, 1.0),
        max_generations=settings.generations,
        inertia=settings.inertia,
        cognitive_rate=settings.cognitive_rate,
        social_rate=settings.social_rate,
    )


def _no_more_points(random: random.Random, args: dict[str, Any]) -> list[float]:
    raise ConfigError("the first generation is smaller than the swarm; give as many points as particles")


def optuna_search(sampler_name: str) -> Method:
    """A sampler of Optuna (tpe, cma-es) as a search."""

    def search(evaluate: Evaluate, first: Floats, settings: Swarm, rng: np.random.Generator) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=_sampler(sampler_name, int(rng.integers(2**31))))
        names = [f"{number:04d}" for number in range(first.shape[1])]
        for point in first:
            study.enqueue_trial(dict(zip(names, point.tolist(), strict=True)))
        for _ in range(settings.generations + 1):
            trials = [study.ask() for _ in range(len(first))]
            points = np.array([[trial.suggest_float(name, 0.0, 1.0) for name in names] for trial in trials])
            for trial, cost in zip(trials, evaluate(points), strict=True):
                study.tell(trial, cost)

    return search


def _sampler(name: str, seed: int) -> Any:
    import optuna

    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=False)
    if find_spec("cmaes") is None:
        raise ConfigError('swarm.method = "cma-es" needs the package cmaes; install it, or write "pso"')
    return optuna.samplers.CmaEsSampler(seed=seed)


def method_of(settings: Swarm) -> Method:
    """The search that the file names."""
    return particle_swarm if settings.method == "pso" else optuna_search(settings.method)


class Generations:
    """Results of finished generations, as a journal keeps them.

    path: of the journal; None keeps nothing. key: what the search depends on; a journal of another key is begun anew.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self._journal = Journal(path, key)
        self._known = len(self._journal)

    def recall(self, generation: int, points: Floats) -> list[Evaluated] | None:
        """Results of a generation; None, and none of what comes after, where the journal does not have these points."""
        if generation >= self._known:
            return None
        entry = self._journal[generation]
        if not np.array_equal(np.array(entry["points"]), points):
            self._known = generation
            self._journal.cut(generation)
            return None
        return [Evaluated(*one)._replace(parts=tuple(one[-1])) for one in entry["results"]]

    def add(self, points: Floats, results: list[Evaluated]) -> None:
        """Write down a finished generation. Raises ConfigError when it cannot be written."""
        self._journal.add({"points": points.tolist(), "results": [list(result) for result in results]})


@dataclass(frozen=True)
class Searched:
    """All points that were tried, ``shape=(n, n_variables)``, and what came out, in the order of the generations."""

    points: Floats
    results: tuple[Evaluated, ...]

    @property
    def costs(self) -> Floats:
        """Cost of every point, ``shape=(n,)``."""
        return np.array([one.cost for one in self.results])

    @property
    def expansion(self) -> dict[str, float | int | None]:
        """How many candidates were costed by the expansion, and how far it was off where that was checked."""
        return expansion_errors(self.results)


def run_search(
    evaluate: Callable[[Floats, Floats, float], list[Evaluated]],
    first: Floats,
    settings: Swarm,
    rng: np.random.Generator,
    journal: Generations,
    observe: Callable[[Floats, list[Evaluated]], None] = lambda points, results: None,
) -> Searched:
    """Search from the first generation, whose first point is one that the potential survives.

    evaluate: results of the points of a generation, around an anchor, given the lowest exact cost so far. observe:
    called with the points of every finished generation and their results.
    """
    points_seen: list[Floats] = []
    seen: list[Evaluated] = []
    anchor, lowest = first[0], float("inf")

    def recorded(points: Floats) -> list[float]:
        nonlocal anchor, lowest
        results = journal.recall(len(seen) // len(first), points)
        if results is None:
            results = evaluate(points, anchor, lowest)
            journal.add(points, results)
        best = int(np.argmin([one.cost if one.exact else np.inf for one in results]))
        found = results[best]
        if found.exact and found.cost < lowest:
            lowest = found.cost
            if found.estimate is not None and abs(found.estimate - lowest) > ANCHOR_ERROR * lowest:
                anchor = points[best]
        points_seen.extend(points)
        seen.extend(results)
        observe(points, results)
        return [one.cost for one in results]

    method_of(settings)(recorded, first, settings, rng)
    return Searched(np.array(points_seen), tuple(seen))
