"""Gate e: a hot run of the doped crystal at constant pressure, and a stretch at constant energy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.neighborlist import neighbor_list

from dopantfit.lammps import Dynamics, DynamicsResult
from dopantfit.structures import labels_of
from dopantfit.structures.hosts import Polyanion
from dopantfit.transport import Trajectory
from dopantfit.transport.trajectory import Floats
from dopantfit.validate import thresholds
from dopantfit.validate.dynamics import (
    Share,
    frame_of,
    mean_with_error,
    run,
    seed_of,
    slope_with_error,
    thermo_columns,
    trajectory_of,
)
from dopantfit.validate.figures import COLOURS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.structures import START_FORCE, at_rest
from dopantfit.validate.subject import Subject

#: Frames in which neighbours are counted.
_FRAMES = 100


def stability(subject: Subject, work: GateWork) -> Gate:
    """Run hot, then at constant energy, and look at coordination, shells and energy drift."""
    rng, preset, hot = subject.rng("stability"), subject.preset, subject.settings.hot
    work.report("relaxation", 0.0)
    ions = at_rest(subject.crystal(hot.x, hot.y, preset.hot_repeats, rng), subject.potential, False, START_FORCE)
    heated = Dynamics(hot.temperature, preset.hot_ps, seed_of(rng), ensemble="npt", cell="aniso")
    free = Dynamics(hot.temperature, preset.drift_ps, heated.seed, ensemble="nve")
    part = preset.hot_ps / (preset.hot_ps + preset.drift_ps)
    name = f"stability-{hot.temperature:.0f}K"
    first = run(ions, subject.potential, heated, work, Share(name, 0.0, part))
    second = run(ions, subject.potential, free, work, Share("stability-nve", part, 1.0 - part), start=name)
    coordination = coordination_checks({"hot": first, "constant energy": second}, subject.host.polyanion)
    time, energy, temperature = thermo_columns(second.thermo, "time_ps", "total_eV", "temperature_K")
    drift, error = (1000.0 * value / len(ions) for value in slope_with_error(time, energy))
    longest = max(one.largest_core_shell for one in (first, second))
    of, kept = subject.host.polyanion, min(check.value for check in coordination)
    finding = (
        f"{hot.temperature:.0f} K for {preset.hot_ps:g} ps: {100.0 * kept:.1f} % of {of.centre} keep "
        f"{of.count} {of.ligand}, shells stay within {longest:.2f} Å"
    )
    return Gate(
        name="stability",
        finding=finding,
        checks=(
            *coordination,
            thresholds.CORE_SHELL.check("largest core-shell distance", longest),
            thresholds.ENERGY_DRIFT.check("drift at constant energy", drift, error),
        ),
        figures=(_draw(first, second, len(ions), work, finding),),
        details={"composition": ions.get_chemical_formula(), "temperature_at_constant_energy_K": temperature.mean()},
    )


def coordination_checks(runs: Mapping[str, DynamicsResult], of: Polyanion) -> list[Check]:
    """Share of the network formers that have all their anions, over the whole of each run, by its name.

    The first starts from a crystal at rest, shells relaxed, so that no frame has to be left out.
    """
    checks = []
    for name, one in runs.items():
        shares = coordinated(trajectory_of(one, skip=0.0), of)
        text = f"{of.centre} with {of.count} {of.ligand}, {name}"
        checks.append(thresholds.FOUR_COORDINATED.check(text, *mean_with_error(shares)))
    return checks


def coordinated(trajectory: Trajectory, of: Polyanion) -> Floats:
    """Share of the polyanions that are whole, with just their number of ligands, in up to a hundred frames."""
    numbers = np.unique(np.linspace(0, trajectory.n_frames - 1, _FRAMES).astype(int))
    shares = []
    for number in numbers:
        ions = frame_of(trajectory, int(number))
        labels = np.array(labels_of(ions))
        first, second = neighbor_list("ij", ions, of.reach)
        bonded = first[(labels[first] == of.centre) & (labels[second] == of.ligand)]
        counts = np.bincount(bonded, minlength=len(ions))[labels == of.centre]
        shares.append(float(np.mean(counts == of.count)))
    return np.array(shares)


def _draw(first: DynamicsResult, second: DynamicsResult, n_ions: int, work: GateWork, title: str) -> str:
    figure, (left, middle, right) = new_figure(3, width=3.6)
    rows: list[tuple[Any, ...]] = []
    names = ("time_ps", "temperature_K", "density_g_cm3", "core_shell_A", "total_eV")
    columns = {"hot": thermo_columns(first.thermo, *names), "constant energy": thermo_columns(second.thermo, *names)}
    time, temperature, density, shell, _ = columns["hot"]
    left.plot(time, temperature, color=COLOURS[0])
    left.twinx().plot(time, density, color=COLOURS[1])
    label(left, "time (ps)", "temperature (K), blue", "density (g/cm³), orange, right axis")
    middle.plot(time, shell, color=COLOURS[2])
    middle.axhline(thresholds.CORE_SHELL.high, color="0.3", linestyle="--", linewidth=0.8)
    label(middle, "time (ps)", "largest core-shell distance (Å)", "shells")
    time, *_, energy = columns["constant energy"]
    right.plot(time, 1000.0 * (energy - energy[0]) / n_ions, color=COLOURS[3])
    label(right, "time (ps)", "total energy (meV/atom)", "constant energy")
    for which, values in columns.items():
        rows += [(which, *row) for row in zip(*values, strict=True)]
    return save_figure(figure, work.figures, "stability", title, ("run", *names), rows)
