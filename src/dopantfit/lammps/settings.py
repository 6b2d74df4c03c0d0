"""Settings of a molecular dynamics run, checked when they are made."""

from dataclasses import dataclass
from typing import Any, Literal

from dopantfit.errors import ConfigError
from dopantfit.lammps import syntax

#: What is held constant: volume and temperature, pressure and temperature, or volume and energy.
Ensemble = Literal["nvt", "npt", "nve"]

#: How the cell may change: as one length, its three lengths, lengths and angles, or only along the normal of the
#: plane of its first two vectors.
CellFreedom = Literal["iso", "aniso", "tri", "z"]
CELL_FREEDOMS = ("iso", "aniso", "tri", "z")

#: A shell farther from its core than this [Å] has left the range in which the potential means anything.
LONGEST_CORE_SHELL = 0.5


@dataclass(frozen=True)
class Dynamics:
    """Settings of one molecular dynamics run.

    temperature: [K]; of the thermostat and of the initial velocities.
    duration: [ps]. seed: of the initial velocities, 1 to 2³¹ - 1.
    ensemble: ``"nvt"``, ``"npt"`` or ``"nve"``.
    temperature_end: [K], reached linearly at the end of the run; `temperature` throughout by default.
    pressure, pressure_end: [bar], the second reached linearly; `cell`: how the cell answers. Read by ``"npt"`` only.
    frozen: indices of ions that are held, from 0, with their shells. Where the cell changes, their fractional
        coordinates are held.
    guard: patch pair curves that turn over at short range (see `dopantfit.lammps.guard`).
    timestep: [ps]; at least 6.5 steps must fit into a core-shell period (see `dopantfit.lammps.shell_masses`).
    shell_mass: of every shell, as a part of the mass of its ion; the potential's own for None. Masses change no
        equilibrium average, and heavier shells allow longer steps. A run takes more where stiff springs need it, see
        `dopantfit.lammps.shell_masses`.
    shell_damping: time [ps] in which the motion of shells against their cores dies away, so that it takes up no heat of
        the ions; none for None, nor in ``"nve"``. Nothing random enters, and the momentum of every ion is kept.
    thermostat_time, barostat_time: relaxation times of the Nosé-Hoover chains [ps].
    kspace: long-range solver and its relative accuracy. kspace_order: order of its interpolation, 2 to 7.
    coulomb_table: take the screened Coulomb term from LAMMPS's table and end Buckingham terms without dispersion where
        they are below 1e-7 eV; forces change by less than PPPM's own error at 1e-4.
    skin: of the neighbour lists [Å].
    thermo_every, dump_every: output intervals [steps]; collapse is looked for every `thermo_every` steps.
    restart_every: length of a leg [steps], at the end of which the run can be taken up again; by default by the
        numbers of ions and ranks, what takes about three minutes.
    Raises ConfigError for a value that no run can have.
    """

    temperature: float
    duration: float
    seed: int
    ensemble: Ensemble = "nvt"
    temperature_end: float | None = None
    pressure: float = 1.0
    pressure_end: float | None = None
    cell: CellFreedom = "iso"
    frozen: tuple[int, ...] = ()
    guard: bool = True
    timestep: float = 0.00125
    shell_mass: float | None = 0.1
    shell_damping: float | None = 1.0
    thermostat_time: float = 0.1
    barostat_time: float = 1.0
    kspace: str = "pppm 1e-4"
    kspace_order: int = 6
    coulomb_table: bool = True
    skin: float = 0.8
    thermo_every: int = 40
    dump_every: int = 80
    restart_every: int | None = None

    def __post_init__(self) -> None:
        positive = ("temperature", "duration", "timestep", "thermostat_time", "barostat_time", "skin")
        for name in (*positive, "temperature_end", "shell_damping"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"molecular dynamics: {name} = {value} must be a positive number")
        for name in ("pressure", "pressure_end"):
            value = getattr(self, name)
            if value is not None and not abs(value) < float("inf"):
                raise ConfigError(f"molecular dynamics: {name} = {value} must be a number of bar")
        if not 0 < self.seed < 2**31:
            raise ConfigError(f"molecular dynamics: seed = {self.seed} must lie between 1 and {2**31 - 1}")
        intervals = [self.thermo_every, self.dump_every, 1 if self.restart_every is None else self.restart_every]
        if any(int(value) != value or value < 1 for value in intervals):
            raise ConfigError("molecular dynamics: output intervals are whole numbers of steps, at least 1")
        if self.shell_mass is not None and not 0 < self.shell_mass < 1:
            raise ConfigError(
                f"molecular dynamics: shell_mass = {self.shell_mass} must lie between 0 and 1, or be None"
            )
        if self.kspace_order not in range(2, 8):
            raise ConfigError(f"molecular dynamics: kspace_order = {self.kspace_order} must be a whole number, 2 to 7")
        if self.ensemble not in ("nvt", "npt", "nve"):
            raise ConfigError(f"molecular dynamics: ensemble = {self.ensemble!r} must be 'nvt', 'npt' or 'nve'")
        check_cell_freedom(self.cell)
        syntax.kspace(self.kspace)
        object.__setattr__(self, "frozen", frozen_ions(self.frozen))
        object.__setattr__(self, "seed", int(self.seed))  # may come from a numpy generator; goes into a record

    @property
    def steps(self) -> int:
        """Number of time steps, rounded to the nearest."""
        return max(1, round(self.duration / self.timestep))


#: The recipe of Stegmaier, Reuter and Scheurer (2022), where they state it, with LAMMPS's defaults.
PUBLISHED: dict[str, Any] = {
    "timestep": 0.0002,
    "shell_mass": None,
    "shell_damping": None,
    "kspace": "pppm 1e-5",
    "kspace_order": 5,
    "coulomb_table": False,
    "skin": 2.0,
    "guard": False,
}

#: A recipe with shells as light as the potential has them: that of the sets in the repository, whose plans give their
#: configurations again, and of runs before shells could be heavier.
LIGHT_SHELLS: dict[str, Any] = {
    "timestep": 0.0004,
    "shell_mass": None,
    "shell_damping": None,
    "kspace_order": 5,
    "coulomb_table": False,
}


def check_cell_freedom(cell: str) -> None:
    """Raise ConfigError unless `cell` is one of CELL_FREEDOMS."""
    if cell not in CELL_FREEDOMS:
        raise ConfigError(f"cell = {cell!r} must be one of {', '.join(map(repr, CELL_FREEDOMS))}")


def frozen_ions(indices: object) -> tuple[int, ...]:
    """Indices of held ions, sorted, each once; ConfigError unless they are whole numbers from 0."""
    try:
        found = sorted({int(index) for index in indices if int(index) == index})  # type: ignore[attr-defined]
        whole = len(found) == len({*indices})  # type: ignore[misc]
    except (TypeError, ValueError):
        found, whole = [], False
    if not whole or (found and found[0] < 0):
        raise ConfigError("frozen must be the indices of ions, whole numbers from 0")
    return tuple(found)
