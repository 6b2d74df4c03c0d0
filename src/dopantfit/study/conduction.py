"""Transport of one system out of its runs, and what the Ti of a glass looks like while it runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.boundary.profile.profiles import nearest_distances
from dopantfit.potential import Potential
from dopantfit.statistics import standard_error
from dopantfit.study.dynamics import IONS, TRAJECTORY
from dopantfit.transport.reading import read_trajectory, species_of
from dopantfit.transport.summary import summarise, write_msd
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Finished, Outcome, Work

MSD = "msd.csv"
PRODUCTION = Path("production")
#: Frames of a run that structure is averaged over; neighbouring ones say the same.
_FRAMES = 20


@action(version=2)
def transport(work: Work) -> Outcome:
    """Diffusion and conductivity of every cation; independent runs together.

    needs: run1, run2, ... and build, whose ``dopant_sites`` tells dopants on different sites apart.
    settings: temperature [K], dopant.
    """
    want, potential = work.settings, Potential.load(work.task.files["potential"])
    sites = work.needs["build"].result.get("dopant_sites", {}) if "build" in work.needs else {}
    runs = [trajectory_of(run, want["dopant"], sites) for role, run in sorted(work.needs.items()) if role != "build"]
    summary = summarise(runs, cation_charges(runs[0].species, potential), want["temperature"])
    write_msd(work.folder / MSD, summary)
    result: dict[str, Any] = {**summary.as_dict(), "runs": len(runs)}
    return Outcome(result, (MSD,))


@action(version=1)
def glass(work: Work) -> Outcome:
    """Distance of every Ti to the nearest other Ti, averaged over a run and then over the ions.

    needs: run. settings: label (of the ion). Result: distance [Å] and its standard error over ions; None without two.
    """
    label, run = work.settings["label"], trajectory_of(work.needs["run"], "", {})
    distances = mean_nearest(run, label)
    result: dict[str, Any] = {"ions": len(distances), "nearest_A": None, "nearest_error_A": None}
    if len(distances) > 1:
        error = standard_error(distances)
        result |= {"nearest_A": float(distances.mean()), "nearest_error_A": error}
    return Outcome(result)


def mean_nearest(run: Trajectory, label: str) -> NDArray[np.float64]:
    """Time average of the distance of every ion to the nearest other one of its label [Å], ``shape=(n_ions,)``."""
    ions = [i for i, species in enumerate(run.species) if species == label]
    if len(ions) < 2:
        return np.zeros(len(ions))
    frames = np.unique(np.linspace(run.n_frames // 2, run.n_frames - 1, _FRAMES).astype(int))
    found = [
        nearest_distances(
            Atoms([label] * len(ions), positions=run.positions[frame][ions], cell=run.cells[frame]), label
        )
        for frame in frames
    ]
    return np.asarray(np.mean(found, axis=0))


def trajectory_of(run: Finished, dopant: str, sites: Mapping[str, Sequence[int]]) -> Trajectory:
    """Read the trajectory of a production run; dopants on known sites get labels such as ``Mg on Ti``."""
    species = list(species_of(run.file(str(PRODUCTION / IONS))))
    for site, ions in sites.items():
        for ion in ions:
            species[ion] = f"{dopant} on {site}"
    return read_trajectory(run.file(str(PRODUCTION / TRAJECTORY)), tuple(species))


def cation_charges(species: Sequence[str], potential: Potential) -> dict[str, float]:
    """Formal charges of all cations but P, which with O is the framework that drifts [e]."""
    charges = {}
    for name in sorted(set(species)):
        ion = potential.species[name.split(" on ")[0]]
        if ion.formal_charge > 0 and name != "P":
            charges[name] = float(ion.formal_charge)
    return charges
