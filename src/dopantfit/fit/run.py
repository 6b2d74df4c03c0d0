"""The whole fit: read, pre-optimise, search, refine, say how sure it is, and write everything down."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.errors import ConfigError
from dopantfit.fit.config import FitConfig, load_config
from dopantfit.fit.data import Information, Target, information, load_targets
from dopantfit.fit.local import Refined
from dopantfit.fit.objective import Objective
from dopantfit.fit.preoptimise import Preoptimised, ReferenceCell, check_parameters, preoptimise, reference_cell
from dopantfit.fit.search import Evaluated, Journal, first_generation, run_search
from dopantfit.fit.uncertainty import Uncertainty, uncertainty_at
from dopantfit.fit.variables import Space, Variable, make_space
from dopantfit.fit.workers import evaluate_all, refine_all, worker_pool
from dopantfit.potential import Potential, library_names

#: Starts of the local refinement are at least this far apart in the unit box (root mean square over coordinates).
APART = 0.02


@dataclass(frozen=True)
class Plan:
    """A fit that was read and checked, before any work."""

    config: FitConfig
    file: Path
    space: Space
    targets: tuple[Target, ...]
    informed: tuple[Information, ...]
    reference_cell: ReferenceCell | None = None

    @property
    def training(self) -> tuple[Target, ...]:
        """The frames that are fitted."""
        return tuple(target for target in self.targets if not target.held_out)


@dataclass(frozen=True)
class Generation:
    """One generation of the search: best cost so far, best and median of its own, and how many it had rejected."""

    number: int
    best_so_far: float
    best: float
    median: float
    rejected: int


@dataclass(frozen=True)
class Result:
    """What a fit found. starts: every local refinement, best first. rejected: candidates by reason."""

    plan: Plan
    potential: Potential
    point: Floats
    uncertainty: Uncertainty
    starts: tuple[Refined, ...]
    generations: tuple[Generation, ...]
    evaluations: int
    rejected: dict[str, int]
    start_cost: float
    cost: float
    preoptimised: Preoptimised | None
    seconds: dict[str, float]


def plan_fit(path: str | Path) -> Plan:
    """Read ``fit.toml`` and everything it names.

    Raises ConfigError and ReferenceDataError; also for a free parameter that no training frame can tell.
    """
    config, file = load_config(path)
    host = load_potential(config.host, file)
    space = make_space(config, host, str(file))
    targets = load_targets(config, space.base, file.parent, str(file))
    informed = tuple(_informed(variable, space, targets) for variable in space.variables)
    for variable, about in zip(space.variables, informed, strict=True):
        if about.frames == 0:
            species = " and ".join(variable.effects[0][0].of)
            raise ConfigError(
                f"{file}: '{variable.name}' is free, and no training frame has {species} within "
                f"{space.base.cutoff:g} Å of each other: no datum can tell it; write frozen = true, or add frames"
            )
    cell = None
    if config.preoptimisation is not None:
        check_parameters(space, config.preoptimisation, str(file))
        cell = reference_cell(file.parent / config.preoptimisation.path, config.preoptimisation.family)
    return Plan(config, file, space, targets, informed, cell)


def _informed(variable: Variable, space: Space, targets: Sequence[Target]) -> Information:
    """What tells a variable; one that moves several species is told by every frame."""
    of = {parameter.of for parameter, _ in variable.effects}
    return information(of.pop() if len(of) == 1 else (), space.base.cutoff, targets)


def load_potential(name: str, file: Path) -> Potential:
    """A published set by name, or a file relative to that of the fit; ConfigError when there is none."""
    return Potential.load(name if name in library_names() else file.parent / name)


def run_fit(
    plan: Plan,
    work: Path,
    workers: int = 1,
    observe: Callable[[Generation, int], None] = lambda generation, total: None,
) -> Result:
    """Search, refine and estimate. work: folder of the journal, made where it is missing.

    observe: called after every generation with what it found and how many there will be.
    """
    config, started = plan.config, time.time()
    rng = np.random.default_rng(config.seed)
    objective = Objective(plan.space, plan.training, config.guards)
    start = plan.space.start
    start_cost = objective.cost(start)
    work.mkdir(parents=True, exist_ok=True)
    before = _preoptimise(plan)
    preoptimised = time.time()
    with worker_pool(objective, start, workers) as pool:
        rejected: Counter[str] = Counter()
        generations: list[Generation] = []

        def evaluate(points: Floats) -> list[Evaluated]:
            return evaluate_all(objective, pool, points)

        def watch(number: int, results: list[Evaluated]) -> None:
            costs, reasons = [cost for cost, _ in results], [reason for _, reason in results if reason]
            rejected.update(reasons)
            best = min([*(one.best for one in generations), min(costs)])
            generations.append(Generation(number, best, min(costs), float(np.median(costs)), len(reasons)))
            observe(generations[-1], config.swarm.generations + 1)

        points, costs = np.array([start]), np.array([start_cost])
        if config.swarm.generations:
            first = first_generation(_known_points(plan, before), len(start), config.swarm, rng)
            journal = Journal(work / "search.jsonl", _key(plan))
            points, costs = run_search(evaluate, first, config.swarm, rng, journal, watch)
        searched = time.time()
        survived = costs < objective.penalty
        starts = best_apart(points[survived], costs[survived], config.local.starts)
        refined = sorted(refine_all(objective, pool, starts, config.local), key=lambda one: one.cost)
    best = refined[0]
    objective.anchor(best.point)
    candidate = objective.candidate(best.point)
    return Result(
        plan=plan,
        potential=replace(plan.space.potential(candidate.values), name=config.name, citation=_citation(plan)),
        point=best.point,
        uncertainty=uncertainty_at(objective, candidate),
        starts=tuple(refined),
        generations=tuple(generations),
        evaluations=len(points),
        rejected=dict(sorted(rejected.items())),
        start_cost=start_cost,
        cost=best.cost,
        preoptimised=before,
        seconds={
            "preoptimisation": preoptimised - started,
            "search": searched - preoptimised,
            "local": time.time() - searched,
        },
    )


def _citation(plan: Plan) -> str:
    sets = ", ".join(dict.fromkeys(target.set for target in plan.training))
    return f"Fitted with dopantfit to {sets}; host: {load_potential(plan.config.host, plan.file).name}"


def _preoptimise(plan: Plan) -> Preoptimised | None:
    settings = plan.config.preoptimisation
    if settings is None or plan.reference_cell is None:
        return None
    return preoptimise(plan.space, settings, plan.reference_cell, str(plan.file))


def _known_points(plan: Plan, preoptimised: Preoptimised | None) -> list[Floats]:
    """What a search starts from: the start, what the pre-optimisation found, and the means of the priors."""
    points = [plan.space.start]
    if preoptimised is not None:
        points.append(preoptimised.point)
    if any(variable.prior for variable in plan.space.variables):
        points.append(plan.space.point([v.prior.value if v.prior else v.start for v in plan.space.variables]))
    return points


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


def _key(plan: Plan) -> str:
    """What the costs of a search depend on, as one hash."""
    digest = hashlib.sha256(plan.config.model_dump_json().encode())
    digest.update(plan.space.base.dumps().encode())
    for target in plan.training:
        digest.update(json.dumps([target.name, target.energy]).encode())
        digest.update(target.forces.tobytes() + target.frame.positions.tobytes() + target.frame.cell.tobytes())
    return digest.hexdigest()


def starts_as_json(result: Result) -> list[dict[str, Any]]:
    """Every local refinement: values, costs, iterations, and whether it converged."""
    space = result.plan.space
    return [
        {
            **{key: value for key, value in asdict(one).items() if key not in ("start", "point")},
            "values": dict(zip((v.name for v in space.variables), space.values(one.point).tolist(), strict=True)),
        }
        for one in result.starts
    ]
