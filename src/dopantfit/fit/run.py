"""The whole fit: read, pre-optimise, search, refine, say how sure it is, and write everything down."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.budget import FittedLevel, check_budget, run_budget
from dopantfit.fit.cell import RelaxedCell, relax_cell
from dopantfit.fit.config import FitConfig, load_config
from dopantfit.fit.crystals import crystal_targets
from dopantfit.fit.data import Information, Target, information, load_targets
from dopantfit.fit.ensemble import Member, make_ensemble
from dopantfit.fit.exchanges import RelaxedDifference, load_exchanges
from dopantfit.fit.held import hold_unseen
from dopantfit.fit.local import Refined
from dopantfit.fit.objective import KINDS, Objective
from dopantfit.fit.preoptimise import Preoptimised, ReferenceCell, check_parameters, preoptimise, reference_cell
from dopantfit.fit.record_schema import HeldParameter
from dopantfit.fit.search import Generations, Searched, first_generation, run_search
from dopantfit.fit.sensitivity import Sensitivity, sensitivity_at
from dopantfit.fit.starts import known_points, local_starts
from dopantfit.fit.surrogate import Evaluated
from dopantfit.fit.uncertainty import Uncertainty, uncertainty_at
from dopantfit.fit.variables import Space, Variable, make_space
from dopantfit.fit.workers import evaluate_all, including, refine_all, told, worker_pool
from dopantfit.potential import Potential
from dopantfit.potential.files import named_in
from dopantfit.workflow.lock import held, run_folder
from dopantfit.workflow.pool import Pool
from dopantfit.workflow.progress import NOBODY, ProgressObserver, TimeLeft, WorkProgress


@dataclass(frozen=True)
class FitPlan:
    """A fit that was read and checked, before any work."""

    config: FitConfig
    file: Path
    host: Potential
    space: Space
    targets: tuple[Target, ...]
    informed: tuple[Information, ...]
    reference_cell: ReferenceCell | None = None
    held: tuple[HeldParameter, ...] = ()
    exchanges: tuple[RelaxedDifference, ...] = ()
    crystals: tuple[RelaxedDifference, ...] = ()

    @property
    def training(self) -> tuple[Target, ...]:
        """The frames that are fitted."""
        return tuple(target for target in self.targets if not target.held_out)

    @property
    def fitted_differences(self) -> tuple[RelaxedDifference, ...]:
        """The exchanges that are fitted, and the stretched crystals."""
        return (*(one for one in self.exchanges if not one.held_out), *self.crystals)


@dataclass(frozen=True)
class Generation:
    """One generation of the search: best cost so far, best and median of its own, and how many it had rejected.

    The best cost so far is exact, the others are as the search was told them, most of them from an expansion. spread:
    standard deviation of the points in the box, root mean square over its edges (0.29 where they fill it evenly).
    parts: the best cost so far by ``objective.KINDS``.
    """

    number: int
    best_so_far: float
    best: float
    median: float
    rejected: int
    spread: float
    parts: tuple[float, ...]

    def as_text(self) -> str:
        """Return a line for whoever watches."""
        pairs = zip(KINDS, self.parts, strict=False)
        shares = ", ".join(f"{kind} {part / self.best_so_far:.0%}" for kind, part in pairs if part)
        best = f"best {self.best_so_far:.6g} ({shares})" if shares else f"best {self.best_so_far:.6g}"
        return f"{best}, median {self.median:.4g}, spread {self.spread:.2f}, rejected {self.rejected}"


@dataclass(frozen=True)
class FitResult:
    """What a fit found. starts: every local refinement, best first. rejected: candidates by reason.

    expansion: how far the costs that the search was told were off, see ``expansion_errors``.
    """

    plan: FitPlan
    potential: Potential
    point: Floats
    uncertainty: Uncertainty
    sensitivity: Sensitivity
    starts: tuple[Refined, ...]
    generations: tuple[Generation, ...]
    evaluations: int
    rejected: dict[str, int]
    expansion: dict[str, float | int | None]
    start_cost: float
    cost: float
    preoptimised: Preoptimised | None
    fitted_cell: RelaxedCell | None
    ensemble: tuple[Member, ...]
    budget: tuple[FittedLevel, ...]
    seconds: dict[str, float]

    @property
    def values(self) -> Floats:
        """Of the variables at the best point, each in its own unit."""
        return self.uncertainty.values


def plan_fit(path: str | Path) -> FitPlan:
    """Read ``fit.toml`` and everything it names.

    Raises ConfigError and ReferenceDataError; also for a free parameter that no training frame can tell.
    """
    config, file = load_config(path)
    host = load_potential(config.host, file)
    space = make_space(config, host, str(file))
    targets = load_targets(config, space.base, file.parent, str(file))
    informed = tuple(informed_by(variable, space, targets) for variable in space.variables)
    held: tuple[HeldParameter, ...] = ()
    if config.hold_unseen:
        space, informed, held = hold_unseen(space, informed)
    for variable, about in zip(space.variables, informed, strict=True):
        if about.frames == 0:
            raise ConfigError(f"{file}: {untold(variable, space)}")
    cell = None
    check_budget(config, host, str(file))
    if config.compare_with is not None:
        check_compared(load_potential(config.compare_with, file), space.base, str(file))
    if config.preoptimisation is not None:
        check_parameters(space, config.preoptimisation, str(file))
        cell = reference_cell(config.preoptimisation, file.parent)
    exchanges = load_exchanges(config, space.base, file.parent, str(file))
    crystals = crystal_targets(config, space.base, file)
    return FitPlan(config, file, host, space, targets, informed, cell, held, exchanges, crystals)


def untold(variable: Variable, space: Space) -> str:
    """What to say of a free variable that no training frame can tell."""
    species = " and ".join(variable.effects[0][0].of)
    return (
        f"'{variable.name}' is free, and no training frame has {species} within {space.base.cutoff:g} Å of each other: "
        "no datum can tell it; write frozen = true, or add frames"
    )


def informed_by(variable: Variable, space: Space, targets: Sequence[Target]) -> Information:
    """What tells a variable; one that moves several species is told by every frame."""
    of = {parameter.of for parameter, _ in variable.effects}
    return information(of.pop() if len(of) == 1 else (), space.base.cutoff, targets)


def check_compared(compared: Potential, base: Potential, source: str) -> None:
    """Raise ConfigError where the potential to compare with lacks an ion of the fit: it has no errors to show."""
    missing = [label for label in base.species if label not in compared.species]
    if missing:
        raise ConfigError(
            f"{source}: compare_with = {compared.name!r} has no {', '.join(missing)}, so nothing can be compared on "
            "these frames; name a potential with it, or remove the line"
        )


def load_potential(name: str, file: Path) -> Potential:
    """A published set by name, or a file relative to that of the fit; ConfigError when there is none."""
    return Potential.load(named_in(file.parent, name))


def run_fit(
    plan: FitPlan,
    work: Path,
    workers: int = 1,
    observer: ProgressObserver = NOBODY,
) -> FitResult:
    """Search, refine and estimate. work: folder of the journal, made where it is missing.

    Raises ConfigError when another fit of this file runs, or the folder is that of another one.
    """
    with held(plan.file.parent), run_folder(work, plan.file):
        return _run_fit(plan, work, workers, observer)


def _run_fit(
    plan: FitPlan,
    work: Path,
    workers: int,
    observer: ProgressObserver,
) -> FitResult:
    watch = _Stopwatch(observer)
    frames = Objective(plan.space, plan.training, plan.config.guards)
    objective = including(frames, plan.fitted_differences)
    start_cost = objective.cost(plan.space.start)
    watch.begin("preoptimisation")
    before = _preoptimise(plan)
    with worker_pool(frames, workers, plan.fitted_differences, objective) as pool:
        watch.begin("search")
        found = _search(plan, pool, known_points(plan.space, before), work, observer)
        watch.begin("local")
        survived = found.costs < frames.penalty
        starts = local_starts(
            pool, found.points[survived], found.costs[survived], plan.config.local.starts, bool(plan.fitted_differences)
        )
        with told(work / "local", observer) as folder:
            refined = sorted(refine_all(pool, starts, plan.config.local, folder), key=lambda one: one.cost)
    return _finish(plan, objective, tuple(refined), found, start_cost, before, watch)


def _finish(
    plan: FitPlan,
    objective: Objective,
    refined: tuple[Refined, ...],
    found: "_Search",
    start_cost: float,
    before: Preoptimised | None,
    watch: "_Stopwatch",
) -> FitResult:
    """What follows from the minima, best first: errors, sensitivities, the ensemble, the levels of the budget."""
    watch.begin("uncertainty")
    objective.anchor(refined[0].point)
    best = objective.candidate(refined[0].point)
    uncertainty = uncertainty_at(objective, best)
    potential = replace(plan.space.potential(best.values), name=plan.config.name, citation=_citation(plan))
    sensitivity = sensitivity_at(objective, best, uncertainty)
    watch.begin("ensemble")
    ensemble = make_ensemble(objective, refined, uncertainty, plan.config.ensemble, plan.config.seed)
    watch.begin("budget")
    levels = run_budget(
        plan.config, plan.host, plan.targets, potential, str(plan.file), watch.observer, plan.fitted_differences
    )
    return FitResult(
        plan=plan,
        potential=potential,
        point=refined[0].point,
        uncertainty=uncertainty,
        sensitivity=sensitivity,
        starts=refined,
        generations=found.generations,
        evaluations=len(found.points),
        rejected=found.rejected,
        expansion=found.expansion,
        start_cost=start_cost,
        cost=refined[0].cost,
        preoptimised=before,
        fitted_cell=_cell_of(potential, before),
        ensemble=ensemble,
        budget=levels,
        seconds=watch.end(),
    )


class _Stopwatch:
    """Wall time of named steps [s], one after the other."""

    def __init__(self, observer: ProgressObserver) -> None:
        self.observer, self._marks = observer, [("setup", time.time())]

    def begin(self, step: str) -> None:
        self._marks.append((step, time.time()))
        self.observer.say(step)

    def end(self) -> dict[str, float]:
        ends = [time for _, time in self._marks[1:]] + [time.time()]
        return {step: end - start for (step, start), end in zip(self._marks, ends, strict=True)}


@dataclass(frozen=True)
class _Search:
    """All points of a search (n, n_variables), their costs (n,), and its generations.

    rejected: by reason. expansion: see ``expansion_errors``.
    """

    points: Floats
    costs: Floats
    generations: tuple[Generation, ...]
    rejected: dict[str, int]
    expansion: dict[str, float | int | None]


def _search(
    plan: FitPlan,
    pool: Pool | None,
    known: list[Floats],
    work: Path,
    observer: ProgressObserver,
) -> _Search:
    """The global search from the known points; only those where the file wants no generations."""
    settings, rng = plan.config.swarm, np.random.default_rng(plan.config.seed)
    rejected: Counter[str] = Counter()
    generations: list[Generation] = []
    total, left = settings.generations + 1, TimeLeft()

    def evaluate(points: Floats, anchor: Floats, lowest: float = float("inf")) -> list[Evaluated]:
        return evaluate_all(pool, points, anchor, lowest)

    def watch(points: Floats, results: list[Evaluated]) -> None:
        costs, reasons = [one.cost for one in results], [one.rejected for one in results if one.rejected]
        rejected.update(reasons)
        best, parts = min(costs), results[int(np.argmin(costs))].parts
        if generations and generations[-1].best_so_far <= best:
            best, parts = generations[-1].best_so_far, generations[-1].parts
        spread = float(np.sqrt(np.mean(np.var(points, axis=0))))
        median = float(np.median(costs))
        generations.append(Generation(len(generations), best, min(costs), median, len(reasons), spread, parts))
        done = len(generations)
        text = f"{done} of {total}{left(done, total)}: {generations[-1].as_text()}"
        observer.show("search", WorkProgress(done, text=text, of=total))

    if settings.generations:
        first = first_generation(known, len(plan.space.variables), settings, rng)
        journal = Generations(work / "search.jsonl", _key(plan))
        found = run_search(evaluate, first, settings, rng, journal, watch)
    else:
        found = Searched(np.array(known), tuple(evaluate(np.array(known), plan.space.start)))
    return _Search(found.points, found.costs, tuple(generations), dict(sorted(rejected.items())), found.expansion)


def _citation(plan: FitPlan) -> str:
    sets = ", ".join(dict.fromkeys(target.set for target in plan.training))
    return f"Fitted with dopantfit to {sets}; host: {plan.host.name}"


def _preoptimise(plan: FitPlan) -> Preoptimised | None:
    settings = plan.config.preoptimisation
    if settings is None or plan.reference_cell is None:
        return None
    return preoptimise(plan.space, settings, plan.reference_cell, str(plan.file))


def _cell_of(potential: Potential, preoptimised: Preoptimised | None) -> RelaxedCell | None:
    """The pre-optimised compound at rest under the fitted potential; None where it does not come to rest."""
    if preoptimised is None:
        return None
    try:
        return relax_cell(preoptimised.reference.atoms, potential, preoptimised.after)
    except (CollapseError, ConvergenceError):
        return None


def _key(plan: FitPlan) -> str:
    """What the costs of a search depend on, and what is written down of them, as one hash."""
    # Exchanges and crystals enter after the search.
    digest = hashlib.sha256(plan.config.model_dump_json(exclude={"exchanges", "crystals"}).encode())
    digest.update(json.dumps(Evaluated._fields).encode())
    digest.update(plan.space.base.dumps().encode())
    for target in plan.training:
        digest.update(json.dumps([target.name, target.energy]).encode())
        digest.update(target.forces.tobytes() + target.frame.positions.tobytes() + target.frame.cell.tobytes())
    return digest.hexdigest()


def starts_as_json(result: FitResult) -> list[dict[str, Any]]:
    """Every local refinement: values, costs, iterations, and whether it converged."""
    space = result.plan.space
    return [
        {
            **{key: value for key, value in asdict(one).items() if key not in ("start", "point")},
            "values": dict(zip((v.name for v in space.variables), space.values(one.point).tolist(), strict=True)),
        }
        for one in result.starts
    ]
