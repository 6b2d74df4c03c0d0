"""LAMMPS inputs, readable and complete: one function per kind of run, each returning the text of a file.

Every run starts from ``system.data`` and ``potential.in`` in its own folder (see `prepare`) and first relaxes the
shells, since nothing may be compared or started with unrelaxed shells.

Molecular dynamics is a chain of legs. `start` turns the structure into the first restart file; `leg` goes on from
one restart file to the next. All legs are alike, so that a run taken up again does what an undisturbed one does.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.lammps import motion, syntax
from dopantfit.lammps.atom_types import AtomTypes
from dopantfit.lammps.data_file import Array, IonMap, data_text
from dopantfit.lammps.guard import patches, table_text
from dopantfit.lammps.include import GUARD_FILE, potential_include
from dopantfit.lammps.settings import Dynamics
from dopantfit.potential import Potential
from dopantfit.units import AMU_A2_PER_PS2
from dopantfit.workflow.folders import make_folder

DATA_FILE = "system.data"
#: The potential for any positions of the shells, and for the legs of molecular dynamics.
POTENTIAL_FILE, LEG_POTENTIAL_FILE = "potential.in", "leg-potential.in"
DUMP_FILE = "ions.dump"
#: Where a leg begins, where it ends, and what it writes.
LEG_BEGIN, LEG_END, LEG_TRAJECTORY, LEG_SITES = "begin.restart", "end.restart", "leg.dcd", "sites.dump"

#: FIRE's time step in units of sqrt(m/k) of the fastest shell: fewest evaluations on perturbed phosphates.
_FIRE_STEP = 0.75

#: FIRE's time step for all sites, in units of sqrt(m/k) of the stiffest bond: stable up to 0.9 for phosphates. Least
#: stiffness of that bond [eV/Å²]: P-O. Most iterations.
_ALL_SITES_STEP, _STIFF_BOND, _MOST_ITERATIONS = 0.65, 100.0, 4_000

#: Force left on a shell [eV/Å] before molecular dynamics starts.
_START_TOLERANCE = 1e-3
#: Shells are moved by up to this [Å] before legs with a tabulated Coulomb term, which has no value at zero distance:
#: symmetry can leave a shell on its core. Its spring gains 2e-4 eV. What is nearer than _ON_CORE [Å] sits on it.
_OFF_CORE, _ON_CORE = 2e-3, 1e-4

#: Whether this LAMMPS has the pair styles of its package OPENMP.
_THREADED = "$(is_available(pair,buck/coul/long/omp))"


def prepare(
    folder: Path,
    atoms: Atoms,
    potential: Potential,
    shells: Array | None = None,
    guard: bool = False,
    background: bool = False,
) -> IonMap:
    """Write the structure and the potential that every recipe reads into `folder`, which is made if needed.

    shells: starting positions of the shells [Å], ``shape=(n, 3)``; on their cores by default.
    guard: as in `potential_include`. background: as in `map_ions`.
    Raises ConfigError when the structure or the potential cannot be written.
    """
    make_folder(folder)
    text, ions = data_text(atoms, potential, shells, background=background)
    for name, content in {DATA_FILE: text, **potential_texts(potential, ions.types, guard)}.items():
        (folder / name).write_text(content, encoding="ascii")
    return ions


def potential_texts(potential: Potential, types: AtomTypes, guard: bool, tabulated: bool = False) -> dict[str, str]:
    """Return the files that hold a potential, by name: include files and, with `guard`, the patches they read.

    tabulated: make the include file of the legs too.
    """
    texts = {POTENTIAL_FILE: potential_include(potential, types.core, guard)}
    if tabulated:
        texts[LEG_POTENTIAL_FILE] = potential_include(potential, types.core, guard, tabulated=True)
    found = patches(potential, types.core) if guard else ()
    return {**texts, GUARD_FILE: table_text(potential, found)} if found else texts


def single_point(types: AtomTypes, kspace: str = "ewald 1e-8", force_tolerance: float = 1e-5) -> str:
    """Write an input for energy, pressure and forces with relaxed shells; ``ions.dump`` holds all sites.

    force_tolerance: largest force component left on a shell [eV/Å].
    """
    lines = [*system(types, kspace), *_relaxed_shells(types, force_tolerance), *_evaluation(types)]
    return _text(lines)


def minimise(ions: IonMap, kspace: str = "pppm 1e-6", force_tolerance: float = 1e-2, frozen: Sequence[int] = ()) -> str:
    """Shells, then all sites are brought to a minimum, the cell stays.

    force_tolerance: largest force component left on any site [eV/Å].
    frozen: indices of ions whose cores are held; their shells relax.
    The last table of the log holds energy, virial and the largest force, ``ions.dump`` the final sites with theirs.
    """
    tolerance = syntax.number(force_tolerance)
    held = ["", "# Held cores.", *motion.group("held", [i + 1 for i in frozen]), "fix hold held setforce 0.0 0.0 0.0"]
    lines = [
        *system(ions.types, kspace),
        *_relaxed_shells(ions.types, force_tolerance),
        *(held if frozen else []),
        "",
        "# Ions and shells together: conjugate gradients far down, FIRE to the tolerance, since a line search stalls",
        "# on the noise of the energy.",
        "min_style cg",
        "min_modify norm inf line forcezero",
        f"minimize 0.0 {tolerance} 10000 100000",
        *site_minimiser(ions.types),
        f"minimize 0.0 {tolerance} {_MOST_ITERATIONS} {2 * _MOST_ITERATIONS}",
        *_evaluation(ions.types),
    ]
    return _text(lines)


def site_minimiser(types: AtomTypes) -> Sequence[str]:
    """Choose the minimiser of ions and shells together: FIRE, all masses 1 u, which changes them for good.

    The time step stays below the limit of stability: ions in flat wells then gather speed.
    """
    step = _ALL_SITES_STEP * float(np.sqrt(AMU_A2_PER_PS2 / max(types.stiffest_spring, _STIFF_BOND)))
    return (
        "mass * 1.0",
        "min_style fire",
        "min_modify norm inf alpha0 0.25 tmax 1.0",
        f"timestep {syntax.number(step)}",
    )


def _evaluation(types: AtomTypes) -> list[str]:
    return [
        "",
        "# One evaluation with all forces; the pressure is the virial's, ions at rest.",
        "compute virial all pressure NULL virial",
        f"thermo_style custom step pe {_join(f'c_virial[{i}]' for i in range(1, 7))} fmax",
        "thermo_modify line one format float %.17g",
        "run 0",
        *_write_sites(types, "fx fy fz", DUMP_FILE),
    ]


def start(ions: IonMap, settings: Dynamics, moving: bool = False) -> str:
    """Write an input that makes the restart file from which the first leg of `settings` begins.

    moving: the data file already holds relaxed shells and velocities, those of another run.
    """
    lines = [
        *system(ions.types, settings.kspace, skin=settings.skin, order=settings.kspace_order),
        *motion.mobile(ions, settings),
    ]
    if moving:
        lines += ["velocity held set 0.0 0.0 0.0"] if settings.frozen else []
        lines += ["run 0"]
    else:
        lines += [*_relaxed_shells(ions.types, _START_TOLERANCE), *_off_cores(ions, settings)]
        lines += motion.velocities(ions, settings)
    return _text([*lines, "reset_timestep 0", f"write_restart {LEG_END}"])


def _off_cores(ions: IonMap, settings: Dynamics) -> list[str]:
    if not (settings.coulomb_table and ions.types.shell):
        return []
    reach = " ".join([syntax.number(_OFF_CORE)] * 3)
    return [f"displace_atoms shells random {reach} {settings.seed} units box  # no shell sits on its core"]


def off_cores(cores: Array, shells: Array, seed: int) -> Array:
    """Return shells [Å] from the end of another run, ``shape=(n, 3)``, those that sit on their cores moved off them.

    Held ones may have stayed there.
    """
    on_core = np.linalg.norm(shells - cores, axis=1) < _ON_CORE
    moved = cores + np.random.default_rng(seed).uniform(-_OFF_CORE, _OFF_CORE, cores.shape)
    return np.where(on_core[:, None], moved, shells)


def leg(ions: IonMap, settings: Dynamics, end: int, halting_energy: float = float("inf")) -> str:
    """Write an input that goes on from `LEG_BEGIN` to step `end`, or to a collapse, and writes `LEG_END`.

    halting_energy: the run is ended when the guard's energy exceeds it [eV].
    """
    lines = [
        *_again(ions.types, settings),
        *motion.mobile(ions, settings),
        *motion.temperatures(ions, settings),
        *motion.integration(ions, settings),
        *motion.watch(ions, settings, halting_energy),
        "",
        f"dump trajectory ions dcd {settings.dump_every} {LEG_TRAJECTORY}",
        "dump_modify trajectory unwrap yes",
        f"timestep {syntax.number(settings.timestep)}",
        f"run {end} upto start 0 stop {settings.steps}",
        *_write_sites(ions.types, "vx vy vz", LEG_SITES),
        f"write_restart {LEG_END}",
    ]
    return _text(lines)


def snapshots(ions: IonMap, settings: Dynamics) -> str:
    """Write an input for molecular dynamics in one piece whose configurations go to the text dump ``ions.dump``."""
    lines = [
        *system(ions.types, settings.kspace, skin=settings.skin, order=settings.kspace_order),
        *motion.mobile(ions, settings),
        *_relaxed_shells(ions.types, _START_TOLERANCE),
        *motion.velocities(ions, settings),
        "reset_timestep 0",
        *motion.integration(ions, settings),
        f"thermo {settings.thermo_every}",
        f"thermo_style custom {motion.THERMO}",
        "thermo_modify line one format float %.12g temp ion_temp press ion_press",
        f"dump ions ions custom {settings.dump_every} {DUMP_FILE} id element xu yu zu",
        f"dump_modify ions sort id format float %.17g element {_labels(ions.types)}",
        f"timestep {syntax.number(settings.timestep)}",
        f"run {settings.steps}",
    ]
    return _text(lines)


def shells_of(frame: Atoms, ions: IonMap) -> Array:
    """Return the shells [Å] of a frame read with all sites, ``shape=(n, 3)``; nan for ions without one."""
    polarised = ions.shell_ids > 0
    shells = np.full((len(frame), 3), np.nan)
    if polarised.any():
        shells[polarised] = frame.arrays["shells"][polarised]
    return shells


def system(
    types: AtomTypes, kspace: str, folder: Path | None = None, skin: float = 1.0, order: int | None = None
) -> list[str]:
    """Write the commands that every input starts with: units, structure, potential, groups.

    folder: where the two files of `prepare` are; the folder of the run by default.
    skin: of the neighbour lists [Å]. order: of the interpolation of PPPM; LAMMPS's own by default.
    """
    data, include = (f'"{folder / name}"' if folder else name for name in (DATA_FILE, POTENTIAL_FILE))
    return [*_head(), f"read_data {data}", f"include {include}", *_tail(types, kspace, skin, order)]


def _again(types: AtomTypes, settings: Dynamics) -> list[str]:
    """Write the commands that a leg starts with; the restart file holds structure, velocities and thermostat."""
    restart = [f"read_restart {LEG_BEGIN}", f"include {POTENTIAL_FILE}"]
    if settings.coulomb_table:
        restart = [
            f'if "{_THREADED}" then "package omp 1 neigh no"  # faster pair styles, on one thread',
            f"read_restart {LEG_BEGIN}",
            f'if "{_THREADED}" then "suffix omp"',
            f"include {LEG_POTENTIAL_FILE}",
            "suffix off",
        ]
    return [*_head(), *restart, *_tail(types, settings.kspace, settings.skin, settings.kspace_order)]


def _head() -> list[str]:
    return [
        "units metal",
        "atom_style full",
        "atom_modify map yes",
        "boundary p p p",
        "box tilt large",
        "comm_modify vel yes  # temp/cs needs the velocities of ghost sites",
    ]


def _tail(types: AtomTypes, kspace: str, skin: float, order: int | None = None) -> list[str]:
    lines = [
        f"kspace_style {syntax.kspace(kspace)}",
        *([] if order is None else [f"kspace_modify order {order}"]),
        f"neighbor {syntax.number(skin)} bin",
        "neigh_modify every 1 delay 0 check yes",
        "",
        f"group ions type {_join(types.core.values())}",
    ]
    if types.shell:
        lines += [
            f"group polarisable type {_join(types.polarisable_cores)}",
            f"group shells type {_join(types.shell.values())}",
        ]
    return lines


def _relaxed_shells(types: AtomTypes, force_tolerance: float) -> list[str]:
    if not types.shell:
        return []
    return [
        "",
        "# Shells first, every core frozen.",
        "fix frozen ions setforce 0.0 0.0 0.0",
        *shell_minimiser(types),
        f"minimize 0.0 {syntax.number(force_tolerance)} 10000 100000",
        "unfix frozen",
    ]


def shell_minimiser(types: AtomTypes) -> Sequence[str]:
    """Choose the minimiser of shells: FIRE, with a time step that suits the fastest of them.

    It looks at forces only. Line searches (cg, sd, hftn) stall at 1e-4 to 1e-2 eV/Å, because the energy of a
    core-shell pair is less exact than its force.
    """
    return (
        "min_style fire",
        "min_modify norm inf alpha0 0.5",
        f"timestep {syntax.number(_FIRE_STEP * types.shell_time if types.shell else 0.001)}",
    )


def _write_sites(types: AtomTypes, columns: str, file: str) -> list[str]:
    return [
        "# Cores have the ids of the ions, shells follow.",
        f"write_dump all custom {file} id element xu yu zu {columns} "
        f"modify sort id format float %.17g element {_labels(types)}",
    ]


def _labels(types: AtomTypes) -> str:
    return _join(syntax.label(label) for label, _ in types)


def _join(words: Iterable[object]) -> str:
    return " ".join(str(word) for word in words)


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
