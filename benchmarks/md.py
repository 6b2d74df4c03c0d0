"""Molecular dynamics by the published recipe and by ours: the same physics, how many picoseconds per hour.

    python benchmarks/md.py                       both recipes side by side, about twenty minutes of processor time
    python benchmarks/md.py --minutes 600 --repeat 2 2 1 --seeds 4    error bars that mean something
    python benchmarks/md.py --glass --seeds 3 --minutes 24    the same in a glass of the same ions, made here
    python benchmarks/md.py --speed               three recipes at 110, 1,320 and 3,960 ions, a few steps of each
    python benchmarks/md.py --shells 200          do shells warm against their cores in so many picoseconds?
    python benchmarks/md.py --li --minutes 60     Li in LATP: do seeds agree at the lowest temperature, and what is E_a?

Published: time step 0.2 fs, PPPM 1e-5, LAMMPS's neighbour skin of 2 Å, no guard at short range (Stegmaier, Reuter and
Scheurer 2022). Light shells: ours with the shell masses of the potential, 0.4 fs and no table. Ours: the defaults of
`dopantfit.lammps.Dynamics`. The first and the last run LATP x = 1/3 for as many picoseconds, with
the same seeds, on the same number of cores, one after the other: equilibration, then constant pressure (density,
distances, D* of Li), then constant energy (drift). Rates count processor time, because a busy machine stretches the
clock. Shells move with the fields that their ions make, and the heavier they are, the warmer that looks: what is asked
is that they stay below 2 % of the ions' temperature. Exit status 1 when another observable differs by more than chance
explains once in 370 (three standard errors of many blocks, more of few), or the rate by less than a factor of two.
A crystal is at equilibrium, and quarters of a run count as independent. A glass ages, from valley to valley, so that
whole runs count.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import itertools
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.stats import norm as normal
from scipy.stats import t as student_t

from dopantfit.errors import ConvergenceError
from dopantfit.lammps import Dynamics, DynamicsResult, Launcher, relax_structure, run_dynamics
from dopantfit.lammps.legs import read_table
from dopantfit.lammps.settings import LIGHT_SHELLS, PUBLISHED
from dopantfit.potential import Potential
from dopantfit.reference.glass import quenched
from dopantfit.reference.plan import Glass
from dopantfit.statistics import Estimate
from dopantfit.structures import labels_of, load_host
from dopantfit.transport import (
    Trajectory,
    fit_arrhenius,
    mean_square_displacement,
    pair_distribution,
    read_trajectory,
)
from dopantfit.transport.reading import species_of
from dopantfit.transport.summary import Summary, summarise
from dopantfit.units import BOLTZMANN
from dopantfit.workflow.screen import watched

CONSOLE = Console(width=120)
SHELLS = "temperature, shells [K]"
TEMPERATURE = 700.0  # K
N_BLOCKS = 4
#: Time between rows and between frames [ps], the same in both recipes.
ROWS, FRAMES = 0.02, 0.02
#: A run is cut into equilibration, constant pressure and constant energy in these parts.
PARTS = (0.15, 0.6, 0.25)
#: Differences larger than this many standard errors are not chance, where errors are known; ratio of rates claimed.
LARGEST_DEVIATION, SMALLEST_RATIO = 3.0, 2.0
#: Of the temperature of ions: what shells have that follow the fields which ions make.
WARMEST_SHELLS = 0.02
#: Length of the trial that measures the speed [ps].
TRIAL = 0.5
#: Barrier [eV] by which run lengths are shared out between temperatures; no result depends on it.
HOP_BARRIER = 0.3
#: Where measured conductivities are known [K], and the conductivities of Li(1+x)Al(x)Ti(2-x)(PO4)3.
ROOM = 300.0
MEASURED = (
    ("measured, x = 0.4, dense ceramic", "0.34 to 0.40", "8.8e-4 (298 K)", "grains and boundaries together"),
    ("measured, x = 0.3, glass-ceramic", "", "2.0e-3 (298 K)", "grains"),
)

RECIPES = {
    "published": PUBLISHED,
    "ours": {},
}
#: Cells of 110 ions in each direction, steps of each trial, and the ratios claimed over the two others, a little below
#: the lowest that were measured (docs/md.md: 8.8 and 2.82).
SIZES = {(1, 1, 1): 8000, (3, 2, 2): 600, (3, 3, 4): 200}
CLAIMED = {"published": 8.5, "light shells": 2.8}


@dataclass(frozen=True)
class Site:
    """Where and how runs are made."""

    folder: Path
    ranks: int
    atoms: Atoms
    potential: Potential


def speed(site: Site, rounds: int = 3) -> bool:
    """Print picoseconds per hour of processor time of three recipes, in turn, by size; True when claims hold."""
    recipes = {"published": PUBLISHED, "light shells": LIGHT_SHELLS, "ours": {}}
    table = Table("ions", *(f"{name}, ps/h" for name in recipes), *(f"ours / {name}" for name in CLAIMED))
    good = True
    for size, steps in SIZES.items():
        atoms = site.atoms.repeat(size)
        whole = replace(site, atoms=atoms, folder=site.folder / f"speed-{len(atoms)}")
        run(whole, "start", Dynamics(TEMPERATURE, 0.2, 1))
        rates: dict[str, list[float]] = {name: [] for name in recipes}
        for k, (name, changes) in itertools.product(range(rounds), recipes.items()):
            made = Dynamics(TEMPERATURE, 1.0, 1, **changes)
            what = replace(made, duration=steps * made.timestep, dump_every=steps, thermo_every=50)
            _, seconds = run(whole, f"{name.replace(' ', '-')}-{k}", what, "start")
            rates[name].append(what.duration / seconds * 3600.0)
        ratios = {name: float(np.median(np.array(rates["ours"]) / rates[name])) for name in CLAIMED}
        good &= all(ratios[name] >= CLAIMED[name] for name in CLAIMED)
        found = (f"{np.median(rates[name]):.1f}" for name in recipes)
        table.add_row(str(len(atoms)), *found, *(f"{ratio:.2f}" for ratio in ratios.values()))
    CONSOLE.print(table)
    return good


def shells_stay_cold(site: Site, duration: float) -> bool:
    """Print temperatures of ions and shells in quarters of a long run at 1 bar; True when shells do not warm."""
    run(site, "shells-equilibration", settings("ours", 5.0, 1, "nvt"))
    result, _ = run(site, "shells", settings("ours", duration, 1, "npt"), "shells-equilibration")
    table = read_table(result.thermo)
    rows = Table(
        "quarter", "ions [K]", "shells [K]", title=f"{len(site.atoms)} ions, {duration:g} ps, {TEMPERATURE:g} K"
    )
    quarters = [np.array_split(table[name], 4) for name in ("temperature_K", "shell_temperature_K")]
    means = []
    for k, (ions, shells) in enumerate(zip(*quarters, strict=True), start=1):
        values = [mean_and_error(blocks(part)) for part in (ions, shells)]
        means.append(values[1])
        rows.add_row(str(k), *(f"{value:.2f} ± {error:.2f}" for value, error in values))
    CONSOLE.print(rows)
    (first, da), (last, db) = means[0], means[-1]
    return last - first < LARGEST_DEVIATION * float(np.hypot(da, db))


def settings(recipe: str, duration: float, seed: int, ensemble: str) -> Dynamics:
    made = Dynamics(TEMPERATURE, duration, seed, ensemble=ensemble, cell="aniso", **RECIPES[recipe])
    every = {"thermo_every": round(ROWS / made.timestep), "dump_every": round(FRAMES / made.timestep)}
    return replace(made, **every)


def run(site: Site, name: str, what: Dynamics, start: str | None = None) -> tuple[DynamicsResult, float]:
    """Run, and return the result with the processor time of the engine [s]; nan for a run that was taken up again."""
    spent = site.folder / name / "processor_seconds"
    whole = not spent.parent.exists()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    launcher = Launcher("lmp", 1) if site.ranks == 1 else Launcher(ranks=site.ranks)
    with watched() as observer:
        result = run_dynamics(
            site.atoms,
            site.potential,
            what,
            site.folder / name,
            launcher=launcher,
            observer=observer,
            start=None if start is None else site.folder / start,
        )
    if not spent.is_file():
        spent.write_text(
            repr(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before if whole else float("nan"))
        )
    return result, float(spent.read_text())


def blocks(values: np.ndarray) -> list[float]:
    return [float(part.mean()) for part in np.array_split(values, N_BLOCKS)]


@dataclass(frozen=True)
class Observed:
    """What one seed shows: observables and g(r) as block values, where ions go, and ps per hour of processor time."""

    numbers: dict[str, list[float]]
    curves: dict[str, list[np.ndarray]]
    trajectory: Trajectory
    rate: float


def observe(site: Site, recipe: str, seed: int, duration: float) -> Observed:
    """Run one seed: equilibration, constant pressure (which the rate is of), constant energy."""
    name = f"{recipe}-{seed}"
    times = [max(0.1, round(part * duration, 1)) for part in PARTS]
    run(site, f"{name}-nvt", settings(recipe, times[0], seed, "nvt"))
    pressure, seconds = run(site, f"{name}-npt", settings(recipe, times[1], seed, "npt"), f"{name}-nvt")
    energy, _ = run(site, f"{name}-nve", settings(recipe, times[2], seed, "nve"), f"{name}-npt")
    table, closed = read_table(pressure.thermo), read_table(energy.thermo)
    trajectory = read_trajectory(pressure.trajectory, species_of(pressure.ions))
    found = {
        "density [g/cm³]": blocks(table["density_g_cm3"]),
        "temperature, ions [K]": blocks(table["temperature_K"]),
        SHELLS: blocks(table["shell_temperature_K"]),
        "NVE drift [meV/atom/ps]": drift(closed, len(site.atoms)),
    }
    curves = {}
    for pair in (("Ti", "O"), ("Li", "O")):
        cuts = np.array_split(np.arange(trajectory.n_frames), N_BLOCKS)
        shown = [
            pair_distribution(
                replace(trajectory, positions=trajectory.positions[cut], cells=trajectory.cells[cut]), pair, cutoff=4.0
            )
            for cut in cuts
        ]
        found[f"first peak {'-'.join(pair)} [Å]"] = [float(one.first_peak) for one in shown]
        curves[f"g(r) {'-'.join(pair)} to 4 Å"] = [one.values for one in shown]
    parts = [replace(trajectory, positions=trajectory.positions[c], cells=trajectory.cells[c]) for c in cuts]
    msd = [mean_square_displacement(part, "Li").total for part in parts]
    found["MSD of Li [Å²]"] = [float(one[len(one) // 2]) for one in msd]
    return Observed(found, curves, trajectory, times[1] / seconds * 3600.0)


def drift(table: dict[str, np.ndarray], n_ions: int) -> list[float]:
    """Slope of the energy in halves of a run at constant energy [meV/atom/ps]."""
    halves = np.array_split(np.arange(len(table["step"])), 2)
    return [float(1e3 / n_ions * np.polyfit(table["time_ps"][h], table["total_eV"][h], 1)[0]) for h in halves]


def apart(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Root mean square difference of two curves in standard errors, over the bins where both vary; 1 is chance."""
    (a, da), (b, db) = ((np.mean(c, axis=0), np.std(c, axis=0, ddof=1) / np.sqrt(len(c))) for c in (first, second))
    varies = (da > 0.0) & (db > 0.0)
    return float(np.sqrt(np.mean(((a - b)[varies] / np.hypot(da, db)[varies]) ** 2)))


def largest_deviation(count: int) -> float:
    """Standard errors, from `count` values of either side, that are as rare as LARGEST_DEVIATION of known ones."""
    return float(student_t.isf(normal.sf(LARGEST_DEVIATION), 2 * count - 2))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def compare(site: Site, seeds: Sequence[int], duration: float, ages: bool) -> bool:
    """Print the table; True when everything agrees and the rate is what is claimed.

    ages: only means of whole runs are independent.
    """
    values: dict[str, dict[str, list]] = {recipe: {} for recipe in RECIPES}
    rates: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
    paths: dict[str, list[Trajectory]] = {recipe: [] for recipe in RECIPES}
    curves = set()
    for seed in seeds:
        for recipe in RECIPES:
            seen = observe(site, recipe, seed, duration)
            rates[recipe].append(seen.rate)
            paths[recipe].append(seen.trajectory)
            curves |= set(seen.curves)
            for name, numbers in (seen.numbers | seen.curves).items():
                independent = [np.mean(numbers, axis=0)] if ages else numbers
                values[recipe].setdefault(name, []).extend(independent)
    table = Table(
        "",
        *RECIPES,
        "difference / σ",
        title=f"{len(site.atoms)} ions, {len(seeds)} seeds × {duration:g} ps, {TEMPERATURE:g} K",
    )
    agree = True
    for name in values["ours"]:
        if name in curves:
            deviation = apart(*(values[recipe][name] for recipe in RECIPES))
            agree &= deviation < largest_deviation(len(values["ours"][name]))
            table.add_row(escape(name), "", "", f"{deviation:.1f} (rms over bins)")
            continue
        (a, da), (b, db) = (mean_and_error(values[recipe][name]) for recipe in RECIPES)
        if name == SHELLS:
            agree &= b < WARMEST_SHELLS * TEMPERATURE
            table.add_row(escape(name), f"{a:.2f} ± {da:.2f}", f"{b:.2f} ± {db:.2f}", "")
            continue
        deviation = (b - a) / max(float(np.hypot(da, db)), 1e-12)
        agree &= abs(deviation) < largest_deviation(len(values["ours"][name]))
        table.add_row(escape(name), f"{a:.4f} ± {da:.4f}", f"{b:.4f} ± {db:.4f}", f"{deviation:+.1f}")
    agree &= compare_diffusion(table, paths)
    slow, fast = (float(np.nanmean(rates[recipe])) for recipe in RECIPES)
    table.add_row("ps per hour of processor time", f"{slow:.1f}", f"{fast:.1f}", f"ratio {fast / slow:.2f}")
    CONSOLE.print(table)
    return agree and fast / slow >= SMALLEST_RATIO


def compare_diffusion(table: Table, paths: Mapping[str, Sequence[Trajectory]]) -> bool:
    """Add D* of Li of both recipes; True when they agree. A bound cannot disagree with a value below it."""
    found = [summarise(paths[recipe], {"Li": 1.0}, TEMPERATURE).diffusion["Li"].cm2_per_s for recipe in RECIPES]
    values = [one.value for one in found]
    if None in values:
        highest, shown = max(one.high for one in found if one.value is None), "bound"
        good = all(value is None or value <= highest for value in values)
    else:
        apart = (values[1] - values[0]) / float(np.hypot(*(one.error for one in found)))
        good, shown = abs(apart) < LARGEST_DEVIATION, f"{apart:+.1f}"
    table.add_row(escape("D* of Li [cm²/s]"), *(str(one) for one in found), shown)
    return good


def glass_of(cell: Atoms, folder: Path, potential: str) -> Atoms:
    """Return a glass of the same ions, melted at 1800 K and quenched to the temperature of the runs."""
    counts = Counter(labels_of(cell))
    units = counts.pop("P")
    del counts["O"]
    item = Glass(
        kind="glass", name="glass", seed=1, units=units, cations=dict(counts), potential=potential,
        temperature=TEMPERATURE,
    )  # fmt: skip
    if (folder / "glass.extxyz").is_file():
        return read(folder / "glass.extxyz")
    (atoms,) = quenched(item, load_host().polyanion, folder, folder / "glass", np.random.default_rng(1))
    write(folder / "glass.extxyz", atoms)
    return read(folder / "glass.extxyz")  # what a later call finds


def lithium_lengths(temperatures: Sequence[float], total: float, seeds: int) -> dict[float, float]:
    """Length [ps] of each run, so that Li hops about as often in all of them, `seeds` of them at the lowest."""
    rates = {t: np.exp(-HOP_BARRIER / (BOLTZMANN * t)) for t in sorted(temperatures)}
    shares = [1.0 / rate * (seeds if t == min(rates) else 1) for t, rate in rates.items()]
    return {t: max(1.0, float(round(total / sum(shares) / rate))) for t, rate in rates.items()}


def run_lithium(site: Site, temperature: float, seed: int, length: float) -> Trajectory:
    """Run at 1 bar: a tenth of the length to equilibrate, then the length that counts."""
    name = f"li-{temperature:g}K-{seed}"
    what = Dynamics(temperature, max(1.0, 0.1 * length), seed, ensemble="npt", cell="aniso")
    run(site, f"{name}-equilibration", what)
    result, _ = run(site, name, replace(what, duration=length), f"{name}-equilibration")
    return read_trajectory(result.trajectory, species_of(result.ions))


def show_lithium(site: Site, temperatures: Sequence[float], seeds: Sequence[int], total: float) -> bool:
    """Print D* and conductivity of Li and their Arrhenius lines; True when seeds at the lowest temperature agree."""
    lengths = lithium_lengths(temperatures, total, len(seeds))
    coldest = min(lengths)
    runs = {
        t: [run_lithium(site, t, seed, lengths[t]) for seed in (seeds if t == coldest else seeds[:1])]
        for t in sorted(lengths, reverse=True)
    }
    found = {t: [("all", runs[t])] if t == coldest else [("1", runs[t])] for t in sorted(runs)}
    found[coldest] = [*((str(seed), [one]) for seed, one in zip(seeds, runs[coldest], strict=True)), *found[coldest]]
    table = Table(
        "K",
        "seed",
        "ps",
        "MSD at 70 % [Å²]",
        escape("D* [cm²/s]"),
        "σ tracer [S/cm]",
        "σ collective [S/cm]",
        "Haven ratio",
        title=f"Li in {site.atoms.get_chemical_formula()}, {len(site.atoms)} ions, 1 bar",
    )
    together, single = {}, []
    for t, rows in found.items():
        for seed, trajectories in rows:
            together[t] = result = summarise(trajectories, {"Li": 1.0}, t)
            single += [result] if t == coldest and seed != "all" else []
            table.add_row(
                f"{t:g}",
                seed,
                " + ".join(f"{one.duration:g}" for one in trajectories),
                f"{result.diffusion['Li'].reached:.1f}",
                str(result.diffusion["Li"].cm2_per_s),
                str(result.tracer["Li"].value),
                str(result.collective.value),
                str(result.haven or ""),
            )
    CONSOLE.print(table)
    show_arrhenius(together)
    return agree([one.diffusion["Li"].coefficient for one in single])


def show_arrhenius(found: Mapping[float, Summary]) -> None:
    """Print activation energies, and the conductivity at room temperature that they lead to, beside measured ones."""
    table = Table("", "E_a [eV]", f"σ at {ROOM:g} K [S/cm]", "from", title="Arrhenius lines through σT")
    for name, values in {
        "tracer": [one.tracer["Li"].value for one in found.values()],
        "collective": [one.collective.value for one in found.values()],
    }.items():
        try:
            line = fit_arrhenius(list(found), values, "conductivity")
        except ConvergenceError as problem:
            CONSOLE.print(f"{name}: {problem}")
            continue
        room = line.predict(ROOM).value
        table.add_row(
            f"this work, {name}",
            str(line.activation_energy),
            f"{room.value:.1e}, 95 % {room.low:.0e} to {room.high:.0e}",
            f"extrapolated from {', '.join(f'{t:g}' for t in line.used)} K",
        )
    for row in MEASURED:
        table.add_row(*row)
    CONSOLE.print(table)


def agree(found: Sequence[Estimate]) -> bool:
    """Whether coefficients differ by less than three standard errors; bounds cannot tell."""
    known = [(one.value, one.error) for one in found if one.value is not None and one.error is not None]
    if len(known) < len(found):
        CONSOLE.print("Some seeds give an upper bound only: run longer to compare them.")
        return False
    pairs = itertools.combinations(known, 2)
    apart = max((abs(a - b) / float(np.hypot(da, db)) for (a, da), (b, db) in pairs), default=0.0)
    CONSOLE.print(f"D* of the seeds: at most {apart:.1f} standard errors apart")
    return apart < LARGEST_DEVIATION


def affordable(site: Site, n_runs: int, minutes: float, recipes: Sequence[str]) -> float:
    """Length of each run [ps] that fits into so many minutes of processor time, from a trial of each recipe."""
    cost = 0.0
    for recipe in recipes:
        _, seconds = run(site, f"trial-{recipe}", settings(recipe, TRIAL, 1, "nvt"))
        cost += n_runs * seconds / TRIAL
    return max(0.8, round(60.0 * minutes / cost, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="processor time to spend")
    parser.add_argument("--repeat", type=int, nargs=3, default=(1, 1, 1), help="supercell of the 110-ion cell")
    parser.add_argument("--seeds", type=int, default=2, help="independent runs of each recipe")
    parser.add_argument("--ranks", type=int, default=1, help="MPI ranks")
    parser.add_argument("--speed", action="store_true", help="rates of three recipes at three sizes instead")
    parser.add_argument("--shells", type=float, metavar="PS", help="temperature of shells in a long run instead")
    parser.add_argument("--glass", action="store_true", help="a glass of the same ions in place of the crystal")
    parser.add_argument("--li", action="store_true", help="conductivity of Li instead")
    parser.add_argument("--temperatures", type=float, nargs="+", default=(700.0, 850.0, 1000.0, 1200.0), help="[K]")
    parser.add_argument("--folder", type=Path, help="keep the runs here, finished ones are not repeated")
    options = parser.parse_args()
    name = "latp-2021"
    potential = Potential.load(name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        cell = load_host().doped(np.random.default_rng(1), Fraction(1, 3)).repeat(tuple(options.repeat))
        if options.glass:
            folder.mkdir(parents=True, exist_ok=True)
            cell = glass_of(cell, folder, name)
        start = relax_structure(
            cell, potential, folder / "start", launcher=Launcher(ranks=options.ranks), force_tolerance=0.05
        )
        site = Site(folder, options.ranks, start.atoms, potential)
        seeds = range(1, options.seeds + 1)
        try:
            if options.speed:
                good = speed(site)
            elif options.shells:
                good = shells_stay_cold(site, options.shells)
            elif options.li:
                # A tenth of each run equilibrates.
                total = affordable(site, 1, options.minutes, ["ours"]) / 1.1
                good = show_lithium(site, options.temperatures, seeds, total)
            else:
                length = affordable(site, len(seeds), options.minutes, list(RECIPES))
                good = compare(site, seeds, length, ages=options.glass)
        except ConvergenceError as problem:
            CONSOLE.print(f"{problem}: give it more --minutes")
            return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
