"""Squared displacements before they are averaged over the run: by stretch of time origins, and by group of walkers.

What a mean over the run is worth shows in how its parts scatter. Walkers are dealt into a few groups, which tells ions
that move alone from ions that move together.
"""

from dataclasses import dataclass, field

import numpy as np

from dopantfit.transport.trajectory import Floats

#: Groups of walkers, and stretches of time origins of a run.
_GROUPS, _STRETCHES = 8, 60
#: Fewest frames that are cut up.
_FEWEST_FRAMES = 16
#: Longest lag that is kept, as a part of the run; longer ones leave too few independent stretches.
LONGEST = 0.25
#: Origins per lag: a distance of an eighth of the lag between them leaves nothing out.
_ORIGINS_PER_LAG = 8


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
    """MSD of one run by group of walkers, stretch of time origins and lag.

    lags: ``shape=(n_lags,)``. shares: squared displacements, means over origins and summed over the walkers of a
    group, over the number of all walkers [Å²], ``shape=(n_groups, n_stretches, n_lags, 3)``: groups add up to the MSD.
    The origins of every lag are cut into equal stretches.
    """

    lags: tuple[int, ...]
    shares: Floats = field(repr=False)


def resolved_lags(n_frames: int) -> tuple[int, ...]:
    """Lags that are resolved: a grid up to a quarter of the run; none where the run is too short."""
    return lag_grid(LONGEST * n_frames) if n_frames >= _FEWEST_FRAMES else ()


def resolved_sums(series: Floats, first: int = 0) -> Floats:
    """Squared displacements of walkers by group, stretch of origins and lag [Å²].

    ``shape=(n_groups, n_stretches, n_lags, 3)``. series: positions [Å], ``shape=(n_frames, n_walkers, 3)``. first: how
    many walkers came before these.
    """
    n_frames = len(series)
    lags, n_stretches = resolved_lags(n_frames), min(_STRETCHES, n_frames // 4)
    sums = np.zeros((_GROUPS, n_stretches, len(lags), 3))
    for column, lag in enumerate(lags):
        stride = max(1, min(lag // _ORIGINS_PER_LAG, (n_frames - lag) // n_stretches))
        squares = np.square(series[lag::stride] - series[: n_frames - lag : stride])
        edges = np.arange(n_stretches) * len(squares) // n_stretches
        counts = np.diff(np.append(edges, len(squares)))
        means = np.add.reduceat(squares, edges, axis=0) / counts[:, None, None]
        for group in range(_GROUPS):
            sums[group, :, column] = means[:, (group - first) % _GROUPS :: _GROUPS].sum(axis=1)
    return sums
