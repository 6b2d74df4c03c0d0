"""Where the mobile ion goes: its density in a doped crystal and the reference, and the difference around dopants."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dopantfit.statistics import TWO_SIDED_95, student_quantile
from dopantfit.study.conduction import Segments, trajectory_of
from dopantfit.study.crystals import BuiltCrystal
from dopantfit.study.files import GRIDS
from dopantfit.study.ions import MovingIon
from dopantfit.study.item import Cell
from dopantfit.study.item_schemas import DensityMapFacts, RunCounts, RunTimes
from dopantfit.study.items import Gathered, finish
from dopantfit.study.systems import System
from dopantfit.transport.density import Density, density_difference, density_of
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

Floats = NDArray[np.float64]

#: Largest distance between voxels [Å], and the width of the smoothing that makes differences readable [Å].
_SPACING, _SMOOTHING = 0.4, 0.6
#: Shells around a dopant that mobile ions are counted in [Å]: 5 Å holds the nearest Li sites of a framework cation.
_SHELLS = (0.0, 2.5, 5.0, 7.5)


class DensityMap(Model):
    """All runs of a doped crystal, and of the reference."""

    dopant: str
    mobile: str
    system: System
    crystal: TaskOutput[BuiltCrystal]
    doped: tuple[Segments, ...]
    reference: tuple[Segments, ...]


@typed_action(DensityMap, Gathered, version=4)
def mobile_density(here: Here, want: DensityMap) -> Product[Gathered]:
    """Item 5: density of the mobile ion in the crystal with most dopants, and its difference to C_ref, over all runs.

    The grids go to ``densities.npz``.
    """
    kinds = here.made(want.crystal).result.dopant_sites
    doped = [trajectory_of(here.all_made(run), want.dopant, kinds) for run in want.doped]
    reference = [trajectory_of(here.all_made(run), want.dopant, {}) for run in want.reference]
    there, before = densities(doped, reference, want.mobile)
    _write_grids(here, there, before)
    rows: list[tuple[Cell, ...]] = []
    for site, ions in kinds.items():
        places = [_places(run, MovingIon(want.dopant, site).name) for run in doped] if ions else []
        for number, ion in enumerate(ions):
            found = changes_around([one[number] for one in places], there, before)
            rows += [(site, ion, *one) for one in found]
    columns = {"site": "", "ion": "", "from": "Å", "to": "Å", "difference": "1/Å³", "error": "1/Å³"}
    facts = DensityMapFacts(
        system=want.system.name,
        dopants={site: len(ions) for site, ions in kinds.items()},
        smoothing_A=_SMOOTHING,
        runs=RunCounts(doped=len(doped), reference=len(reference)),
        runs_ps=RunTimes(doped=sum(r.duration for r in doped), reference=sum(r.duration for r in reference)),
    )
    title = f"{want.mobile} density around dopants, against the undoped crystal"
    product = finish(here, title, columns, rows, facts, name="mobile-density")
    return Product(product.result, (*product.files, GRIDS))


def _write_grids(here: Here, there: Sequence[Density], before: Sequence[Density]) -> None:
    """Write the mean densities, and the difference of the smoothed ones."""
    means = mean_density(there), mean_density(before)
    change = density_difference(*(one.smoothed(_SMOOTHING) for one in means))
    # Grids are looked at, not reckoned with: single precision halves the largest file of a summary.
    d, r, c = (grid.values.astype(np.float32) for grid in (*means, change))
    np.savez_compressed(here.folder / GRIDS, doped=d, reference=r, difference=c, cell=means[0].cell)


def densities(
    doped: Sequence[Trajectory], reference: Sequence[Trajectory], label: str
) -> tuple[list[Density], list[Density]]:
    """Density of a label in every run, all on the grid of the first."""
    first = density_of(doped[0], label, spacing=_SPACING)
    a, b, c = first.values.shape
    there = [first, *(density_of(run, label, shape=(a, b, c)) for run in doped[1:])]
    return there, [density_of(run, label, shape=(a, b, c)) for run in reference]


def mean_density(runs: Sequence[Density]) -> Density:
    """Mean of the densities of independent runs, errors in quadrature."""
    values = np.mean([one.values for one in runs], axis=0)
    error = np.sqrt(np.sum([one.error**2 for one in runs], axis=0)) / len(runs)
    return Density(runs[0].species, values, error, runs[0].cell)


def changes_around(
    places: Sequence[Floats], doped: Sequence[Density], reference: Sequence[Density]
) -> list[tuple[float, float, float, float]]:
    """Shells around one dopant: from, to [Å], mean change of the density there and its error [1/Å³].

    places: of the dopant in every doped run [Å]. The error is the larger of that of the voxels, taken as independent,
    and of the spread between runs, widened so that 1.96 of it make Student's 95 % interval.
    """
    smooth = [one.smoothed(_SMOOTHING) for one in reference]
    pairs = [[density_difference(one.smoothed(_SMOOTHING), other) for other in smooth] for one in doped]
    away = [_distances(row[0], place) for row, place in zip(pairs, places, strict=True)]
    found = []
    for low, high in pairwise(_SHELLS):
        shells = [[_in_shell(one, far, low, high) for one in row] for row, far in zip(pairs, away, strict=True)]
        values, errors = (np.array([[shell[k] for shell in row] for row in shells]) for k in (0, 1))
        own = float(np.sqrt(np.square(errors).mean() / min(values.shape)))
        found.append((low, high, float(values.mean()), max(own, _spread(values))))
    return found


def _spread(values: Floats) -> float:
    """Error of the mean of all pairs of a doped run (rows) and a reference run (columns), from the spread of both."""
    runs = [values.mean(axis=1), values.mean(axis=0)]
    freedom = sum(len(one) - 1 for one in runs)
    if not freedom:
        return 0.0
    variance = sum(float(one.var(ddof=1)) / len(one) for one in runs if len(one) > 1)
    return float(np.sqrt(variance) * student_quantile(freedom)) / TWO_SIDED_95


def _places(run: Trajectory, label: str) -> Floats:
    """Mean positions of ions [Å], in the frame of the densities (drift of the framework removed)."""
    ions = run.ions_of([label])
    drift = run.framework_drift([label])
    return np.asarray((run.at_rest(slice(0, run.n_frames), ions) - drift[:, None]).mean(axis=0))


def _distances(change: Density, place: Floats) -> Floats:
    """Distances of the middles of all voxels from a place [Å], to its nearest image."""
    shape = change.values.shape
    fractions = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"), axis=-1)
    gap = fractions - place @ np.linalg.inv(change.cell)
    return np.asarray(np.linalg.norm((gap - np.round(gap)) @ change.cell, axis=-1))


def _in_shell(change: Density, distance: Floats, low: float, high: float) -> tuple[float, float]:
    """Mean difference between two distances from a place and its error, voxels taken as independent [1/Å³]."""
    inside = (distance >= low) & (distance < high)
    error = float(np.sqrt(np.square(change.error[inside]).sum()) / inside.sum())
    return float(change.values[inside].mean()), error
