"""A trajectory as transport wants it: unwrapped positions at equal intervals, a species per ion, a cell per frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError

Floats = NDArray[np.float64]
Positions = NDArray[np.float32] | NDArray[np.float64]

#: Cells that differ by less than this, relative, are one cell: float64 numbers that went through lengths and angles.
_SAME_CELL = 1e-9
#: Part of the cell that no ion moves between frames. An ion that crosses a face of wrapped coordinates jumps by a whole
#: cell less its own step; a true hop of 3.5 Å is up to half of a hexagonal cell of 8.5 Å.
_LARGEST_JUMP = 0.75
#: Longest cell vector, and least distance between faces of a cell [Å]: a neighbour list of a thinner one has no end.
_LONGEST_CELL, _THINNEST_CELL = 1e7, 0.9
#: Longest vector of a cell in parts of its least distance between faces; neighbour lists fail far beyond it.
_MOST_STRETCHED = 300.0
#: Numbers handled at a time when a whole trajectory is passed over: 32 MB in float64.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Trajectory:
    """Unwrapped positions of ions (cores) at equal time intervals; arrays are never written to.

    positions: [Å], ``shape=(n_frames, n_ions, 3)``; float32 is enough, and may lie on disk (a memory map).
    species: label of every ion, ``len = n_ions``.
    cells: cell vectors as rows [Å], ``shape=(n_frames, 3, 3)``.
    interval: time between frames [ps].
    source: what errors call it: a file name.
    notes: what was assumed when it was read, in words.
    Raises ConfigError for shapes that do not fit, a value that is not finite, a flat cell, less than two frames, or
    an ion that jumps by most of the cell between frames, as wrapped coordinates do.
    """

    positions: Positions
    species: tuple[str, ...]
    cells: Floats
    interval: float
    source: str = "trajectory"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_shapes()
        if not 0.0 < self.interval < float("inf"):
            raise ConfigError(
                f"{self.source}: the time between frames is {self.interval!r} ps, it must be positive; "
                "give the time step"
            )
        check_cells(self.cells, self.source)
        # Damaged numbers may overflow; what is not finite is refused.
        with np.errstate(all="ignore"):
            self._check_positions()

    @classmethod
    def from_arrays(
        cls, positions: Positions, species: Sequence[str], cell: Floats, interval: float, source: str = "trajectory"
    ) -> "Trajectory":
        """Make a trajectory of arrays; `cell` may be one for all frames, ``shape=(3, 3)``, or one per frame."""
        if positions.dtype not in (np.float32, np.float64):
            positions = np.array(positions, dtype=np.float64)
        cells = np.asarray(cell, dtype=np.float64)
        if cells.ndim == 2:
            cells = np.broadcast_to(cells, (len(positions), *cells.shape))
        return cls(positions, tuple(species), cells, float(interval), source)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.positions)

    @property
    def duration(self) -> float:
        """Time from the first frame to the last [ps]."""
        return (self.n_frames - 1) * self.interval

    @cached_property
    def mean_cell(self) -> Floats:
        """Average of the cell vectors [Å], ``shape=(3, 3)``."""
        return np.asarray(self.cells.mean(axis=0))

    @property
    def volume(self) -> float:
        """Volume of the mean cell [Å³]."""
        return abs(float(np.linalg.det(self.mean_cell)))

    @cached_property
    def cell_is_fixed(self) -> bool:
        """Whether all frames have the same cell."""
        return bool(np.ptp(self.cells, axis=0).max() <= _SAME_CELL * np.abs(self.mean_cell).max())

    def ions_of(self, species: Sequence[str]) -> NDArray[np.intp]:
        """Indices of the ions of these species; ConfigError naming the species there are when one has none."""
        labels = np.array(self.species)
        for name in species:
            if name not in self.species:
                present = ", ".join(sorted(set(self.species)))
                raise ConfigError(f"{self.source}: no ion of species {name!r}; it holds {present}")
        return np.flatnonzero(np.isin(labels, list(species)))

    def at_rest(self, frames: slice, ions: NDArray[np.intp] | slice) -> Floats:
        """Positions [Å] in the mean cell, ``shape=(frames, ions, 3)``.

        Where the cell varies, fractional coordinates are carried to the mean cell: an ion that left the first cell
        would otherwise seem to move with every breath of the box. The origin of a box is not known to every format;
        its motion is common to all ions and goes with the drift.
        """
        positions = np.asarray(self.positions[frames, ions], dtype=np.float64)
        if self.cell_is_fixed:
            return positions
        carry = np.linalg.inv(self.cells[frames]) @ self.mean_cell
        return np.asarray(positions @ carry)

    def drift_of(self, ions: NDArray[np.intp]) -> Floats:
        """Displacement of the mean position of `ions` since the first frame [Å], ``shape=(n_frames, 3)``."""
        step = max(1, _CHUNK // (3 * max(1, len(ions))))
        parts = [self.at_rest(slice(first, first + step), ions).mean(axis=1) for first in range(0, self.n_frames, step)]
        centre = np.concatenate(parts)
        return np.asarray(centre - centre[0])

    def framework_drift(self, mobile: Sequence[str]) -> Floats:
        """Drift of all ions that are not `mobile`, ``shape=(n_frames, 3)`` [Å]; of all ions if none is left."""
        framework = sorted(set(self.species) - set(mobile))
        return self.drift_of(self.ions_of(framework or sorted(set(self.species))))

    def _check_shapes(self) -> None:
        shape = self.positions.shape
        if len(shape) != 3 or shape[2] != 3 or shape[1] == 0:
            raise ConfigError(f"{self.source}: positions have shape {shape}, expected (n_frames, n_ions, 3)")
        if shape[0] < 2:
            raise ConfigError(f"{self.source}: holds {shape[0]} frames; motion needs at least two")
        if len(self.species) != shape[1]:
            raise ConfigError(
                f"{self.source}: {len(self.species)} species labels for {shape[1]} ions; give one label per ion"
            )
        if self.cells.shape != (shape[0], 3, 3):
            raise ConfigError(
                f"{self.source}: cells have shape {self.cells.shape}, expected ({shape[0]}, 3, 3), one per frame"
            )

    def _check_positions(self) -> None:
        """Refuse values that are not finite and jumps of wrapped coordinates."""
        inverse = np.linalg.inv(self.cells[0]) if self.cell_is_fixed else np.linalg.inv(self.cells)
        step = max(2, _CHUNK // (3 * self.positions.shape[1]))
        for first in range(0, self.n_frames - 1, step):
            frames = slice(first, first + step + 1)
            positions = np.asarray(self.positions[frames], dtype=np.float64)
            if not np.isfinite(positions).all():
                frame = first + int(np.argmin(np.isfinite(positions).all(axis=(1, 2))))
                raise ConfigError(f"{self.source}: frame {frame} holds a position that is not finite; the run blew up")
            if self.cell_is_fixed:
                jumps = np.asarray(np.diff(positions, axis=0) @ inverse)
            else:
                jumps = np.asarray(np.diff(positions @ inverse[frames], axis=0))
            if np.abs(jumps).max() > _LARGEST_JUMP:
                self._refuse_jump(first, np.abs(jumps).max(axis=2))

    def _refuse_jump(self, first: int, jumps: Floats) -> None:
        frame, ion = np.unravel_index(int(jumps.argmax()), jumps.shape)
        raise ConfigError(
            f"{self.source}: ion {ion + 1} ({self.species[int(ion)]}) jumps by {jumps.max():.2f} of the cell between "
            f"frames {first + frame} and {first + frame + 1}: wrapped coordinates without image flags, "
            "or frames missing or too far apart; write unwrapped ones (xu yu zu, or dump_modify unwrap yes)"
        )


def check_cells(cells: Floats, source: str) -> None:
    """Refuse cells that are flat, too thin for ions, without end or not finite; ``shape=(n_frames, 3, 3)`` [Å]."""
    # A finite cell may still overflow: lengths are bounded by what float32 positions resolve.
    sound = bool(np.isfinite(cells).all() and np.abs(cells).max() < _LONGEST_CELL)
    if not (sound and np.abs(np.linalg.det(cells)).min() > 1e-6):
        raise ConfigError(f"{source}: a cell is flat, without end or not finite; write the trajectory with its box")
    thinnest = 1.0 / float(np.linalg.norm(np.linalg.inv(cells), axis=-2).max())
    if thinnest < _THINNEST_CELL:
        raise ConfigError(
            f"{source}: a cell is {thinnest:.2g} Å thin, less than any ion; are its lengths in Å? Write it with its box"
        )
    stretched = float(np.linalg.norm(cells, axis=-1).max()) / thinnest
    if stretched > _MOST_STRETCHED:
        raise ConfigError(
            f"{source}: a cell is {stretched:.2g} times as long as it is thin, at most {_MOST_STRETCHED:.0f} times is "
            "looked at; write the trajectory with its box"
        )
