"""Occupancy of the sites of a reference lattice, and jumps between them."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dopantfit.errors import ConfigError
from dopantfit.statistics import Estimate, poisson_interval, poisson_limit, standard_error, standard_errors
from dopantfit.transport.trajectory import Floats, Trajectory

_BLOCKS = 4
#: Index of "in no site".
BETWEEN = -1


@dataclass(frozen=True)
class Occupancy:
    """Which sites ions sat on.

    occupancy, error: mean number of ions on each site and its standard error from time blocks, ``shape=(n_sites,)``.
    between: fraction of the ion-time spent outside every site.
    jumps: one row per jump, (frame of arrival, ion, from site, to site), ``shape=(n_jumps, 4)``; an ion that leaves
        a site and returns has not jumped.
    jump_rate: jumps per ion and time [1/ps], with the interval of counted events.
    assignment: site of every ion in every frame, BETWEEN for none, ``shape=(n_frames, n_ions)``.
    """

    occupancy: Floats = field(repr=False)
    error: Floats = field(repr=False)
    between: float
    jumps: NDArray[np.int64] = field(repr=False)
    jump_rate: Estimate
    assignment: NDArray[np.int32] = field(repr=False)

    def mean_of(self, sites: NDArray[np.intp]) -> Estimate:
        """Mean number of ions on one of these sites; its error from time blocks, for sites are not independent."""
        parts = np.array_split(np.isin(self.assignment, sites), min(_BLOCKS, len(self.assignment)))
        blocks = np.array([part.sum() / (len(part) * len(sites)) for part in parts])
        return Estimate.symmetric(float(self.occupancy[sites].mean()), standard_error(blocks), least=0.0)


def site_occupancy(trajectory: Trajectory, species: str, sites: Floats, radius: float = 1.2) -> Occupancy:
    """Occupancy of `sites` by the ions of one species, drift of the framework since the first frame removed.

    sites: fractional coordinates in the cell of the trajectory, ``shape=(n_sites, 3)``.
    radius: of a site [Å]; less than half the distance between sites. What is outside is between sites, so that an
        ion on the ridge between two does not count as jumping to and fro.
    Raises ConfigError for sites or a radius that cannot be, spheres that overlap, or when there is no such ion.
    """
    ions = trajectory.ions_of([species])
    cell = trajectory.mean_cell
    tree, owner = _tree(np.asarray(sites, dtype=float), cell, radius)
    drift = trajectory.framework_drift([species])
    inverse = np.linalg.inv(cell)
    assignment = np.empty((trajectory.n_frames, len(ions)), dtype=np.int32)
    step = max(1, 500_000 // len(ions))
    for first in range(0, trajectory.n_frames, step):
        frames = slice(first, first + step)
        moved = trajectory.at_rest(frames, ions) - drift[frames, None]
        _, nearest = tree.query(moved @ inverse % 1.0 @ cell, distance_upper_bound=radius)
        assignment[frames] = owner[nearest]
    n_sites = len(sites)
    parts = np.array_split(assignment, min(_BLOCKS, len(assignment)))
    blocks = np.array([np.bincount(part[part >= 0], minlength=n_sites) / len(part) for part in parts])
    counts = np.bincount(assignment[assignment >= 0], minlength=n_sites)
    jumps = _jumps(assignment)
    return Occupancy(
        occupancy=counts / len(assignment),
        error=standard_errors(blocks),
        between=float((assignment == BETWEEN).mean()),
        jumps=jumps,
        jump_rate=_rate(len(jumps), len(ions) * trajectory.duration),
        assignment=assignment,
    )


def _tree(sites: Floats, cell: Floats, radius: float) -> tuple[cKDTree, NDArray[np.int32]]:
    """Search tree of the sites and their images around the cell; the owner of "nothing found" is BETWEEN."""
    if sites.ndim != 2 or sites.shape[1:] != (3,) or len(sites) == 0 or not np.isfinite(sites).all():
        raise ConfigError(f"site occupancy: sites have shape {sites.shape}, expected (n_sites, 3) fractions")
    if not 0.0 < radius < float("inf"):
        raise ConfigError(f"site occupancy: radius = {radius!r} Å must be positive")
    shifts = np.array(list(product((-1, 0, 1), repeat=3)), dtype=float)
    images = ((sites % 1.0)[None] + shifts[:, None]).reshape(-1, 3) @ cell
    tree = cKDTree(images)
    owner = np.append(np.tile(np.arange(len(sites)), len(shifts)), BETWEEN).astype(np.int32)
    nearest = float(tree.query((sites % 1.0) @ cell, k=2)[0][:, 1].min())
    if nearest < 2.0 * radius:
        raise ConfigError(
            f"site occupancy: sites are {nearest:.2f} Å apart, spheres of {radius:g} Å overlap; "
            f"take a radius below {nearest / 2:.2f} Å"
        )
    return tree, owner


def _jumps(assignment: NDArray[np.int32]) -> NDArray[np.int64]:
    """Changes of site, looking over the frames that an ion spent between sites."""
    found = []
    for ion, visits in enumerate(assignment.T):
        frames = np.flatnonzero(visits >= 0)
        held = visits[frames]
        changes = np.flatnonzero(held[1:] != held[:-1])
        found.append(np.array([frames[changes + 1], np.full(len(changes), ion), held[changes], held[changes + 1]]).T)
    jumps = np.concatenate(found).astype(np.int64)
    return jumps[np.lexsort((jumps[:, 1], jumps[:, 0]))]


def _rate(n_jumps: int, ion_time: float) -> Estimate:
    """Rate of counted events with its exact Poisson interval; none seen leaves a bound."""
    if n_jumps == 0:
        return Estimate.upper_bound(poisson_limit(0) / ion_time)
    low, high = poisson_interval(n_jumps)
    return Estimate(n_jumps / ion_time, float(np.sqrt(n_jumps)) / ion_time, low / ion_time, high / ion_time)
