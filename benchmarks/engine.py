"""The engine against LAMMPS: agreement, speed and scaling, measured in one run on one thread each.

    python benchmarks/engine.py             everything (about three minutes)
    python benchmarks/engine.py --tune      the real-space cutoff of the Ewald sum that is fastest here

Speed is measured on perturbed 112-ion LAMTP cells; both sides relax the shells to 1e-5 eV/Å. Frames alternate between
the two, so that what else the machine does falls on both; figures are medians, and ratios are the result.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from ase import Atoms
from rich.console import Console
from rich.table import Table

from _lammps_peer import KSPACE, lammps_cold, lammps_warm
from dopantfit import Potential, ShellModel
from dopantfit.energy import evaluate, ewald, make_frame, parameter_derivatives, species_table
from dopantfit.energy.neighbours import NeighbourRuns
from dopantfit.energy.problem import ShellProblem
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.structures import load_host, prototype
from dopantfit.units import COULOMB, COULOMB_LAMMPS, EV_PER_A3_IN_GPA

CONSOLE = Console(width=110)
POTENTIAL = Potential.load("latp-mg-2022")
DOPANT_PARAMETERS = [p for p in POTENTIAL.parameters() if "Mg" in p.of and p.quantity in ("A", "rho", "C")]
TOLERANCE = 1e-5
REPEATS = 15
#: Steps of the differences through LAMMPS, relative: where shells at rest to 1e-5 eV/Å and curvature disturb them
#: equally. Smaller steps would be drowned in what is left of the forces on the shells.
DIFFERENCE = {"A": 1e-2, "rho": 1e-3, "C": 1e-2}


def lamtp_cell(rng: np.random.Generator) -> Atoms:
    """Li10Al2MgTi9P18O72: 112 ions."""
    return load_host().doped(rng, Fraction(1, 3), Fraction(1, 6), "Mg", 2)


def parity_cells(rng: np.random.Generator) -> dict[str, Atoms]:
    """Cells of every kind, each perturbed by 0.05 Å rms."""
    doped = lamtp_cell(rng)
    triclinic = doped.copy()
    triclinic.set_cell(doped.cell.array @ (np.eye(3) + rng.normal(0, 0.03, (3, 3))), scale_atoms=True)
    names = ("LiTi2P3O12", "AlPO4", "LiTiOPO4", "Mg3P2O8", "Li3PO4_gamma", "TiP2O7", "Al2O3")
    cells = {name: prototype(name) for name in names}
    cells["MgO, 4.2 Å cell"] = prototype("MgO")
    cells["LAMTP"] = doped
    cells["LAMTP, triclinic"] = triclinic
    cells["LATP 2×2×2 pseudo-cubic"] = load_host().doped(rng, Fraction(19, 64), cell=load_host().pseudo_cubic(2))
    for atoms in cells.values():
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    return cells


def show_parity(rng: np.random.Generator) -> None:
    """Energy, forces and stress of both engines at the same relaxed shells, with LAMMPS's Coulomb constant."""
    table = Table(title="Agreement with LAMMPS (ewald 1e-8), largest differences")
    for heading in ("cell", "ions", "energy eV/atom", "same, cs style", "force eV/Å", "stress GPa", "shell force eV/Å"):
        table.add_column(heading, justify="left" if heading == "cell" else "right")
    for name, atoms in parity_cells(rng).items():
        atoms.calc = ShellModel(POTENTIAL, tolerance=1e-7, coulomb=COULOMB_LAMMPS)
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        shells = atoms.positions.copy()
        shells[atoms.calc.evaluation.relaxed.problem.frame.shell_ions] = atoms.calc.results["shells"]
        with InProcessLammps(atoms, POTENTIAL, kspace="ewald 1e-8") as peer:
            peer.set_positions(atoms.positions, shells)
            approximate = abs(peer.energy() - energy) / len(atoms)
            peer.tabulate_coulomb()
            table.add_row(
                name,
                str(len(atoms)),
                f"{abs(peer.energy() - energy) / len(atoms):.1e}",
                f"{approximate:.1e}",
                f"{np.abs(peer.forces() - forces).max():.1e}",
                f"{np.abs(peer.stress() - stress).max() * EV_PER_A3_IN_GPA:.1e}",
                f"{np.abs(peer.shell_forces()).max():.1e}",
            )
    CONSOLE.print(table)
    CONSOLE.print(
        f"Coulomb constants: LAMMPS {COULOMB_LAMMPS} eV Å (used on both sides above), dopantfit {COULOMB:.12f} eV Å "
        f"(relative difference {COULOMB / COULOMB_LAMMPS - 1:.1e}).\n"
        "'cs style' is buck/coul/long/cs as production runs use it: its polynomial for erfc is off by about 1e-7, "
        "which the short core-shell distance of every O turns into a constant; the first column tabulates erfc.\n"
        "Shell force: what LAMMPS finds on the shells that dopantfit calls relaxed (to 1e-7 eV/Å).\n"
    )


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def displaced(rng: np.random.Generator, positions: np.ndarray, by: float) -> np.ndarray:
    """Positions with Gaussian noise [Å] on every coordinate."""
    return positions + rng.normal(0, by, positions.shape)


def run_peer(peer: InProcessLammps, positions: np.ndarray, shells: np.ndarray | None) -> None:
    """LAMMPS: shells relaxed from the given ones (from their cores if None), energy, forces."""
    peer.set_positions(positions, shells)
    peer.relax_shells(force_tolerance=TOLERANCE)
    peer.energy()
    peer.forces()


def measure_evaluations(rng: np.random.Generator) -> dict[str, dict[str, list[float]]]:
    """Seconds of every call by task and engine; the engines take turns on each frame.

    cold: shells start on their cores, neighbour lists are new. warm: shells start from those of a frame displaced by
    1e-3 Å in every coordinate.
    """
    ideal = lamtp_cell(rng)
    atoms = ideal.copy()
    atoms.positions = displaced(rng, ideal.positions, 0.1)
    base = make_frame(atoms, POTENTIAL)
    table = species_table(base.labels, POTENTIAL)
    times: dict[str, dict[str, list[float]]] = {task: {} for task in ("cold", "warm")}
    peer = InProcessLammps(atoms, POTENTIAL, kspace=KSPACE)
    for repeat in range(REPEATS + 1):
        positions = displaced(rng, ideal.positions, 0.1)
        moved = displaced(rng, positions, 1e-3)
        first = evaluate(ShellProblem(base.moved(positions), table))
        works: dict[str, dict[str, Callable[[], object]]] = {"cold": {}, "warm": {}}
        works["cold"]["dopantfit"] = lambda p=positions: evaluate(ShellProblem(base.moved(p), table))
        frame = first.relaxed.problem.frame
        works["warm"]["dopantfit"] = lambda f=frame, m=moved, r=first.relaxed: evaluate(
            ShellProblem(f.moved(m), table), r.start
        )
        run_peer(peer, positions, None)
        shells = peer.shell_positions() + (moved - positions)
        works["cold"]["LAMMPS minimize"] = lambda p=positions: run_peer(peer, p, None)
        works["warm"]["LAMMPS minimize"] = lambda m=moved, s=shells: run_peer(peer, m, s)
        for task, engines in works.items():
            for name, work in engines.items():
                elapsed = seconds(work)
                if repeat:  # the first round fills caches on both sides
                    times[task].setdefault(name, []).append(elapsed)
    peer.close()
    return times


def measure_on_one_frame(rng: np.random.Generator) -> dict[str, dict[str, list[float]]]:
    """The same two tasks on a single frame, neighbour lists kept, against damped dynamics of the shells."""
    atoms = lamtp_cell(rng)
    atoms.positions = displaced(rng, atoms.positions, 0.1)
    frame = make_frame(atoms, POTENTIAL)
    table = species_table(frame.labels, POTENTIAL)
    first = evaluate(ShellProblem(frame, table)).relaxed
    moved = frame.moved(displaced(rng, frame.positions, 1e-3))
    works = {
        "cold": lambda: evaluate(ShellProblem(frame, table)),
        "warm": lambda: evaluate(ShellProblem(moved, table), first.start),
    }
    times = {task: {"dopantfit": [seconds(work) for _ in range(REPEATS)]} for task, work in works.items()}
    for task, time_peer in (("cold", lammps_cold), ("warm", lammps_warm)):
        times[task]["LAMMPS damped dynamics"] = [time_peer(atoms, POTENTIAL, REPEATS).median]
        times[task]["dopantfit"] += [seconds(works[task]) for _ in range(REPEATS)]
    return times


def measure_derivatives(rng: np.random.Generator) -> dict[str, list[float]]:
    """Seconds for energy, forces and the derivatives of both with respect to the 18 dopant parameters.

    LAMMPS: two minimisations a parameter, each from the shells of the unchanged potential.
    """
    atoms = lamtp_cell(rng)
    atoms.positions = displaced(rng, atoms.positions, 0.1)
    frame = make_frame(atoms, POTENTIAL)
    table = species_table(frame.labels, POTENTIAL)
    start = evaluate(ShellProblem(frame, table))

    def exact() -> None:
        result = evaluate(ShellProblem(frame, table), start.relaxed.start)
        parameter_derivatives(result.relaxed, DOPANT_PARAMETERS)

    def differences(peer: InProcessLammps, shells: np.ndarray) -> None:
        run_peer(peer, atoms.positions, shells)
        for parameter in DOPANT_PARAMETERS:
            term = POTENTIAL.pair(*parameter.of)
            value = POTENTIAL.value(parameter)
            for sign in (1, -1):
                step = sign * DIFFERENCE[parameter.quantity] * (value or 100.0)
                changed = term.model_copy(update={parameter.quantity: max(value + step, 0.0)})
                peer.set_pair(*parameter.of, changed.A, changed.rho, changed.C)
                run_peer(peer, atoms.positions, shells)
            peer.set_pair(*parameter.of, term.A, term.rho, term.C)

    exact()
    times: dict[str, list[float]] = {"dopantfit": [], "LAMMPS minimize": []}
    with InProcessLammps(atoms, POTENTIAL, kspace=KSPACE) as peer:
        run_peer(peer, atoms.positions, None)
        shells = peer.shell_positions()
        for _ in range(3):
            times["LAMMPS minimize"].append(seconds(lambda: differences(peer, shells)))
            times["dopantfit"].extend(seconds(exact) for _ in range(5))
    return times


def show_speed(rng: np.random.Generator) -> None:
    """Median times per frame and the ratios, task by task."""
    table = Table(title="112-ion LAMTP, shells relaxed to 1e-5 eV/Å, one thread each")
    for heading in ("task", "engine", "median ms", "min-max ms", "times dopantfit"):
        table.add_column(heading, justify="left" if heading in ("task", "engine") else "right")
    times, kept = measure_evaluations(rng), measure_on_one_frame(rng)
    tasks = {
        "shells from their cores": times["cold"],
        "shells from a frame 1e-3 Å away": times["warm"],
        "with derivatives by 18 parameters": measure_derivatives(rng),
        "from their cores, lists kept": kept["cold"],
        "from 1e-3 Å away, lists kept": kept["warm"],
    }
    for task, engines in tasks.items():
        ours = float(np.median(engines["dopantfit"]))
        for name, values in engines.items():
            milliseconds = 1e3 * np.array(values)
            table.add_row(
                task,
                name,
                f"{np.median(milliseconds):.2f}",
                f"{milliseconds.min():.2f}-{milliseconds.max():.2f}",
                f"{np.median(values) / ours:.1f}",
            )
            task = ""
    CONSOLE.print(table)
    CONSOLE.print(
        f"LAMMPS minimize: {KSPACE}, FIRE, the fastest of its minimisers that reaches the tolerance; derivatives by "
        "central differences, two minimisations a parameter, each from the shells of the unchanged potential.\n"
        "LAMMPS damped dynamics: no minimiser but viscous dynamics of the shells with tuned friction, on one frame "
        "whose neighbour lists are kept: the fastest way found to make LAMMPS relax shells.\n"
    )


#: Floating-point operations per list entry or per wave and site, counted from the kernels (a fused multiply-add is two,
#: a square root or a division one): coulomb_forces and buckingham_forces of pair_terms, each with gather_vectors and
#: run_sums; structure_factors, add_wave_forces.
COULOMB_FLOPS, BUCKINGHAM_FLOPS, FACTOR_FLOPS, WAVE_FORCE_FLOPS = 100, 69, 8, 18


def show_operations(rng: np.random.Generator) -> None:
    """One shell pass against its own operation count and against what this core does in a matrix product."""
    frame = make_frame(lamtp_cell(rng), POTENTIAL)
    problem = ShellProblem(frame, species_table(frame.labels, POTENTIAL))
    at_rest = np.zeros((len(frame.shell_ions), 3))
    problem.shell_pass(at_rest)
    elapsed = float(np.median([seconds(lambda: problem.shell_pass(at_rest)) for _ in range(200)]))
    matrix = rng.random((512, 512))
    # A peak is what the core can do: the fastest of them.
    peak = 2 * 512**3 / min(seconds(lambda: matrix @ matrix) for _ in range(20))
    has_shell = problem.table.has_shell[np.arange(len(frame.labels))]

    def entries(runs: NeighbourRuns, species: np.ndarray) -> int:
        lengths = np.diff(runs.start[frame.shell_ions], axis=1)
        return int(lengths[:, species].sum())

    every = np.ones_like(has_shell)
    coulomb = entries(frame.lists.coulomb, every) + entries(frame.lists.coulomb, has_shell)
    buckingham = entries(frame.lists.buckingham, every)
    waves = len(frame.plan.weight) * len(frame.shell_ions)
    operations = coulomb * COULOMB_FLOPS + buckingham * BUCKINGHAM_FLOPS + waves * (FACTOR_FLOPS + WAVE_FORCE_FLOPS)
    CONSOLE.print(
        f"One shell pass, {len(frame.species)} ions: {elapsed * 1e3:.3f} ms for {coulomb} Coulomb and {buckingham} "
        f"Buckingham entries and {waves} wave terms, {operations / 1e6:.2f} Mflop: {operations / elapsed / 1e9:.1f} "
        f"Gflop/s, {operations / elapsed / peak:.0%} of the {peak / 1e9:.0f} Gflop/s of a matrix product here.\n"
    )


def show_scaling(rng: np.random.Generator) -> None:
    """Cost of energy and forces from cold, neighbour lists included, from 108 to 2,916 ions."""
    table = Table(title="Cost of energy, forces and stress with the number of ions (shells from their cores)")
    for heading in ("ions", "passes", "seconds", "exponent from 108 ions"):
        table.add_column(heading, justify="right")
    ideal = prototype("LiTi2P3O12")
    first: tuple[int, float] | None = None
    for repeat in ((1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2), (3, 3, 1), (3, 3, 2), (3, 3, 3)):
        atoms = ideal.repeat(repeat)
        atoms.positions = displaced(rng, atoms.positions, 0.05)
        results = []

        def work(atoms: Atoms = atoms, results: list[int] = results) -> None:
            frame = make_frame(atoms, POTENTIAL)
            result = evaluate(ShellProblem(frame, species_table(frame.labels, POTENTIAL)))
            results.append(result.relaxed.passes)

        work()
        elapsed = float(np.median([seconds(work) for _ in range(3 if len(atoms) > 500 else 9)]))
        first = first or (len(atoms), elapsed)
        exponent = np.log(elapsed / first[1]) / np.log(len(atoms) / first[0]) if len(atoms) > first[0] else np.nan
        table.add_row(str(len(atoms)), str(results[-1]), f"{elapsed:.4f}", f"{exponent:.2f}")
    CONSOLE.print(table)


def show_start() -> None:
    """A new process: import, build LiTi2(PO4)3 and evaluate it once, with the compiled kernels cached."""
    code = (
        "from dopantfit import ShellModel; from dopantfit.structures import prototype; "
        "a = prototype('LiTi2P3O12'); a.calc = ShellModel('latp-mg-2022'); a.get_potential_energy()"
    )
    times = [seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True)) for _ in range(4)][1:]
    CONSOLE.print(f"\nA new process, import to first energy: {np.median(times):.2f} s.")


def show_tuning(rng: np.random.Generator) -> None:
    """Time of a shell pass and of derivatives for several real-space cutoffs."""
    table = Table(title="Real-space Coulomb cutoff at 112 ions")
    for heading in ("cutoff Å", "waves", "shell pass ms", "derivatives ms"):
        table.add_column(heading, justify="right")
    atoms = lamtp_cell(rng)
    for cutoff in np.arange(6.0, 11.0, 0.5):
        ewald.REFERENCE_CUTOFF = float(cutoff)
        frame = make_frame(atoms, POTENTIAL)
        relaxed = evaluate(ShellProblem(frame, species_table(frame.labels, POTENTIAL))).relaxed
        works = (
            lambda r=relaxed: r.problem.shell_pass(r.displacement),
            lambda r=relaxed: parameter_derivatives(r, DOPANT_PARAMETERS),
        )
        medians = [1e3 * float(np.median([seconds(work) for _ in range(60)])) for work in works]
        table.add_row(f"{cutoff:.1f}", str(len(frame.plan.weight)), f"{medians[0]:.3f}", f"{medians[1]:.2f}")
    CONSOLE.print(table)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tune", action="store_true", help="scan the real-space cutoff of the Ewald sum instead")
    rng = np.random.default_rng(20220824)
    if parser.parse_args().tune:
        show_tuning(rng)
        return
    show_parity(rng)
    show_speed(rng)
    show_operations(rng)
    show_scaling(rng)
    show_start()


if __name__ == "__main__":
    main()
