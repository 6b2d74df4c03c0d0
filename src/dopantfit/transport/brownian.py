"""How far the time-averaged MSD of a Brownian walker scatters, and how its lags scatter together.

Displacements over overlapping stretches of one walk share steps, so that an MSD looks smooth however wrong it is. For
Gaussian steps the covariance of two squared displacements is twice the square of the covariance of the displacements
(Wick); summed over all pairs of time origins it is the covariance of the MSD (Qian et al., Biophys. J. 60, 910 (1991);
with localisation noise Bullerjahn et al., J. Chem. Phys. 153, 024116 (2020)).
"""

from functools import lru_cache

import numpy as np

from dopantfit.transport.trajectory import Floats


def msd_covariance(lags: tuple[int, ...], origins: tuple[int, ...], step: float, rattle: float) -> Floats:
    """Covariance of the MSD of one walker in one direction at `lags` [Å⁴], ``shape=(n_lags, n_lags)``.

    The walker's MSD is ``rattle + step m`` at lag m: a random walk, and an independent deviation (the vibration
    about the site) of variance rattle/2 at every frame.
    origins: consecutive time origins that each lag is averaged over; the first is the same for all lags.
    step: [Å²] per lag. rattle: [Å²].
    """
    walk, mixed, noise = _terms(lags, origins)
    return step**2 * walk + step * rattle * mixed + rattle**2 * noise


@lru_cache(maxsize=128)
def _terms(lags: tuple[int, ...], origins: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """Parts of the covariance that go with step², step × rattle and rattle²."""
    size = len(lags)
    terms = np.zeros((3, size, size))
    for a in range(size):
        for b in range(a, size):
            terms[:, a, b] = terms[:, b, a] = _pair_terms((lags[a], lags[b]), (origins[a], origins[b]))
    walk, mixed, noise = terms
    return walk, mixed, noise


def _pair_terms(lags: tuple[int, int], origins: tuple[int, int]) -> Floats:
    """The three parts for lags n ≤ m, and as many origins of each.

    Origins i and i + k share min(n, k + m) - max(0, k) steps; a count of i goes with every k.
    """
    n, m = lags
    k = np.arange(-m, n + 1)
    shared = np.clip(np.minimum(n, k + m) - np.maximum(0, k), 0, None).astype(float)
    ends = 0.5 * ((k == 0) + 0.0 + (k == n - m) - (k == n) - (k == -m))
    count = np.clip(np.minimum(origins[0], origins[1] - k) - np.maximum(0, -k), 0, None)
    scale = 2.0 / (origins[0] * origins[1])
    return scale * np.array([(count * shared**2).sum(), 2.0 * (count * shared * ends).sum(), (count * ends**2).sum()])
