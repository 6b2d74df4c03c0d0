"""Reading text dumps of LAMMPS, frame by frame, into float32."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.transport.trajectory import Floats

#: Columns that give unwrapped positions, in the order of preference; the last two need image flags.
_COLUMNS = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
_IMAGES = ("ix", "iy", "iz")


@dataclass(frozen=True)
class TextDump:
    """What a text dump holds, ions in the order of their ids.

    positions: unwrapped [Å], ``shape=(n_frames, n_ions, 3)``.
    cells: cell vectors as rows [Å], ``shape=(n_frames, 3, 3)``.
    steps: time step of every frame.
    species: labels of its ``element`` column; None where it has none.
    """

    positions: NDArray[np.float32]
    cells: Floats
    steps: tuple[int, ...]
    species: tuple[str, ...] | None


class _Frame(NamedTuple):
    step: int
    cell: Floats
    ids: NDArray[np.int64]
    positions: NDArray[np.float32]
    labels: tuple[str, ...] | None


def read_text_dump(path: str | os.PathLike[str]) -> TextDump:
    """Read a text dump with columns ``id`` and positions that are unwrapped, or come with image flags.

    Raises ConfigError when it cannot be read, holds no frame, is cut short, is wrapped without image flags, or when
    the ions change.
    """
    file = Path(path)
    frames: list[_Frame] = []
    try:
        with file.open(encoding="ascii", errors="replace") as stream:
            for frame in _frames(stream, file):
                if frames and not np.array_equal(frame.ids, frames[0].ids):
                    raise ConfigError(
                        f"{file}: step {frame.step} holds {len(frame.ids)} ions, step {frames[0].step} "
                        f"{len(frames[0].ids)}, or other ids: every frame must hold the same ions; dump a static group"
                    )
                frames.append(frame)
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read ({problem.strerror}); check the path") from None
    if not frames:
        raise ConfigError(f"{file}: holds no frame; the run ended before it wrote one")
    return TextDump(
        np.array([frame.positions for frame in frames]),
        np.array([frame.cell for frame in frames]),
        tuple(frame.step for frame in frames),
        frames[0].labels,
    )


def _frames(stream: TextIO, file: Path) -> Iterator[_Frame]:
    labels: tuple[str, ...] | None = None
    first = True
    for line in stream:
        if not line.startswith("ITEM: TIMESTEP"):
            if line.startswith(("ITEM: UNITS", "ITEM: TIME")):
                next(stream, "")
                continue
            raise ConfigError(f"{file}: expected the start of a frame, found {line.strip()[:40]!r}; is it a text dump?")
        try:
            step, cell, low, names, rows = _section(stream, file)
        except (ValueError, IndexError):
            raise ConfigError(f"{file}: is damaged or was cut short in a frame; remove its last frame") from None
        column = {name: i for i, name in enumerate(names)}
        try:
            # Damaged numbers may overflow; what is then not finite is refused with the trajectory.
            with np.errstate(all="ignore"):
                ids, wide = _columns(rows, column, cell, low)
                positions = wide.astype(np.float32)
        except ValueError as problem:
            raise ConfigError(f"{file}: step {step}: {problem}") from None
        order = np.argsort(ids, kind="stable")
        if first and "element" in column:
            words = [rows[i].split()[column["element"]] for i in order]
            labels = tuple(words)
        first = False
        yield _Frame(step, cell, ids[order], positions[order], labels)


def _section(stream: TextIO, file: Path) -> tuple[int, Floats, Floats, list[str], list[str]]:
    """Step, cell, its origin, column names and lines of the frame whose first line was read."""
    step = int(stream.readline())
    stream.readline()
    n_ions = int(stream.readline())
    header = stream.readline().split()
    if "abc" in header:
        raise ConfigError(f"{file}: holds a general cell (abc origin); dump it with triclinic/general no")
    bounds = np.array([stream.readline().split() for _ in range(3)], dtype=float)
    cell, low = _box(bounds, "xy" in header)
    names = stream.readline().split()[2:]
    rows = list(islice(stream, n_ions))
    if len(rows) < n_ions or not all(row.endswith("\n") for row in rows[-1:]):
        raise ValueError("cut short")
    return step, cell, low, names, rows


def _box(bounds: Floats, tilted: bool) -> tuple[Floats, Floats]:
    """Cell vectors as rows and origin [Å], from the bounding box that LAMMPS writes for a tilted cell."""
    xy, xz, yz = bounds[:, 2] if tilted else (0.0, 0.0, 0.0)
    low = bounds[:, 0] - np.array([min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0])
    high = bounds[:, 1] - np.array([max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0])
    x, y, z = high - low
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]]), low


def _columns(rows: list[str], column: dict[str, int], cell: Floats, low: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Ids, and unwrapped positions [Å] in the order of the lines; ValueError saying which column is missing."""
    if "id" not in column:
        raise ValueError(f"no column 'id' among {', '.join(column)}; dump it")
    found = next((names for names in _COLUMNS if all(name in column for name in names)), None)
    if found is None:
        raise ValueError(f"no positions among {', '.join(column)}; dump xu yu zu")
    wrapped = not found[0].endswith("u")
    if wrapped and not all(name in column for name in _IMAGES):
        raise ValueError(
            f"{' '.join(found)} are wrapped and there are no image flags; dump xu yu zu, or ix iy iz beside them"
        )
    wanted = ["id", *found, *(_IMAGES if wrapped else ())]
    try:
        table = np.loadtxt(rows, usecols=[column[name] for name in wanted], ndmin=2, comments=None)
    except ValueError:
        raise ValueError("a line has too few columns, or no number where one must be; write the dump again") from None
    positions = table[:, 1:4]
    if found[0].startswith("xs"):
        positions = positions @ cell + low
    if wrapped:
        positions = positions + table[:, 4:7] @ cell
    return table[:, 0].astype(np.int64), positions
