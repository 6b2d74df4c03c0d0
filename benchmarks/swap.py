"""Relaxed swaps against LAMMPS minimising the whole cell for every attempt, both judged by the same rule, in one run.

    python benchmarks/swap.py --start start.xyz                     1,008 ions of Mg-doped LATP (some ten minutes)
    python benchmarks/swap.py --start start.xyz --tile 1 1 3        3,024 ions
    python benchmarks/swap.py --start start.xyz --tile 2 2 3 --rates-only       12,096 ions
    python benchmarks/swap.py --start start.xyz --no-race --estimate 67 --plot swap.png
                                                                    estimates against full relaxation, 67 of each pair

Times are those of the processor (one thread each), so that what else the machine does hardly matters. The start is a
crystal after molecular dynamics at 1000 K, minimised, and moved on by swaps of our own; the first call keeps it.

LAMMPS relaxes few swaps: they give its seconds per attempt. How likely a swap is to be accepted is a matter of its
energy and of the rule, not of who relaxes it, and is averaged over more swaps that our own full relaxation was made of:
min(1, exp(-ΔE/kT)) where every attempt is relaxed, and what is left of it where the estimates must let it pass too.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from rich.console import Console
from rich.table import Table

from dopantfit import Potential
from dopantfit.boundary.swap.acceptance import passing
from dopantfit.boundary.swap.chain import Chain, Sites
from dopantfit.boundary.swap.config import Burst
from dopantfit.boundary.swap.model import Swap
from dopantfit.boundary.swap.relaxed import RelaxedSwaps, Sample, measure_response
from dopantfit.energy.cell_model import CellState
from dopantfit.lammps import md_snapshots
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.lammps.recipes import site_minimiser
from dopantfit.structures import load_host
from dopantfit.units import BOLTZMANN

CONSOLE = Console(width=120)
POTENTIAL = Potential.load("latp-mg-2022")
PARTNERS = ("Al", "Li", "Ti")
#: Largest force [eV/Å] at which the peer ends in the race, and where both are compared afterwards.
RACE_FORCE, FINE_FORCE = 1e-2, 1e-3
#: Ends closer than this everywhere [Å] are one basin.
SAME_BASIN = 0.2


class WholeCell(InProcessLammps):
    """The peer: one LAMMPS instance that stays alive; a swap changes two types, and everything is minimised."""

    def __init__(self, state: CellState, model: RelaxedSwaps) -> None:
        super().__init__(model.cell.atoms(state), POTENTIAL, kspace="pppm 1e-4", coulomb_cutoff=8.0)
        self._labels = [model.labels[one] for one in state.species]
        self._state = state
        self.command("unfix frozen")
        self.command("min_style cg")
        self.command("min_modify norm inf line forcezero")

    def minimise(self, force: float) -> float:
        """Energy [eV] of the minimum reached from here."""
        self.command(f"minimize 0.0 {force!r} 5000 50000")
        self._current = True
        return self.energy()

    def minimise_to_the_end(self) -> float:
        """The same to ``FINE_FORCE``: FIRE goes on where the line search of conjugate gradients stalls."""
        self.minimise(FINE_FORCE)
        for line in site_minimiser(self._ions.types):
            self.command(line)
        energy = self.minimise(FINE_FORCE)
        worst = float(np.abs(self._site_forces()).max())
        if worst > FINE_FORCE:
            CONSOLE.print(f"LAMMPS left a force of {worst:.1e} eV/Å")
        self.command("min_style cg")
        self.command("min_modify norm inf line forcezero")
        return energy

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
class Judged:
    """A swap relaxed by us: pair, ΔE [eV], how likely it is to be accepted by the full rule and after the estimates."""

    swap: Swap
    partner: str
    change: float
    full: float
    delayed: float
    end: CellState


@dataclass
class Attempt:
    """The same by LAMMPS: seconds, and of a finer minimum ΔE [eV], whether it is our basin, and ΔE from our end."""

    seconds: float
    change: float = np.nan
    same_basin: bool = False
    from_ours: float = np.nan


def start(arguments: argparse.Namespace) -> Atoms:
    """A crystal after dynamics at 1000 K and swaps, tiled; kept in, or taken from, the file of ``--start``."""
    if arguments.start and arguments.start.is_file():
        atoms = ase.io.read(arguments.start)
    else:
        rng = np.random.default_rng(1)
        host = load_host()
        cell = host.conventional.repeated(arguments.cells)
        crystal = host.doped(rng, Fraction(1, 3), Fraction(1, 6), "Mg", 2, cell=cell)
        with tempfile.TemporaryDirectory() as folder:
            atoms = md_snapshots(crystal, POTENTIAL, 1000.0, arguments.picoseconds, 1, 7, Path(folder))[-1]
        atoms = moved_on(atoms, arguments, rng)
        if arguments.start:
            ase.io.write(arguments.start, atoms, format="extxyz")
    return atoms.repeat(arguments.tile)


def moved_on(atoms: Atoms, arguments: argparse.Namespace, rng: np.random.Generator) -> Atoms:
    """The structure after swaps that anneal what the quench left, every attempt relaxed."""
    model = RelaxedSwaps(atoms, POTENTIAL, Burst(mode="full", partners=PARTNERS, undo_every=0))
    state = model.cell.minimum(atoms)
    chain = Chain(model, state, sites_of(model, state), arguments.temperature, model.settings, model.labels)
    for _ in range(arguments.burn_in):
        chain.attempt(rng)
    gained = state.energy - chain.state.energy
    CONSOLE.print(f"start: {chain.statistics.total.accepted} of {arguments.burn_in} swaps, {gained:.2f} eV lower")
    return model.cell.atoms(chain.state)


def sites_of(model: RelaxedSwaps, state: CellState) -> Sites:
    """All sites are active; pairs are drawn alike, so that each is seen."""
    partners = tuple(model.labels.index(one) for one in model.settings.partners)
    return Sites(np.arange(len(state.species)), model.labels.index("Mg"), partners, by_species=True)


def drawn(model: RelaxedSwaps, state: CellState, each: int, rng: np.random.Generator) -> list[Swap]:
    """Swaps of each pair, the pairs in turn."""
    sites = sites_of(model, state)
    return [
        swap
        for _ in range(each)
        for partner in sites.partners
        if (swap := Sites(sites.active, sites.dopant, (partner,)).draw(state.species, rng)) is not None
    ]


def judged(model: RelaxedSwaps, state: CellState, swaps: list[Swap], temperature: float) -> list[Judged]:
    """Every swap relaxed to its end, whatever the estimates say; those without a minimum are left out."""
    found = []
    for swap in swaps:
        estimate = model.estimate(state, swap)
        done = model.relax(state, swap, estimate, np.inf)
        if done.state is None:
            continue
        back = model.estimate(done.state, swap)
        returned = model.relax(done.state, swap, back, -np.inf)
        there, again = (
            passing(max(first.change, second.early), temperature)
            for first, second in ((estimate, done), (back, returned))
        )
        change = done.state.energy - state.energy
        boltzmann = np.exp(min(-change / (BOLTZMANN * temperature), 50.0))
        # What passes times what is accepted then: g min(1, exp(-ΔE/kT) g'/g).
        delayed = min(there, boltzmann * again)
        found.append(Judged(swap, model.partner(state, swap), change, min(1.0, boltzmann), delayed, done.state))
    return found


def race(model: RelaxedSwaps, state: CellState, swaps: list[Judged], rates_only: bool) -> list[Attempt]:
    """The peer's relaxation of every swap, timed; unless ``rates_only``, then to a finer minimum, and from our end."""
    attempts = []
    with WholeCell(state, model) as peer:
        peer.set_positions(state.cores, state.shells)
        before = np.nan
        if not rates_only:
            peer.accuracy("pppm 1e-6")
            before = peer.minimise_to_the_end()
        for one in swaps:
            peer.set_positions(state.cores, state.shells)
            peer.exchange(one.swap)
            peer.accuracy("pppm 1e-4")
            began = time.process_time()
            peer.minimise(RACE_FORCE)
            attempts.append(Attempt(time.process_time() - began))
            if not rates_only:
                peer.accuracy("pppm 1e-6")
                energy, end = peer.minimise_to_the_end(), peer.cores()
                peer.set_positions(one.end.cores, one.end.shells)
                apart = (end - one.end.cores) @ np.linalg.inv(model.cell.cell)
                farthest = np.linalg.norm((apart - np.round(apart)) @ model.cell.cell, axis=1).max()
                attempts[-1].change, attempts[-1].same_basin = energy - before, bool(farthest < SAME_BASIN)
                attempts[-1].from_ours = peer.minimise_to_the_end() - before
            peer.exchange(one.swap)
    return attempts


def show_race(model: RelaxedSwaps, state: CellState, arguments: argparse.Namespace) -> None:
    """Attempts and accepted swaps per core-hour of both, and the agreement of ΔE."""
    rng = np.random.default_rng(arguments.seed)
    model.response, _ = measure_response(model, state, drawn(model, state, model.settings.calibration, rng))
    chain = Chain(model, state, sites_of(model, state), arguments.temperature, model.settings, model.labels)
    began = time.process_time()
    for _ in range(arguments.attempts):
        chain.attempt(rng)
    seconds, total = time.process_time() - began, chain.statistics.total
    CONSOLE.print(
        f"ours: {total.attempted} attempts, {total.passed} passed the first estimate, {total.stopped} stopped at the "
        f"second, {total.accepted} accepted, {total.calls} evaluations of everything, {seconds:.1f} s"
    )
    began = time.process_time()
    swaps = judged(model, state, drawn(model, state, arguments.sample, rng), arguments.temperature)
    CONSOLE.print(f"{len(swaps)} swaps relaxed to their end by us in {time.process_time() - began:.1f} s")
    sample = race(model, state, swaps[: arguments.peer_attempts], arguments.rates_only)
    peer_seconds = float(np.mean([one.seconds for one in sample]))
    full, delayed = (float(np.mean([getattr(one, rule) for one in swaps])) for rule in ("full", "delayed"))
    rates = {
        "ours, delayed": (3600 * total.attempted / seconds, 3600 * total.attempted / seconds * delayed),
        "LAMMPS, whole cell": (3600 / peer_seconds, 3600 / peer_seconds * full),
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
        f"accepted = attempts x mean probability over {len(swaps)} swaps relaxed by us: {full:.3f} by the full rule, "
        f"{delayed:.3f} after the estimates; LAMMPS: {len(sample)} swaps, {peer_seconds:.1f} s each"
    )
    for partner in model.settings.partners:
        of_pair = [one for one in swaps if one.partner == partner]
        means = [float(np.mean([getattr(one, rule) for one in of_pair])) for rule in ("full", "delayed", "change")]
        CONSOLE.print(
            f"  Mg-{partner}: {len(of_pair)} swaps, probability {means[0]:.3f} and {means[1]:.3f}, ΔE {means[2]:.2f} eV"
        )
    if not arguments.rates_only:
        show_agreement(swaps, sample)


def show_agreement(swaps: list[Judged], sample: list[Attempt]) -> None:
    """How often both end in one basin, and how far ΔE is apart there."""
    pairs = list(zip(swaps, sample, strict=False))
    apart = np.array([abs(one.change - other.change) for one, other in pairs if other.same_basin])
    own = np.array([abs(one.change - other.from_ours) for one, other in pairs])
    shares = f"same basin {len(apart)}/{len(sample)}"
    if len(apart):
        shares += f", there |ΔΔE| median {np.median(apart) * 1e3:.1f}, largest {apart.max() * 1e3:.1f} meV"
    CONSOLE.print(
        f"ΔE against LAMMPS to {FINE_FORCE:g} eV/Å: {shares}; LAMMPS from our end: |ΔΔE| median "
        f"{np.median(own) * 1e3:.1f}, 90 % below {np.quantile(own, 0.9) * 1e3:.1f} meV"
    )


def show_estimate(model: RelaxedSwaps, state: CellState, arguments: argparse.Namespace) -> None:
    """Scatter and bias of both estimates over swaps of each pair."""
    rng = np.random.default_rng(arguments.seed + 1)
    response, found = measure_response(model, state, drawn(model, state, arguments.estimate, rng))
    table = Table(title=f"Estimates against full relaxation, {len(state.species)} ions")
    for heading in ("pair", "swaps", "mean ΔE eV", "estimate", "left out eV", "scatter eV", "bias eV", "rms error eV"):
        table.add_column(heading, justify="left" if heading in ("pair", "estimate") else "right")
    stages = {"inner": (response.mean, response.deviation), "early": (response.late_mean, response.late_deviation)}
    for partner in response.mean:
        mine = [one for one in found if one.partner == partner]
        full = np.array([one.full for one in mine])
        for stage, (mean, deviation) in stages.items():
            error = np.array([getattr(one, stage) for one in mine]) - mean[partner] - full
            numbers = (mean[partner], deviation[partner], error.mean(), np.sqrt(np.mean(error**2)))
            table.add_row(
                f"Mg-{partner}", str(len(mine)), f"{full.mean():.3f}", stage, *(f"{number:.3f}" for number in numbers)
            )
    CONSOLE.print(table)
    if arguments.plot:
        plot_estimate(found, stages, arguments.plot)


def plot_estimate(
    found: list[Sample], stages: dict[str, tuple[Mapping[str, float], Mapping[str, float]]], path: Path
) -> None:
    """Scatter of both estimates against full relaxation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, both = plt.subplots(1, 2, figsize=(9, 4.5), sharex=True, sharey=True, constrained_layout=True)
    for axes, (stage, (mean, _)) in zip(both, stages.items(), strict=True):
        for partner in mean:
            mine = [one for one in found if one.partner == partner]
            axes.scatter(
                [one.full for one in mine], [getattr(one, stage) - mean[partner] for one in mine], s=12,
                label=f"Mg-{partner}",
            )  # fmt: skip
        edge = np.array(axes.get_xlim())
        axes.plot(edge, edge, color="0.5", lw=0.8)
        axes.set(xlabel="ΔE, everything relaxed (eV)", ylabel=f"estimate, {stage} (eV)")
    both[0].legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs=3, default=(3, 3, 1), help="hexagonal cells of about 112 ions")
    parser.add_argument("--tile", type=int, nargs=3, default=(1, 1, 1), help="repeats of the cell after its dynamics")
    parser.add_argument("--picoseconds", type=float, default=1.0, help="of dynamics at 1000 K before")
    parser.add_argument("--start", type=Path, help="extended XYZ: taken where it exists, else made and kept there")
    parser.add_argument("--temperature", type=float, default=1000.0)
    parser.add_argument("--burn-in", type=int, default=30)
    parser.add_argument("--attempts", type=int, default=60)
    parser.add_argument("--sample", type=int, default=8, help="swaps of each pair that we relax to their end")
    parser.add_argument("--peer-attempts", type=int, default=6, help="of those, how many LAMMPS relaxes")
    parser.add_argument("--rates-only", action="store_true", help="no finer minima by LAMMPS to compare ΔE with")
    parser.add_argument("--calibration", type=int, default=4)
    parser.add_argument("--estimate", type=int, default=0, help="swaps of each pair for scatter and bias")
    parser.add_argument("--no-race", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = Burst(partners=PARTNERS, calibration=arguments.calibration, undo_every=0)
    atoms = start(arguments)
    model = RelaxedSwaps(atoms, POTENTIAL, settings)
    began = time.process_time()
    state = model.cell.minimum(atoms)
    CONSOLE.print(f"{len(atoms)} ions at their minimum after {time.process_time() - began:.1f} s")
    if not arguments.no_race:
        show_race(model, state, arguments)
    if arguments.estimate:
        show_estimate(model, state, arguments)


if __name__ == "__main__":
    main()
