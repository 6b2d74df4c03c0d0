"""Candidates per second of the fit's objective against the same objective with LAMMPS in the loop, in one run.

    python benchmarks/fit.py [--candidates 5] [--frames 31] [--spread 0.03] [--box 20] [--exact-frames 4]

All evaluate the same candidates on the same frames of fits/Mg in this process, on one thread, turn by turn; time is
that of the processor, so that what else the machine does does not count. The expansion is asked about blocks of
candidates, as a swarm asks it. LAMMPS stays alive between candidates, gets new parameters by its pair coefficients and
relaxes the shells to 1e-5 eV/Å from where they were: with its own minimiser, and by damped dynamics, the fastest way
found. Candidates are independent on all sides, so the ratio on two cores is that on one.

Three more numbers come from the same run. The agreement of the exact objective with LAMMPS where LAMMPS is exact too:
fine tables instead of its polynomial for erfc (off by 1e-7), its Coulomb constant made ours by the charges (it has
eight digits), shells at rest to 1e-6 eV/Å; of one candidate on some of the frames, untimed. The error of the expansion
near its anchor, and over the whole box. And candidates per second of a whole swarm by the settings of the file, exact
checks and new anchors included.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from rich.console import Console
from rich.table import Table

from _lammps_peer import DampedShells
from dopantfit.fit.config import Guards
from dopantfit.fit.data import Target
from dopantfit.fit.objective import Objective
from dopantfit.fit.residuals import energy_groups
from dopantfit.fit.run import FitPlan, plan_fit
from dopantfit.fit.search import Journal, first_generation, run_search
from dopantfit.fit.surrogate import Surrogate
from dopantfit.fit.workers import BLOCK, evaluate_all, worker_pool
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.potential import Parameter, Potential
from dopantfit.units import COULOMB, COULOMB_LAMMPS

FIT = Path(__file__).parents[1] / "fits" / "Mg"
#: Force on a shell that counts as none [eV/Å], where LAMMPS is asked to be exact: its minimiser compares energies, and
#: ends between 1e-7 and 1e-6 because energies of a thousand eV have no more digits.
AT_REST = 1e-6
#: LAMMPS's own way to put shells to rest, and the fastest way found, which is not one of its minimisers.
PEERS = ("LAMMPS, own minimiser", "LAMMPS, damped dynamics")


@dataclass(frozen=True)
class Measured:
    """Seconds of processor time and cost of every candidate."""

    seconds: list[float]
    costs: list[float]


def atoms_of(target: Target) -> Atoms:
    """The ions of a target."""
    frame = target.frame
    return Atoms(target.ion_labels, positions=frame.positions, cell=frame.cell, pbc=True)


def lammps_cost(peers: list[InProcessLammps], targets: list[Target], potential: Potential, dopant: str) -> float:
    """The same sum of squares from LAMMPS's forces and energies."""
    total, differences = 0.0, []
    for peer, target in zip(peers, targets, strict=True):
        for a, b in potential.pairs:
            if dopant in (a, b) and {a, b} <= set(target.frame.labels):
                term = potential.pairs[a, b]
                peer.set_pair(a, b, term.A, term.rho, term.C)
        if isinstance(peer, DampedShells):
            peer.command("run 0 post no")  # takes the new coefficients over
        peer.relax_shells()
        weighted = (peer.forces() - target.forces) * target.force_weight[:, None]
        total += float(np.sum(weighted**2))
        differences.append(peer.energy() - target.energy)
    residuals = energy_groups(targets).centred(np.array(differences))
    return 0.5 * (total + float(residuals @ residuals))


def scaled(potential: Potential) -> Potential:
    """The potential with charges that give LAMMPS's Coulomb constant the value of ours."""
    root = float(np.sqrt(COULOMB / COULOMB_LAMMPS))
    charges = {}
    for label, ion in potential.species.items():
        charges[Parameter("charge", (label,))] = root * ion.charge
        if ion.shell is not None:
            charges[Parameter("shell_charge", (label,))] = root * ion.shell.charge
    return potential.with_values(charges)


def exact_lammps_cost(targets: list[Target], potential: Potential) -> float:
    """The sum of squares from LAMMPS without what it approximates."""
    total, differences = 0.0, []
    for target in targets:
        with InProcessLammps(atoms_of(target), scaled(potential), "ewald 1e-10") as peer:
            peer.relax_shells()
            peer.tabulate_coulomb()
            peer.relax_shells(force_tolerance=AT_REST)
            weighted = (peer.forces() - target.forces) * target.force_weight[:, None]
            total += float(np.sum(weighted**2))
            differences.append(peer.energy() - target.energy)
    residuals = energy_groups(targets).centred(np.array(differences))
    return 0.5 * (total + float(residuals @ residuals))


def measure(
    plan: FitPlan, surrogate: Surrogate, targets: list[Target], points: list[np.ndarray]
) -> dict[str, Measured]:
    """Time every candidate on every side, turn by turn; the first, which warms up, is left out."""
    space, block = plan.space, (BLOCK, len(plan.space.start))
    dopant = plan.config.dopant.label if plan.config.dopant else ""
    with ExitStack() as stack:
        plain = [stack.enter_context(InProcessLammps(atoms_of(one), space.base)) for one in targets]
        damped: list[InProcessLammps] = [
            stack.enter_context(DampedShells(atoms_of(one), space.base)) for one in targets
        ]
        sides = {
            "dopantfit, exact": lambda point, potential: surrogate.exact(point).cost,
            PEERS[0]: lambda point, potential: lammps_cost(plain, targets, potential, dopant),
            PEERS[1]: lambda point, potential: lammps_cost(damped, targets, potential, dopant),
        }
        found = {name: Measured([], []) for name in ("dopantfit, expansion", *sides)}
        for number, point in enumerate(points):
            started = time.process_time()
            costs = [one.cost for one in surrogate.estimates(np.resize(np.roll(points, -number, axis=0), block))]
            if number:
                found["dopantfit, expansion"].seconds.append((time.process_time() - started) / BLOCK)
                found["dopantfit, expansion"].costs.append(costs[0])
            potential = space.potential(space.values(point))
            for name, cost_of in sides.items():
                started = time.process_time()
                cost = cost_of(point, potential)
                if number:
                    found[name].seconds.append(time.process_time() - started)
                    found[name].costs.append(cost)
    return found


def speed_table(found: dict[str, Measured], title: str) -> Table:
    """Candidates per second, ratios to both ways of LAMMPS, and differences of the cost from the exact objective's."""
    table = Table(title=title, title_justify="left")
    for heading in ("objective", "candidates/s, median", "× minimiser", "× damped", "largest difference of the cost"):
        table.add_column(heading, justify="left" if heading == "objective" else "right")
    for name, one in found.items():
        ratios = [
            statistics.median(theirs / ours for theirs, ours in zip(found[peer].seconds, one.seconds, strict=True))
            for peer in PEERS
        ]
        exact = found["dopantfit, exact"].costs
        difference = max(abs(a / b - 1) for a, b in zip(one.costs, exact, strict=True))
        rate = 1 / statistics.median(one.seconds)
        table.add_row(name, f"{rate:.3g}", *(f"{ratio:.1f}" for ratio in ratios), f"{difference:.1e}")
    return table


def error_row(surrogate: Surrogate, points: list[np.ndarray]) -> list[str]:
    """How the expansion does over these points: share that it covers, its errors, and what was rejected."""
    exact = [surrogate.exact(point) for point in points]
    estimates = surrogate.estimates(np.array(points))
    errors = [abs(e.cost / x.cost - 1) for e, x in zip(estimates, exact, strict=True) if not e.exact and not x.rejected]
    covered = sum(not one.exact for one in estimates)
    rejected = sum(one.rejected is not None for one in exact)
    numbers = [f"{value:.1e}" for value in (np.median(errors), np.quantile(errors, 0.9), max(errors))]
    return [str(len(points)), f"{covered / len(points):.0%}", *numbers, str(rejected)]


def swarm_speed(plan: FitPlan, objective: Objective, generations: int) -> tuple[float, int]:
    """Candidates per second of a swarm in this process, everything included, and how many it tried."""
    settings = plan.config.swarm.model_copy(update={"generations": generations})
    rng = np.random.default_rng(plan.config.seed)
    first = first_generation([plan.space.start], len(plan.space.start), settings, rng)
    with worker_pool(objective, 1) as pool:
        started = time.process_time()
        found = run_search(
            lambda points, anchor, lowest: evaluate_all(pool, points, anchor, lowest),
            first,
            settings,
            rng,
            Journal(None, ""),
        )
    return len(found.points) / (time.process_time() - started), len(found.points)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=5)
    parser.add_argument("--frames", type=int, default=31)
    parser.add_argument("--spread", type=float, default=0.03, help="of candidates around the anchor, part of the box")
    parser.add_argument("--exact-frames", type=int, default=4, help="held against LAMMPS without its approximations")
    parser.add_argument("--box", type=int, default=20, help="candidates for the errors of the expansion")
    parser.add_argument("--generations", type=int, default=20, help="of the swarm that is timed as a whole")
    options = parser.parse_args()
    plan, rng, console = plan_fit(FIT), np.random.default_rng(0), Console(width=110)
    # The largest frames first: the doped cells of a hundred ions decide how long a fit takes.
    chosen = sorted(plan.training, key=lambda target: -len(target.forces))[: options.frames]
    targets = [replace(target, stress_weight=0.0) for target in chosen]
    start = plan.space.start
    near = [np.clip(start + rng.normal(0, options.spread, len(start)), 0, 1) for _ in range(options.candidates + 1)]
    surrogate = Surrogate(Objective(plan.space, targets, Guards(turn_over_error=None)))
    surrogate.anchor(start)
    found = measure(plan, surrogate, targets, near)
    ions = sum(len(target.forces) for target in targets)
    console.print(speed_table(found, f"{len(targets)} frames, {ions} ions, {options.candidates} candidates"))
    # The largest frame and the smallest ones: two of a composition at least, so that energies count too.
    few = targets[:1] + targets[len(targets) - options.exact_frames + 1 :]
    exact = exact_lammps_cost(few, plan.space.potential(plan.space.values(near[1])))
    ours = Objective(plan.space, few, Guards(turn_over_error=None)).cost(near[1])
    console.print(
        f"exact objective against LAMMPS without its approximations, {len(few)} frames: {abs(ours / exact - 1):.1e}"
    )
    table = Table(title="error of the expansion, relative to the exact cost", title_justify="left")
    for heading in ("candidates", "number", "covered", "median", "90 %", "largest", "rejected, all exactly"):
        table.add_column(heading, justify="right")
    around = [np.clip(start + rng.normal(0, options.spread, len(start)), 0, 1) for _ in range(options.box)]
    table.add_row("near the anchor", *error_row(surrogate, around))
    table.add_row("whole box", *error_row(surrogate, [rng.random(len(start)) for _ in range(options.box)]))
    console.print(table)
    if options.generations:
        rate, count = swarm_speed(plan, surrogate.objective, options.generations)
        ratios = (f"{rate * statistics.median(found[peer].seconds):.0f} × {peer}" for peer in PEERS)
        console.print(f"swarm of {count}, checks and anchors included: {rate:.3g} candidates/s, {', '.join(ratios)}")


if __name__ == "__main__":
    main()
