"""Speed and honesty of the transport tools, each against a named peer or a known truth, on one thread.

    python benchmarks/transport.py          everything (2.5 minutes on an idle core)
    python benchmarks/transport.py --quick  fewer frames and trials (20 seconds), too few to hold against limits

The MSD of 1,000 ions × 20,000 frames at all lags is timed against the direct double sum, which is timed on a few lags
and scaled to all of them (processor time, because a busy machine stretches the clock). Error bars are counted on random
walks of known D, against what is usual: a straight line through 10-70 % of the run by ordinary least squares with the
error that such a fit states. They are counted again on ions that hop between sites and often go back, whose D is known
too, with the window found from the data: in runs short and long, where half of the ions never move, and in a plane.
Where kinisi is installed, its D and error for one walk are printed beside ours.

Exit status 1 when the MSD takes more than 15 s or 2 GB; when the share of 400 walks whose 95 % interval holds the true
D is not 95 ± 3 %; or when of 1,000 runs of hops that share is not 93 to 97 %, the mean D is wrong by 1 % or more beyond
two errors of that mean, the stated error is not within 15 % of the true scatter, or this is above 3.5 % for 32 ions and
2 ns.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from rich.console import Console
from rich.table import Table

from dopantfit.transport import MeanSquareDisplacement, Trajectory, mean_square_displacement, tracer_diffusion
from dopantfit.transport.msd import msd_of_series
from dopantfit.transport.window import PUBLISHED as WINDOW

CONSOLE = Console(width=110)
N_IONS = 1000
TRUE_D = 0.5  # Å²/ps: steps of variance 1 Å² per direction and ps
#: Most processor time [s] and memory [GB] of the MSD.
LONGEST, LARGEST = 15.0, 2.0
#: Share [%] of intervals that must hold the true D; 3 is 2.7 binomial errors of 400 trials.
COVERAGE, TOLERANCE = 95.0, 3.0
#: Hops: rate per ion [1/ps], length [Å], probability that the next one undoes it; rattle in each direction [Å].
RATE, HOP, BACK, RATTLE = 0.15, 3.5, 0.6, 0.3
#: Of hops: largest bias [%], share [%] of intervals, stated over true scatter, scatter of 32 ions in 2 ns [%].
BIAS, HELD, STATED, SCATTER = 1.0, (93.0, 97.0), (0.85, 1.15), 3.5
#: Coordinates of hopping ions that are made at a time.
AT_ONCE = 4_000_000


def walk(rng: np.random.Generator, n_frames: int, n_ions: int) -> np.ndarray:
    """Random walkers in float32, made a piece at a time."""
    positions = np.empty((n_frames, n_ions, 3), dtype=np.float32)
    last = np.zeros((n_ions, 3))
    for first in range(0, n_frames, 100):
        piece = last + np.cumsum(rng.normal(size=(min(100, n_frames - first), n_ions, 3)), axis=0)
        positions[first : first + 100], last = piece, piece[-1]
    return positions


def peak_memory() -> float:
    """Largest memory that this process has held so far [GB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def show_speed(rng: np.random.Generator, n_frames: int) -> bool:
    """Time and memory of the MSD at all lags, and its difference from the direct sum at some; True within limits."""
    positions = walk(rng, n_frames, N_IONS)
    labels = ["Li"] * (N_IONS - 1) + ["Ti"]
    trajectory = Trajectory.from_arrays(positions, labels, np.eye(3) * 1e4, 0.1)
    start = time.process_time()
    found = mean_square_displacement(trajectory, "Li")
    fast = time.process_time() - start
    memory = peak_memory()

    relative = positions[:, :-1].astype(float)
    relative -= relative[0] + (positions[:, -1:].astype(float) - positions[0, -1])
    lags = np.linspace(1, n_frames - 1, 8).astype(int)
    start = time.process_time()
    expected = [np.square(relative[lag:] - relative[:-lag]).mean(axis=(0, 1)) for lag in lags]
    # A lag costs as much as it has origins.
    slow = (time.process_time() - start) * (n_frames * (n_frames - 1) / 2) / (n_frames - lags).sum()
    deviation = np.abs(found.directional[lags] / expected - 1.0).max()

    table = Table(title=f"MSD of {N_IONS} ions × {n_frames} frames, all lags and origins")
    for heading in (
        "FFT, processor s",
        "direct sum s (scaled)",
        "ratio",
        "largest relative difference",
        "peak memory GB",
    ):
        table.add_column(heading, justify="right")
    table.add_row(f"{fast:.1f}", f"{slow:.0f}", f"{slow / fast:.0f}", f"{deviation:.1e}", f"{memory:.2f}")
    table.add_row(f"limit {LONGEST:g}", "", "", "", f"limit {LARGEST:g}", style="dim")
    CONSOLE.print(table)
    return fast <= LONGEST and memory <= LARGEST


def msd_of(positions: np.ndarray) -> MeanSquareDisplacement:
    """MSD of the walkers, without a framework."""
    return msd_of_series("Li", positions, 1.0)


def ordinary(msd: MeanSquareDisplacement) -> tuple[float, float]:
    """D and its error by ordinary least squares through every lag of the window, residuals taken as independent."""
    lags = np.arange(int(WINDOW[0] * msd.n_frames), int(WINDOW[1] * msd.n_frames))
    (slope, _), covariance = np.polyfit(lags * msd.interval, msd.total[lags], 1, cov=True)
    return slope / 6.0, float(np.sqrt(covariance[0, 0])) / 6.0


def show_coverage(n_trials: int) -> bool:
    """How often the interval holds the true D; binomial error 1.1 % at 400 trials. True where often enough."""
    table = Table(title=f"{n_trials} random walks each: how often the stated error holds the true D [%]")
    for heading in (
        "walkers × frames",
        "1σ",
        f"{COVERAGE:g} ± {TOLERANCE:g} %",
        "stated σ",
        "true σ",
        "least squares 95 %",
        "true σ, least squares",
    ):
        table.add_column(heading, justify="right")
    good = True
    for n_ions, n_frames in ((5, 400), (20, 400), (20, 1000)):
        values, errors, inside, usual = [], [], [], []
        for trial in range(n_trials):
            msd = msd_of(np.asarray(walk(np.random.default_rng([9, n_ions, trial]), n_frames, n_ions), dtype=float))
            ours = tracer_diffusion(msd).coefficient
            values.append(ours.value)
            errors.append(ours.error)
            inside.append(ours.low <= TRUE_D <= ours.high)
            usual.append(ordinary(msd))
        value, error, (plain, plain_error) = np.array(values), np.array(errors), np.array(usual).T
        held = 100 * float(np.mean(inside))
        good &= abs(held - COVERAGE) <= TOLERANCE
        table.add_row(
            f"{n_ions} × {n_frames}",
            f"{100 * (np.abs(value - TRUE_D) <= error).mean():.1f}",
            f"{held:.1f}",
            f"{error.mean() / TRUE_D:.1%}",
            f"{value.std() / TRUE_D:.1%}",
            f"{100 * (np.abs(plain - TRUE_D) <= 1.96 * plain_error).mean():.1f}",
            f"{plain.std() / TRUE_D:.1%}",
        )
    CONSOLE.print(table)
    return good


@dataclass(frozen=True)
class Hoppers:
    """Runs of ions that hop, 1 ps between frames. axes: that they hop along. still: how many of the ions never do."""

    name: str
    n_ions: int
    n_frames: int
    axes: int = 3
    still: int = 0
    largest_scatter: float = float("inf")

    @property
    def diffusion(self) -> float:
        """D* [Å²/ps]: free hops times (1 + c)/(1 - c), c the mean cosine of neighbouring hops (Manning's series)."""
        cosine = -BACK + (1.0 - BACK) / (2 * self.axes - 1)
        return RATE * HOP**2 / 6.0 * (1.0 + cosine) / (1.0 - cosine) * (1.0 - self.still / self.n_ions)

    def runs(self, n_runs: int) -> Iterator[np.ndarray]:
        """Positions of one run after another [Å], ``shape=(n_frames, n_ions, 3)``."""
        rng = np.random.default_rng([2026, self.n_ions, self.n_frames, self.axes, self.still])
        at_once = max(1, AT_ONCE // (self.n_ions * self.n_frames))
        for first in range(0, n_runs, at_once):
            walkers = self._hop(rng, min(at_once, n_runs - first) * self.n_ions)
            walkers[:, np.arange(walkers.shape[1]) % self.n_ions < self.still] = 0.0
            walkers += rng.normal(0.0, RATTLE, walkers.shape)
            yield from (np.ascontiguousarray(run) for run in np.split(walkers, walkers.shape[1] // self.n_ions, axis=1))

    def _hop(self, rng: np.random.Generator, n_walkers: int) -> np.ndarray:
        ways = HOP * np.concatenate([np.eye(3)[: self.axes], -np.eye(3)[: self.axes]])
        positions, now = np.empty((self.n_frames, n_walkers, 3)), np.zeros((n_walkers, 3))
        last = rng.integers(0, len(ways), n_walkers)
        for frame in positions:
            hopping = np.flatnonzero(rng.random(n_walkers) < RATE)
            back = (last[hopping] + self.axes) % len(ways)
            onwards = (back + rng.integers(1, len(ways), len(back))) % len(ways)
            last[hopping] = np.where(rng.random(len(back)) < BACK, back, onwards)
            now[hopping] += ways[last[hopping]]
            frame[:] = now
        return positions


CASES = (
    Hoppers("32 ions, 2 ns", 32, 2000, largest_scatter=SCATTER),
    Hoppers("8 ions, 2 ns", 8, 2000),
    Hoppers("32 ions, 200 ps", 32, 200),
    Hoppers("16 ions, 500 ps", 16, 500),
    Hoppers("16 ions, 1 ns", 16, 1000),
    Hoppers("32 ions, 16 of which move, 2 ns", 32, 2000, still=16),
    Hoppers("32 ions in a plane, 2 ns", 32, 2000, axes=2),
)


def show_hops(n_trials: int) -> bool:
    """Bias, scatter and coverage where hops go back, the window found from the data. True where within limits."""
    table = Table(title=f"{n_trials} runs each of hops that go back, window from the data")
    for heading in ("", "bias", "scatter, true", "as stated", "stated / true", "true D in 95 %", ""):
        table.add_column(heading, justify="right")
    limits = (f"< {BIAS:g} %", f"≤ {SCATTER:g} %", "", "{:g}-{:g}".format(*STATED), "{:g}-{:g} %".format(*HELD))
    good = True
    for case in CASES:
        found = [tracer_diffusion(msd_of(run)).coefficient for run in case.runs(n_trials)]
        held = 100 * float(np.mean([one.low <= case.diffusion <= one.high for one in found]))
        numbers = [(one.value, one.error) for one in found if one.value is not None]
        value, error = 100 * np.array(numbers).T / case.diffusion
        bias, scatter, stated = value.mean() - 100, value.std(), np.sqrt(np.square(error).mean())
        kept = (
            abs(bias) < BIAS + 2.0 * scatter / np.sqrt(n_trials)
            and STATED[0] <= stated / scatter <= STATED[1]
            and HELD[0] <= held <= HELD[1]
            and scatter <= case.largest_scatter
        )
        good &= bool(kept)
        cells = (f"{bias:+.1f} %", f"{scatter:.2f} %", f"{stated:.2f} %", f"{stated / scatter:.2f}", f"{held:.1f} %")
        table.add_row(case.name, *cells, "" if kept else "outside")
    table.add_row("limits", *limits, "", style="dim")
    CONSOLE.print(table)
    return good


def show_kinisi(rng: np.random.Generator) -> None:
    """D and error of one walk, ours beside kinisi's."""
    if find_spec("kinisi") is None:
        CONSOLE.print("kinisi is not installed: no comparison with it")
        return
    positions = np.asarray(walk(rng, 400, 50), dtype=float)
    start = time.process_time()
    ours = tracer_diffusion(msd_of(positions)).coefficient
    own_seconds = time.process_time() - start
    start = time.process_time()
    theirs = _kinisi(positions)
    their_seconds = time.process_time() - start
    table = Table(title=f"One walk of 50 ions × 400 frames, D = {TRUE_D} Å²/ps")
    for heading in ("", "D", "σ", "s"):
        table.add_column(heading, justify="right")
    table.add_row("dopantfit", f"{ours.value:.4f}", f"{ours.error:.4f}", f"{own_seconds:.2f}")
    table.add_row("kinisi", f"{theirs[0]:.4f}", f"{theirs[1]:.4f}", f"{their_seconds:.2f}")
    CONSOLE.print(table)


def _kinisi(positions: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of kinisi's posterior of D, from the same window."""
    import scipp
    from ase import Atoms
    from kinisi.analyze import DiffusionAnalyzer

    n_frames, n_ions, _ = positions.shape
    still = np.zeros((1, 3))
    frames = [
        Atoms(f"Li{n_ions}Ti", positions=np.vstack([frame, still]), cell=np.eye(3) * 1e4, pbc=True)
        for frame in positions
    ]
    lags = np.arange(1.0, int(WINDOW[1] * n_frames))
    analysis = DiffusionAnalyzer.from_ase(
        trajectory=frames,
        specie="Li",
        time_step=1.0 * scipp.Unit("ps"),
        step_skip=1 * scipp.Unit("dimensionless"),
        dt=scipp.array(dims=["time interval"], values=lags, unit="ps"),
        progress=False,
    )
    start = WINDOW[0] * n_frames * scipp.Unit("ps")
    analysis.diffusion(start, progress=False, random_state=np.random.RandomState(1))
    samples = scipp.to_unit(analysis.D, "angstrom^2/ps").values
    return float(samples.mean()), float(samples.std())


def main() -> int:
    """Print every table; 0 when all limits are kept, or too little was done to tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames and trials; status 0 whatever they say")
    quick = parser.parse_args().quick
    rng = np.random.default_rng(1)
    fast = show_speed(rng, 2_000 if quick else 20_000)
    honest = show_coverage(50 if quick else 400)
    hopping = show_hops(40 if quick else 1000)
    show_kinisi(rng)
    if quick:
        return 0
    CONSOLE.print(f"MSD within its limits: {fast}; intervals hold as often as they say: {honest}, of hops {hopping}")
    return 0 if fast and honest and hopping else 1


if __name__ == "__main__":
    sys.exit(main())
