"""Which composition to make next: the one that is expected to add most to the front, by what others have shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from dopantfit.design.front import Floats, expected_gain, hypervolume
from dopantfit.design.space import Composition, CompositionSpace
from dopantfit.design.surrogate import GaussianSurrogate, expected_interval, moderated
from dopantfit.errors import ConfigError
from dopantfit.statistics import Interval

#: Part of the span of what was found by which the reference lies below its worst.
_BELOW = 0.1
#: A part of the front's hypervolume that is no gain; what is known least is looked at then.
_NOTHING = 1e-6
#: Part of an axis within which two compositions are one: an ion or so of a small glass.
_RESOLVED = 0.06


@dataclass(frozen=True)
class Shown:
    """What compositions have shown. values: objectives, both to be large; errors: standard ones; ``shape=(n, 2)``."""

    compositions: tuple[Composition, ...]
    values: Floats
    errors: Floats


@dataclass(frozen=True)
class Measured:
    """Both objectives of one composition: conductivity [S/cm], density [1/Å³], and their relative standard errors."""

    sigma: float
    density: float
    error_of_sigma: float
    error_of_density: float


def shown_by(compositions: Sequence[Composition], found: Sequence[Measured]) -> Shown:
    """Return what was measured as logarithms that are to be large, on which errors are alike."""
    values = [(log(one.sigma), -log(one.density)) for one in found]
    errors = [(one.error_of_sigma, one.error_of_density) for one in found]
    return Shown(tuple(compositions), np.array(values), np.array(errors))


@dataclass(frozen=True)
class ChosenComposition:
    """A composition. gain: expected, as a part of the hypervolume of the front; 0 where there is none."""

    composition: Composition
    gain: float


def reference_below(points: Floats) -> Floats:
    """A point below the worst of both objectives, by a part of their spans."""
    return np.asarray(points.min(axis=0) - _BELOW * np.maximum(np.ptp(points, axis=0), 1e-9))


def choose(
    space: CompositionSpace,
    shown: Shown,
    pending: Sequence[Composition],
    is_allowed: Callable[[Composition], bool],
    count: int,
    seed: int,
) -> ChosenComposition:
    """Return the allowed composition with the largest expected gain.

    Both objectives get a surrogate with the errors of what was shown. What is being made already counts as if it gave
    what is expected of it, so that a batch does not ask for one thing twice (Ginsbourger, Le Riche & Carraro, 2010).
    Raises ConfigError where no composition is allowed.
    """
    asked = [one for one in space.candidates(count, np.random.default_rng(seed)) if is_allowed(one)]
    if not asked:
        raise ConfigError("design: the share in the grain allows no composition; widen dose, or name another dopant")
    asked = _others(space, asked, [*shown.compositions, *pending]) or asked
    errors, places = moderated(shown.errors), space.places_of(shown.compositions)
    models = [GaussianSurrogate.fitted(places, shown.values[:, j], errors[:, j], seed) for j in (0, 1)]

    def expected(ones: Sequence[Composition]) -> tuple[Floats, Floats]:
        found = [model(space.places_of(ones)) for model in models]
        return np.array([mean for mean, _ in found]).T, np.array([error for _, error in found]).T

    known = expected(shown.compositions)[0]
    front = np.concatenate([known, expected(pending)[0]]) if pending else known
    if pending:
        models = [model.believing(space.places_of(pending)) for model in models]
    reference = reference_below(known)
    means, unknown = expected(asked)
    gains = expected_gain(means, unknown, front, reference) / max(hypervolume(front, reference), 1e-300)
    best = int(gains.argmax())
    if gains[best] <= _NOTHING:
        best = int((unknown / np.maximum(np.ptp(known, axis=0), 1e-9)).sum(axis=1).argmax())
    return ChosenComposition(asked[best], float(gains[best]))


def expected_of(space: CompositionSpace, shown: Shown, one: Composition, seed: int) -> tuple[Interval, Interval]:
    """Return what both objectives of a composition are expected to be, with 95 % intervals: the logarithms as shown."""
    errors, places = moderated(shown.errors), space.places_of(shown.compositions)
    found = [expected_interval(places, shown.values[:, j], errors[:, j], space.place_of(one), seed) for j in (0, 1)]
    return found[0], found[1]


def _others(space: CompositionSpace, asked: Sequence[Composition], made: Sequence[Composition]) -> list[Composition]:
    """Those that are not, within what whole ions resolve, one that has been made: it would only be repeated."""
    gaps = np.abs(space.places_of(asked)[:, None, :] - space.places_of(made)[None, :, :]).max(axis=2).min(axis=1)
    return [one for one, gap in zip(asked, gaps.tolist(), strict=True) if gap >= _RESOLVED]
