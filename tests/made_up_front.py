"""A front that is known: conductivity and density of made-up glasses as functions of dose and share, with noise."""

from dataclasses import dataclass
from functools import cache
from math import exp
from types import SimpleNamespace

import numpy as np

from dopantfit.design.choice import Measured
from dopantfit.design.front import hypervolume
from dopantfit.design.sampler import GainSampler
from dopantfit.design.search import Search
from dopantfit.design.space import CompositionSpace
from dopantfit.design.storage import open_trials

#: Relative standard errors of both objectives.
NOISE = (0.02, 0.005)
SPACE = CompositionSpace(("X",), (1.0, 9.0), (0.0, 1.0))
#: Below every point of the truth, in logarithms that are to be large.
BELOW = np.array([-1.2, -0.02])


def truth(dose, share):
    """Logarithms of both objectives, to be large.

    The more of the dopant, the fewer ions are left; the share that conducts best is not the one that leaves least.
    """
    x = (dose - 1.0) / 8.0
    return np.array([1.2 * x - x * x - 0.8 * (share - 0.3) ** 2, 0.6 * x * share])


@dataclass(frozen=True)
class MadeUp:
    """What glasses of a composition show; more segments show it better."""

    point: np.ndarray
    errors: np.ndarray
    is_known: bool = True

    def measured(self, undoped):
        """Both objectives."""
        sigma, less = self.point
        return Measured(exp(sigma), exp(-less), *self.errors.tolist())

    def surely_dominates(self, other):
        """Whether it is better in both, errors and all."""
        both = 1.96 * np.hypot(self.errors, other.errors)
        return bool((self.point - other.point >= both).all())


def shown(number, one, segments, seed, noise=NOISE):
    errors = np.array(noise) / np.sqrt(segments)
    drawn = np.random.default_rng([seed, number]).normal(size=2)
    return MadeUp(truth(one.dose, one.share) + errors * drawn, errors)


@cache
def best_hypervolume():
    """Of the true front, to 1e-4: the grid has 101 lines each way."""
    x = np.linspace(0.0, 1.0, 101)
    return hypervolume(np.array([truth(1.0 + 8.0 * a, b) for a in x for b in x]), BELOW)


def new_search(folder, trials, seed, measure=None, batch=3, segments=1, count=256, key="key", space=SPACE):
    settings = SimpleNamespace(trials=trials, batch=batch, segments=segments)
    grain = SimpleNamespace(of=lambda dose: None)
    design = SimpleNamespace(
        settings=settings, dopant=lambda name: SimpleNamespace(grain=grain), is_allowed=lambda one: True
    )
    folder.mkdir(exist_ok=True, parents=True)
    sampler = GainSampler(space, 5, batch, seed, count, design.is_allowed)

    def found(tasks):
        glasses = {n: shown(n, one, tasks.segments[n], seed) for n, one in tasks.made.items()}
        return SimpleNamespace(), glasses if measure is None else measure(tasks, glasses)

    return Search(design, open_trials(folder, key, sampler), sampler, found)
