"""Commands of LAMMPS for ions in motion: what moves, at which temperature, in which ensemble, and what is watched."""

from collections.abc import Sequence

from dopantfit.lammps import syntax
from dopantfit.lammps.data_file import IonMap
from dopantfit.lammps.settings import LONGEST_CORE_SHELL, Dynamics
from dopantfit.units import BOLTZMANN

#: Time [ps] in which nothing is damped.
_NEVER = 1e12

THERMO = "step time temp pe ke etotal econserve press vol density lx ly lz xy xz yz fmax"


def mobile(ions: IonMap, settings: Dynamics) -> list[str]:
    """Group what is integrated: ions that are not held, each with its shell, which temp/cs takes as a pair."""
    held = [*settings.frozen]
    sites = [int(number) for number in (*ions.core_ids[held], *ions.shell_ids[held]) if number]
    lines = ["", *group("held", sites), "group mobile subtract all held"] if held else ["", "group mobile union all"]
    if ions.types.shell:
        lines += [
            "group mobile_cores intersect polarisable mobile",
            "group mobile_shells intersect shells mobile",
        ]
    return lines


def velocities(ions: IonMap, settings: Dynamics) -> list[str]:
    """Draw the velocities of what moves, at the temperature of the start."""
    kelvin = syntax.number(settings.temperature)
    return [
        *temperatures(ions, settings),
        f"velocity mobile create {kelvin} {settings.seed} dist gaussian mom yes rot no bias yes temp ion_temp",
        f"velocity mobile scale {kelvin} temp ion_temp  # create is 5 % off",
    ]


def temperatures(ions: IonMap, settings: Dynamics) -> list[str]:
    """Define the temperature and the pressure of ions."""
    paired = _mobile_pairs(ions, settings)
    style = "temp/cs mobile_cores mobile_shells" if paired else "temp"
    lines = [
        "",
        "# Temperature and pressure count the motion of ions, not that of a shell against its core.",
        f"compute ion_temp mobile {style}",
        "compute ion_press all pressure ion_temp",
    ]
    if settings.frozen:
        lines.append("compute_modify ion_temp extra/dof 0  # held ions take up momentum")
    if paired:
        internal = syntax.number(2.0 / (3.0 * paired * BOLTZMANN))
        lines += [
            "compute site_energy all ke",
            f"variable shell_temp equal {internal}*(c_site_energy-ke)  # of shells against their cores",
        ]
    return lines


def _mobile_pairs(ions: IonMap, settings: Dynamics) -> int:
    has_shell = ions.shell_ids > 0
    has_shell[[*settings.frozen]] = False
    return int(has_shell.sum())


def integration(ions: IonMap, settings: Dynamics) -> list[str]:
    """Integrate what moves, in the ensemble of the settings."""
    if settings.ensemble == "nve":
        return ["fix integrate mobile nve"]
    return [*_ensemble(settings), *_damped_shells(ions, settings)]


def _ensemble(settings: Dynamics) -> list[str]:
    thermostat = f"temp {_ramp(settings.temperature, settings.temperature_end)} {settings.thermostat_time!r}"
    if settings.ensemble == "nvt":
        return [f"fix integrate mobile nvt {thermostat}", "fix_modify integrate temp ion_temp"]
    barostat = f"{settings.cell} {_ramp(settings.pressure, settings.pressure_end)} {settings.barostat_time!r} flip no"
    return [
        f"fix integrate mobile npt {thermostat} {barostat}",
        "fix_modify integrate temp ion_temp press ion_press",
    ]


def _damped_shells(ions: IonMap, settings: Dynamics) -> list[str]:
    """Take the heat out of the motion of shells against their cores, by friction alone: a bath at zero temperature."""
    if settings.shell_damping is None or not _mobile_pairs(ions, settings):
        return []
    parts = ["C" if label in ions.types.shell else "N" for label in ions.types.core] + ["D" for _ in ions.types.shell]
    damping = syntax.number(settings.shell_damping)
    return [
        "",
        "# Shells do not gather heat: friction on each against its core, none on the ion as a whole.",
        f"fix core_shell_pairs all drude {' '.join(parts)}",
        f"fix damped_shells mobile langevin/drude 0.0 {syntax.number(_NEVER)} 1 0.0 {damping} 1",
    ]


def _ramp(begin: float, end: float | None) -> str:
    return f"{syntax.number(begin)} {syntax.number(begin if end is None else end)}"


def watch(ions: IonMap, settings: Dynamics, halting_energy: float) -> list[str]:
    """Print what tells how the run does, and halt it when shells or ions leave the range of the potential."""
    columns, lines = THERMO, [""]
    if _mobile_pairs(ions, settings):
        columns += " v_shell_temp"
    if ions.types.shell:
        columns += " v_core_shell"
        lines += [
            "compute bonds all bond/local dist",
            "compute longest_bond all reduce max c_bonds inputs local",
            "variable core_shell equal c_longest_bond",
            f"fix halt_shells all halt {settings.thermo_every} v_core_shell > {LONGEST_CORE_SHELL} error soft",
        ]
    if halting_energy < float("inf"):
        columns += " v_guard"
        lines += [
            "compute guard all pair table",
            "variable guard equal c_guard",
            f"fix halt_guard all halt {settings.thermo_every} v_guard > {syntax.number(halting_energy)} error soft",
        ]
    return [
        *lines,
        f"thermo {settings.thermo_every}",
        f"thermo_style custom {columns}",
        "thermo_modify line one format float %.17g temp ion_temp press ion_press flush yes",
    ]


def group(name: str, numbers: Sequence[int]) -> list[str]:
    """Group sites by their ids, consecutive ones as ranges, a hundred ranges a line."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    words = [f"{first}:{last}" for first, last in ranges]
    return [f"group {name} id {' '.join(words[i : i + 100])}" for i in range(0, len(words), 100)]
