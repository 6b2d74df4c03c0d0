"""Text dumps of LAMMPS as recordings: positions unwrapped where the dump can tell, species, types, steps, times."""

import os

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.lammps.text_dump import DumpFrame, dump_frames_of
from dopantfit.transport.recording import Recording
from dopantfit.transport.trajectory import Floats
from dopantfit.workflow.compressed import open_text

#: Columns that positions come from, in the order of preference; the last two are those of images in the cell.
_COLUMNS = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
_IMAGES = ("ix", "iy", "iz")


def read_text_dump(path: str | os.PathLike[str]) -> Recording:
    """Read a text dump, compressed or not, with columns ``id`` and positions of any kind, into float32.

    Raises ConfigError when it cannot be read, holds no frame, is cut short, has no ids or no positions, or when the
    ions change.
    """
    frames: list[tuple[NDArray[np.float32], Floats, int, float | None]] = []
    first: DumpFrame | None = None
    wrapped = False
    with open_text(path) as stream:
        try:
            for frame in dump_frames_of(stream):
                first = first or frame
                _check_ids(frame, first)
                found, in_cell = _positions(frame)
                wrapped |= in_cell
                frames.append((found, frame.cell, frame.step, frame.time))
        except ValueError as problem:
            raise ConfigError(f"{path}: {problem}") from None
    if first is None:
        raise ConfigError(f"{path}: holds no frame; the run ended before it wrote one")
    times = [time for *_, time in frames if time is not None]
    return Recording(
        str(path),
        np.array([positions for positions, *_ in frames]),
        np.array([cell for _, cell, *_ in frames]),
        species=first.words("element") if "element" in first.columns else None,
        types=first.words("type") if "type" in first.columns else None,
        steps=np.array([step for _, _, step, _ in frames], dtype=np.float64),
        times=np.array(times, dtype=np.float64) if len(times) == len(frames) else None,
        wrapped=wrapped,
    )


def _check_ids(frame: DumpFrame, first: DumpFrame) -> None:
    ids, known = (one.ids_as_written[one.order] for one in (frame, first))
    if not np.array_equal(ids, known):
        raise ValueError(
            f"step {frame.step} holds {len(ids)} ions, step {first.step} {len(known)}, or other ids: "
            "every frame must hold the same ions; dump a static group"
        )
    doubled = ids[1:][ids[1:] == ids[:-1]]
    if len(doubled):
        raise ValueError(f"step {frame.step} holds id {doubled[0]} twice; write the dump again")


def _positions(frame: DumpFrame) -> tuple[NDArray[np.float32], bool]:
    """Positions [Å] in the order of ids, float32, and whether they are those of images in the cell."""
    names = next((names for names in _COLUMNS if all(name in frame.columns for name in names)), None)
    if names is None:
        raise ValueError(f"step {frame.step}: no positions among {', '.join(frame.columns)}; dump xu yu zu")
    in_cell = not names[0].endswith("u")
    flags = _IMAGES if in_cell and all(name in frame.columns for name in _IMAGES) else ()
    try:
        table = frame.numbers((*names, *flags))
    except ValueError as problem:
        raise ValueError(f"step {frame.step}: {problem}") from None
    # Damaged numbers may overflow; what is then not finite is refused with the trajectory.
    with np.errstate(all="ignore"):
        positions = table[:, :3]
        positions = positions @ frame.cell + frame.origin if names[0].startswith("xs") else positions * frame.length
        if flags:
            positions = positions + table[:, 3:] @ frame.cell
        return positions.astype(np.float32), in_cell and not flags
