"""Walks with known answers, and one small run of LAMMPS written in every format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dopantfit.lammps import Launcher
from dopantfit.transport import Trajectory

N_IONS = 7
SPECIES = ("Li", "Li", "Li", "O", "O", "Ti", "Ti")

# Free flight in an oblique cell that breathes: ions cross every face, and positions at any time are known.
RUN = """
units metal
atom_style atomic
atom_modify map array
boundary p p p
region box prism 0.5 5.5 -1 3.5 0 6 1.1 -0.7 1.6
create_box 3 box
create_atoms 1 random 3 481516 NULL
create_atoms 2 random 2 2342 NULL
create_atoms 3 random 2 7 NULL
mass 1 6.94
mass 2 15.999
mass 3 47.867
pair_style zero 1.5
pair_coeff * *
velocity all create 90000 4711 dist gaussian mom no
timestep 0.0005
{deform}
fix motion all nve
dump unwrapped all dcd 20 unwrapped.dcd
dump_modify unwrapped unwrap yes
dump wrapped all dcd 20 wrapped.dcd
dump xu all custom 20 xu.dump id element xu yu zu
dump xsu all custom 20 xsu.dump element id xsu ysu zsu
dump xi all custom 20 xi.dump id element x y z ix iy iz
dump xsi all custom 20 xsi.dump id element xs ys zs ix iy iz
dump bare all custom 20 bare.dump id element x y z
dump_modify xu sort off format float %.17g element Li O Ti
dump_modify xsu format float %.17g element Li O Ti
dump_modify xi format float %.17g element Li O Ti
dump_modify xsi format float %.17g element Li O Ti
dump_modify bare element Li O Ti
dump typed all custom 20 typed.dump.gz id type x y z ix iy iz
dump_modify typed units yes time yes format float %.17g
dump ext all extxyz 20 run.extxyz
dump_modify ext element Li O Ti
dump plain all xyz 20 plain.xyz
run 1000
write_data plain.data
labelmap atom 1 Li 2 O 3 Ti
write_data labels.data
"""


@dataclass(frozen=True)
class Files:
    """A run in every format; 51 frames, 0.01 ps apart."""

    folder: Path
    interval: float = 0.01

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


def run_of(folder: Path, deform: str) -> Files:
    (folder / "run.in").write_text(RUN.format(deform=deform))
    Launcher("lmp").run(folder / "run.in", timeout=120)
    return Files(folder)


@pytest.fixture(scope="session")
def fixed_cell(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return run_of(tmp_path_factory.mktemp("fixed"), "")


@pytest.fixture(scope="session")
def breathing_cell(tmp_path_factory: pytest.TempPathFactory) -> Files:
    wiggle = "fix breath all deform 1 x wiggle 0.3 0.2 y wiggle 0.2 0.3 z wiggle 0.3 0.25 remap x"
    return run_of(tmp_path_factory.mktemp("breathing"), wiggle)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20221)


def random_walk(rng, n_frames, n_ions, variance=1.0, rattle=0.0):
    """Positions [Å] of walkers whose MSD in one direction is ``rattle + variance m`` at lag m > 0."""
    steps = rng.normal(0.0, np.sqrt(variance), (n_frames, n_ions, 3))
    steps[0] = 0.0
    return np.cumsum(steps, axis=0) + rng.normal(0.0, np.sqrt(rattle / 2), steps.shape)


def walkers(positions, species="Li", edge=1e4, interval=1.0):
    """Trajectory of these and one framework ion at rest, in a box too large to jump across."""
    still = np.zeros((len(positions), 1, 3))
    labels = [species] * positions.shape[1] + ["Ti"]
    return Trajectory.from_arrays(np.concatenate([positions, still], axis=1), labels, np.eye(3) * edge, interval)
