"""Rise of squared displacements from a lag to twice it, before it is averaged over the run and over the walkers.

What a mean over the run is worth shows in how its parts scatter. Walkers are dealt into a few groups, which tells ions
that move alone from ions that move together. Both lags begin at the same origins, so that a part of the run is one of
both, and every part is like every other.
"""

from dataclasses import dataclass, field

import numpy as np

from dopantfit.transport.trajectory import Floats

#: Groups of walkers, and batches of time origins of a run at most; longer batches see slower changes.
_GROUPS, _MOST_BATCHES = 8, 12
#: Latest lag at which the rise is kept, as a part of the run: it leaves four batches.
_LATEST = 1.0 / 8.0
#: Fewest frames that are cut up.
_FEWEST_FRAMES = 16


def lag_grid(last: float) -> tuple[int, ...]:
    """Lags up to `last`: 1, 2, 3, and 4, 5, 6, 7 times every power of two.

    The octave above one of them consists of multiples of the power of two in its first quarter (`stride_of`).
    """
    found = {base * 2**power for power in range(int(last).bit_length()) for base in range(4, 8)} | {1, 2, 3}
    return tuple(sorted(lag for lag in found if lag <= last))


def octave(lag: int) -> tuple[int, ...]:
    """Lags of the grid from one of it to twice as much."""
    return tuple(one for one in lag_grid(2 * lag) if one >= lag)


def stride_of(lag: int) -> int:
    """The largest step in which the octave above a lag of the grid can be counted."""
    return 1 << max(0, lag.bit_length() - 3)


@dataclass(frozen=True)
class ResolvedMSD:
    """Rise of the MSD of one run by lag, group of walkers and batch of time origins.

    lags: ``shape=(n_lags,)``. rises: from a lag to twice it, means over the origins of a batch and summed over the
    walkers of a group, over the number of all walkers [Å²], ``shape=(n_lags, n_groups, 12, 3)``: groups add up to the
    rise of the MSD. The first batches of a lag are its own (`batches_of`), and the others zero.
    """

    lags: tuple[int, ...]
    rises: Floats = field(repr=False)


def resolved_lags(n_frames: int) -> tuple[int, ...]:
    """Lags that are resolved: the grid up to an eighth of the run; none where the run is too short."""
    return lag_grid(_LATEST * n_frames) if n_frames >= _FEWEST_FRAMES else ()


def batches_of(n_frames: int, lag: int) -> tuple[int, int]:
    """Batches of a run at a lag of the grid, and consecutive origins of each, a stride of the lag apart.

    As many batches as fit into the run with twice the lag, and 12 at most.
    """
    number, stride = min(_MOST_BATCHES, n_frames // (2 * lag)), stride_of(lag)
    return number, ((n_frames - 2 * lag - 1) // stride + 1) // number


def resolved_sums(series: Floats, first: int = 0) -> Floats:
    """Rises of the squared displacements of walkers by lag, group and batch [Å²].

    ``shape=(n_lags, n_groups, 12, 3)``. series: positions [Å], ``shape=(n_frames, n_walkers, 3)``. first: how many
    walkers came before these.
    """
    lags = resolved_lags(len(series))
    sums = np.zeros((len(lags), _GROUPS, _MOST_BATCHES, 3))
    for row, lag in enumerate(lags):
        number, origins = batches_of(len(series), lag)
        stride = stride_of(lag)
        start, middle, end = (series[after::stride][: number * origins] for after in (0, lag, 2 * lag))
        # |end - start|² - |middle - start|², as one product.
        rises = ((end - middle) * (end + middle - 2.0 * start)).reshape(number, origins, -1, 3).mean(axis=1)
        for group in range(_GROUPS):
            sums[row, group, :number] = rises[:, (group - first) % _GROUPS :: _GROUPS].sum(axis=1)
    return sums
