r"""What a universal model is beside a potential: force error against DFT, and processor time.

    python benchmarks/models.py                   the potentials of the repository
    python benchmarks/models.py --model 'CHGNet=chgnet.model.dynamics:CHGNetCalculator {use_device = "cpu"}' \
        --model 'SevenNet=sevenn.calculator:SevenNetCalculator {model = "7net-l3i5", device = "cpu"}'

Forces are those of the DFT frames that `fits/LATP-Mg` holds out (CP2K; crystals of LATP with Mg at 600 K and near their
minima, and Mg3(PO4)2 strained), root mean square over components. Times are of one thread: an evaluation of a frame of
LATP met for the first time, and a picosecond of molecular dynamics per ion; a model is taken to need an evaluation
every 2 fs. Potentials run in LAMMPS, by the published recipe and by ours.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dopantfit.fit.config import load_config
from dopantfit.lammps import Dynamics, Launcher, run_dynamics
from dopantfit.lammps.settings import PUBLISHED
from dopantfit.potential import Potential
from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator, parse_options
from dopantfit.reference.frames import load_set

ROOT = Path(__file__).parent.parent
FIT, DOPANT = ROOT / "fits" / "LATP-Mg", "Mg"
POTENTIALS = {
    "published set": "latp-mg-2022",
    "fits/Mg, host as published": str(ROOT / "fits/Mg/potential.toml"),
    "fits/LATP-Mg, host fitted too": str(FIT / "potential.toml"),
}
STEP = 0.002  # ps between evaluations of a model in molecular dynamics
TEMPERATURE = 700.0  # K


@dataclass(frozen=True)
class Row:
    """Errors [eV/Å]; seconds of an evaluation, and of a picosecond of molecular dynamics per ion."""

    name: str
    on_dopant: float
    on_all: float
    evaluation: float
    dynamics: float


def held_out() -> list[Atoms]:
    """Frames of DFT in families that the fit holds out."""
    found = []
    for one in load_config(FIT)[0].sets:
        frames = load_set(FIT / one.path)
        if frames.manifest.calculator is None:
            families = one.held_out_families or frames.manifest.split.held_out_families
            found += [atoms for atoms in frames.frames if atoms.info["family"] in families]
    return found


def measured(name: str, settings: CalculatorSettings, frames: Sequence[Atoms]) -> Row:
    made = LabelCalculator(settings, ROOT)
    made.labelled(frames[0], "first")  # what is compiled or loaded once
    differences, dopant, seconds = [], [], []
    largest = max(len(frame) for frame in frames)
    for frame in frames:
        begun = time.process_time()
        found = made.labelled(frame, str(frame.info["frame_id"])).get_forces()
        seconds += [time.process_time() - begun] if len(frame) == largest else []
        differences.append(found - frame.get_forces())
        dopant.append(np.array(frame.symbols) == DOPANT)
    of_all, of_dopant = np.concatenate(differences), np.concatenate(dopant)
    evaluation = float(np.median(seconds))
    return Row(name, _rms(of_all[of_dopant]), _rms(of_all), evaluation, evaluation / STEP / largest)


def named_models(texts: Sequence[str]) -> dict[str, CalculatorSettings]:
    """Calculators of a command line, ``NAME=module:Class {options}``."""
    found = {}
    for text in texts:
        name, _, given = text.partition("=")
        make, _, table = given.strip().partition(" ")
        found[name] = CalculatorSettings(make=make, options=parse_options(table or "{}"))
    return found


def of_potential(potential: str) -> CalculatorSettings:
    return CalculatorSettings(make="dopantfit:ShellModel", options={"potential": potential})


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def rates(row: Row, potential: Potential, atoms: Atoms, folder: Path, ps: float = 2.0) -> Iterator[Row]:
    """Rows of a potential by the published recipe of molecular dynamics and by ours."""
    for recipe, changes in (("published recipe", PUBLISHED), ("our recipe", {})):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        what = Dynamics(TEMPERATURE, ps, 1, **changes)
        run_dynamics(atoms, potential, what, folder / recipe.replace(" ", "-"), launcher=Launcher("lmp", 1))
        spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        yield replace(row, name=f"{row.name}, {recipe}", dynamics=spent / ps / len(atoms))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="NAME=module:Class {options}; may be repeated")
    options = parser.parse_args()
    frames = held_out()
    (cell, *_) = sorted((one for one in frames if "Ti" in one.symbols), key=len, reverse=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, potential) in enumerate(POTENTIALS.items()):
            row = measured(name, of_potential(potential), frames)
            rows += list(rates(row, Potential.load(potential), cell, Path(folder) / str(number)))
    rows += [measured(name, settings, frames) for name, settings in named_models(options.model).items()]
    title = f"{len(frames)} frames of DFT held out; times of {len(cell)} ions"
    head = ("force error on Mg [eV/Å]", "on all ions [eV/Å]", "an evaluation [s]", "MD, s per ps and ion")
    table = Table("", *(escape(text) for text in head), title=title)
    for row in rows:
        numbers = (f"{row.on_dopant:.3f}", f"{row.on_all:.3f}", f"{row.evaluation:.2g}", f"{row.dynamics:.2g}")
        table.add_row(row.name, *numbers)
    Console(width=130).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
