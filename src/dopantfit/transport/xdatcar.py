"""XDATCAR, the trajectory of VASP: fractions of the cell, which may change from frame to frame, and no times."""

import os
from itertools import islice
from typing import TextIO

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.transport.recording import Recording
from dopantfit.transport.trajectory import Floats
from dopantfit.workflow.compressed import open_text

_FRAME = "Direct configuration="
#: Largest number of ions of one species.
_MOST_IONS = 10_000_000


def is_xdatcar(head: str) -> bool:
    """Whether a text that begins like this is an XDATCAR."""
    return any(line.startswith(_FRAME) for line in head.splitlines()[:8])


def is_old_xdatcar(head: str) -> bool:
    """Whether a text that begins like this is an XDATCAR of VASP 4, which has neither the cell nor the species."""
    return any(line.startswith("Konfig=") for line in head.splitlines()[:8])


def read_xdatcar(path: str | os.PathLike[str]) -> Recording:
    """Read an XDATCAR, compressed or not.

    Raises ConfigError when it cannot be read, is cut short, names no species, or when configurations are missing.
    """
    positions: list[Floats] = []
    cells: list[Floats] = []
    numbers: list[int] = []
    with open_text(path) as stream:
        try:
            cell, species = _head(stream, stream.readline())
            known = species
            for line in stream:
                if line.startswith(_FRAME):
                    rows = list(islice(stream, len(species)))
                    if len(rows) < len(species) or not all(row.strip() for row in rows):
                        raise ValueError("cut short")
                    fractions = np.loadtxt(rows, ndmin=2, usecols=(0, 1, 2), comments=None)
                    numbers.append(int(line.removeprefix(_FRAME)))
                    # Damaged numbers may overflow; what is then not finite is refused with the trajectory.
                    with np.errstate(all="ignore"):
                        positions.append((fractions @ cell).astype(np.float32))
                    cells.append(cell)
                elif line.strip():
                    cell, species = _head(stream, line)
                    if species != known:
                        raise ConfigError(f"{path}: other ions after configuration {numbers[-1]}; take one run")
        except (ValueError, IndexError) as problem:
            where = f"after configuration {numbers[-1]}" if numbers else "at its head"
            reason = " ".join(str(problem).split())[:120]
            raise ConfigError(f"{path}: is damaged or was cut short {where} ({reason}); remove what follows") from None
    if not numbers:
        raise ConfigError(f"{path}: holds no configuration; the run ended before it wrote one")
    gaps = np.diff(numbers)
    if (len(gaps) and (gaps != gaps[0]).any()) or (gaps < 1).any():
        i = int(np.argmax((gaps != gaps[0]) | (gaps < 1)))
        raise ConfigError(
            f"{path}: configuration {numbers[i]} is followed by {numbers[i + 1]}: frames are missing or doubled, or it "
            "holds several runs; give each by itself, and join them"
        )
    return Recording(str(path), np.array(positions), np.array(cells), species=species, wrapped=True)


def _head(stream: TextIO, comment: str) -> tuple[Floats, tuple[str, ...]]:
    """Cell [Å], and species ion by ion, of the head whose first line was read."""
    scale = np.array(stream.readline().split(), dtype=np.float64)
    vectors = np.array([stream.readline().split() for _ in range(3)], dtype=np.float64)
    symbols, counts = stream.readline().split(), stream.readline().split()
    if scale.size not in (1, 3) or vectors.shape != (3, 3):
        raise ValueError(f"the head under {comment.strip()[:40]!r} has no scale and three vectors")
    if not symbols or symbols[0].isdigit() or len(symbols) != len(counts):
        raise ValueError("a line of species and one of their numbers are expected under the cell")
    # A negative scale is the volume of the cell.
    factor = np.cbrt(-scale / abs(np.linalg.det(vectors))) if scale.size == 1 and scale[0] < 0.0 else scale
    # VASP may put a hash of the pseudopotential behind a slash.
    names = [symbol.split("/")[0] for symbol in symbols]
    total = [(name, int(count)) for name, count in zip(names, counts, strict=True)]
    if any(count < 1 or count > _MOST_IONS for _, count in total):
        raise ValueError(f"numbers of ions {' '.join(counts)[:60]}")
    return vectors * factor, tuple(name for name, count in total for _ in range(count))
