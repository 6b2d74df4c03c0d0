"""A small fit folder: farringtonite frames whose "DFT" is the published potential with noise, one family held out."""

from pathlib import Path

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit import Potential, ShellModel
from dopantfit.reference.frames import write_set
from dopantfit.reference.manifest import parse_manifest
from dopantfit.structures import prototype
from dopantfit.validate.gate import GateWork

FIT = """
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
"""
MANIFEST = """
name = "synthetic"
purpose = "tests"
licence = "CC0-1.0"
code = "dopantfit"
code_version = "0"
functional = "none"
basis_or_cutoff = "none"
k_mesh = [1, 1, 1]
scf_tolerance = 1e-6
[pseudopotentials]
Mg = "x"
P = "x"
O = "x"
[split]
held_out_families = ["two"]
reason = "tests"
"""
NOISE = 0.02  # eV/Å


@pytest.fixture(scope="session")
def published() -> Potential:
    return Potential.load("latp-mg-2022")


def frames(potential: Potential) -> list:
    rng = np.random.default_rng(5)
    made = []
    for family, number in [("one", 0), ("one", 1), ("two", 0), ("two", 1), ("two", 2)]:
        atoms = prototype("Mg3P2O8")
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.015, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, 0.08, atoms.positions.shape)
        atoms.calc = ShellModel(potential)
        forces = atoms.get_forces() + rng.normal(0, NOISE, (len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy(), forces=forces)
        atoms.info |= {"frame_id": f"{family}-{number}", "family": family, "temperature": 0.0, "strain": 0.0}
        atoms.info["origin"] = f"{family} {number}"
        made.append(atoms)
    return made


@pytest.fixture
def folder(tmp_path: Path, published: Potential) -> Path:
    """A folder of a fit that was written, but not run."""
    write_set(tmp_path / "set", frames(published), parse_manifest(MANIFEST))
    (tmp_path / "fit.toml").write_text(FIT)
    return tmp_path


@pytest.fixture
def work(tmp_path: Path) -> GateWork:
    return GateWork(tmp_path / "runs", tmp_path / "figures")
