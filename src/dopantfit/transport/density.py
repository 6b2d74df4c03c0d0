"""Where ions are: number density on a grid, its isosurface, and the difference of two densities."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.statistics import standard_errors
from dopantfit.transport.trajectory import Floats, Trajectory

#: Time blocks that the error of a density comes from.
_BLOCKS = 4
#: Voxels of a grid, about 100 bytes each.
_MOST_VOXELS = 3e7
#: Positions binned at a time.
_CHUNK = 2_000_000
#: Cells whose vectors differ by more than this, relative, are different crystals: their densities do not compare.
_COMPARABLE_CELLS = 0.05


@dataclass(frozen=True)
class Density:
    """Number density, or a difference of two, on a grid over the cell.

    species: whose it is.
    values: [Å⁻³], ``shape=(a, b, c)``; voxel (i, j, k) is centred on fractions ((i+½)/a, (j+½)/b, (k+½)/c).
    error: standard error of each voxel from time blocks [Å⁻³], same shape.
    cell: cell vectors as rows [Å], ``shape=(3, 3)``.
    """

    species: str
    values: Floats = field(repr=False)
    error: Floats = field(repr=False)
    cell: Floats

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel [Å³]."""
        return abs(float(np.linalg.det(self.cell))) / self.values.size

    def smoothed(self, width: float) -> "Density":
        """Return the density convolved with a Gaussian of standard deviation `width` [Å]; its integral stays.

        The error is smoothed as if it were common to neighbouring voxels, which makes it too large rather than
        too small. Raises ConfigError when the width is negative, or exceeds the cell: nothing would be left to see.
        """
        longest = float(np.linalg.norm(self.cell, axis=1).max())
        if not 0.0 <= width <= longest:
            raise ConfigError(
                f"density: a Gaussian of standard deviation {width:g} Å; give one from 0 to the length of the cell, "
                f"{longest:.4g} Å"
            )
        return Density(self.species, self._convolved(self.values, width), self._convolved(self.error, width), self.cell)

    def _convolved(self, values: Floats, width: float) -> Floats:
        """Convolve in reciprocal space, where a Gaussian is one in every cell, oblique ones included."""
        waves = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1.0 / n) for n in values.shape), indexing="ij"), axis=-1)
        squares = np.square(waves @ (2.0 * np.pi * np.linalg.inv(self.cell).T)).sum(axis=-1)
        return np.asarray(np.fft.ifftn(np.fft.fftn(values) * np.exp(-0.5 * width**2 * squares)).real)


@dataclass(frozen=True)
class Isosurface:
    """Triangles of equal density.

    vertices: [Å], ``shape=(n, 3)``. faces: indices into them, ``shape=(m, 3)``. level: [Å⁻³]. area: [Å²].
    """

    vertices: Floats = field(repr=False)
    faces: NDArray[np.intp] = field(repr=False)
    level: float
    area: float


def density_of(
    trajectory: Trajectory, species: str, spacing: float = 0.3, shape: tuple[int, int, int] | None = None
) -> Density:
    """Average number density of one species, drift of the framework removed; its integral is the number of ions.

    spacing: largest distance between voxels along a cell vector [Å]. shape: the grid itself, instead.
    Raises ConfigError for a grid that cannot be, or when there is no such ion.
    """
    ions = trajectory.ions_of([species])
    cell = trajectory.mean_cell
    grid = _grid(cell, spacing) if shape is None else tuple(shape)
    if len(grid) != 3 or min(grid) < 1:
        raise ConfigError(f"density: a grid of {grid} voxels; give three positive numbers")
    drift = trajectory.framework_drift([species])
    edges = np.linspace(0, trajectory.n_frames, min(_BLOCKS, trajectory.n_frames) + 1).astype(int)
    to_fractions = np.linalg.inv(cell)
    counts = np.zeros((len(edges) - 1, int(np.prod(grid))))
    for block, (first, last) in enumerate(pairwise(edges)):
        for frames in _slices(first, last, max(1, _CHUNK // len(ions))):
            fractions = (trajectory.at_rest(frames, ions) - drift[frames, None]) @ to_fractions
            counts[block] += np.bincount(_voxels(fractions, grid), minlength=counts.shape[1])
    voxel = trajectory.volume / counts.shape[1]
    blocks = (counts / (np.diff(edges)[:, None] * voxel)).reshape(-1, *grid)
    error = standard_errors(blocks)
    values = counts.sum(axis=0).reshape(grid) / (trajectory.n_frames * voxel)
    return Density(species, values, error, cell)


def density_difference(one: Density, other: Density) -> Density:
    """Return `one` minus `other`, voxel by voxel, errors in quadrature, in the mean of both cells.

    Raises ConfigError when grids differ, or cells by more than 5 %.
    """
    if one.values.shape != other.values.shape:
        raise ConfigError(
            f"density difference: grids {one.values.shape} and {other.values.shape}; make both with the same `shape`"
        )
    if np.abs(one.cell - other.cell).max() > _COMPARABLE_CELLS * np.abs(one.cell).max():
        raise ConfigError(
            "density difference: the cells differ by more than 5 %; compare runs of the same crystal and supercell"
        )
    name = one.species if one.species == other.species else f"{one.species} - {other.species}"
    return Density(name, one.values - other.values, np.hypot(one.error, other.error), 0.5 * (one.cell + other.cell))


def isosurface(density: Density, level: float) -> Isosurface:
    """Return the surface where the density is `level` [Å⁻³], by marching cubes (Lewiner et al., 2003).

    It runs once around the cell and ends where the next cell would repeat it.
    Raises ConfigError, naming the range there is, when no voxel pair brackets the level.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    low, high = float(density.values.min()), float(density.values.max())
    if not low < level < high:
        raise ConfigError(f"isosurface: level = {level!r} Å⁻³ lies outside the densities {low:.3g} to {high:.3g} Å⁻³")
    if min(density.values.shape) < 2:
        raise ConfigError(f"isosurface: a grid of {density.values.shape} has no surface; take a finer one")
    around = np.pad(density.values, ((0, 1),) * 3, mode="wrap")
    corners, faces, _, _ = marching_cubes(around, level)
    vertices = (np.asarray(corners, dtype=float) + 0.5) / density.values.shape @ density.cell
    return Isosurface(vertices, np.asarray(faces), level, float(mesh_surface_area(vertices, faces)))


def _grid(cell: Floats, spacing: float) -> tuple[int, ...]:
    if not 0.0 < spacing < float("inf"):
        raise ConfigError(f"density: spacing = {spacing!r} Å must be positive; 0.2 to 0.5 Å resolve ionic sites")
    lengths = np.linalg.norm(cell, axis=1)
    if not (np.log(lengths) - np.log(spacing)).sum() < np.log(_MOST_VOXELS):
        least = (float(np.prod(lengths)) / _MOST_VOXELS) ** (1.0 / 3.0)
        raise ConfigError(
            f"density: spacing = {spacing:g} Å makes more than {_MOST_VOXELS:.0e} voxels in this cell; "
            f"give {least:.2g} Å or more"
        )
    return tuple(max(1, ceil(length / spacing)) for length in lengths)


def _voxels(fractions: Floats, grid: tuple[int, ...]) -> NDArray[np.intp]:
    """Flat index of the voxel that each position is in."""
    wrapped = fractions.reshape(-1, 3) % 1.0
    # x % 1.0 rounds up to 1.0 just below zero.
    index = np.minimum((wrapped * grid).astype(np.intp), np.array(grid) - 1)
    return np.asarray(np.ravel_multi_index(tuple(index.T), grid))


def _slices(first: int, last: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, last)) for start in range(first, last, step)]
