"""What a trajectory file holds, before species, times and images are known; and several that are one run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.transport.trajectory import Floats, Positions

#: Root mean square distance [Å] of two frames that are one, written with few digits.
_SAME_FRAME = 0.01
#: How much farther apart two files may be than neighbouring frames within them, and how many of those are looked at.
_FARTHER, _LOOKED_AT = 2.0, 50
#: Largest deviation of marks that are one, in parts of their distance.
_SAME_MARK = 1e-3


@dataclass(frozen=True)
class Recording:
    """Frames of sites (ions, or cores and shells) in the order of their ids, as a file has them.

    source: name of the file. positions: [Å], ``shape=(n_frames, n_sites, 3)``.
    cells: vectors as rows [Å], ``shape=(n_frames, 3, 3)``; None where the file has none.
    species: a label per site; types: a type of LAMMPS per site; None where the file has none.
    steps: time step of every frame; times: [ps]; timestep: of the molecular dynamics [ps]; None likewise.
    wrapped: whether positions are those of images in the cell; None where the file does not say.
    """

    source: str
    positions: Positions
    cells: Floats | None
    species: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    steps: Floats | None = None
    times: Floats | None = None
    timestep: float | None = None
    wrapped: bool | None = None

    @property
    def marks(self) -> Floats | None:
        """Steps, or else times, of the frames; None where the file has neither."""
        return self.times if self.steps is None else self.steps

    def cut(self, n_frames: int) -> "Recording":
        """Return the first frames."""
        return replace(
            self,
            positions=self.positions[:n_frames],
            cells=None if self.cells is None else self.cells[:n_frames],
            steps=None if self.steps is None else self.steps[:n_frames],
            times=None if self.times is None else self.times[:n_frames],
        )

    def frame(self, number: int) -> tuple[Floats, Floats | None]:
        """Positions and cell of one frame, float64."""
        cell = None if self.cells is None else np.asarray(self.cells[number], dtype=np.float64)
        return np.asarray(self.positions[number], dtype=np.float64), cell


def rms_distance(one: tuple[Floats, Floats | None], other: tuple[Floats, Floats | None]) -> float:
    """Root mean square distance of the sites of two frames, nearest images [Å]."""
    difference, cell = other[0] - one[0], one[1]
    if cell is not None and abs(np.linalg.det(cell)) > 0.0:
        fractions = difference @ np.linalg.inv(cell)
        difference = (fractions - np.rint(fractions)) @ cell
    return float(np.sqrt(np.square(difference).sum(axis=1).mean()))


def same_frame(one: tuple[Floats, Floats | None], other: tuple[Floats, Floats | None]) -> bool:
    """Whether two frames are one, perhaps wrapped, perhaps written with fewer digits."""
    return one[0].shape == other[0].shape and rms_distance(one, other) < _SAME_FRAME


def is_same_run(one: Recording, other: Recording) -> bool:
    """Whether two recordings are one run, or one the beginning of the other: replicas soon differ."""
    last = min(len(one.positions), len(other.positions)) - 1
    return all(same_frame(one.frame(i), other.frame(i)) for i in {0, last // 2, last})


def goes_on(one: Recording, other: Recording) -> bool:
    """Whether `other` begins where `one` ends, by its steps or times, or with the same frame."""
    if same_frame(one.frame(-1), other.frame(0)):
        return True
    before, after = one.marks, other.marks
    if before is None or after is None or len(before) < 2 or (one.steps is None) != (other.steps is None):
        return False
    gap = before[-1] - before[-2]
    steps = (after[0] - before[-1]) / gap if gap > 0.0 else np.inf
    return bool(after[0] > before[0] and min(abs(steps), abs(steps - 1.0)) < _SAME_MARK)


def joined(parts: Sequence[Recording]) -> Recording:
    """Put the parts of one run together, in the order given; a frame that two parts hold is taken once.

    A part that begins before the last one ends, as after a restart from an earlier step, replaces its end.
    Raises ConfigError when a part holds other sites, or does not go on from the one before.
    """
    whole = parts[0]
    for part in parts[1:]:
        _check_sites(whole, part)
        kept = _kept(whole, part)
        begun = whole.cut(kept)
        _check_close(begun, part)
        whole = _after(begun, part)
    return whole


def _check_sites(whole: Recording, part: Recording) -> None:
    for name in ("species", "types"):
        if getattr(whole, name) != getattr(part, name):
            raise ConfigError(f"{part.source}: holds other {name} than {whole.source}; parts of one run hold the same")
    if whole.positions.shape[1] != part.positions.shape[1]:
        raise ConfigError(
            f"{part.source}: holds {part.positions.shape[1]} sites, {whole.source} {whole.positions.shape[1]}; "
            "parts of one run hold the same"
        )
    if (whole.cells is None) != (part.cells is None) or whole.wrapped != part.wrapped:
        raise ConfigError(
            f"{part.source}: is written in another way than {whole.source} (cell or images); write all parts alike"
        )


def _counts_on(whole: Recording, part: Recording) -> bool:
    """Whether the marks of a part go on from those before, and do not begin anew."""
    before, after = whole.marks, part.marks
    if before is None or after is None or (whole.steps is None) != (part.steps is None):
        return False
    return bool(after[0] > before[0])


def _kept(whole: Recording, part: Recording) -> int:
    """How many frames of what is there stay before a part."""
    n_frames = len(whole.positions)
    if whole.marks is not None and part.marks is not None and _counts_on(whole, part):
        gap = (part.marks[1] - part.marks[0]) if len(part.marks) > 1 else 0.0
        return int(np.count_nonzero(whole.marks < part.marks[0] - _SAME_MARK * abs(gap)))
    return n_frames - same_frame(whole.frame(-1), part.frame(0))


def _check_close(whole: Recording, part: Recording) -> None:
    """Refuse a part whose first frame is not a step away from the last before it."""
    n_frames = len(whole.positions)
    if n_frames == 0:
        raise ConfigError(f"{part.source}: begins before {whole.source}; give the parts of a run in their order")
    apart = rms_distance(whole.frame(-1), part.frame(0))
    steps = [
        rms_distance(one.frame(i), one.frame(i + 1))
        for one, first, last in (
            (whole, max(0, n_frames - _LOOKED_AT), n_frames - 1),
            (part, 0, min(_LOOKED_AT, len(part.positions) - 1)),
        )
        for i in range(first, last)
    ]
    if not steps or apart > _FARTHER * max(steps):
        raise ConfigError(
            f"{part.source}: does not go on from {whole.source}: its ions begin {apart:.2g} Å (root mean square) from "
            f"where those ended, and neighbouring frames are at most {max(steps, default=0.0):.2g} Å apart; "
            "give the parts of one run in their order"
        )


def _after(whole: Recording, part: Recording) -> Recording:
    """Put a part after what is there; marks that begin anew go on one interval later."""
    marks: dict[str, Floats | None] = {}
    for name in ("steps", "times"):
        before, after = getattr(whole, name), getattr(part, name)
        if before is None or after is None:
            marks[name] = None
            continue
        if not _counts_on(whole, part) and len(after) > 1:
            after = after - after[0] + before[-1] + (after[1] - after[0])
        marks[name] = np.concatenate([before, after])
    return replace(
        whole,
        source=f"{whole.source} + {part.source}",
        positions=np.concatenate([whole.positions, part.positions]),
        cells=None if whole.cells is None or part.cells is None else np.concatenate([whole.cells, part.cells]),
        steps=marks["steps"],
        times=marks["times"],
        timestep=whole.timestep if whole.timestep == part.timestep else None,
    )
