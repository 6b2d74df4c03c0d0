"""Molecular dynamics by the published recipe and by ours: the same physics, how many picoseconds per hour.

    python benchmarks/md.py                       both recipes side by side, about twenty minutes of processor time
    python benchmarks/md.py --minutes 600 --repeat 2 2 1 --seeds 4    error bars that mean something
    python benchmarks/md.py --li --minutes 60     Li in LATP at 700 K from independent seeds: do they agree?

Published: time step 0.2 fs, PPPM 1e-5, LAMMPS's neighbour skin of 2 Å, no guard at short range (Stegmaier, Reuter and
Scheurer 2022). Ours: the defaults of `dopantfit.lammps.Dynamics`. Both run LATP x = 1/3 for as many picoseconds, with
the same seeds, on the same number of cores, one after the other: equilibration, then constant pressure (density,
distances, Li motion), then constant energy (drift, temperatures). Rates count processor time, because a busy machine
stretches the clock. Exit status 1 when an observable differs by more than three standard errors, or the rate by less
than a factor of two.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from ase import Atoms
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dopantfit.errors import ConvergenceError
from dopantfit.lammps import Dynamics, DynamicsResult, Launcher, RichReport, relax_structure, run_dynamics
from dopantfit.lammps.legs import read_table
from dopantfit.potential import Potential
from dopantfit.structures import latp
from dopantfit.transport import mean_square_displacement, pair_distribution, read_trajectory, tracer_diffusion
from dopantfit.transport.reading import species_of

CONSOLE = Console(width=120)
TEMPERATURE = 700.0  # K
N_BLOCKS = 4
#: Time between rows and between frames [ps], the same in both recipes.
ROWS, FRAMES = 0.02, 0.02
#: A run is cut into equilibration, constant pressure and constant energy in these parts.
PARTS = (0.15, 0.6, 0.25)
#: Differences larger than this many standard errors are not chance; ratio of rates that is claimed.
LARGEST_DEVIATION, SMALLEST_RATIO = 3.0, 2.0

RECIPES = {
    "published": {"timestep": 0.0002, "kspace": "pppm 1e-5", "skin": 2.0, "guard": False},
    "ours": {},
}


@dataclass(frozen=True)
class Site:
    """Where and how runs are made."""

    folder: Path
    ranks: int
    atoms: Atoms
    potential: Potential


def settings(recipe: str, duration: float, seed: int, ensemble: str) -> Dynamics:
    made = Dynamics(TEMPERATURE, duration, seed, ensemble=ensemble, cell="aniso", **RECIPES[recipe])
    every = {"thermo_every": round(ROWS / made.timestep), "dump_every": round(FRAMES / made.timestep)}
    return replace(made, **every)


def run(site: Site, name: str, what: Dynamics, start: str | None = None) -> tuple[DynamicsResult, float]:
    """Run, and return the result with the processor time of the engine [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    launcher = Launcher("lmp") if site.ranks == 1 else Launcher()
    with RichReport(name) as report:
        result = run_dynamics(
            site.atoms,
            site.potential,
            what,
            site.folder / name,
            launcher=launcher,
            ranks=site.ranks,
            report=report,
            start=None if start is None else site.folder / start,
        )
    spent = site.folder / name / "processor_seconds"
    if not spent.is_file():
        spent.write_text(repr(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before))
    return result, float(spent.read_text())


def blocks(values: np.ndarray) -> list[float]:
    return [float(part.mean()) for part in np.array_split(values, N_BLOCKS)]


def observe(site: Site, recipe: str, seed: int, duration: float) -> tuple[dict[str, list[float]], float]:
    """Observables of one seed as block values, and ps per hour of processor time at constant pressure."""
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
        "temperature, shells [K]": blocks(table["shell_temperature_K"]),
        "NVE drift [meV/atom/ps]": drift(closed, len(site.atoms)),
    }
    for pair in (("Ti", "O"), ("Li", "O")):
        cuts = np.array_split(np.arange(trajectory.n_frames), N_BLOCKS)
        peaks = [
            pair_distribution(
                replace(trajectory, positions=trajectory.positions[cut], cells=trajectory.cells[cut]), pair, cutoff=4.0
            ).first_peak
            for cut in cuts
        ]
        found[f"first peak {'-'.join(pair)} [Å]"] = [float(peak) for peak in peaks]
    parts = mean_square_displacement(trajectory, "Li", n_blocks=N_BLOCKS).blocks
    found["MSD of Li [Å²]"] = [float(part.total[part.n_frames // 2]) for part in parts]
    return found, times[1] / seconds * 3600.0


def drift(table: dict[str, np.ndarray], n_ions: int) -> list[float]:
    """Slope of the energy in halves of a run at constant energy [meV/atom/ps]."""
    halves = np.array_split(np.arange(len(table["step"])), 2)
    return [float(1e3 / n_ions * np.polyfit(table["time_ps"][h], table["total_eV"][h], 1)[0]) for h in halves]


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def compare(site: Site, seeds: Sequence[int], duration: float) -> bool:
    """Print the table; True when everything agrees and the rate is what is claimed."""
    values: dict[str, dict[str, list[float]]] = {recipe: {} for recipe in RECIPES}
    rates: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
    for seed in seeds:
        for recipe in RECIPES:
            found, rate = observe(site, recipe, seed, duration)
            rates[recipe].append(rate)
            for name, numbers in found.items():
                values[recipe].setdefault(name, []).extend(numbers)
    table = Table(
        "",
        *RECIPES,
        "difference / σ",
        title=f"{len(site.atoms)} ions, {len(seeds)} seeds × {duration:g} ps, {TEMPERATURE:g} K",
    )
    agree = True
    for name in values["ours"]:
        (a, da), (b, db) = (mean_and_error(values[recipe][name]) for recipe in RECIPES)
        deviation = (b - a) / max(float(np.hypot(da, db)), 1e-12)
        agree &= abs(deviation) < LARGEST_DEVIATION
        table.add_row(escape(name), f"{a:.4f} ± {da:.4f}", f"{b:.4f} ± {db:.4f}", f"{deviation:+.1f}")
    slow, fast = (float(np.mean(rates[recipe])) for recipe in RECIPES)
    table.add_row("ps per hour of processor time", f"{slow:.1f}", f"{fast:.1f}", f"ratio {fast / slow:.2f}")
    CONSOLE.print(table)
    return agree and fast / slow >= SMALLEST_RATIO


def show_lithium(site: Site, seeds: Sequence[int], duration: float) -> bool:
    """Print D* of Li of every seed; True when they agree within three standard errors."""
    table = Table(
        "seed",
        "D* [Å²/ps]",
        "MSD at 70 % [Å²]",
        title=f"Li, {len(site.atoms)} ions, {TEMPERATURE:g} K, {duration:g} ps",
    )
    found = []
    for seed in seeds:
        run(site, f"li-{seed}-nvt", settings("ours", max(0.1, 0.2 * duration), seed, "nvt"))
        result, _ = run(site, f"li-{seed}", settings("ours", duration, seed, "nvt"), f"li-{seed}-nvt")
        trajectory = read_trajectory(result.trajectory, species_of(result.ions))
        diffusion = tracer_diffusion(mean_square_displacement(trajectory, "Li"))
        found.append(diffusion.coefficient)
        table.add_row(str(seed), str(diffusion.coefficient), f"{diffusion.reached:.2f}")
    CONSOLE.print(table)
    known = [(one.value, one.error) for one in found if one.value is not None and one.error is not None]
    if len(known) < len(found):
        CONSOLE.print("Some seeds give an upper bound only: run longer to compare them.")
        return True
    return all(abs(a - b) < LARGEST_DEVIATION * np.hypot(da, db) for a, da in known for b, db in known)


def affordable(site: Site, n_runs: int, minutes: float, recipes: Sequence[str]) -> float:
    """Picoseconds of each run [ps] that fit into so many minutes of processor time, from a trial of each recipe."""
    cost = 0.0
    for recipe in recipes:
        _, seconds = run(site, f"trial-{recipe}", settings(recipe, 0.1, 1, "nvt"))
        cost += n_runs * seconds / 0.1
    return max(0.8, round(60.0 * minutes / cost, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="processor time to spend")
    parser.add_argument("--repeat", type=int, nargs=3, default=(1, 1, 1), help="supercell of the 110-ion cell")
    parser.add_argument("--seeds", type=int, default=2, help="independent runs of each recipe")
    parser.add_argument("--ranks", type=int, default=1, help="MPI ranks")
    parser.add_argument("--li", action="store_true", help="Li diffusion from independent seeds instead")
    parser.add_argument("--folder", type=Path, help="keep the runs here, finished ones are not repeated")
    options = parser.parse_args()
    potential = Potential.load("latp-2021")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        cell = latp(Fraction(1, 3), np.random.default_rng(1)).repeat(tuple(options.repeat))
        start = relax_structure(cell, potential, folder / "start", ranks=options.ranks, force_tolerance=0.05)
        site = Site(folder, options.ranks, start.atoms, potential)
        seeds = range(1, options.seeds + 1)
        duration = affordable(site, len(seeds), options.minutes, ["ours"] if options.li else list(RECIPES))
        try:
            good = (show_lithium if options.li else compare)(site, seeds, duration)
        except ConvergenceError as problem:
            CONSOLE.print(f"{problem}: give it more --minutes")
            return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
