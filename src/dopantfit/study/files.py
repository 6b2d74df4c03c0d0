"""Names of what the tasks of a study leave, and their structures, at full precision."""

from hashlib import sha256
from pathlib import Path

from ase import Atoms

from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.workflow.provenance import write_text_atomic

STRUCTURE = "structure.extxyz"
#: Mean profile of a composition's walkers of lowest energy, and the first of them.
PROFILE, LOWEST_WALKER = "profile.csv", "walker-1.extxyz"
#: Grids of the density of the mobile ion.
GRIDS = "densities.npz"


def walker_of_rank(rank: int) -> str:
    """Name of the file with a walker's end by its energy, from 1 for the lowest."""
    return f"walker-{rank}.extxyz"


def write_structure(path: Path, atoms: Atoms) -> None:
    """Write ions, labels, cell and ``info`` of a structure so that the same floats are read back."""
    plain = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions, cell=atoms.cell, pbc=True)
    if "species" in atoms.arrays:
        plain.set_array("species", atoms.arrays["species"].copy())
    plain.info = dict(atoms.info)
    write_text_atomic(path, dump_frames([plain]))


def read_structure(path: Path) -> Atoms:
    """Read a structure that `write_structure` wrote."""
    return read_frames(path)[0]


def seed_of(seed: int, name: str) -> int:
    """Seed of a task, 1 to 2³¹ - 1, from that of the study and the task's name: no task's depends on another's."""
    return 1 + int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8]) % (2**31 - 1)
