"""Reading what LAMMPS wrote: thermodynamic tables of a log, frames of a dump."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import EngineError
from dopantfit.lammps.data_file import IonMap
from dopantfit.potential import element_of

Array = NDArray[np.float64]

#: Arrays that a frame gets beside its positions, and the columns they come from.
_VECTORS = {"forces": ("fx", "fy", "fz"), "site_velocities": ("vx", "vy", "vz")}


@dataclass(frozen=True)
class ThermoTable:
    """One table of thermodynamic output: column (``Step``, ``PotEng``, …) -> values, ``shape=(n_rows,)``."""

    columns: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        """Return the values of one column; EngineError naming the columns there are when it is missing."""
        if name not in self.columns:
            raise EngineError(f"the LAMMPS log has no column {name!r}; it has {', '.join(self.columns)}")
        return self.columns[name]


def read_thermo(log: Path) -> tuple[ThermoTable, ...]:
    """Read every thermodynamic table of a log, one per ``run`` or ``minimize``, in order.

    Raises EngineError when the log is missing, atoms were lost, or a value is not a finite number.
    """
    if not log.is_file():
        raise EngineError(f"{log}: LAMMPS wrote no log; see the screen output beside it")
    tables: list[ThermoTable] = []
    names: list[str] | None = None
    rows: list[list[float]] = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if "Lost atoms" in line:
            raise EngineError(f"{log}: LAMMPS lost atoms ({line.strip()}); shorten the time step or mend the start")
        if words[:1] == ["Step"]:
            names, rows = words, []
        elif names is not None and line.startswith("Loop time"):
            tables.append(_table(names, rows))
            names = None
        elif names is not None and len(words) == len(names) and _is_number(words[0]):
            rows.append(_finite_row(words, names, log))
    if names is not None and rows:  # the run was cut short
        tables.append(_table(names, rows))
    return tuple(tables)


def check_log(log: Path) -> None:
    """Raise EngineError when a log shows lost atoms or values that are not finite numbers."""
    read_thermo(log)


def _table(names: list[str], rows: list[list[float]]) -> ThermoTable:
    values = np.array(rows, dtype=float).reshape(-1, len(names))
    return ThermoTable({name: values[:, i] for i, name in enumerate(names)})


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _finite_row(words: list[str], names: list[str], log: Path) -> list[float]:
    row = [float(word) if _is_number(word) else float("nan") for word in words]
    for name, value in zip(names, row, strict=True):
        if not np.isfinite(value):
            raise EngineError(
                f"{log}: {name} is {value} at step {words[0]}; the run has blown up, "
                "look for ions that come too close or shorten the time step"
            )
    return row


def read_dump(path: Path, ions: IonMap | None = None) -> list[Atoms]:
    """Read a text dump: frames of ions sorted by id, unwrapped positions [Å], the step in ``info["step"]``.

    The dump needs the columns ``id element xu yu zu``; the ``element`` column holds species labels. Columns
    ``fx fy fz`` become the array ``forces`` [eV/Å], ``vx vy vz`` the array ``site_velocities`` [Å/ps].
    ions: brings the frames back to the frame of the atoms that the run started from; without it they stay
        in LAMMPS's frame. Shells, where the dump holds them, then become the array ``shells`` [Å] of their
        ions, ``shape=(n, 3)``, with ``shell_velocities``, and the force on an ion that on its core and shell
        together.
    Raises EngineError when the dump is missing, cut short, lacks a column or holds values not finite.
    """
    if not path.is_file():
        raise EngineError(f"{path}: LAMMPS wrote no such dump; see the log of the run")
    with path.open(encoding="ascii", errors="replace") as stream:
        try:
            return list(_frames(stream, ions))
        except (ValueError, IndexError, StopIteration, RuntimeError) as problem:
            raise EngineError(f"{path}: the dump is damaged or cut short ({problem}); run again") from None


def _frames(stream: TextIO, ions: IonMap | None) -> Iterator[Atoms]:
    for line in stream:
        if not line.startswith("ITEM: TIMESTEP"):
            raise ValueError(f"expected a frame, found {line.strip()[:40]!r}")
        step = int(stream.readline())
        stream.readline()
        n_sites = int(stream.readline())
        cell = _box(stream.readline().split(), [stream.readline().split() for _ in range(3)])
        names = stream.readline().split()[2:]
        lines = [stream.readline() for _ in range(n_sites)]
        if not all(line.endswith("\n") for line in lines):
            raise ValueError(f"the frame of step {step} is incomplete")
        rows = [line.split() for line in lines]
        yield _frame(step, cell, names, rows, ions)


def _box(header: list[str], bounds: list[list[str]]) -> Array:
    """Cell vectors [Å] as rows, from the bounding box that LAMMPS writes for a tilted cell."""
    values = np.array(bounds, dtype=float)
    xy, xz, yz = values[:, 2] if "xy" in header else (0.0, 0.0, 0.0)
    low = values[:, 0] - np.array([min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0])
    high = values[:, 1] - np.array([max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0])
    x, y, z = high - low
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def _frame(step: int, cell: Array, names: list[str], rows: list[list[str]], ions: IonMap | None) -> Atoms:
    column = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    order = np.argsort(np.array(column["id"] if "id" in column else _missing("id", names), dtype=int))
    labels = np.array(column.get("element") or _missing("element", names))[order]
    positions = _vectors(column, ("xu", "yu", "zu"), names)[order]
    symbols = [element_of(str(label)) for label in labels]
    frame = Atoms(symbols, positions=positions, cell=cell, pbc=True, info={"step": step})
    if list(labels) != symbols:
        frame.set_array("species", labels)
    for name, axes in _VECTORS.items():
        if axes[0] in column:
            frame.set_array(name, _vectors(column, axes, names)[order])
    return frame if ions is None else _turned_back(frame, ions)


def _missing(name: str, names: list[str]) -> list[str]:
    raise ValueError(f"no column {name!r} among {', '.join(names)}")


def _vectors(column: Mapping[str, list[str]], axes: tuple[str, str, str], names: list[str]) -> Array:
    values = np.array([column.get(axis) or _missing(axis, names) for axis in axes], dtype=float).T
    if not np.isfinite(values).all():
        raise ValueError(f"{' '.join(axes)} hold values that are not finite")
    return values


def _turned_back(frame: Atoms, ions: IonMap) -> Atoms:
    n_ions = len(ions.labels)
    if len(frame) not in (n_ions, ions.n_sites):
        raise ValueError(f"the frame holds {len(frame)} sites, the run {n_ions} ions and {ions.n_sites} sites")
    if len(frame) == ions.n_sites > n_ions:
        frame = _folded(frame, ions)
    frame.set_cell(ions.cell_to_atoms(np.array(frame.cell)), scale_atoms=False)
    frame.positions = ions.to_atoms(frame.positions)
    for name in ("forces", "shells", "site_velocities", "shell_velocities"):
        if name in frame.arrays:
            frame.arrays[name] = ions.to_atoms(frame.arrays[name])
    return frame


def _folded(frame: Atoms, ions: IonMap) -> Atoms:
    """Ions out of sites: shells become an array of their ions, their forces part of the force on the ion."""
    n_ions, polarised = len(ions.labels), np.flatnonzero(ions.shell_ids)
    folded: Atoms = frame[:n_ions]
    shells = folded.positions.copy()
    shells[polarised] = frame.positions[n_ions:]
    folded.set_array("shells", shells)
    if "site_velocities" in frame.arrays:
        velocities = np.zeros((n_ions, 3))
        velocities[polarised] = frame.arrays["site_velocities"][n_ions:]
        folded.set_array("shell_velocities", velocities)
    if "forces" in frame.arrays:
        folded.arrays["forces"][polarised] += frame.arrays["forces"][n_ions:]
    return folded
