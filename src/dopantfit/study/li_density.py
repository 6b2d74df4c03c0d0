"""Where Li goes: its density in a doped crystal and in the reference, and their difference around the dopants."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dopantfit.study.conduction import trajectory_of
from dopantfit.study.files import Cell, Item, write_item
from dopantfit.study.graph import action
from dopantfit.study.work import Outcome, Work
from dopantfit.transport.density import Density, density_difference, density_of
from dopantfit.transport.trajectory import Trajectory

GRIDS = "densities.npz"
Floats = NDArray[np.float64]

#: Largest distance between voxels [Å], and the width of the smoothing that makes differences readable [Å].
_SPACING, _SMOOTHING = 0.4, 0.6
#: Shells around a dopant that Li is counted in [Å]: 5 Å holds the nearest Li sites of a framework cation.
_SHELLS = (0.0, 2.5, 5.0, 7.5)


@action(version=2)
def li_density(work: Work) -> Outcome:
    """Item 5: Li density of the crystal with the most dopants, and its difference to C_ref.

    needs: doped, reference (runs), build. settings: dopant, mobile. The grids go to ``densities.npz``.
    """
    want, kinds = work.settings, work.needs["build"].result["dopant_sites"]
    doped = trajectory_of(work.needs["doped"], want["dopant"], kinds)
    reference = trajectory_of(work.needs["reference"], want["dopant"], {})
    there = density_of(doped, want["mobile"], spacing=_SPACING)
    before = density_of(reference, want["mobile"], shape=(*there.values.shape,))
    change = density_difference(there.smoothed(_SMOOTHING), before.smoothed(_SMOOTHING))
    # Grids are looked at, not reckoned with: single precision halves the largest file of a summary.
    d, r, c = (grid.values.astype(np.float32) for grid in (there, before, change))
    np.savez_compressed(work.folder / GRIDS, doped=d, reference=r, difference=c, cell=there.cell)
    rows: list[tuple[Cell, ...]] = []
    for site in kinds:
        for ion, place in zip(kinds[site], _places(doped, f"{want['dopant']} on {site}"), strict=True):
            away = _distances(change, place)
            rows += [(site, ion, low, high, *_in_shell(change, away, low, high)) for low, high in pairwise(_SHELLS)]
    columns = {"site": "", "ion": "", "from": "Å", "to": "Å", "difference": "1/Å³", "error": "1/Å³"}
    facts: dict[str, Any] = {
        "system": want["system"],
        "dopants": {site: len(ions) for site, ions in kinds.items()},
        "smoothing_A": _SMOOTHING,
        "runs_ps": {"doped": doped.duration, "reference": reference.duration},
    }
    item = Item("li-density", "Li density around dopants, against the undoped crystal", columns, rows, facts)
    return Outcome(facts, (*write_item(work.folder, item), GRIDS))


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
