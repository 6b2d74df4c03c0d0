"""Transport of one system out of its runs, and what the reducible ions of a glass look like while it runs."""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.boundary.profile.profiles import nearest_distances
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.statistics import standard_error
from dopantfit.study.crystals import BuiltCrystal
from dopantfit.study.dynamics import IONS, PRODUCTION, TRAJECTORY, Produced
from dopantfit.study.ions import MovingIon
from dopantfit.study.values import Number
from dopantfit.transport.reading import read_trajectory, species_of
from dopantfit.transport.summary import summarise, write_msd
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Made, Product, TaskOutput, typed_action

MSD = "msd.csv"
#: Segments of one run, the first one first.
Segments: TypeAlias = tuple[TaskOutput[Produced], ...]
#: Part of a cell that rounding to single precision moves an ion by, far from the origin.
_SAME_PLACE = 1e-4
#: Frames of a run that structure is averaged over; neighbouring ones say the same.
_FRAMES = 20


class TransportAnalysis(Model):
    """Independent runs of one structure at a temperature [K].

    centre: of the polyanions, which is no ion that could be mobile.
    crystal: whose `dopant_sites` tells dopants on different sites apart; None for a glass.
    """

    temperature: float
    dopant: str
    centre: str
    runs: tuple[Segments, ...]
    crystal: TaskOutput[BuiltCrystal] | None = None


class SpeciesTransport(Model):
    """Diffusion of one species, and its conductivity where it is mobile; see `dopantfit.transport.summary`."""

    n_ions: int
    D_cm2_per_s: Number
    D_xyz_cm2_per_s: tuple[float, float, float] | None
    msd_reached_A2: float
    msd_rattle_A2: float
    window_ps: tuple[float, float]
    error_over_brownian: float | None
    replica_scatter: float | None
    tracer_conductivity_S_per_cm: Number | None = None


class Transported(Model):
    """Diffusion and conductivity of every species of one system, of so many runs together."""

    temperature_K: float
    volume_A3: float
    species: dict[str, SpeciesTransport]
    collective_conductivity_S_per_cm: Number
    haven_ratio: Number | None
    runs: int


class GlassStructure(Model):
    """The surroundings of the ions of a label in a run."""

    label: str
    run: TaskOutput[Produced]


class NearestNeighbours(Model):
    """Mean distance of an ion to the nearest other one of its label [Å], its standard error; None without two."""

    ions: int
    nearest_A: float | None
    nearest_error_A: float | None


@typed_action(TransportAnalysis, Transported, version=5)
def transport(here: Here, want: TransportAnalysis) -> Product[Transported]:
    """Diffusion and conductivity of every cation; independent runs together."""
    potential, crystal = Potential.load(here.path("potential")), here.if_made(want.crystal)
    sites = {} if crystal is None else crystal.result.dopant_sites
    runs = [trajectory_of(here.all_made(run), want.dopant, sites) for run in want.runs]
    charges = cation_charges(runs[0].species, potential, want.centre)
    summary = summarise(runs, charges, want.temperature)
    write_msd(here.folder / MSD, summary)
    return Product(Transported.model_validate_json(json.dumps({**summary.as_dict(), "runs": len(runs)})), (MSD,))


@typed_action(GlassStructure, NearestNeighbours, version=1)
def glass_structure(here: Here, want: GlassStructure) -> Product[NearestNeighbours]:
    """Distance of every ion of a label to the nearest other one, averaged over a run and then over the ions."""
    distances = mean_nearest(trajectory_of([here.made(want.run)], "", {}), want.label)
    count, known = len(distances), len(distances) > 1
    mean, error = (float(distances.mean()), standard_error(distances)) if known else (None, None)
    return Product(NearestNeighbours(ions=count, nearest_A=mean, nearest_error_A=error))


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


def trajectory_of(segments: Sequence[Made[Produced]], dopant: str, sites: Mapping[str, Sequence[int]]) -> Trajectory:
    """Read the segments of a production run as one; dopants on known sites get labels such as ``Mg on Ti``."""
    species = list(species_of(segments[0].file(f"{PRODUCTION}/{IONS}")))
    for site, ions in sites.items():
        for ion in ions:
            species[ion] = MovingIon(dopant, site).name
    return joined([read_trajectory(one.file(f"{PRODUCTION}/{TRAJECTORY}"), tuple(species)) for one in segments])


def joined(segments: Sequence[Trajectory]) -> Trajectory:
    """Return segments, each of which begins with the last frame of the one before, as one trajectory.

    Raises ConfigError where one does not: an ion may lie whole cells away from where it was, and nowhere else.
    """
    first, *others = segments
    if not others:
        return first
    parts = [np.asarray(first.positions, dtype=np.float64)]
    for one in others:
        positions, last = np.asarray(one.positions, dtype=np.float64), parts[-1][-1]
        moved = (positions[0] - last) @ np.linalg.inv(one.cells[0])
        if np.abs(moved - np.round(moved)).max() > _SAME_PLACE or one.interval != first.interval:
            raise ConfigError(f"{one.source}: does not begin where {first.source} ended; run the study again")
        parts.append((positions - np.round(moved) @ one.cells[0])[1:])
    cells = np.concatenate([first.cells, *(one.cells[1:] for one in others)])
    return Trajectory.from_arrays(np.concatenate(parts), first.species, cells, first.interval, first.source)


def cation_charges(species: Sequence[str], potential: Potential, centre: str) -> dict[str, float]:
    """Formal charges of all cations but the centres of polyanions, which with the anions are what drifts [e]."""
    charges = {}
    for name in sorted(set(species)):
        ion = potential.species[MovingIon.named(name).label]
        if ion.formal_charge > 0 and name != centre:
            charges[name] = float(ion.formal_charge)
    return charges
