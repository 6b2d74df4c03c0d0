"""XYZ and extended XYZ: with and without a cell, with species or types, and the comments that programs write."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from dopantfit.errors import ConfigError
from dopantfit.transport.recording import Recording
from dopantfit.transport.trajectory import Floats
from dopantfit.workflow.compressed import open_text

#: What the comment of a frame says of its time, and how many ps that is; a bare "time" is taken for ps.
_TIMES = {"time": 1.0, "time_ps": 1.0, "time_fs": 1e-3}
_STEPS = ("timestep", "step", "md_step")
#: Comments of CP2K (time in fs) and of LAMMPS's plain XYZ.
_CP2K = re.compile(r"\s*i\s*=\s*(\d+)\s*,\s*time\s*=\s*(\S+?)\s*,")
_LAMMPS = re.compile(r"\s*Atoms\. Timestep:\s*(\d+)\s*$")
_PLAIN = ("species:S:1:pos:R:3", 0, 1)


class _XyzFrame:
    """One frame: labels, positions [Å], cell or None, and its marks by name."""

    def __init__(self, comment: str, rows: list[str]) -> None:
        known = _comment(comment)
        label, place = _columns(str(known.pop("Properties", _PLAIN[0])))
        words = [row.split() for row in rows]
        self.labels = tuple(row[label] for row in words)
        self.positions = np.array([row[place : place + 3] for row in words], dtype=np.float64)
        if self.positions.shape != (len(rows), 3):
            raise ValueError("a line has too few columns")
        lattice = known.pop("Lattice", None)
        self.cell = None if lattice is None else np.asarray(lattice, dtype=np.float64).T
        if self.cell is not None and self.cell.shape != (3, 3):
            raise ValueError("Lattice has not nine numbers")
        self.marks = {str(name).lower(): value for name, value in known.items()}


def read_xyz(path: str | os.PathLike[str]) -> Recording:
    """Read an XYZ file of any kind, compressed or not.

    Raises ConfigError when it cannot be read, is cut short, has times that are no numbers, or when the ions change.
    """
    frames: list[_XyzFrame] = []
    with open_text(path) as stream:
        for number, (comment, rows) in enumerate(_blocks(stream, path)):
            try:
                frame = _XyzFrame(comment, rows)
            except (ValueError, IndexError, KeyError, TypeError, OverflowError) as problem:
                reason = " ".join(str(problem).split())[:120]
                raise ConfigError(f"{path}: frame {number} cannot be read ({reason}); write it again") from None
            if frames and frame.labels != frames[0].labels:
                raise ConfigError(
                    f"{path}: frame {number} holds {len(frame.labels)} ions, frame 0 {len(frames[0].labels)}, or other "
                    "species: every frame must hold the same ions in the same order; write them so"
                )
            frames.append(frame)
    if not frames:
        raise ConfigError(f"{path}: holds no ions; expected at least one frame")
    labels = frames[0].labels
    typed = all(label.isdigit() for label in labels)
    with np.errstate(all="ignore"):
        positions = np.array([frame.positions for frame in frames]).astype(np.float32)
    cells = [frame.cell for frame in frames if frame.cell is not None]
    if cells and len(cells) < len(frames):
        raise ConfigError(f"{path}: some frames have a cell (Lattice) and others none; write it in every frame")
    times = _marks(frames, _TIMES, path)
    # LAMMPS writes Timestep and Time, of which the second has the unit of its run; others have no need of steps.
    steps = _marks(frames, dict.fromkeys(_STEPS if times is None else _STEPS[:1], 1.0), path)
    return Recording(
        str(path),
        positions,
        np.array(cells) if cells else None,
        species=None if typed else labels,
        types=labels if typed else None,
        steps=steps,
        times=times,
    )


def _blocks(stream: TextIO, path: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """Comment and lines of every frame."""
    number = 0
    for line in stream:
        if not line.strip():
            continue
        try:
            n_ions = int(line)
        except ValueError:
            n_ions = 0
        if not 1 <= n_ions < 2**62:
            raise ConfigError(
                f"{path}: frame {number} begins with {line.strip()[:40]!r}, expected its number of ions; is it XYZ?"
            )
        comment, rows = stream.readline(), list(islice(stream, n_ions))
        if len(rows) < n_ions:
            raise ConfigError(
                f"{path}: frame {number} holds {len(rows)} of its {n_ions} ions: the file was cut short; "
                "remove its last frame"
            )
        yield comment, rows
        number += 1


def _comment(line: str) -> dict[str, Any]:
    cp2k, lammps = _CP2K.match(line), _LAMMPS.match(line)
    if cp2k:
        return {"step": cp2k[1], "time_fs": cp2k[2]}
    if lammps:
        return {"step": lammps[1]}
    try:
        return dict(key_val_str_to_dict(line))
    except (ValueError, IndexError):
        if "Lattice" in line or "Properties" in line:
            raise
        return {}  # free text


def _columns(properties: str) -> tuple[int, int]:
    """Columns of the label and of x."""
    words, place = properties.split(":"), 0
    label = x = None
    for name, kind, width in zip(words[::3], words[1::3], words[2::3], strict=True):
        if name in ("species", "element") and kind == "S":
            label = place
        elif name in ("pos", "positions") and width == "3":
            x = place
        place += int(width)
    if label is None or x is None:
        raise ValueError(f"Properties={properties} has no species:S:1 or no pos:R:3")
    return label, x


def _marks(frames: list[_XyzFrame], names: dict[str, float], path: str | os.PathLike[str]) -> Floats | None:
    """Marks of all frames by the first name that all have, and that is not the same in all; None without one."""
    for name, unit in names.items():
        if not all(name in frame.marks for frame in frames):
            continue
        values = np.array([_number(frame.marks[name], name, i, path) * unit for i, frame in enumerate(frames)])
        # A length of a time step is the same in every frame, and no mark.
        if len(values) < 2 or np.ptp(values) > 0.0:
            return values
    return None


def _number(value: Any, name: str, frame: int, path: str | os.PathLike[str]) -> float:
    try:
        number = float("nan") if isinstance(value, bool | np.bool_) else float(value)
    except (ValueError, TypeError, OverflowError):
        number = float("nan")
    if not np.isfinite(number):
        raise ConfigError(f"{path}: frame {frame} has {name} = {str(value)[:40]!r}, expected a number; mend the file")
    return number
