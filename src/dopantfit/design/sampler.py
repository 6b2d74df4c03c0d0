"""Optuna's ask and tell: its trials are the compositions, and this sampler chooses them.

Optuna's own samplers do not know how well a value is known, which here differs from composition to composition.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from dopantfit.design.choice import Measured, Shown, choose, shown_by
from dopantfit.design.space import Composition, CompositionSpace

#: Of a trial: relative standard errors of both values.
ERRORS = "relative_errors"
DIRECTIONS: list[Literal["maximize", "minimize"]] = ["maximize", "minimize"]


@dataclass
class GainSampler(BaseSampler):
    """Samples the composition of the largest expected gain; the first ones are spread over the space.

    What is sampled depends on the number of the trial, on those before it, and on nothing else: a search that was
    killed, or is given more trials later, goes on as if it had not been. batch: trials at a time, of which none knows
    what the others show. is_allowed: by the share in the grain. count: places to choose from. refined:
    values and relative errors by number, of trials that have been run longer since they were told.
    """

    space: CompositionSpace
    startup: int
    batch: int
    seed: int
    count: int
    is_allowed: Callable[[Composition], bool]
    refined: dict[int, Measured] = field(default_factory=dict)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All of it."""
        return distributions(self.space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of the composition to be made."""
        before = [one for one in study.get_trials(deepcopy=False) if one.number < trial.number]
        first = trial.number - trial.number % self.batch
        done = [one for one in before if one.state == TrialState.COMPLETE and one.number < first]
        if trial.number < self.startup or len(done) < 2:
            return parameters(self.space.start(trial.number, self.seed))
        pending = [composition_of(one) for one in before if one not in done]
        seed = int(np.random.default_rng([self.seed, trial.number]).integers(2**31))
        return parameters(
            choose(self.space, self._shown_by(done), pending, self.is_allowed, self.count, seed).composition
        )

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return one of them."""
        return self.sample_relative(study, trial, {})[param_name]

    def _shown_by(self, trials: Sequence[FrozenTrial]) -> Shown:
        """What finished trials have shown, by what is known of them now."""
        known = [self.refined.get(one.number) or _told(one) for one in trials]
        return shown_by([composition_of(one) for one in trials], known)


def distributions(space: CompositionSpace) -> dict[str, BaseDistribution]:
    """Return the space as Optuna has it."""
    return {
        "dose": FloatDistribution(*space.dose),
        "share": FloatDistribution(*space.share),
        "dopant": CategoricalDistribution(space.dopants),
    }


def parameters(one: Composition) -> dict[str, Any]:
    """Return a composition as the parameters of a trial."""
    return {"dose": one.dose, "share": one.share, "dopant": one.dopant}


def composition_of(trial: FrozenTrial) -> Composition:
    """Return the composition of a trial that was asked for."""
    return Composition(str(trial.params["dopant"]), float(trial.params["dose"]), float(trial.params["share"]))


def _told(trial: FrozenTrial) -> Measured:
    sigma, density = trial.values
    of_sigma, of_density = trial.user_attrs[ERRORS]
    return Measured(float(sigma), float(density), float(of_sigma), float(of_density))
