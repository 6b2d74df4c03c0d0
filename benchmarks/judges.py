"""How far potentials and universal models are from DFT where the dopant lives, on frames that no fit uses.

    python benchmarks/judges.py                   the potentials of the repository
    python benchmarks/judges.py --model 'SevenNet=sevenn.calculator:SevenNetCalculator {model = "7net-l3i5"}'

The frames are those of `reference_dft/Mg-judges` (CP2K): Mg in glasses, on places of Li, in hot crystals and in cells
cut from a boundary. Errors are root mean square over components of the force, on Mg and on all ions.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from rich.console import Console
from rich.table import Table

from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator
from dopantfit.reference.frames import load_set
from models import POTENTIALS, named_models, of_potential

ROOT = Path(__file__).parent.parent
SET, DOPANT = ROOT / "reference_dft" / "Mg-judges", "Mg"
#: What the families of the set are, by what their names begin with.
ENVIRONMENTS = {"glass": "glass", "channel": "place of Li", "md": "crystal, 300 to 1000 K", "cut": "cut of a boundary"}


def environment(frame: Atoms) -> str:
    return next(told for name, told in ENVIRONMENTS.items() if str(frame.info["family"]).startswith(name))


def differences(settings: CalculatorSettings, frames: Sequence[Atoms]) -> list[np.ndarray]:
    """Forces of a calculator less those of DFT, frame by frame [eV/Å]."""
    made = LabelCalculator(settings, ROOT)
    return [made.labelled(one, str(one.info["frame_id"])).get_forces() - one.get_forces() for one in frames]


def told(parts: Sequence[np.ndarray], frames: Sequence[Atoms]) -> str:
    """Error on the dopant and on all ions."""
    on_dopant = [part[np.array(frame.symbols) == DOPANT] for part, frame in zip(parts, frames, strict=True)]
    return " / ".join(f"{np.sqrt(np.mean(np.square(np.concatenate(some)))):.2f}" for some in (on_dopant, parts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], help="NAME=module:Class {options}; may be repeated")
    models = {name: of_potential(potential) for name, potential in POTENTIALS.items()}
    models |= named_models(parser.parse_args().model)
    frames = load_set(SET).frames
    found = {name: differences(settings, frames) for name, settings in models.items()}
    table = Table("", "frames", "DFT force", *found, title=f"force errors on {DOPANT} / on all ions [eV/Å]")
    for place in (*ENVIRONMENTS.values(), "all"):
        mine = [i for i, frame in enumerate(frames) if place in (environment(frame), "all")]
        chosen = [frames[i] for i in mine]
        errors = [told([parts[i] for i in mine], chosen) for parts in found.values()]
        table.add_row(place, str(len(mine)), told([one.get_forces() for one in chosen], chosen), *errors)
    Console(width=150).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
