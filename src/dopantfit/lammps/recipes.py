"""LAMMPS inputs, readable and complete: one function per kind of run, each returning the text of a file.

Every input reads ``system.data`` and ``potential.in`` from its own folder (see `prepare`) and first relaxes
the shells, since nothing may be compared or started with unrelaxed shells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.lammps import syntax
from dopantfit.lammps.atom_types import AtomTypes
from dopantfit.lammps.data_file import Array, IonMap, write_data
from dopantfit.lammps.include import potential_include
from dopantfit.potential import Potential

DATA_FILE = "system.data"
POTENTIAL_FILE = "potential.in"
DUMP_FILE = "ions.dump"

#: How the cell may change: as one length, its three lengths, or lengths and angles.
CellFreedom = Literal["iso", "aniso", "tri"]

#: FIRE's time step in units of sqrt(m/k) of the fastest shell: fewest evaluations on perturbed phosphates.
_FIRE_STEP = 0.75

#: Rounds of cell relaxation, sites alone after each: the line search stalls early in every one.
_CELL_ROUNDS = 4

_THERMO = "step time temp pe ke etotal econserve press vol lx ly lz xy xz yz fmax"


@dataclass(frozen=True)
class Dynamics:
    """Settings of one molecular dynamics run.

    temperature: [K]. duration: [ps]. seed: of the initial velocities, 1 to 2³¹ - 1.
    timestep: [ps]; 0.4 fs keeps the energy as well as the 0.2 fs of the published work (the core-shell period
        is 3.7 fs).
    pressure: [bar] and cell: how the cell answers to it; constant-volume runs read neither.
    thermostat_time, barostat_time: relaxation times of the Nosé-Hoover chains [ps].
    kspace: long-range solver and its relative accuracy.
    thermo_every, dump_every, restart_every: output intervals [steps]; 0 writes no restart files.
    Raises ConfigError for a value that no run can have.
    """

    temperature: float
    duration: float
    seed: int
    timestep: float = 0.0004
    pressure: float = 1.0
    cell: CellFreedom = "iso"
    thermostat_time: float = 0.1
    barostat_time: float = 1.0
    kspace: str = "pppm 1e-4"
    thermo_every: int = 100
    dump_every: int = 250
    restart_every: int = 25_000

    def __post_init__(self) -> None:
        for name in ("temperature", "duration", "timestep", "thermostat_time", "barostat_time"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ConfigError(f"molecular dynamics: {name} = {value} must be a positive number")
        if not 0 < self.seed < 2**31:
            raise ConfigError(f"molecular dynamics: seed = {self.seed} must lie between 1 and {2**31 - 1}")
        if min(self.thermo_every, self.dump_every) < 1 or self.restart_every < 0:
            raise ConfigError("molecular dynamics: output intervals are whole numbers of steps, at least 1")
        if self.cell not in ("iso", "aniso", "tri"):
            raise ConfigError(f"molecular dynamics: cell = {self.cell!r} must be 'iso', 'aniso' or 'tri'")
        syntax.kspace(self.kspace)

    @property
    def steps(self) -> int:
        """Number of time steps, rounded to the nearest."""
        return max(1, round(self.duration / self.timestep))


def prepare(folder: Path, atoms: Atoms, potential: Potential, shells: Array | None = None) -> IonMap:
    """Write the structure and the potential that every recipe reads into `folder`, which is made if needed.

    shells: starting positions of the shells [Å], ``shape=(n, 3)``; on their cores by default.
    Raises ConfigError when the structure or the potential cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ions = write_data(folder / DATA_FILE, atoms, potential, shells)
    (folder / POTENTIAL_FILE).write_text(potential_include(potential, ions.types.core), encoding="ascii")
    return ions


def single_point(types: AtomTypes, kspace: str = "ewald 1e-8", force_tolerance: float = 1e-5) -> str:
    """Write an input for energy, pressure and forces with relaxed shells; ``ions.dump`` holds all sites.

    force_tolerance: largest force component left on a shell [eV/Å].
    """
    lines = [
        *system(types, kspace),
        *_relaxed_shells(types, force_tolerance),
        "",
        "# One evaluation with all forces; the pressure is the virial's, ions at rest.",
        "compute virial all pressure NULL virial",
        f"thermo_style custom step pe {_join(f'c_virial[{i}]' for i in range(1, 7))} fmax",
        "thermo_modify line one format float %.17g",
        "run 0",
        *_write_sites(types, forces=True),
    ]
    return _text(lines)


def minimise(
    types: AtomTypes,
    cell: CellFreedom | None = None,
    kspace: str = "pppm 1e-6",
    force_tolerance: float = 1e-2,
    pressure: float = 0.0,
) -> str:
    """Shells, then all sites, then (with `cell`) sites and cell together are brought to a minimum.

    force_tolerance: largest force component left on any site [eV/Å]. LAMMPS's line search may stop before it:
        what was reached is ``Fmax`` in the last row of the log.
    pressure: [bar], for runs in which the cell relaxes. The final sites go to ``ions.dump``.
    """
    lines = [
        *system(types, kspace),
        f"thermo_style custom {_THERMO}",
        "thermo_modify line one format float %.17g",
        *_relaxed_shells(types, force_tolerance),
        "",
        "# Ions and shells together.",
        "min_style cg",
        "min_modify norm inf line forcezero",
        f"minimize 0.0 {syntax.number(force_tolerance)} 10000 100000",
    ]
    if cell is not None:
        lines += [
            "",
            "# Sites and cell; each round measures strain from the cell of the last.",
            *[line for _ in range(_CELL_ROUNDS) for line in _cell_round(cell, pressure, force_tolerance)],
        ]
    return _text([*lines, "run 0", *_write_sites(types, forces=True)])


def _cell_round(cell: CellFreedom, pressure: float, force_tolerance: float) -> Sequence[str]:
    return (
        f"fix cell all box/relax {cell} {syntax.number(pressure)} vmax 0.001",
        f"minimize 0.0 {syntax.number(force_tolerance)} 2000 20000",
        "unfix cell",
        f"minimize 0.0 {syntax.number(force_tolerance)} 10000 100000",
    )


def nvt(types: AtomTypes, settings: Dynamics) -> str:
    """Molecular dynamics at constant volume and temperature, from relaxed shells."""
    temperature = _temperature(settings)
    return _dynamics(types, settings, f"fix integrate all nvt {temperature}", "fix_modify integrate temp ion_temp")


def npt(types: AtomTypes, settings: Dynamics) -> str:
    """Molecular dynamics at constant pressure and temperature, from relaxed shells."""
    pressure = syntax.number(settings.pressure)
    barostat = f"{settings.cell} {pressure} {pressure} {syntax.number(settings.barostat_time)} flip no"
    return _dynamics(
        types,
        settings,
        f"fix integrate all npt {_temperature(settings)} {barostat}",
        "fix_modify integrate temp ion_temp press ion_press",
    )


def _temperature(settings: Dynamics) -> str:
    kelvin = syntax.number(settings.temperature)
    return f"temp {kelvin} {kelvin} {syntax.number(settings.thermostat_time)}"


def _dynamics(types: AtomTypes, settings: Dynamics, integrate: str, modify: str) -> str:
    lines = [
        *system(types, settings.kspace),
        *_relaxed_shells(types, force_tolerance=1e-3),
        "reset_timestep 0",
        "",
        "# Temperature and pressure count the motion of ions, not that of a shell against its core.",
        _ion_temperature(types),
        "compute ion_press all pressure ion_temp",
        f"velocity all create {syntax.number(settings.temperature)} {settings.seed} "
        "dist gaussian mom yes rot no bias yes temp ion_temp",
        f"velocity all scale {syntax.number(settings.temperature)} temp ion_temp  # create is 5 % off",
        integrate,
        modify,
        "",
        f"thermo {settings.thermo_every}",
        f"thermo_style custom {_THERMO}",
        "thermo_modify line one format float %.12g temp ion_temp press ion_press",
        f"dump ions ions custom {settings.dump_every} {DUMP_FILE} id element xu yu zu",
        f"dump_modify ions sort id format float %.17g element {_labels(types)}",
    ]
    if settings.restart_every:
        lines.append(f"restart {settings.restart_every} first.restart second.restart")
    lines += [
        "",
        f"timestep {syntax.number(settings.timestep)}",
        f"run {settings.steps}",
        "write_restart end.restart",
    ]
    return _text(lines)


def _ion_temperature(types: AtomTypes) -> str:
    """Write the temperature of ions: the groups hold polarisable ones only, ``all`` brings in the rest."""
    return f"compute ion_temp all {'temp/cs polarisable shells' if types.shell else 'temp'}"


def system(types: AtomTypes, kspace: str, folder: Path | None = None) -> list[str]:
    """Write the commands that every input starts with: units, structure, potential, groups.

    folder: where the two files of `prepare` are; the folder of the run by default.
    """
    data, include = (f'"{folder / name}"' if folder else name for name in (DATA_FILE, POTENTIAL_FILE))
    lines = [
        "units metal",
        "atom_style full",
        "atom_modify map yes",
        "boundary p p p",
        "box tilt large",
        "comm_modify vel yes  # temp/cs needs the velocities of ghost sites",
        f"read_data {data}",
        f"include {include}",
        f"kspace_style {syntax.kspace(kspace)}",
        "neighbor 1.0 bin",
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
        f"timestep {syntax.number(_FIRE_STEP * types.shell_time)}",
    )


def _write_sites(types: AtomTypes, forces: bool) -> list[str]:
    columns = "id element xu yu zu" + (" fx fy fz" if forces else "")
    return [
        "# Cores have the ids of the ions, shells follow.",
        f"write_dump all custom {DUMP_FILE} {columns} modify sort id format float %.17g element {_labels(types)}",
    ]


def _labels(types: AtomTypes) -> str:
    return _join(syntax.label(label) for label, _ in types)


def _join(words: Iterable[object]) -> str:
    return " ".join(str(word) for word in words)


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
