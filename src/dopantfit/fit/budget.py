"""The error budget: the same data with more and more parameters free, so that a user sees where the error lives.

A level frees what it names beside everything that the fit and the levels before it free, starts from the minimum of the
one before, and goes downhill with exact gradients. Bounds of the host's values are spans around the host.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dopantfit.errors import ConfigError
from dopantfit.fit.config import (
    Budget,
    BudgetLevel,
    FitConfig,
    Local,
    PairQuantities,
    Quantity,
    SpeciesQuantities,
    Spread,
)
from dopantfit.fit.data import Target
from dopantfit.fit.exchanges import RelaxedDifference
from dopantfit.fit.local import refine
from dopantfit.fit.objective import Objective
from dopantfit.fit.variables import Space, make_space, pair_tables
from dopantfit.potential import Buckingham, Potential
from dopantfit.potential.checks import Pair, pair_key, read_pair
from dopantfit.workflow.progress import NOBODY, ProgressObserver


@dataclass(frozen=True)
class FittedLevel:
    """One level at its minimum. free: how many numbers were free. cost: ½ Σ residual² of what is fitted."""

    name: str
    free: int
    potential: Potential
    cost: float
    converged: bool


def check_budget(config: FitConfig, host: Potential, source: str) -> None:
    """Raise ConfigError for a level that names what the host does not have, before any work."""
    if config.budget is not None:
        level_spaces(config, config.budget, host, source)


def run_budget(
    config: FitConfig,
    host: Potential,
    targets: Sequence[Target],
    fitted: Potential,
    source: str,
    observer: ProgressObserver = NOBODY,
    exchanges: Sequence[RelaxedDifference] = (),
) -> tuple[FittedLevel, ...]:
    """Fit every level in turn; nothing where the file has no budget. fitted: the minimum that the first starts from."""
    if config.budget is None:
        return ()
    settings = Local(
        starts=1, max_iterations=config.budget.max_iterations, gauss_newton_steps=config.budget.gauss_newton_steps
    )
    training = [target for target in targets if not target.held_out]
    levels: list[FittedLevel] = []
    last = fitted
    for level, space in level_spaces(config, config.budget, host, source):
        observer.say(f"budget: {level.name}")
        objective = Objective(space, training, config.guards, exchanges=exchanges)
        found = refine(objective, space.point(space.values_in(last)), settings)
        citation = f"{fitted.citation}; error budget, level {level.name}"
        last = replace(
            space.potential(space.values(found.point)), name=f"{config.name} {level.name}", citation=citation
        )
        levels.append(FittedLevel(level.name, len(space.variables), last, found.cost, found.converged))
    return tuple(levels)


def level_spaces(config: FitConfig, budget: Budget, host: Potential, source: str) -> list[tuple[BudgetLevel, Space]]:
    """Every level with its box. Raises ConfigError naming what is wrong with a level."""
    spaces, freed = [], config
    for level in budget.levels:
        where = f"{source}: budget: level {level.name!r}"
        freed = freed_by(freed, level, budget.spread, host, where)
        spaces.append((level, make_space(freed, host, where)))
    return spaces


def freed_by(config: FitConfig, level: BudgetLevel, spread: Spread, host: Potential, where: str) -> FitConfig:
    """The configuration with what the level frees; what the file itself bounds keeps its bounds."""
    pairs = pair_tables(config, host, where)
    for pair in _pairs_of(level, host, where):
        pairs[pair] = _freed_pair(pairs.get(pair, PairQuantities()), host.pair(*pair), spread)
    species, scale = dict(config.species), config.charge_scale
    if level.shells:
        for label, ion in host.species.items():
            if ion.shell is not None:
                before = species.get(label, SpeciesQuantities())
                species[label] = SpeciesQuantities(
                    shell_charge=_free(before.shell_charge, *_around(ion.shell.charge, spread.charge)),
                    spring=_free(before.spring, *_around(ion.shell.spring, spread.spring)),
                )
    if level.charges:
        if host.charge_scale is None:
            raise ConfigError(f"{where}: the host {host.name} has no charge per formal charge; leave out charges")
        scale = _free(scale, *_around(host.charge_scale, spread.charge))
    named = {"-".join(pair): quantities for pair, quantities in pairs.items()}
    return config.model_copy(update={"pairs": named, "species": species, "charge_scale": scale})


def _pairs_of(level: BudgetLevel, host: Potential, where: str) -> list[Pair]:
    if level.pairs == "all":
        return sorted(host.pairs)
    pairs = []
    for name in level.pairs:
        labels = read_pair(name)
        if labels is None or pair_key(*labels) not in host.pairs:
            known = ", ".join("-".join(pair) for pair in sorted(host.pairs))
            raise ConfigError(f"{where}: {name!r} is no pair of the host {host.name}; it has {known}")
        pairs.append(pair_key(*labels))
    return pairs


def _freed_pair(before: PairQuantities, term: Buckingham, spread: Spread) -> PairQuantities:
    """A and ρ of a pair that has a repulsion, and its C."""
    C = _free(before.C, max(0.0, term.C - spread.C), term.C + spread.C)
    if term.A == 0.0:
        return before.model_copy(update={"C": C})
    return PairQuantities(
        A=_free(before.A, term.A / spread.A_factor, term.A * spread.A_factor),
        rho=_free(before.rho, *_around(term.rho, spread.rho)),
        C=C,
    )


def _free(before: Quantity, low: float, high: float) -> Quantity:
    return before if before.is_free else Quantity(bounds=(low, high))


def _around(value: float, part: float) -> tuple[float, float]:
    low, high = sorted((value * (1.0 - part), value * (1.0 + part)))
    return low, high
