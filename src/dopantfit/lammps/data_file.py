"""An ase.Atoms as a LAMMPS data file, and the way back from LAMMPS's frame to that of the atoms."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.lammps.atom_types import AtomTypes, atom_types
from dopantfit.potential import Potential

Array = NDArray[np.float64]

#: Largest net charge [e] of a cell that still counts as neutral (round-off of a few 10⁴ ions).
_NEUTRAL = 1e-8
#: Faces of the box stand back from the origin by this part of its lengths: a restart file loses sites that lie on a
#: face to within rounding, and a crystal's sites lie at simple fractions.
_MARGIN = 0.0137193


@dataclass(frozen=True)
class IonMap:
    """Where each ion of an ase.Atoms stands in a LAMMPS run, and how LAMMPS's frame is turned.

    labels: species of the ions, ``shape=(n,)``.
    types: atom types of cores and shells.
    core_ids, shell_ids: LAMMPS ids from 1, ``shape=(n,)``; shell id 0 where the ion has no shell.
    rotation: orthogonal, vectors in LAMMPS's frame = vectors of the atoms @ rotation, ``shape=(3, 3)``.
    reduction: integer matrix, LAMMPS's cell = reduction @ rotated cell of the atoms, ``shape=(3, 3)``: LAMMPS
        gets the least tilted cell of the same lattice.
    cell: cell of the run as it started, lower triangular [Å], ``shape=(3, 3)``.
    """

    labels: tuple[str, ...]
    types: AtomTypes
    core_ids: NDArray[np.int64]
    shell_ids: NDArray[np.int64]
    rotation: Array
    reduction: Array
    cell: Array

    def to_lammps(self, vectors: Array) -> Array:
        """Turn vectors (or positions) of the atoms' frame into LAMMPS's frame, ``shape=(..., 3)``."""
        return np.asarray(vectors @ self.rotation)

    def to_atoms(self, vectors: Array) -> Array:
        """Turn vectors (or positions, forces) of LAMMPS's frame into the atoms' frame, ``shape=(..., 3)``."""
        return np.asarray(vectors @ self.rotation.T)

    def tensor_to_atoms(self, tensor: Array) -> Array:
        """Turn a second-rank tensor of LAMMPS's frame into the atoms' frame, ``shape=(3, 3)``."""
        return np.asarray(self.rotation @ tensor @ self.rotation.T)

    def cell_to_atoms(self, cell: Array) -> Array:
        """Return a cell of the run (rows are vectors) as the atoms' cell [Å], ``shape=(3, 3)``."""
        return self.to_atoms(np.linalg.solve(self.reduction, cell).astype(np.float64))

    @property
    def n_sites(self) -> int:
        """Number of cores and shells."""
        return len(self.core_ids) + int(np.count_nonzero(self.shell_ids))


def species_labels(atoms: Atoms) -> tuple[str, ...]:
    """Species of each ion: ``atoms.arrays["species"]`` if there, else the chemical symbols."""
    labels = atoms.arrays.get("species")
    return tuple(str(label) for label in (atoms.get_chemical_symbols() if labels is None else labels))


def map_ions(atoms: Atoms, potential: Potential, background: bool = False) -> IonMap:
    """Give every ion of `atoms` its place in LAMMPS: core i has id i + 1, shells follow in the order of ions.

    background: whether a charged cell is taken, which LAMMPS makes neutral by a uniform background.
    Raises ConfigError for species without parameters, a cell that is not three-dimensional and periodic,
    positions that are not finite, or a net charge.
    """
    _check_geometry(atoms)
    labels = species_labels(atoms)
    types = atom_types(potential, labels)
    if not background:
        _check_neutral(labels, potential)
    has_shell = np.array([label in types.shell for label in labels], dtype=bool)
    shell_ids = np.where(has_shell, len(labels) + np.cumsum(has_shell), 0)
    prism = Prism(np.array(atoms.cell), pbc=True, reduce_cell=True)
    reduction = np.rint(np.linalg.solve(prism.lammps_tilt.T, prism.lammps_cell.T).T)
    return IonMap(
        labels=labels,
        types=types,
        core_ids=np.arange(1, len(labels) + 1, dtype=np.int64),
        shell_ids=shell_ids.astype(np.int64),
        rotation=np.asarray(prism.rot_mat),
        reduction=reduction,
        cell=np.asarray(prism.lammps_cell),
    )


def _check_geometry(atoms: Atoms) -> None:
    if len(atoms) == 0:
        raise ConfigError("the structure holds no ions; LAMMPS needs at least one")
    if not np.all(atoms.pbc):
        raise ConfigError(
            f"the structure has periodic boundaries {atoms.pbc.tolist()}; "
            "Ewald sums need all three: set atoms.pbc = True"
        )
    if not np.all(np.isfinite(atoms.cell)) or not atoms.cell.rank == 3:
        raise ConfigError(f"the cell {np.array(atoms.cell).tolist()} does not span a volume; set three cell vectors")
    _check_finite(atoms.positions, "position")


def _check_finite(positions: Any, what: str) -> None:
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if bad.size:
        raise ConfigError(
            f"{what} of ion {bad[0]} is {np.asarray(positions)[bad[0]].tolist()} "
            f"({bad.size} of {len(positions)} not finite); give finite coordinates in Å"
        )


def _check_neutral(labels: tuple[str, ...], potential: Potential) -> None:
    charge = float(sum(potential.species[label].total_charge for label in labels))
    if abs(charge) > _NEUTRAL * max(1, len(labels)):
        formal = sum(potential.species[label].formal_charge for label in labels)
        raise ConfigError(
            f"the cell carries a net charge of {charge:+.6g} e (formal charges add up to {formal:+d}) "
            f"with potential {potential.name!r}; balance the composition, an Ewald sum needs a neutral cell"
        )


def write_data(path: Path, atoms: Atoms, potential: Potential, shells: Array | None = None) -> IonMap:
    """Write `atoms` as a LAMMPS data file (``atom_style full``) and return where each ion went; see `data_text`."""
    text, ions = data_text(atoms, potential, shells)
    path.write_text(text, encoding="ascii")
    return ions


def data_text(
    atoms: Atoms,
    potential: Potential,
    shells: Array | None = None,
    velocities: tuple[Array, Array] | None = None,
    background: bool = False,
) -> tuple[str, IonMap]:
    """Return `atoms` as the text of a LAMMPS data file (``atom_style full``), and where each ion stands in it.

    shells: positions of the shells [Å] in the frame of the atoms, ``shape=(n, 3)``; rows of ions without a
        shell are not read. By default every shell sits on its core.
    velocities: of cores and of shells [Å/ps] in the frame of the atoms, ``shape=(n, 3)`` each; none by default.
    background: as in `map_ions`.
    Raises ConfigError as `map_ions`, and for shells of the wrong shape or not finite.

    Positions are written as they are, not wrapped: LAMMPS wraps them and counts images, so that unwrapped
    coordinates of a dump continue those of `atoms`. Core and shell of an ion share its molecule id.
    """
    ions = map_ions(atoms, potential, background)
    charges = {label: potential.species[label].charge for label in ions.types.core}
    cores = ions.to_lammps(np.asarray(atoms.positions, dtype=float))
    lines = [*_header(ions, atoms), "", "Atoms  # full", ""]
    for i, label in enumerate(ions.labels):
        lines.append(_site(ions.core_ids[i], i + 1, ions.types.core[label], charges[label], cores[i]))
    polarised = np.flatnonzero(ions.shell_ids)
    shell_positions = ions.to_lammps(_shell_positions(atoms, shells, polarised))
    for i in polarised.tolist():
        shell = potential.species[ions.labels[i]].shell
        if shell is not None:
            kind = ions.types.shell[ions.labels[i]]
            lines.append(_site(ions.shell_ids[i], i + 1, kind, shell.charge, shell_positions[i]))
    if velocities is not None:
        lines += _velocities(ions, polarised, *velocities)
    lines += _bonds(ions, polarised)
    return "\n".join(lines) + "\n", ions


def _velocities(ions: IonMap, polarised: NDArray[np.int64], cores: Array, shells: Array) -> Iterator[str]:
    yield from ("", "Velocities", "")
    sites = ions.to_lammps(np.concatenate([cores, shells[polarised]]))
    for number, (x, y, z) in enumerate(sites.tolist(), start=1):
        yield f"{number} {x:.17g} {y:.17g} {z:.17g}"


def _shell_positions(atoms: Atoms, shells: Array | None, polarised: NDArray[np.int64]) -> Array:
    if shells is None:
        return np.asarray(atoms.positions, dtype=float)
    shells = np.asarray(shells, dtype=float)
    if shells.shape != (len(atoms), 3):
        raise ConfigError(f"shell positions have shape {shells.shape}; expected ({len(atoms)}, 3), one row per ion")
    complete = np.array(atoms.positions, dtype=float)
    complete[polarised] = shells[polarised]
    _check_finite(complete, "shell position")
    return complete


def _header(ions: IonMap, atoms: Atoms) -> Iterator[str]:
    yield f"# {atoms.get_chemical_formula(mode='hill')}: {len(ions.labels)} ions"
    yield ""
    yield f"{ions.n_sites} atoms"
    yield f"{len(ions.types)} atom types"
    if ions.types.bond:
        yield f"{np.count_nonzero(ions.shell_ids)} bonds"
        yield f"{len(ions.types.bond)} bond types"
    yield ""
    for axis, name in enumerate("xyz"):
        length = ions.cell[axis, axis]
        yield f"{-_MARGIN * length:.17g} {(1.0 - _MARGIN) * length:.17g} {name}lo {name}hi"
    # Always triclinic: a barostat may then change the angles of any cell.
    yield f"{ions.cell[1, 0]:.17g} {ions.cell[2, 0]:.17g} {ions.cell[2, 1]:.17g} xy xz yz"


def _site(number: int, molecule: int, kind: int, charge: float, position: Array) -> str:
    x, y, z = position
    return f"{number} {molecule} {kind} {charge:.17g} {x:.17g} {y:.17g} {z:.17g}"


def _bonds(ions: IonMap, polarised: NDArray[np.int64]) -> Iterator[str]:
    if not polarised.size:
        return
    yield from ("", "Bonds", "")
    for number, i in enumerate(polarised, start=1):
        yield f"{number} {ions.types.bond[ions.labels[i]]} {ions.core_ids[i]} {ions.shell_ids[i]}"
