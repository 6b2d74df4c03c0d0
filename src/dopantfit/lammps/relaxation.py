"""Relaxing a structure with LAMMPS: shells, then ions, then the cell.

The cell is brought to the given pressure by quasi-Newton steps on the stress of the relaxed ions. LAMMPS's own cell
relaxation looks at the energy, which jumps whenever a pair crosses the cutoff of an unshifted potential: it stalls
some kbar away from where forces and molecular dynamics have their equilibrium.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.lammps import collapse, recipes
from dopantfit.lammps.data_file import Array, IonMap
from dopantfit.lammps.guard import patches
from dopantfit.lammps.launcher import Launcher
from dopantfit.lammps.outputs import read_dump, read_thermo
from dopantfit.lammps.settings import CellFreedom, check_cell_freedom, frozen_ions
from dopantfit.potential import Potential
from dopantfit.units import EV_PER_A3_IN_BAR_LAMMPS

#: Deviation from the pressure at which a cell is relaxed [bar]: lengths are then good to 1e-4 Å in 10 Å.
_PRESSURE_TOLERANCE = 30.0
#: Largest force left where the stress counts [eV/Å]. Mobile ions sit in flat wells: in cells of 40 to 75 ions, 1e-2
#: left the stress uncertain by 300 to 1000 bar, and steps of the cell wandered about the pressure.
_STRESS_FORCE = 2e-4
#: Most steps of the cell, and the largest strain in one.
_MAX_STEPS, _LONGEST_STEP = 30, 0.03
#: Stiffness that the first step assumes, bulk and shear modulus [eV/Å³]: 100 and 50 GPa, as of phosphates and oxides.
_BULK, _SHEAR = 0.62, 0.31


@dataclass(frozen=True)
class RelaxedStructure:
    """A relaxed structure.

    atoms: ions, in the frame they came in. shells: beside their cores [Å], ``shape=(n, 3)``; nan where there is none.
    energy: [eV]. stress: xx, yy, zz, yz, xz, xy as in ASE, tension positive [eV/Å³], ``shape=(6,)``.
    largest_force: largest force component left on a free core or a shell [eV/Å].
    """

    atoms: Atoms
    shells: Array
    energy: float
    stress: Array
    largest_force: float


@dataclass(frozen=True)
class _Relaxation:
    """What does not change from one cell to the next."""

    potential: Potential
    folder: Path
    launcher: Launcher
    ranks: int
    frozen: tuple[int, ...]
    guard: bool
    allow_guarded: bool
    kspace: str
    force_tolerance: float


def relax_structure(
    atoms: Atoms,
    potential: Potential,
    folder: Path,
    *,
    cell: CellFreedom | None = None,
    pressure: float = 0.0,
    force_tolerance: float = 1e-2,
    launcher: Launcher | None = None,
    frozen: Sequence[int] = (),
    guard: bool = True,
    allow_guarded: bool = False,
    kspace: str = "pppm 1e-6",
) -> RelaxedStructure:
    """Bring a structure to a minimum of its energy, and with `cell` to equilibrium with a pressure.

    cell: how the cell may change; by default it stays. pressure: [bar], reached to within 30.
    force_tolerance: largest force component left on any site [eV/Å].
    frozen: indices of ions that are held; their shells relax, and where the cell changes they follow it.
    guard: patch pair curves that turn over at short range, so that ions that start too close are driven apart.
    allow_guarded: let pairs end inside the guarded range, outside their turn-over radius: a start for molecular
        dynamics, which has the guard too and drives them apart.
    Raises ConvergenceError when a tolerance is not reached, CollapseError when a pair is left inside the guarded
    range or a shell away from its core, ConfigError and EngineError as the launcher and the data file do.
    """
    held = frozen_ions(frozen)
    if held and held[-1] >= len(atoms):
        raise ConfigError(f"frozen names ion {held[-1]}, the structure has {len(atoms)}, counted from 0")
    launcher = launcher or Launcher()
    n_ranks = launcher.ranks_for(len(atoms))
    task = _Relaxation(potential, Path(folder), launcher, n_ranks, held, guard, allow_guarded, kspace, force_tolerance)
    if cell is None:
        return _minimum(task, atoms, None)[0]
    check_cell_freedom(cell)
    return _at_pressure(task, atoms, cell, pressure)


def _at_pressure(task: _Relaxation, atoms: Atoms, cell: CellFreedom, pressure: float) -> RelaxedStructure:
    """Root of the stress in the strains that are free, by Broyden's method."""
    task = replace(task, force_tolerance=min(task.force_tolerance, _STRESS_FORCE))
    relaxed, ions = _minimum(task, atoms, None)
    basis = _strains(cell)
    compliance = np.linalg.inv(basis @ _stiffness() @ basis.T)
    excess = basis @ _excess(relaxed, ions, pressure)
    for _ in range(_MAX_STEPS):
        if np.abs(excess).max() * EV_PER_A3_IN_BAR_LAMMPS < _PRESSURE_TOLERANCE:
            return relaxed
        step = -compliance @ excess
        step *= min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
        relaxed, ions = _minimum(task, *_strained(relaxed, ions, step @ basis))
        before, excess = excess, basis @ _excess(relaxed, ions, pressure)
        moved = compliance @ (excess - before)
        compliance = compliance + np.outer(step - moved, step @ compliance) / float(step @ moved)
    raise ConvergenceError(
        f"{task.folder}: the stress is {np.abs(excess).max() * EV_PER_A3_IN_BAR_LAMMPS:.0f} bar away from the "
        f"pressure after {_MAX_STEPS} steps of the cell, asked for {_PRESSURE_TOLERANCE:g}; relax ions first"
    )


def _strains(cell: CellFreedom) -> Array:
    """Free strains in LAMMPS's frame, unit vectors in xx, yy, zz, √2 yz, √2 xz, √2 xy, ``shape=(n, 6)``."""
    if cell == "iso":
        return np.asarray(np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]) / np.sqrt(3.0))
    free = {"z": slice(2, 3), "aniso": slice(0, 3), "tri": slice(0, 6)}[cell]
    return np.asarray(np.identity(6)[free], dtype=np.float64)


def _stiffness() -> Array:
    """An isotropic solid in the basis of `_strains` [eV/Å³], ``shape=(6, 6)``."""
    volumetric = np.zeros((6, 6))
    volumetric[:3, :3] = 1.0 / 3.0
    return np.asarray(3.0 * _BULK * volumetric + 2.0 * _SHEAR * (np.eye(6) - volumetric))


def _excess(relaxed: RelaxedStructure, ions: IonMap, pressure: float) -> Array:
    """Stress plus pressure in LAMMPS's frame and the basis of `_strains` [eV/Å³], ``shape=(6,)``."""
    tensor = relaxed.stress[np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])]
    turned = ions.rotation.T @ tensor @ ions.rotation + pressure / EV_PER_A3_IN_BAR_LAMMPS * np.eye(3)
    return np.asarray(turned[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)] * np.sqrt([1, 1, 1, 2, 2, 2]))


def _strained(relaxed: RelaxedStructure, ions: IonMap, strain: Array) -> tuple[Atoms, Array]:
    """Cell, ions and shells after a strain given in LAMMPS's frame and the basis of `_strains`."""
    plain = strain / np.sqrt([1, 1, 1, 2, 2, 2])
    tensor = plain[np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])]
    change = np.eye(3) + ions.rotation @ tensor @ ions.rotation.T
    atoms = relaxed.atoms.copy()
    atoms.set_cell(atoms.cell.array @ change, scale_atoms=True)
    # A shell goes with its core: the spring is far stiffer than the crystal.
    return atoms, atoms.positions + relaxed.shells - relaxed.atoms.positions


def _minimum(task: _Relaxation, atoms: Atoms, shells: Array | None) -> tuple[RelaxedStructure, IonMap]:
    """Relax shells and ions in the cell they are in."""
    ions = recipes.prepare(task.folder, atoms, task.potential, shells, task.guard)
    script = task.folder / "relax.in"
    text = recipes.minimise(ions, task.kspace, task.force_tolerance, task.frozen)
    script.write_text(text, encoding="ascii")
    log = task.launcher.run(script, task.ranks)
    relaxed = _read(task.folder, ions)
    _check(task, relaxed, ions, log)
    return relaxed, ions


def _read(folder: Path, ions: IonMap) -> RelaxedStructure:
    last = read_thermo(folder / "relax.log")[-1]
    frame = read_dump(folder / recipes.DUMP_FILE, ions)[-1]
    xx, yy, zz, xy, xz, yz = (-last[f"c_virial[{i}]"][-1] / EV_PER_A3_IN_BAR_LAMMPS for i in range(1, 7))
    stress = ions.tensor_to_atoms(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    atoms = Atoms(frame.get_chemical_symbols(), positions=frame.positions, cell=frame.cell, pbc=True)
    atoms.set_array("species", np.array(ions.labels))
    return RelaxedStructure(
        atoms=atoms,
        shells=recipes.shells_of(frame, ions),
        energy=float(last["PotEng"][-1]),
        stress=stress[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)],
        largest_force=float(last["Fmax"][-1]),
    )


def _check(task: _Relaxation, relaxed: RelaxedStructure, ions: IonMap, log: Path) -> None:
    refused = patches(task.potential, ions.types.core)
    if task.allow_guarded:
        refused = tuple(replace(patch, radius=patch.turn_over) for patch in refused)
    facts = (
        collapse.broken_shells(relaxed.atoms, relaxed.shells, ions.labels),
        collapse.crossed_pairs(relaxed.atoms, relaxed.shells, ions.labels, refused),
    )
    if any(facts):
        raise CollapseError(
            f"{task.folder}: the relaxed structure collapsed: {'; '.join(fact for fact in facts if fact)} "
            f"(ions counted from 0); start from larger distances; see {log}"
        )
    if not relaxed.largest_force <= task.force_tolerance:
        raise ConvergenceError(
            f"{task.folder}: a force of {relaxed.largest_force:.3g} eV/Å is left, asked for "
            f"{task.force_tolerance:.3g}; loosen the tolerance or start closer to a minimum; see {log}"
        )
