"""What the study's own analysis of one trajectory of the published size costs, on one thread.

    python benchmarks/analysis.py           14,030 ions, 2,000 frames: 340 MB of trajectory, under TMPDIR
    python benchmarks/analysis.py --quick   a tenth of the ions and frames

The trajectory is made up: the ions of a doped crystal vibrate, the Li walk at random, and it lies on disk as LAMMPS
writes it, DCD in single precision. The tasks are those of a study, as a study calls them: transport (MSD of all
species, D, conductivities and msd.csv), the distance of Ti to the next Ti in a glass, the Li density against a
reference (here the same trajectory), and the partial radial distributions of the gates. Each runs in a process of its
own, so that its peak memory is its own. Wall time stretches where a machine is busy; processor time does not.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

CONSOLE = Console(width=110)
#: Labels by their share of the ions of a doped boundary.
SHARES = {"O": 0.645, "P": 0.161, "Ti": 0.075, "Li": 0.085, "Al": 0.022, "Mg": 0.012}
#: Shape of the published boundary [Å], time between frames [ps], root mean square vibration and Li step [Å].
SHAPE, INTERVAL, RATTLE, STEP = (36.24, 36.24, 139.28), 0.5, 0.12, 0.25
#: Pairs whose radial distributions the gates look at, and how far [Å].
REACH = 5.5
PAIRS = (("P", "O"), ("Ti", "O"), ("Ti", "Ti"), ("Mg", "O"))
#: What the analysis of a paper-size trajectory may take in all, on a machine with nothing else to do [s].
LIMIT = 120.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="a tenth of the ions and frames")
    quick = arguments.parse_args().quick
    n_ions, n_frames = (1_403, 200) if quick else (14_030, 2_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_run(folder, n_ions, n_frames)
        CONSOLE.print(f"{n_ions:,} ions, {n_frames:,} frames, {size / 1e6:.0f} MB of DCD")
        table = Table("task", "processor time (s)", "wall time (s)", "peak memory (GB)")
        total = 0.0
        for title, task in TASKS.items():
            processor, wall, memory = measured(task, folder)
            total += processor
            table.add_row(title, f"{processor:.1f}", f"{wall:.1f}", f"{memory:.2f}")
        table.add_row("all", f"{total:.1f}", "", "")
        CONSOLE.print(table, f"limit {LIMIT:g} s: {'kept' if total <= LIMIT else 'missed'}", sep="\n")


def measured(task: Callable[[Path], None], folder: Path) -> tuple[float, float, float]:
    """Processor and wall time [s] and peak memory [GB] of a task in a new process, imports left out of the times."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_in_process, args=(task, folder, there))
    process.start()
    there.close()  # so that a task that fails ends the wait
    found = here.recv()
    process.join()
    return found


def _in_process(task: Callable[[Path], None], folder: Path, pipe: "object") -> None:
    import dopantfit.study.conduction
    import dopantfit.study.mobile_density  # noqa: F401

    wall, processor = time.perf_counter(), time.process_time()
    task(folder)
    times = time.process_time() - processor, time.perf_counter() - wall
    # The high-water mark of the mapped file's pages is in it: what the machine must hold at least for full speed.
    pipe.send((*times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))


def write_run(folder: Path, n_ions: int, n_frames: int) -> int:
    """Write a production run as a task of the study leaves it; return the size of its trajectory in bytes."""
    from ase import Atoms

    from dopantfit.study.conduction import PRODUCTION
    from dopantfit.study.dynamics import IONS, TRAJECTORY
    from dopantfit.study.files import write_structure
    from dopantfit.workflow.records import Record, hashes, write_record

    rng = np.random.default_rng(1)
    cell = np.array(SHAPE) * (n_ions / 14_030) ** (1.0 / 3.0)
    counts = {name: round(share * n_ions) for name, share in SHARES.items()}
    counts["O"] += n_ions - sum(counts.values())
    labels = [name for name, count in counts.items() for _ in range(count)]
    sites = rng.random((n_ions, 3)) * cell
    (folder / PRODUCTION).mkdir()
    write_structure(folder / PRODUCTION / IONS, Atoms(labels, positions=sites, cell=cell, pbc=True))
    mobile = np.array(labels) == "Li"
    with (folder / PRODUCTION / TRAJECTORY).open("wb") as file:
        file.write(_dcd_head(n_ions, n_frames))
        for _ in range(n_frames):
            sites[mobile] += rng.normal(0.0, STEP, (int(mobile.sum()), 3))
            places = sites + rng.normal(0.0, RATTLE, sites.shape)
            file.write(_record(np.array([cell[0], 0.0, cell[1], 0.0, 0.0, cell[2]])))
            for axis in places.T.astype("<f4"):
                file.write(_record(axis))
    files = tuple(str(PRODUCTION / name) for name in (IONS, TRAJECTORY))
    write_record(folder, Record("run", "", {}, hashes(folder, files)))
    return (folder / PRODUCTION / TRAJECTORY).stat().st_size


def _dcd_head(n_ions: int, n_frames: int) -> bytes:
    numbers = np.zeros(20, dtype="<i4")
    numbers[[0, 1, 2, 3]] = n_frames, 0, 1, n_frames
    numbers[9:10].view("<f4")[0] = INTERVAL
    numbers[[10, 19]] = 1, 24
    title = np.array([1], "<i4").tobytes() + b"made up".ljust(80)
    return (
        _record(np.frombuffer(b"CORD" + numbers.tobytes(), np.uint8))
        + _record(np.frombuffer(title, np.uint8))
        + _record(np.array([n_ions], "<i4"))
    )


def _record(content: np.ndarray) -> bytes:
    length = np.array([content.nbytes], "<i4").tobytes()
    return length + content.tobytes() + length


def _work(folder: Path, action: str, settings: dict, **needs: object) -> object:
    from dopantfit.potential.files import locate
    from dopantfit.workflow.graph import Task
    from dopantfit.workflow.work import Work

    out = folder / action
    out.mkdir(exist_ok=True)
    files = {"potential": Path(str(locate("latp-mg-2022")))}
    return Work(Task(action, "analysis", f"x:{action}", settings, files), out, needs)


def _finished(folder: Path, **result: object) -> object:
    from dataclasses import replace

    from dopantfit.workflow.records import read_record
    from dopantfit.workflow.work import Finished

    record = read_record(folder)
    assert record is not None
    return Finished(folder, replace(record, result=result))


def transport(folder: Path) -> None:
    from dopantfit.study.conduction import transport as task

    task(_work(folder, "transport", {"temperature": 700.0, "dopant": "Mg"}, run001=_finished(folder)))


def glass(folder: Path) -> None:
    from dopantfit.study.conduction import glass as task

    task(_work(folder, "glass", {"label": "Ti"}, run=_finished(folder)))


def mobile_density(folder: Path) -> None:
    from dopantfit.study.mobile_density import mobile_density as task

    # As many dopants on sites as bled into the largest published crystal.
    build = _finished(folder, dopant_sites={"Ti": _first_dopants(folder, 24)})
    needs = {"doped": _finished(folder), "reference": _finished(folder), "build": build}
    settings = {"dopant": "Mg", "mobile": "Li", "system": "C_7"}
    task(_work(folder, "mobile_density", settings, **needs))


def _first_dopants(folder: Path, count: int) -> list[int]:
    from dopantfit.study.conduction import PRODUCTION
    from dopantfit.study.dynamics import IONS
    from dopantfit.transport.reading import species_of

    return [i for i, name in enumerate(species_of(folder / PRODUCTION / IONS)) if name == "Mg"][:count]


def radial(folder: Path) -> None:
    from dopantfit.study.conduction import trajectory_of
    from dopantfit.transport.pairs import pair_distribution

    run = trajectory_of(_finished(folder), "Mg", {})
    for pair in PAIRS:
        pair_distribution(run, pair, REACH)


TASKS = {
    "transport of all species": transport,
    "Ti–Ti distance": glass,
    "Li density and its change": mobile_density,
    f"{len(PAIRS)} partial radial distributions": radial,
}

if __name__ == "__main__":
    main()
