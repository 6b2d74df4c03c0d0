"""What glasses that were not made would show: a Gaussian process through those that were, with their own errors.

Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), ch. 2 and 5: a Matérn kernel of order 5/2, of one
length for each axis, known noise on the diagonal. A search takes lengths and scale of the largest marginal likelihood;
an interval that is given out takes all that are likely, for a dozen values do not tell how smooth a front is.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from dopantfit.design.front import Floats
from dopantfit.statistics import Interval

#: Lengths of the kernel, in units of an axis, and where their search begins.
_LENGTHS, _LENGTH = (0.2, 5.0), 0.7
#: Starts of the search of lengths beside the first.
_STARTS = 3
#: Scales that are looked at, of variances over that of the values; long lengths have values that differ by little.
_SCALES = (0.1, 100.0)
#: Variance of the mean over that of the values, which leaves it open; draws of lengths and scale.
_OPEN, _DRAWS = 100.0, 512
#: Noise in place of none, in units of the spread of the values.
_EXACT = 1e-4


@dataclass(frozen=True)
class GaussianSurrogate:
    """A Gaussian process of one quantity. middle, spread: of the values that it was fitted to."""

    process: Any
    middle: float
    spread: float

    @classmethod
    def fitted(cls, places: Floats, values: Floats, errors: Floats, seed: int) -> "GaussianSurrogate":
        """Fit a process. places: in the unit cube, ``shape=(n, d)``; values and their standard errors: ``shape=(n,)``.

        seed: of the starts of the search.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern

        middle = float(values.mean())
        spread = float(values.std()) or float(errors.max()) or 1.0
        lengths = np.full(places.shape[1], _LENGTH)
        kernel = ConstantKernel(1.0, (0.1, 10.0)) * Matern(lengths, _LENGTHS, nu=2.5)
        noise = np.square(errors / spread) + _EXACT**2
        process = GaussianProcessRegressor(kernel, alpha=noise, n_restarts_optimizer=_STARTS, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is an answer, too
            process.fit(places, (values - middle) / spread)
        return cls(process, middle, spread)

    def believing(self, places: Floats) -> "GaussianSurrogate":
        """The same after values as expected were found at places, ``shape=(n, d)``: it expects less news near them."""
        from sklearn.gaussian_process import GaussianProcessRegressor

        found, noise = self.process, np.full(len(places), _EXACT**2)
        more = GaussianProcessRegressor(found.kernel_, alpha=np.concatenate([found.alpha, noise]), optimizer=None)
        more.fit(np.concatenate([found.X_train_, places]), np.concatenate([found.y_train_, found.predict(places)]))
        return GaussianSurrogate(more, self.middle, self.spread)

    def __call__(self, places: Floats) -> tuple[Floats, Floats]:
        """Expected values and their standard errors, without the noise of a measurement; ``shape=(n,)`` each."""
        mean, error = self.process.predict(places, return_std=True)
        return self.middle + self.spread * mean, self.spread * error


def expected_interval(places: Floats, values: Floats, errors: Floats, asked: Floats, seed: int) -> Interval:
    """Return the 95 % interval of a quantity at one place, over all lengths, scales and means that the values allow.

    places: in the unit cube, ``shape=(n, d)``; values and their standard errors: ``shape=(n,)``; asked: ``shape=(d,)``.
    Lengths and scales are drawn evenly in their logarithms, weighted by their marginal likelihood (Rasmussen &
    Williams, eq. 2.30), and what each of them expects is added up. value: the mean of it all.
    """
    rng = np.random.default_rng(seed)
    middle, spread = float(values.mean()), float(values.std()) or float(errors.max()) or 1.0
    scaled, noise = (values - middle) / spread, np.square(errors / spread) + _EXACT**2
    (short, long), (least, most) = np.log(_LENGTHS), np.log(_SCALES)
    lengths = np.exp(rng.uniform(short, long, (_DRAWS, 1, 1, places.shape[1])))
    scales = np.exp(rng.uniform(least, most, (_DRAWS, 1, 1)))
    every = np.concatenate([places, asked[None, :]])
    known = scales * _matern((every[:, None, :] - every[None, :, :]) / lengths) + _OPEN
    among, across = known[:, :-1, :-1] + np.diag(noise), known[:, :-1, -1:]
    solved = np.linalg.solve(among, np.concatenate([np.tile(scaled[:, None], (_DRAWS, 1, 1)), across], axis=2))
    mean = (across[:, :, 0] * solved[:, :, 0]).sum(axis=1)
    deviation = np.sqrt(np.maximum(known[:, -1, -1] - (across[:, :, 0] * solved[:, :, 1]).sum(axis=1), _EXACT**2))
    likely = -0.5 * (solved[:, :, 0] @ scaled + np.linalg.slogdet(among).logabsdet)
    weight = np.exp(likely - likely.max())
    weight /= weight.sum()

    def end(part: float) -> float:
        low, high = (mean - 10.0 * deviation).min(), (mean + 10.0 * deviation).max()
        return float(brentq(lambda x: float(weight @ ndtr((x - mean) / deviation)) - part, low, high))

    low, value, high = (middle + spread * one for one in (end(0.025), float(weight @ mean), end(0.975)))
    return Interval(low, high, value)


def _matern(steps: Floats) -> Floats:
    """Matérn correlations of order 5/2 of places so many lengths apart, ``shape=(..., d)``."""
    far = np.sqrt(5.0) * np.linalg.norm(steps, axis=-1)
    return np.asarray((1.0 + far + far**2 / 3.0) * np.exp(-far))


def moderated(errors: Floats) -> Floats:
    """Standard errors that are each known from few values, drawn half-way to their root mean square.

    Variances of few values scatter; one that is small by chance must not make its value exact (Smyth, Stat. Appl.
    Genet. Mol. Biol. 3, 3 (2004), with a prior worth as much as the values themselves).
    """
    return np.asarray(np.sqrt(0.5 * (np.square(errors) + np.square(errors).mean(axis=0))))
