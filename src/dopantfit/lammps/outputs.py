"""Reading what LAMMPS wrote: thermodynamic tables of a log, frames of a dump."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import EngineError
from dopantfit.lammps.data_file import IonMap
from dopantfit.lammps.text_dump import DumpFrame, dump_frames_of
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
    with path.open(encoding="utf-8", errors="replace") as stream:
        try:
            return [_atoms(frame, ions) for frame in dump_frames_of(stream)]
        except ValueError as problem:
            raise EngineError(f"{path}: the dump is damaged or cut short ({problem}); run again") from None


def _atoms(dumped: DumpFrame, ions: IonMap | None) -> Atoms:
    labels = dumped.words("element")
    symbols = [element_of(label) for label in labels]
    positions = _finite(dumped, ("xu", "yu", "zu"))
    frame = Atoms(symbols, positions=positions, cell=dumped.cell, pbc=True, info={"step": dumped.step})
    if list(labels) != symbols:
        frame.set_array("species", np.array(labels))
    for name, axes in _VECTORS.items():
        if axes[0] in dumped.columns:
            frame.set_array(name, _finite(dumped, axes))
    return frame if ions is None else _turned_back(frame, ions)


def _finite(dumped: DumpFrame, axes: tuple[str, str, str]) -> Array:
    values = dumped.numbers(axes)
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
