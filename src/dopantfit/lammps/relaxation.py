"""Relaxing a structure with LAMMPS: shells, then ions, then the cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.lammps import collapse, recipes
from dopantfit.lammps.data_file import Array
from dopantfit.lammps.dynamics import suitable_ranks
from dopantfit.lammps.guard import patches
from dopantfit.lammps.launcher import Launcher
from dopantfit.lammps.outputs import read_dump, read_thermo
from dopantfit.lammps.settings import CellFreedom, check_cell_freedom, frozen_ions
from dopantfit.potential import Potential
from dopantfit.units import EV_PER_A3_IN_BAR_LAMMPS


@dataclass(frozen=True)
class Relaxed:
    """A relaxed structure.

    atoms: ions, in the frame they came in. shells: beside their cores [Å], ``shape=(n, 3)``; nan where there is none.
    energy: [eV]. stress: xx, yy, zz, yz, xz, xy as in ASE, tension positive [eV/Å³], ``shape=(6,)``.
    largest_force: largest component left on an ion that is free [eV/Å].
    """

    atoms: Atoms
    shells: Array
    energy: float
    stress: Array
    largest_force: float


def relax_structure(
    atoms: Atoms,
    potential: Potential,
    folder: Path,
    *,
    cell: CellFreedom | None = None,
    pressure: float = 0.0,
    force_tolerance: float = 1e-2,
    launcher: Launcher | None = None,
    ranks: int | None = None,
    frozen: Sequence[int] = (),
    guard: bool = True,
    kspace: str = "pppm 1e-6",
) -> Relaxed:
    """Bring a structure to a minimum of its energy (of its enthalpy, with a `cell` that relaxes).

    cell: how the cell may change; by default it stays. pressure: [bar].
    force_tolerance: largest force component left on any site [eV/Å].
    frozen: indices of ions that are held; their shells relax.
    guard: patch pair curves that turn over at short range, so that ions that start too close are driven apart.
    Raises ConvergenceError when the tolerance is not reached, CollapseError when the minimum has a pair inside the
    guarded range or a shell away from its core, ConfigError and EngineError as the launcher and the data file do.
    """
    folder = Path(folder)
    held = frozen_ions(frozen)
    if held and held[-1] >= len(atoms):
        raise ConfigError(f"frozen names ion {held[-1]}, the structure has {len(atoms)}, counted from 0")
    if cell is not None:
        check_cell_freedom(cell)
    ions = recipes.prepare(folder, atoms, potential, guard=guard)
    script = folder / "relax.in"
    script.write_text(recipes.minimise(ions, cell, kspace, force_tolerance, pressure, held), encoding="ascii")
    log = (launcher or Launcher()).run(script, ranks or suitable_ranks(len(atoms)))
    last = read_thermo(log)[-1]
    frame = read_dump(folder / recipes.DUMP_FILE, ions)[-1]
    has_shell = ions.shell_ids > 0
    shells = np.full((len(frame), 3), np.nan)
    if has_shell.any():
        shells[has_shell] = frame.arrays["shells"][has_shell]
    xx, yy, zz, xy, xz, yz = (-last[f"c_virial[{i}]"][-1] / EV_PER_A3_IN_BAR_LAMMPS for i in range(1, 7))
    stress = ions.tensor_to_atoms(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    forces = frame.arrays["forces"].copy()
    forces[list(held)] = 0.0
    relaxed = Relaxed(
        atoms=_plain(frame, ions.labels),
        shells=shells,
        energy=float(last["PotEng"][-1]),
        stress=stress[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)],
        largest_force=float(np.abs(forces).max()),
    )
    found = patches(potential, ions.types.core)
    facts = (
        collapse.broken_shells(relaxed.atoms, shells, ions.labels),
        collapse.crossed_pairs(relaxed.atoms, shells, ions.labels, found),
    )
    if any(facts):
        raise CollapseError(f"{folder}: the relaxed structure collapsed: {'; '.join(f for f in facts if f)}; see {log}")
    if not last["Fmax"][-1] <= force_tolerance * (1.0 + 1e-9):
        raise ConvergenceError(
            f"{folder}: a force of {last['Fmax'][-1]:.3g} eV/Å is left, asked for {force_tolerance:.3g}; "
            f"loosen the tolerance or start closer to a minimum; see {log}"
        )
    return relaxed


def _plain(frame: Atoms, labels: Sequence[str]) -> Atoms:
    atoms = Atoms(frame.get_chemical_symbols(), positions=frame.positions, cell=frame.cell, pbc=True)
    atoms.set_array("species", np.array(labels))
    return atoms
