"""Relaxed swaps against LAMMPS minimising the whole cell for every attempt, both judged by the same rule, in one run.

    python benchmarks/swap.py                          about 1,000 ions of Mg-doped LATP (some ten minutes)
    python benchmarks/swap.py --tile 1 1 3             about 3,000 ions
    python benchmarks/swap.py --tile 2 2 3             about 12,000 ions
    python benchmarks/swap.py --estimate 70 --plot swap.png     the estimate against full relaxation, 70 of each pair

Times are those of the processor (one thread each), so that what else the machine does hardly matters. The start is a
crystal after molecular dynamics at 1000 K, minimised, and then moved on by swaps of our own.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from rich.console import Console
from rich.table import Table

from dopantfit import Potential
from dopantfit.boundary.acceptance import passing
from dopantfit.boundary.relax_cell import CellState, RelaxedCell, measure_response
from dopantfit.boundary.swap import Chain, Sites
from dopantfit.boundary.swap_config import Burst
from dopantfit.boundary.swap_model import Swap
from dopantfit.boundary.walker import ions
from dopantfit.lammps import md_snapshots
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.structures import host, lamtp

CONSOLE = Console(width=120)
POTENTIAL = Potential.load("latp-mg-2022")
#: Largest force [eV/Å] at which the peer ends in the race, and where both are compared afterwards.
RACE_FORCE, FINE_FORCE = 1e-2, 1e-3
#: Ends closer than this everywhere [Å] are one basin.
SAME_BASIN = 0.2


class WholeCell(InProcessLammps):
    """The peer: one LAMMPS instance that stays alive; a swap changes two types, and everything is minimised."""

    def __init__(self, state: CellState, cell: RelaxedCell) -> None:
        super().__init__(ions(state, cell), POTENTIAL, kspace="pppm 1e-4", coulomb_cutoff=8.0)
        self._labels = [cell.labels[one] for one in state.species]
        self._state = state
        self.command("unfix frozen")
        self.command("min_style cg")
        self.command("min_modify norm inf line forcezero")

    def minimise(self, force: float) -> float:
        """Energy [eV] of the minimum reached from here."""
        self.command(f"minimize 0.0 {force!r} 5000 50000")
        self._current = True
        return self.energy()

    def exchange(self, swap: Swap) -> None:
        """Exchanges the species of two sites; the same call undoes it."""
        i, j = swap.first, swap.second
        self._labels[i], self._labels[j] = self._labels[j], self._labels[i]
        for site in (i, j):
            label = self._labels[site]
            charge = POTENTIAL.species[label].charge
            self.command(f"set atom {site + 1} type {self._ions.types.core[label]} charge {charge!r}")
        self._current = False

    def accuracy(self, kspace: str) -> None:
        """Another long-range solver."""
        self.command(f"kspace_style {kspace}")
        self._current = False

    def cores(self) -> np.ndarray:
        """Positions of the cores as LAMMPS wraps them [Å]."""
        return self._ions.to_atoms(self._gathered("x")[: len(self._labels)])


@dataclass
class Attempt:
    """One swap by both: pair, ΔE [eV], seconds, whether both end in one basin, and ΔE of LAMMPS from our end."""

    partner: str
    ours: float
    peer: float
    seconds: float
    same_basin: bool
    peer_from_ours: float


def start(arguments: argparse.Namespace) -> Atoms:
    """A crystal after dynamics at 1000 K, tiled."""
    if arguments.start:
        atoms = ase.io.read(arguments.start)
    else:
        rng = np.random.default_rng(1)
        crystal = lamtp(
            Fraction(1, 3), Fraction(1, 6), "Mg", 2, rng, crystal=host("LiTi2P3O12").repeated(arguments.cells)
        )
        with tempfile.TemporaryDirectory() as folder:
            atoms = md_snapshots(crystal, POTENTIAL, 1000.0, arguments.picoseconds, 1, 7, Path(folder))[-1]
    return atoms.repeat(arguments.tile)


def sites_of(cell: RelaxedCell, state: CellState) -> Sites:
    """All sites are active; pairs are drawn alike, so that each is seen."""
    partners = tuple(cell.labels.index(one) for one in cell.settings.partners)
    return Sites(np.arange(len(state.species)), cell.labels.index("Mg"), partners, by_species=True)


def drawn(cell: RelaxedCell, state: CellState, each: int, rng: np.random.Generator) -> list[Swap]:
    """Swaps of each pair."""
    sites = sites_of(cell, state)
    return [
        swap
        for partner in sites.partners
        for _ in range(each)
        if (swap := Sites(sites.active, sites.dopant, (partner,)).draw(state.species, rng)) is not None
    ]


def race(cell: RelaxedCell, state: CellState, swaps: list[Swap]) -> list[Attempt]:
    """The peer's relaxation of every swap, timed, and what ours gives."""
    attempts = []
    with WholeCell(state, cell) as peer:
        peer.set_positions(state.cores, state.shells)
        peer.accuracy("pppm 1e-6")
        before = peer.minimise(FINE_FORCE)
        for swap in swaps:
            ours = cell.relax(state, swap, cell.estimate(state, swap), np.inf).state
            peer.set_positions(state.cores, state.shells)
            peer.exchange(swap)
            peer.accuracy("pppm 1e-4")
            began = time.process_time()
            peer.minimise(RACE_FORCE)
            seconds = time.process_time() - began
            peer.accuracy("pppm 1e-6")
            energy, end = peer.minimise(FINE_FORCE), peer.cores()
            if ours is not None:
                peer.set_positions(ours.cores, ours.shells)
                from_ours = peer.minimise(FINE_FORCE)
                apart = (end - ours.cores) @ np.linalg.inv(cell.cell)
                farthest = np.linalg.norm((apart - np.round(apart)) @ cell.cell, axis=1).max()
                attempts.append(
                    Attempt(
                        cell.partner(state, swap), ours.energy - state.energy, energy - before, seconds,
                        farthest < SAME_BASIN, from_ours - before,
                    )
                )  # fmt: skip
            peer.exchange(swap)
    return attempts


def show_race(cell: RelaxedCell, state: CellState, arguments: argparse.Namespace) -> None:
    """Attempts and accepted swaps per core-hour of both, and the agreement of ΔE."""
    rng = np.random.default_rng(arguments.seed)
    cell.response, _ = measure_response(cell, state, drawn(cell, state, cell.settings.calibration, rng))
    chain = Chain(cell, state, sites_of(cell, state), arguments.temperature, cell.settings, cell.labels)
    for _ in range(arguments.burn_in):
        chain.attempt(rng)
    state = chain.state
    chain = Chain(cell, state, chain.sites, arguments.temperature, cell.settings, cell.labels)
    began = time.process_time()
    for _ in range(arguments.attempts):
        chain.attempt(rng)
    seconds, total = time.process_time() - began, chain.statistics.total
    sample = race(cell, state, drawn(cell, state, arguments.peer_attempts, rng))
    peer_seconds = float(np.mean([one.seconds for one in sample]))
    peer_share = float(np.mean([passing(one.peer, arguments.temperature) for one in sample]))
    rates = {
        "ours, delayed": (3600 * total.attempted / seconds, 3600 * total.accepted / seconds),
        "LAMMPS, whole cell": (3600 / peer_seconds, 3600 * peer_share / peer_seconds),
    }
    table = Table(title=f"{len(state.species)} ions, {arguments.temperature:g} K, per core-hour")
    for heading in ("", "attempts", "accepted"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, numbers in rates.items():
        table.add_row(name, *(f"{number:,.0f}" for number in numbers))
    ours, theirs = rates.values()
    table.add_row("ratio", *(f"{a / b:.1f}" if b else "-" for a, b in zip(ours, theirs, strict=True)))
    CONSOLE.print(table)
    CONSOLE.print(
        f"ours: {total.attempted} attempts, {total.passed} passed the estimate, {total.stopped} stopped early, "
        f"{total.accepted} accepted, {total.calls} evaluations, {seconds:.1f} s; peer: {len(sample)} swaps, "
        f"{peer_seconds:.2f} s each (median {np.median([one.seconds for one in sample]):.2f} s), mean probability of "
        f"acceptance {peer_share:.3f}"
    )
    apart = np.array([abs(one.ours - one.peer) for one in sample if one.same_basin])
    own = np.array([abs(one.ours - one.peer_from_ours) for one in sample])
    shares = f"same basin {len(apart)}/{len(sample)}"
    if len(apart):
        shares += f", there |ΔΔE| median {np.median(apart) * 1e3:.1f}, largest {apart.max() * 1e3:.1f} meV"
    CONSOLE.print(
        f"ΔE against LAMMPS to {FINE_FORCE:g} eV/Å: {shares}; LAMMPS from our end: |ΔΔE| median "
        f"{np.median(own) * 1e3:.1f}, 90 % below {np.quantile(own, 0.9) * 1e3:.1f} meV"
    )


def show_estimate(cell: RelaxedCell, state: CellState, arguments: argparse.Namespace) -> None:
    """Scatter and bias of the estimate over swaps of each pair, and how safe early stopping is."""
    rng = np.random.default_rng(arguments.seed + 1)
    swaps = drawn(cell, state, arguments.estimate, rng)
    response, found = measure_response(cell, state, swaps)
    table = Table(title=f"Estimate (inner radius {cell.settings.inner_radius:g} Å) against full relaxation")
    for heading in ("pair", "swaps", "outer response eV", "its scatter eV", "bias eV", "rms error eV", "mean ΔE eV"):
        table.add_column(heading, justify="left" if heading == "pair" else "right")
    for partner, mean in response.mean.items():
        pairs = np.array([(inner - mean, full) for one, inner, full in found if one == partner])
        error = pairs[:, 0] - pairs[:, 1]
        numbers = (mean, response.deviation[partner], error.mean(), np.sqrt(np.mean(error**2)), pairs[:, 1].mean())
        table.add_row(f"Mg-{partner}", str(len(pairs)), *(f"{number:.3f}" for number in numbers))
    CONSOLE.print(table)
    if arguments.plot:
        plot_estimate(found, response.mean, arguments.plot)


def plot_estimate(found: list[tuple[str, float, float]], mean: dict[str, float], path: Path) -> None:
    """Scatter of estimate against full relaxation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 5), constrained_layout=True)
    for partner in mean:
        points = np.array([(full, inner - mean[partner]) for one, inner, full in found if one == partner])
        axes.scatter(*points.T, s=12, label=f"Mg-{partner}")
    edge = np.array(axes.get_xlim())
    axes.plot(edge, edge, color="0.5", lw=0.8)
    axes.set(xlabel="ΔE, everything relaxed (eV)", ylabel="estimate (eV)")
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs=3, default=(3, 3, 1), help="hexagonal cells of about 112 ions")
    parser.add_argument("--tile", type=int, nargs=3, default=(1, 1, 1), help="repeats of the cell after its dynamics")
    parser.add_argument("--picoseconds", type=float, default=1.0, help="of dynamics at 1000 K before")
    parser.add_argument("--start", type=Path, help="a structure to take instead")
    parser.add_argument("--temperature", type=float, default=1000.0)
    parser.add_argument("--burn-in", type=int, default=30)
    parser.add_argument("--attempts", type=int, default=60)
    parser.add_argument("--peer-attempts", type=int, default=4, help="swaps of each pair that LAMMPS relaxes")
    parser.add_argument("--calibration", type=int, default=4)
    parser.add_argument("--estimate", type=int, default=0, help="swaps of each pair for scatter and bias")
    parser.add_argument("--no-race", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = Burst(calibration=arguments.calibration, undo_every=0)
    atoms = start(arguments)
    cell = RelaxedCell(atoms, POTENTIAL, settings)
    began = time.process_time()
    state = cell.minimum(atoms)
    CONSOLE.print(f"{len(atoms)} ions at their minimum after {time.process_time() - began:.1f} s")
    if not arguments.no_race:
        show_race(cell, state, arguments)
    if arguments.estimate:
        show_estimate(cell, state, arguments)


if __name__ == "__main__":
    main()
