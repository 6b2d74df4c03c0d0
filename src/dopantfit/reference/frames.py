"""Reference sets on disk: ``frames.extxyz`` beside ``manifest.toml``, read in full and written without loss.

Å, eV, eV/Å and eV/Å³ (ASE's sign: positive stress under tension). The manifest is the commit point of every
write: new frames lie complete in ``frames.extxyz.pending`` before the manifest names their hash, so a set
that is killed half-way reads as what it was before or as what it became, never as a mixture.
"""

import io
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.formula import Formula
from ase.geometry import minkowski_reduce
from ase.io import read as ase_read
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.manifest import MANIFEST_FILE, Manifest, load_manifest, save_manifest, sha256_of
from dopantfit.reference.text_files import file_text
from dopantfit.structures.cells import WIDEST, cell_fault
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.lock import wait_for
from dopantfit.workflow.provenance import write_text_atomic

FRAMES_FILE = "frames.extxyz"
PENDING_FILE = FRAMES_FILE + ".pending"
#: What every frame carries in ``atoms.info``.
REQUIRED_INFO = ("frame_id", "family", "composition", "temperature", "strain", "origin")
#: How long to wait for another writer [s]: several times as long as writing a large set takes.
PATIENCE = 10.0
#: Starts with a letter, so that no reader takes an identifier for a number.
IDENTIFIER = re.compile(r"^[A-Za-z][A-Za-z0-9_.+-]*$")
#: No solid has less, no set of ions in a box more [Å³ per ion]; diamond has 5.7, an atom in a box of 30 Å 27,000.
VOLUME_PER_ION = (1.0, 1e6)
#: Single letters and words that extended XYZ reads as booleans.
_BOOLEANS = frozenset({"T", "F", "true", "false", "True", "False", "TRUE", "FALSE"})


@dataclass(frozen=True)
class FrameSet:
    """A reference set: its name, its frames in the order of the file, and how they were computed."""

    name: str
    frames: tuple[Atoms, ...]
    manifest: Manifest

    @property
    def families(self) -> tuple[str, ...]:
        """The families, in the order in which they first appear."""
        return tuple(dict.fromkeys(str(frame.info["family"]) for frame in self.frames))


def composition_of(atoms: Atoms) -> str:
    """Return the formula in a fixed order of the elements, ``Al2Li10MgTi9O72P18``."""
    return _formula(tuple(np.bincount(atoms.numbers).tolist()))


@cache
def _formula(counts: tuple[int, ...]) -> str:
    """Return the formula of so many ions of each atomic number; making one takes a millisecond."""
    elements = {chemical_symbols[number]: count for number, count in enumerate(counts) if count}
    return str(Formula.from_dict(elements).format("metal"))


def load_set(folder: str | os.PathLike[str], verify: bool = True) -> FrameSet:
    """Return the set in ``folder``.

    verify: check every hash of the manifest and that every frame is complete (`frame_problems`).
    Raises ReferenceDataError naming the file and the frame.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    path = _current_frames(folder, manifest)
    if verify:
        problems = hash_problems(folder, manifest)
        if problems:
            raise ReferenceDataError(f"{folder}: {problems[0]}; run `dopantfit reference check {folder}`")
    frames = read_frames(path)
    if verify:
        _refuse_incomplete(frames, path)
    return FrameSet(name=manifest.name, frames=frames, manifest=manifest)


def write_set(folder: str | os.PathLike[str], frames: Sequence[Atoms], manifest: Manifest) -> FrameSet:
    """Write a set, replacing the frames that ``folder`` held; the hash of the frames is filled in.

    frames: each with energy [eV] and forces [eV/Å] in its calculator and `REQUIRED_INFO`
        (``composition`` is filled in).
    Raises ReferenceDataError naming the frame, and then leaves the folder as it was.
    """
    folder = make_folder(Path(folder))
    with _locked(folder):
        return _commit(folder, frames, manifest)


def append_frames(folder: str | os.PathLike[str], frames: Sequence[Atoms]) -> FrameSet:
    """Append ``frames`` to the set in ``folder`` and return the whole set, new hash and all.

    A folder that holds only a manifest is a set without frames yet.
    Raises ReferenceDataError when a frame is incomplete or its ``frame_id`` is taken, or when the set was
    damaged before; the set then stays as it was.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ReferenceDataError(f"{folder}: no such set; make it with `write_set` or `reference import`")
    with _locked(folder):
        manifest = load_manifest(folder)
        started = FRAMES_FILE in manifest.files or (folder / FRAMES_FILE).exists()
        old = load_set(folder).frames if started else ()
        return _commit(folder, (*old, *frames), manifest)


def hash_problems(folder: Path, manifest: Manifest) -> list[str]:
    """Return one line per file of the manifest that is missing or not what it was when it was written."""
    problems = []
    if FRAMES_FILE not in manifest.files:
        problems.append(f"the manifest's [files] does not name {FRAMES_FILE}")
    for name, expected in manifest.files.items():
        path = _current_frames(folder, manifest) if name == FRAMES_FILE else folder / name
        if not path.is_file():
            problems.append(f"{name} is named by the manifest and missing")
        elif sha256_of(path) != expected:
            problems.append(f"{name} is not the file that the manifest describes (sha256 differs); restore it")
    return problems


def frame_problems(atoms: Atoms) -> list[str]:
    """Return what makes a frame unusable: missing info, energy or forces, numbers not finite, no cell."""
    problems = [f"info has no {key!r}" for key in REQUIRED_INFO if key not in atoms.info]
    for key in ("frame_id", "family"):
        value = atoms.info.get(key, "x")
        if not isinstance(value, str) or not IDENTIFIER.match(value) or value in _BOOLEANS:
            problems.append(f"{key} {value!r} must start with a letter and hold letters, digits and _ . + - only")
    composition = atoms.info.get("composition", composition_of(atoms))
    if composition != composition_of(atoms):
        problems.append(f"composition {composition!r} is not that of its atoms, {composition_of(atoms)!r}")
    temperature = atoms.info.get("temperature", 0.0)
    if not isinstance(temperature, int | float | np.number) or not 0 <= float(temperature) < np.inf:
        problems.append(f"temperature {temperature!r} is not a number of kelvin >= 0")
    return problems + _number_problems(atoms)


def _number_problems(atoms: Atoms) -> list[str]:
    results = calculated(atoms)
    problems = []
    if len(atoms) == 0:
        problems.append("holds no atoms")
    if not np.isfinite(atoms.positions).all():
        problems.append("positions are not all finite")
    problems += cell_problems(atoms)
    for key, shape in (("energy", ()), ("forces", (len(atoms), 3))):
        if key not in results:
            problems.append(f"has no {key}")
        elif np.shape(results[key]) != shape or not np.isfinite(results[key]).all():
            problems.append(f"{key} is not finite, or not of shape {shape}")
    if "stress" in results and (np.shape(results["stress"]) != (6,) or not np.isfinite(results["stress"]).all()):
        problems.append("stress is not six finite numbers")
    return problems


def cell_problems(atoms: Atoms) -> list[str]:
    """Return why a cell is none that ions can be in: not periodic, without volume, too thin, too dense or empty.

    What passes has neighbours that can be listed.
    """
    with np.errstate(all="ignore"):
        volume = abs(float(np.linalg.det(atoms.cell.array)))
    if not (np.isfinite(atoms.cell.array).all() and 0 < volume < math.inf and atoms.pbc.all()):
        return ["cell is not that of a crystal periodic in three dimensions"]
    # The vectors of a skewed cell say less of it than its reduced ones, which very long ones do not have.
    short = np.abs(atoms.cell.array).max() <= WIDEST
    fault = cell_fault(minkowski_reduce(atoms.cell.array)[0] if short else atoms.cell.array)
    if fault is not None:
        return [fault]
    low, high = VOLUME_PER_ION
    if len(atoms) and not low <= volume / len(atoms) <= high:
        return [f"cell has {volume / len(atoms):.3g} Å³ per ion; expected {low:g} to {high:g}; is it in Å?"]
    return []


def calculated(atoms: Atoms) -> Mapping[str, Any]:
    """Return what was computed for a frame, as the calculator has it.

    energy [eV]; forces [eV/Å], ``shape=(n, 3)``; stress [eV/Å³] in Voigt order, ``shape=(6,)``. Not
    ``Atoms.get_forces``, which zeroes the forces on atoms that a relaxation held fixed.
    """
    return {} if atoms.calc is None else dict(atoms.calc.results)


def read_frames(path: str | os.PathLike[str]) -> tuple[Atoms, ...]:
    """Return every frame of an extended XYZ file, compressed or not; ReferenceDataError names file and frame."""
    path = Path(path)
    text = file_text(path)
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise ReferenceDataError(f"{path}: not a text file in UTF-8; expected extended XYZ")
    lines = text.rstrip("\n").split("\n")
    frames = [_parse(block, path, number) for number, block in enumerate(_blocks(lines, path))]
    if not frames:
        raise ReferenceDataError(f"{path}: is empty; expected extended XYZ frames")
    return tuple(frames)


def _blocks(lines: list[str], path: Path) -> Iterator[list[str]]:
    """Cut the lines into frames; each is the count, the comment and one line per atom."""
    start, number = 0, 0
    last = max((k for k, line in enumerate(lines) if line.strip()), default=-1)
    while start <= last:
        count = lines[start].strip()
        if not count.isdecimal():
            raise ReferenceDataError(
                f"{path}: frame {number}: line {start + 1} is not a number of atoms: {count[:40]!r}"
            )
        stop = start + 2 + int(count)
        if stop > len(lines):
            found = max(len(lines) - start - 2, 0)
            raise ReferenceDataError(f"{path}: frame {number} is truncated: {found} of {count} atoms; export it again")
        yield lines[start:stop]
        start, number = stop, number + 1


#: What the columns of the ions are: ``name:type:count`` again and again.
_PROPERTIES = re.compile(r'Properties="?([^"\s]{1,1000})')


def _parse(block: list[str], path: Path, number: int) -> Atoms:
    columns = {len(line.split()) for line in block[2:]}
    if len(columns) > 1:
        raise ReferenceDataError(f"{path}: frame {number}: its atoms have unequal numbers of columns")
    declared = _PROPERTIES.search(block[1])
    wanted = sum(int(count) for count in declared[1].split(":")[2::3] if count.isdecimal()) if declared else 0
    if columns and wanted > max(columns):  # before a reader makes room for them
        raise ReferenceDataError(
            f"{path}: frame {number}: Properties name {wanted} columns, its atoms have {max(columns)}; mend the comment"
        )
    try:
        atoms = ase_read(io.StringIO("\n".join(block) + "\n"), format="extxyz")
    except Exception as problem:  # ASE raises whatever its parsing trips over
        reason = " ".join(str(problem).split())
        raise ReferenceDataError(f"{path}: frame {number} is not valid extended XYZ: {reason}") from None
    if "label" in atoms.arrays:
        atoms.arrays["species"] = atoms.arrays.pop("label").astype(str)
    for key in ("temperature", "strain"):
        if isinstance(atoms.info.get(key), int | np.integer):
            atoms.info[key] = float(atoms.info[key])
    for key, value in atoms.info.items():
        atoms.info[key] = value.item() if isinstance(value, np.generic) else value
    try:
        for key in {"energy", "forces", "stress"} & set(calculated(atoms)):
            array = np.asarray(atoms.calc.results[key], dtype=float)
            atoms.calc.results[key] = array if key != "energy" else float(array)
    except (TypeError, ValueError) as problem:
        raise ReferenceDataError(f"{path}: frame {number}: energy, forces or stress: {problem}") from None
    return atoms


def dump_frames(frames: Sequence[Atoms]) -> str:
    """Return extended XYZ at full precision: `read_frames` gives back the same floats.

    Written: symbols, positions, forces, the labels in ``arrays["species"]`` (as column ``label``), cell,
    energy, stress and ``info``. Velocities, constraints and other arrays are not part of a reference frame.
    """
    return "".join(_dump_frame(atoms) for atoms in frames)


def _dump_frame(atoms: Atoms) -> str:
    results = calculated(atoms)
    info = dict(atoms.info)
    properties = "species:S:1:pos:R:3"
    numbers = [atoms.positions]
    if "forces" in results:
        properties += ":forces:R:3"
        numbers.append(np.asarray(results["forces"], dtype=float))
    labels = atoms.arrays.get("species")
    properties += "" if labels is None else ":label:S:1"
    if "energy" in results:
        info["energy"] = float(results["energy"])
    if "stress" in results:
        info["stress"] = np.asarray(results["stress"], dtype=float)[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
    # repr gives the shortest decimals that read back to the same double.
    lattice = " ".join(repr(x) for x in atoms.cell.array.ravel().tolist())
    pbc = " ".join("T" if periodic else "F" for periodic in atoms.pbc)
    comment = f'Lattice="{lattice}" Properties={properties} {_info_text(info)} pbc="{pbc}"'
    table = np.hstack(numbers).tolist()
    rows = (
        " ".join([symbol, *map(repr, row), *([] if labels is None else [str(labels[i])])])
        for i, (symbol, row) in enumerate(zip(atoms.symbols, table, strict=True))
    )
    return f"{len(atoms)}\n{comment}\n" + "\n".join(rows) + "\n"


def _info_text(info: Mapping[str, Any]) -> str:
    """Return info as the comment line of extended XYZ, refusing what would read back as something else."""
    text = str(key_val_dict_to_str(dict(info)))
    back = key_val_str_to_dict(text)
    for key, value in info.items():
        same = isinstance(back.get(key), str) and back[key] == value if isinstance(value, str) else True
        if "\n" in text or key not in back or not same:
            raise ReferenceDataError(
                f"frame {info.get('frame_id', '?')}: info {key} = {value!r} cannot be kept in extended XYZ; "
                f"use a plain word"
            )
    return text


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the set against other writers and finish the rename that a kill may have cut off.

    The lock goes with the process, so a kill leaves none behind. Raises ReferenceDataError when another process holds
    it for longer than an import takes to write, or when the folder cannot be written to.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            if not wait_for(handle, PATIENCE):
                raise ReferenceDataError(
                    f"{folder}: {_holder(handle)} is writing to this set; wait for it, or end it first"
                )
            if (folder / PENDING_FILE).exists() and (folder / MANIFEST_FILE).exists():
                os.replace(_current_frames(folder, load_manifest(folder)), folder / FRAMES_FILE)
            yield
        finally:
            os.close(handle)
    except OSError as problem:
        raise ReferenceDataError(
            f"{problem.filename or folder}: cannot be written ({problem.strerror}); make the folder {folder} writable"
        ) from None


def _holder(handle: int) -> str:
    """Return who holds the lock on an open folder, as Linux tells it."""
    inode = f":{os.fstat(handle).st_ino}"
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
        return next(f"process {lock[4]}" for lock in locks if lock[1] == "FLOCK" and lock[5].endswith(inode))
    except (OSError, StopIteration, IndexError):
        return "another process"


def _current_frames(folder: Path, manifest: Manifest) -> Path:
    """Return the file with the manifest's frames: the pending one after a kill just before its rename."""
    pending = folder / PENDING_FILE
    if pending.is_file() and manifest.files.get(FRAMES_FILE) == sha256_of(pending):
        return pending
    return folder / FRAMES_FILE


def _commit(folder: Path, frames: Sequence[Atoms], manifest: Manifest) -> FrameSet:
    frames = tuple(_completed(frame) for frame in frames)
    _refuse_incomplete(frames, folder / FRAMES_FILE)
    _refuse_unnamed_elements(frames, manifest, folder)
    text = dump_frames(frames)
    files = {**manifest.files, FRAMES_FILE: sha256(text.encode()).hexdigest()}
    manifest = manifest.model_copy(update={"files": files})
    write_text_atomic(folder / PENDING_FILE, text)
    save_manifest(folder, manifest)
    os.replace(folder / PENDING_FILE, folder / FRAMES_FILE)
    return FrameSet(name=manifest.name, frames=frames, manifest=manifest)


def _completed(atoms: Atoms) -> Atoms:
    frame = atoms.copy()
    frame.calc = atoms.calc
    frame.info.setdefault("composition", composition_of(atoms))
    return frame


def _refuse_incomplete(frames: Sequence[Atoms], path: Path) -> None:
    seen: dict[str, int] = {}
    for number, frame in enumerate(frames):
        name = f"{path}: frame {number} ({frame.info.get('frame_id', 'no frame_id')})"
        problems = frame_problems(frame)
        if problems:
            raise ReferenceDataError(f"{name}: {problems[0]}")
        other = seen.setdefault(frame.info["frame_id"], number)
        if other != number:
            raise ReferenceDataError(f"{name}: frame {other} has the same frame_id; give every frame its own")


def _refuse_unnamed_elements(frames: Sequence[Atoms], manifest: Manifest, folder: Path) -> None:
    for number, frame in enumerate(frames):
        unnamed = manifest.unnamed(frame.symbols)
        if unnamed:
            raise ReferenceDataError(
                f"{folder}: frame {number} ({frame.info['frame_id']}) holds {', '.join(unnamed)}, for which "
                f"the manifest's [pseudopotentials] names none; add it there, or leave the frame out"
            )
