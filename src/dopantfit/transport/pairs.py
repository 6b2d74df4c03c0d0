"""Partial pair distribution functions and coordination numbers, from distances between ions and their images."""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree
from vesin import NeighborList

from dopantfit.errors import ConfigError
from dopantfit.statistics import Estimate, standard_error, standard_errors
from dopantfit.transport.labels import labels_of
from dopantfit.transport.trajectory import Floats, Trajectory

#: Time blocks that errors come from, and frames looked at by default: neighbouring frames say the same.
_BLOCKS = 4
_FRAMES = 400
#: Bins of a distribution; pairs of a frame, 24 bytes each; and pairs of all frames, 0.1 to 0.2 µs each.
_MOST_BINS, _MOST_PAIRS, _MOST_DISTANCES = 1e6, 2e7, 1e9
#: Copies of the cell that a cutoff reaches over: eight cells in every direction.
_MOST_CELLS = 5000.0
#: Of a crystal at rest: farthest distance [Å], its spacing, and the standard deviation by which each is broadened.
AT_REST, AT_REST_SPACING, AT_REST_WIDTH = 5.0, 0.01, 0.05


@dataclass(frozen=True)
class PairDistribution:
    """g(r) of species `pair[1]` around `pair[0]`.

    radii: centres of the bins [Å], ``shape=(n_bins,)``. width: of a bin [Å].
    values, error: g and its standard error from time blocks, ``shape=(n_bins,)``.
    neighbours: mean number of neighbours in each bin, by time block, ``shape=(n_blocks, n_bins)``.
    """

    pair: tuple[str, str]
    radii: Floats = field(repr=False)
    width: float
    values: Floats = field(repr=False)
    error: Floats = field(repr=False)
    neighbours: Floats = field(repr=False)

    @property
    def first_peak(self) -> float:
        """Radius of the highest point of g [Å], by the parabola through the bin and its neighbours."""
        return self._highest(self.values)

    @property
    def first_peak_error(self) -> float:
        """Standard error of `first_peak` from time blocks [Å]."""
        peaks = [self._highest(block / self.radii**2) for block in self.neighbours]
        return standard_error(peaks)

    def _highest(self, values: Floats) -> float:
        top = int(np.argmax(values))
        if not 0 < top < len(values) - 1:
            return float(self.radii[top])
        left, middle, right = values[top - 1 : top + 2]
        curvature = left - 2.0 * middle + right
        return float(self.radii[top] + 0.5 * self.width * (left - right) / (curvature if curvature else 1.0))

    @property
    def first_minimum(self) -> float:
        """Radius of the lowest g between the highest peak and 1.6 times its radius [Å]; middle of a flat one."""
        top = int(np.argmax(self.values))
        last = max(top + 2, int(np.searchsorted(self.radii, 1.6 * self.radii[top])))
        stretch = self.values[top:last]
        return float(self.radii[top:last][stretch == stretch.min()].mean())


def check_radii(cutoff: float, width: float, radius: float | None = None) -> None:
    """Refuse radii [Å] that cannot be, and more bins than anybody looks at; ConfigError says which."""
    if not 0.0 < width < cutoff < float("inf"):
        raise ConfigError(f"pair distribution: bins of {width!r} Å up to {cutoff!r} Å; give 0 < width < cutoff")
    if cutoff / width > _MOST_BINS:
        raise ConfigError(
            f"pair distribution: {cutoff / width:.3g} bins of {width:g} Å up to {cutoff:g} Å; at most {_MOST_BINS:.0e} "
            "are made: give wider bins or a shorter cutoff"
        )
    if radius is not None and not 0.0 < radius <= cutoff:
        raise ConfigError(f"coordination: radius = {radius!r} Å must lie between 0 and the cutoff, {cutoff:g} Å")


def pair_distribution(
    trajectory: Trajectory,
    pair: tuple[str, str],
    cutoff: float = 8.0,
    width: float = 0.05,
    n_frames: int = _FRAMES,
) -> PairDistribution:
    """Partial g(r), images of the cell included, so that the cutoff may exceed half the cell.

    cutoff, width: largest radius and width of a bin [Å]. n_frames: frames looked at, evenly spread over the run.
    Raises ConfigError for radii that cannot be, or when a species has no ion.
    """
    check_radii(cutoff, width)
    centres, others = (trajectory.ions_of([name]) for name in pair)
    frames = np.unique(np.linspace(0, trajectory.n_frames - 1, max(2, n_frames)).astype(int))
    _check_size(trajectory, (len(centres), len(others)), cutoff, len(frames))
    n_bins = int(np.ceil(cutoff / width))
    edges: Floats = np.linspace(0.0, width * n_bins, n_bins + 1)
    counts = np.array([_histogram(trajectory, int(frame), centres, others, edges) for frame in frames])
    neighbours = counts / len(centres)
    volumes = np.abs(np.linalg.det(trajectory.cells[frames]))
    # An ion is no neighbour of itself; a lone one sees its images only.
    ideal = max(1, len(others) - (pair[0] == pair[1])) / volumes[:, None] * (4.0 / 3.0 * np.pi * np.diff(edges**3))
    blocks = min(_BLOCKS, len(frames))
    g = np.array([part.mean(axis=0) for part in np.array_split(neighbours / ideal, blocks)])
    return PairDistribution(
        pair=(pair[0], pair[1]),
        radii=0.5 * (edges[:-1] + edges[1:]),
        width=width,
        values=(neighbours / ideal).mean(axis=0),
        error=standard_errors(g),
        neighbours=np.array([part.mean(axis=0) for part in np.array_split(neighbours, blocks)]),
    )


def radii_at_rest() -> Floats:
    """The distances r [Å] at which `pair_distributions_at_rest` are given."""
    return np.arange(1.0, AT_REST + 0.5 * AT_REST_SPACING, AT_REST_SPACING)


def pair_distributions_at_rest(atoms: Atoms) -> dict[tuple[str, str], Floats]:
    """g(r) of every pair of species (sorted labels) of a crystal at rest, at `radii_at_rest`; 1 on average far away.

    g_ab(r) = V / (N_a N_b 4πr²) Σ δ(r - r_ij) over all i of a and j ≠ i of b, each δ a Gaussian.
    """
    labels, r = np.array(labels_of(atoms)), radii_at_rest()
    cell = np.asarray(atoms.cell.array)
    finder = NeighborList(cutoff=AT_REST + 4 * AT_REST_WIDTH, full_list=False, n_threads=1)
    i, j, lengths = finder.compute(atoms.get_scaled_positions() @ cell, cell, True, "ijd")
    functions = {}
    species = sorted(set(labels.tolist()))
    for number, a in enumerate(species):
        for b in species[number:]:
            chosen = ((labels[i] == a) & (labels[j] == b)) | ((labels[i] == b) & (labels[j] == a))
            gaussians = np.exp(-0.5 * ((r[:, None] - lengths[chosen]) / AT_REST_WIDTH) ** 2)
            density = gaussians.sum(axis=1) / (AT_REST_WIDTH * np.sqrt(2.0 * np.pi))
            # A half list holds every pair once, and both ends are centres.
            ordered = 2.0 if a == b else 1.0
            norm = atoms.cell.volume / (np.sum(labels == a) * np.sum(labels == b))
            functions[a, b] = ordered * norm * density / (4.0 * np.pi * r**2)
    return functions


def coordination_number(distribution: PairDistribution, radius: float | None = None) -> Estimate:
    """Mean number of neighbours closer than `radius` [Å], the first minimum of g by default, from time blocks.

    Whole bins are counted: a radius is rounded to the nearest edge of one.
    Raises ConfigError when the radius exceeds that of the distribution.
    """
    reach = distribution.first_minimum if radius is None else radius
    if not np.isfinite(reach):
        raise ConfigError(f"coordination: radius = {reach!r} Å is no distance; give one")
    n_bins = round(reach / distribution.width)
    if not 0 < n_bins <= distribution.neighbours.shape[1]:
        largest = distribution.width * distribution.neighbours.shape[1]
        raise ConfigError(f"coordination: radius = {reach!r} Å must lie between 0 and the cutoff, {largest:g} Å")
    blocks = distribution.neighbours[:, :n_bins].sum(axis=1)
    return Estimate.symmetric(float(blocks.mean()), standard_error(blocks), least=0.0)


def _check_size(trajectory: Trajectory, ions: tuple[int, int], cutoff: float, n_frames: int) -> None:
    """Refuse a cutoff within which there are more pairs than fit into memory, or than can be counted in minutes."""
    inverse = np.linalg.norm(np.linalg.inv(trajectory.mean_cell), axis=0)
    largest = cutoff
    while np.prod(1.0 + 2.0 * largest * inverse) > _MOST_CELLS:
        largest *= 0.97
    if largest < cutoff:
        raise ConfigError(
            f"pair distribution: {cutoff:g} Å reach over more than {_MOST_CELLS:.0f} copies of the cell, which say the "
            f"same again; give a cutoff below {largest:.3g} Å"
        )
    density = ions[0] * ions[1] / trajectory.volume
    pairs = density * 4.0 / 3.0 * np.pi * cutoff**3
    most = min(_MOST_PAIRS, _MOST_DISTANCES / n_frames)
    if pairs > most:
        largest = (most / density * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
        raise ConfigError(
            f"pair distribution: {pairs:.2g} pairs a frame within {cutoff:g} Å, in {n_frames} frames, are more than "
            f"are counted ({most:.2g} a frame); give a cutoff below {largest:.3g} Å"
        )


def _histogram(
    trajectory: Trajectory,
    frame: int,
    centres: np.typing.NDArray[np.intp],
    others: np.typing.NDArray[np.intp],
    edges: Floats,
) -> Floats:
    """Neighbours of all centres in one frame, by bin."""
    cell, reach = np.array(trajectory.cells[frame]), float(edges[-1])
    to_fractions = np.linalg.inv(cell)
    first, second = (
        (np.asarray(trajectory.positions[frame, ions], dtype=float) @ to_fractions) % 1.0 for ions in (centres, others)
    )
    if np.array_equal(centres, others):
        finder = NeighborList(cutoff=reach, full_list=False, n_threads=1)
        # A half list holds every pair once, and both ends are centres.
        return 2.0 * np.histogram(finder.compute(first @ cell, cell, True, "d")[0], edges)[0]
    return np.histogram(_distances(first, second, cell, reach), edges)[0].astype(float)


def _distances(first: Floats, second: Floats, cell: Floats, reach: float) -> Floats:
    """Distances up to `reach` [Å] between ions of two kinds and their images, ``shape=(n_pairs,)``.

    first, second: fractions of either kind, within the cell, ``shape=(n_ions, 3)``. cell: rows [Å].
    Most pairs of a crystal are O-O: a neighbour list of all ions would spend its time on them.
    """
    # How far `reach` is in fractions: the inverse of the distance between faces of the cell.
    depth = reach * np.linalg.norm(np.linalg.inv(cell), axis=0)
    shifts = np.array(list(product(*(range(-n, n + 1) for n in np.ceil(depth).astype(int)))), dtype=float)
    images = (first + shifts[:, None]).reshape(-1, 3)
    near = images[((images >= -depth) & (images <= 1.0 + depth)).all(axis=1)]
    pairs = cKDTree(second @ cell).sparse_distance_matrix(cKDTree(near @ cell), reach, output_type="ndarray")
    return np.asarray(pairs["v"], dtype=float)
