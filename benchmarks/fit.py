"""Candidates per second of the fit's objective against the same objective with LAMMPS in the loop, in one run.

    python benchmarks/fit.py [--candidates 6] [--frames 6]

Both evaluate the same candidates on the same frames of fits/Mg on one thread, turn by turn, so that what else the
machine does falls on both. LAMMPS stays alive between candidates, gets new parameters by its pair coefficients and
relaxes the shells to 1e-5 eV/Å from where they were: with its own minimiser, and by damped dynamics, the fastest way
found. Candidates are independent on both sides, so the ratio on two cores is that on one.
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
from dopantfit.energy.relaxation import TOLERANCE
from dopantfit.fit.config import Guards
from dopantfit.fit.data import Target
from dopantfit.fit.objective import Objective
from dopantfit.fit.residuals import energy_groups
from dopantfit.fit.run import Plan, plan_fit
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.potential import Potential

FIT = Path(__file__).parents[1] / "fits" / "Mg"
#: Candidates lie this far around the start [part of the box]: where a swarm spends most of its time.
SPREAD = 0.03


@dataclass(frozen=True)
class Measured:
    """Seconds and cost of every candidate."""

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


def measure(plan: Plan, targets: list[Target], count: int) -> dict[str, Measured]:
    """Time every candidate on every side, turn by turn; the first, which warms up, is left out."""
    rng = np.random.default_rng(0)
    space = plan.space
    objective = Objective(space, targets, Guards(turn_over_error=None), tolerance=TOLERANCE)
    points = [np.clip(space.start + rng.normal(0, SPREAD, len(space.start)), 0, 1) for _ in range(count + 1)]
    dopant = plan.config.dopant.label if plan.config.dopant else ""
    with ExitStack() as stack:
        plain = [stack.enter_context(InProcessLammps(atoms_of(one), space.base)) for one in targets]
        damped: list[InProcessLammps] = [
            stack.enter_context(DampedShells(atoms_of(one), space.base)) for one in targets
        ]
        sides = {
            "dopantfit": lambda point, potential: objective.cost(point),
            "LAMMPS, own minimiser": lambda point, potential: lammps_cost(plain, targets, potential, dopant),
            "LAMMPS, damped dynamics": lambda point, potential: lammps_cost(damped, targets, potential, dopant),
        }
        found = {name: Measured([], []) for name in sides}
        for number, point in enumerate(points):
            potential = space.potential(space.values(point))
            for name, cost_of in sides.items():
                started = time.perf_counter()
                cost = cost_of(point, potential)
                if number:
                    found[name].seconds.append(time.perf_counter() - started)
                    found[name].costs.append(cost)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=6)
    parser.add_argument("--frames", type=int, default=6)
    options = parser.parse_args()
    plan = plan_fit(FIT)
    # The largest frames first: the doped cells of a hundred ions decide how long a fit takes.
    chosen = sorted(plan.training, key=lambda target: -len(target.forces))[: options.frames]
    targets = [replace(target, stress_weight=0.0) for target in chosen]
    found = measure(plan, targets, options.candidates)
    own = found["dopantfit"]
    table = Table(
        title=f"{len(targets)} frames, {sum(len(t.forces) for t in targets)} ions, {options.candidates} candidates"
    )
    for heading in ("objective", "candidates/s, median", "ratio", "largest relative difference of the cost"):
        table.add_column(heading, justify="left" if heading == "objective" else "right")
    for name, one in found.items():
        ratios = [theirs / ours for theirs, ours in zip(one.seconds, own.seconds, strict=True)]
        difference = max(abs(a / b - 1) for a, b in zip(one.costs, own.costs, strict=True))
        table.add_row(
            name, f"{1 / statistics.median(one.seconds):.3g}", f"{statistics.median(ratios):.1f}", f"{difference:.1e}"
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
