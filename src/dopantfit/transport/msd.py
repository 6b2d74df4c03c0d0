"""Mean square displacement over all time origins, by FFT.

MSD(m) = 1/(N-m) Σ_k |x(k+m) - x(k)|² is split into squares, which are running sums, and an autocorrelation, which is
the inverse transform of a power spectrum (Kneller et al., Comput. Phys. Commun. 91, 191 (1995)). Spectra of ions add
up, so that one inverse transform per direction is enough.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.fft

from dopantfit.errors import ConfigError
from dopantfit.transport.resolved import ResolvedMSD, resolved_lags, resolved_sums
from dopantfit.transport.trajectory import Floats, Trajectory

#: Coordinates read at a time: 16 MB.
_BATCH = 2_000_000
#: Coordinates transformed at a time: few, so that a transform stays in the cache.
_GROUP = 100_000


@dataclass(frozen=True)
class MeanSquareDisplacement:
    """MSD of one species, or of the charge centre of several, in the frame of the framework.

    species: whose it is.
    n_series: independent walkers averaged over: ions, or 1 for a collective displacement.
    interval: time between lags [ps].
    directional: along x, y, z [Å²] ([e² Å²] for a charge) at lags 0, 1, …, ``shape=(n_frames, 3)``.
    resolved: its rises by batch of time origins and group of walkers, which the error comes from; None where unknown.
    """

    species: str
    n_series: int
    interval: float
    directional: Floats
    resolved: ResolvedMSD | None = None

    @property
    def n_frames(self) -> int:
        """Frames of the run, and lags of the MSD."""
        return len(self.directional)

    @property
    def times(self) -> Floats:
        """Lag times [ps], ``shape=(n_frames,)``."""
        return np.asarray(np.arange(self.n_frames) * self.interval, dtype=np.float64)

    @property
    def total(self) -> Floats:
        """Sum over the directions, ``shape=(n_frames,)``."""
        return np.asarray(self.directional.sum(axis=1))


def mean_square_displacement(
    trajectory: Trajectory, species: str, mobile: Iterable[str] | None = None
) -> MeanSquareDisplacement:
    """MSD of the ions of one species, all time origins, drift of the framework removed.

    mobile: species that are not framework, `species` alone by default. Name them all where several move, and for
        the MSD of a framework species, which is relative to the framework's own centre.
    Raises ConfigError when there is no such ion.
    """
    ions = trajectory.ions_of([species])
    drift = trajectory.framework_drift([species] if mobile is None else list(mobile))
    whole = np.zeros((trajectory.n_frames, 3))
    sums: Floats = np.zeros(())
    batch = max(1, _BATCH // (3 * trajectory.n_frames))
    for start in range(0, len(ions), batch):
        chosen = ions[start : start + batch]
        series = trajectory.at_rest(slice(None), chosen) - drift[:, None, :]
        whole += msd_sum(series)
        sums = sums + resolved_sums(series, start)
    return _assemble(species, len(ions), trajectory.interval, whole, sums)


def msd_of_series(species: str, series: Floats, interval: float) -> MeanSquareDisplacement:
    """MSD of walkers whose positions are known, ``shape=(n_frames, n_walkers, 3)`` [Å], at intervals [ps]."""
    return _assemble(species, series.shape[1], interval, msd_sum(series), resolved_sums(series))


def collective_displacement(trajectory: Trajectory, charges: Mapping[str, float]) -> MeanSquareDisplacement:
    """MSD [e² Å²] of the charge-weighted displacement Σ q_i Δr_i of the species in `charges`, framework at rest.

    charges: formal charge by species [e]; species left out are the framework. Give the mobile ones: relative to a
        framework at rest nothing else carries current.
    Raises ConfigError when a species has no ion.
    """
    if not charges:
        raise ConfigError(f"{trajectory.source}: no charges were given; name the mobile species and their charges")
    drift = trajectory.framework_drift(list(charges))
    moment = np.zeros((trajectory.n_frames, 3))
    for species, charge in charges.items():
        ions = trajectory.ions_of([species])
        moment += charge * len(ions) * (trajectory.drift_of(ions) - drift)
    return msd_of_series("+".join(charges), moment[:, None, :], trajectory.interval)


def msd_sum(series: Floats) -> Floats:
    """Sum over walkers of their MSD at lags 0, 1, …, n-1 by direction, ``shape=(n_frames, 3)`` [Å²].

    series: positions [Å], ``shape=(n_frames, n_walkers, 3)``.
    """
    n = len(series)
    # Time last in memory, where a transform wants it; about the mean, where the two halves lose least to rounding.
    columns = np.ascontiguousarray(series.transpose(1, 2, 0))
    columns -= columns.mean(axis=-1, keepdims=True)
    squares = np.einsum("wdt,wdt->td", columns, columns)
    # Twice the length keeps the correlation from wrapping around.
    size = scipy.fft.next_fast_len(2 * n, real=True)
    power = np.zeros((3, size // 2 + 1))
    group = max(1, _GROUP // (3 * size))
    for first in range(0, len(columns), group):
        spectrum = scipy.fft.rfft(columns[first : first + group], n=size, axis=-1)
        power += np.einsum("wdf,wdf->df", spectrum.real, spectrum.real)
        power += np.einsum("wdf,wdf->df", spectrum.imag, spectrum.imag)
    products = scipy.fft.irfft(power, n=size, axis=-1)[:, :n].T
    heads = np.cumsum(squares, axis=0)[::-1]
    tails = np.cumsum(squares[::-1], axis=0)[::-1]
    result = (heads + tails - 2.0 * products) / np.arange(n, 0, -1)[:, None]
    # Lag 0 is zero by definition, and rounding must not leave a negative square.
    result[0] = 0.0
    return np.asarray(np.maximum(result, 0.0))


def _assemble(species: str, n_series: int, interval: float, whole: Floats, sums: Floats) -> MeanSquareDisplacement:
    lags = resolved_lags(len(whole))
    resolved = ResolvedMSD(lags, sums / n_series) if lags else None
    return MeanSquareDisplacement(species, n_series, interval, whole / n_series, resolved)
