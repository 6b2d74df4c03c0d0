"""kinisi, an independent program, finds the same diffusion coefficient in the same trajectory.

Its estimate is the posterior of a Bayesian regression with a model covariance (McCluskey, Coles & Morgan, J. Chem.
Theory Comput. 21, 79 (2025)); it unwraps positions and removes the drift of the framework by its own code.
"""

import numpy as np
import pytest
from ase import Atoms

from dopantfit.transport import Trajectory, mean_square_displacement, tracer_diffusion
from dopantfit.transport.window import PUBLISHED

from .conftest import random_walk

N_IONS, N_FRAMES, INTERVAL = 200, 200, 0.5
LABELS = ("Li",) * N_IONS + ("Ti",) * 3
CELL = np.array([[30.0, 0.0, 0.0], [9.0, 30.0, 0.0], [0.0, -6.0, 32.0]])


def drifting_walk(rng, rattle):
    """Positions [Å] of walkers in a framework that drifts twice as far; D = variance/2 per interval = 1 Å²/ps."""
    walk = np.concatenate([random_walk(rng, N_FRAMES, N_IONS, 1.0, rattle), np.zeros((N_FRAMES, 3, 3))], axis=1)
    return walk + random_walk(rng, N_FRAMES, 1, 4.0)


def kinisi_estimate(positions):
    """Mean and standard deviation of kinisi's posterior of D [Å²/ps], from wrapped positions and the same window."""
    import scipp
    from kinisi.analyze import DiffusionAnalyzer

    frames = [Atoms(LABELS, positions=frame, cell=CELL, pbc=True) for frame in positions]
    for frame in frames:
        frame.wrap()
    first, last = (int(part * N_FRAMES) for part in PUBLISHED)
    analysis = DiffusionAnalyzer.from_ase(
        trajectory=frames,
        specie="Li",
        time_step=INTERVAL * scipp.Unit("ps"),
        step_skip=1 * scipp.Unit("dimensionless"),
        dt=scipp.array(dims=["time interval"], values=INTERVAL * np.arange(first, last + 1, 2.0), unit="ps"),
        progress=False,
    )
    start = INTERVAL * first * scipp.Unit("ps")
    analysis.diffusion(start, progress=False, random_state=np.random.RandomState(1))
    samples = scipp.to_unit(analysis.D, "angstrom^2/ps").values
    return float(samples.mean()), float(samples.std())


@pytest.mark.filterwarnings("ignore")  # what kinisi and its libraries warn of is theirs
@pytest.mark.parametrize(("seed", "rattle"), [(1, 0.0), (2, 2.0)])
def test_kinisi_finds_the_same_coefficient_and_a_like_error(seed, rattle):
    positions = drifting_walk(np.random.default_rng([55, seed]), rattle)
    trajectory = Trajectory.from_arrays(positions, LABELS, CELL, INTERVAL)
    found = tracer_diffusion(mean_square_displacement(trajectory, "Li"), PUBLISHED)
    ours, (value, error) = found.coefficient, kinisi_estimate(positions)
    # One walk for both: they differ by less than estimates from independent walks.
    assert abs(ours.value - value) < np.hypot(ours.error, error)
    # kinisi counts stretches that do not overlap as observations, which states 1.5 times our error on such walks. It
    # knows no scale factor for blocks that disagree.
    assert 0.5 < ours.error / found.scatter.scale / error < 1.0
