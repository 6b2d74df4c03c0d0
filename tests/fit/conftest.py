"""Small frames that a known potential made, and the configuration that fits them."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit import Potential, ShellModel
from dopantfit.fit.config import FitConfig, parse_config
from dopantfit.fit.data import Target, make_target
from dopantfit.reference.frames import write_set
from dopantfit.reference.manifest import parse_manifest
from dopantfit.structures import prototype

#: Errors of the synthetic data, and of the file that fits them.
FORCE_NOISE, ENERGY_NOISE = 0.02, 0.0005  # eV/Å, eV/atom

TEXT = """
name = "synthetic"
host = "latp-2021"
compare_with = "latp-mg-2022"
seed = 1
one_composition = true

[dopant]
label = "Mg"
formal_charge = 2
mass = 24.305

[[sets]]
path = "set"
force_error = 0.02
energy_error = 0.0005

[pairs."Mg-O"]
A = { start = 48000.0, bounds = [20000.0, 120000.0] }
rho = { start = 0.182, bounds = [0.15, 0.21] }
C = { start = 8.0, bounds = [0.0, 60.0] }

[pairs."Mg-P"]
A = { start = 56162.41 }
rho = { start = 0.13 }
C = { start = 120.0 }

[pairs."Mg-Mg"]
A = { start = 20671.12, bounds = [1000.0, 60000.0] }
rho = { start = 0.148 }
C = { start = 0.0 }

[pairs."Li-Mg"]
A = { start = 24050.7 }
rho = { start = 0.138 }
C = { start = 0.0 }

[pairs."Al-Mg"]
A = { start = 21485.92 }
rho = { start = 0.23 }
C = { start = 0.58 }

[pairs."Mg-Ti"]
A = { start = 12947.27 }
rho = { start = 0.117 }
C = { start = 6.2 }
"""


@pytest.fixture(scope="session")
def published() -> Potential:
    return Potential.load("latp-mg-2022")


@pytest.fixture(scope="session")
def host() -> Potential:
    return Potential.load("latp-2021")


@pytest.fixture(scope="session")
def config() -> FitConfig:
    return parse_config(TEXT)


def computed(atoms: Atoms, potential: Potential, number: int, rng: np.random.Generator, family: str) -> Atoms:
    """The frame with what ``potential`` says of it, and noise."""
    frame = atoms.copy()
    frame.calc = ShellModel(potential)
    forces = frame.get_forces() + rng.normal(0, FORCE_NOISE, (len(frame), 3))
    energy = frame.get_potential_energy() + rng.normal(0, ENERGY_NOISE * len(frame))
    frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces, stress=frame.get_stress())
    frame.info |= {"frame_id": f"{family}-{number:02d}", "family": family, "temperature": 0.0, "strain": 0.0}
    frame.info |= {"origin": f"{family} {number}", "composition": str(frame.symbols.formula.format("metal"))}
    return frame


def frames_of(
    potential: Potential, count: int, seed: int, family: str = "displaced", noise: float = 0.08
) -> list[Atoms]:
    """Farringtonite (26 ions), displaced and strained."""
    rng = np.random.default_rng(seed)
    result = []
    for number in range(count):
        atoms = prototype("Mg3P2O8")
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.015, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, noise, atoms.positions.shape)
        result.append(computed(atoms, potential, number, rng, family))
    return result


@pytest.fixture(scope="session")
def targets(published: Potential, config: FitConfig) -> tuple[Target, ...]:
    """Eight frames whose "DFT" is the published potential with noise."""
    frames = frames_of(published, 8, seed=4)
    return tuple(make_target(atoms, "synthetic", config.sets[0], published, {}) for atoms in frames)


def save_set(folder: Path, frames: list[Atoms]) -> None:
    """Write a reference set named ``synthetic``."""
    manifest = parse_manifest(
        'name = "synthetic"\npurpose = "tests"\nlicence = "CC0-1.0"\ncode = "dopantfit"\ncode_version = "0"\n'
        'functional = "none"\nbasis_or_cutoff = "none"\nk_mesh = [1, 1, 1]\nscf_tolerance = 1e-6\n'
        '[pseudopotentials]\nMg = "x"\nP = "x"\nO = "x"\nLi = "x"\nTi = "x"\n'
    )
    write_set(folder, frames, manifest)


@pytest.fixture
def written_set(tmp_path: Path, published: Potential) -> Path:
    """A reference set on disk with two families, in ``tmp_path/set``."""
    frames = frames_of(published, 4, seed=4, family="one") + frames_of(published, 2, seed=5, family="two")
    save_set(tmp_path / "set", frames)
    return tmp_path / "set"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20220824)
