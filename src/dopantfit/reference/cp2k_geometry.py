"""The configuration that a CP2K input describes, in the ways in which CP2K takes one."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import cellpar_to_cell

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_input import Section, beside, read_input
from dopantfit.reference.named_units import unit_factor
from dopantfit.reference.text_files import file_text

Array = npt.NDArray[np.float64]

_REMEDY = "write the geometry out in &CELL and &COORD, or import the frames as extended XYZ"
#: A unit in brackets before the numbers of a keyword.
_BRACKETS = re.compile(r"^\[\s*([^\]]+?)\s*\]\s*")
#: Sections that make CP2K print other forces or energies than those of density functional theory, and how.
_ALTERING = (
    (("MOTION", "CONSTRAINT", "FIXED_ATOMS"), "ions are held (&FIXED_ATOMS), and CP2K prints their forces as zero"),
    (("MOTION", "CONSTRAINT", "VIRTUAL_SITE"), "forces are moved to other ions (&VIRTUAL_SITE)"),
    (("FORCE_EVAL", "EXTERNAL_POTENTIAL"), "an &EXTERNAL_POTENTIAL acts on the ions"),
    (("FORCE_EVAL", "RESCALE_FORCES"), "large forces are scaled down (&RESCALE_FORCES)"),
)


class NoCrystalError(ReferenceDataError):
    """The run is not of ions in a crystal, whatever its output prints."""


@dataclass(frozen=True)
class InputGeometry:
    """What an input says of the geometry.

    atoms: positions and cell [Å]. trajectory_unit: what one in the file of the trajectory is [Å], None if unknown.
    force_unit: what one in the file of forces is [eV/Å], None if unknown.
    from_restart: whether the run took its positions from a restart file instead.
    altered: why the forces or energies that are printed are not those of the ions alone; empty where they are.
    """

    atoms: Atoms
    trajectory_unit: float | None
    force_unit: float | None
    from_restart: bool
    altered: str = ""


def read_geometry(path: Path) -> InputGeometry:
    """Return the geometry in a CP2K input.

    Raises ReferenceDataError when the file, or one that it names, is missing, when the geometry is in a form that
    is not read here; NoCrystalError when the cell is not periodic in three dimensions, or there is more than ions.
    """
    root = read_input(path)
    evaluations = root.all("FORCE_EVAL")
    if len(evaluations) != 1:
        raise NoCrystalError(f"{path}: holds {len(evaluations)} sections &FORCE_EVAL, expected one; {_REMEDY}")
    subsys = evaluations[0].first("SUBSYS")
    try:
        cell, repeats = _cell(subsys.first("CELL"), path)
        labels, positions = _coordinates(subsys, cell, path)
        atoms = Atoms(_elements(labels, subsys, path), positions, cell=cell, pbc=True)
    except (ValueError, IndexError, ZeroDivisionError) as problem:
        raise ReferenceDataError(f"{path}: its geometry is not understood ({problem}); {_REMEDY}") from None
    printed = root.first("MOTION", "PRINT")
    trajectory = printed.first("TRAJECTORY").value("UNIT")
    forces = printed.first("FORCES").value("UNIT")
    restart = root.all("EXT_RESTART")
    return InputGeometry(
        atoms=_repeated(atoms, repeats),
        trajectory_unit=_length((trajectory or ["angstrom"])[0], path),
        force_unit=unit_factor((forces or ["a.u."])[0], "force"),
        from_restart=bool(restart) and (restart[0].value("RESTART_POS") is None or restart[0].is_on("RESTART_POS")),
        altered=_altered(root),
    )


def _altered(root: Section) -> str:
    """Return what in an input adds to the forces or energies that are printed, or takes from them."""
    for path, words in _ALTERING:
        *above, name = path
        if root.first(*above).all(name):
            return words
    restrained = [kind.name for kind in root.first("MOTION", "CONSTRAINT").sections if kind.all("RESTRAINT")]
    return f"a &RESTRAINT of &{restrained[0]} adds to energy and forces" if restrained else ""


def _cell(section: Section, path: Path) -> tuple[Array, tuple[int, ...]]:
    """Return the unit cell [Å], vectors in rows, and how often it is repeated along each."""
    periodic = " ".join(section.value("PERIODIC") or ["XYZ"]).upper()
    if set(periodic) != set("XYZ"):
        raise NoCrystalError(f"{path}: PERIODIC {periodic}: expected a crystal, periodic in three dimensions")
    if section.is_on("CANONICALIZE") or section.value("CELL_FILE_NAME"):
        raise ReferenceDataError(f"{path}: &CELL takes its vectors from a file or turns them; {_REMEDY}")
    repeats = tuple(int(x) for x in section.value("MULTIPLE_UNIT_CELL") or "111")
    vectors = [section.value(name) for name in "ABC"]
    lengths = section.value("ABC")
    if lengths is None and any(vector is None for vector in vectors):
        raise ReferenceDataError(f"{path}: &CELL has neither vectors A, B, C nor ABC; {_REMEDY}")
    if lengths is None:
        return np.array([_numbers(vector or [], path) for vector in vectors]), repeats
    angles = section.value("ALPHA_BETA_GAMMA", "ANGLES")
    degrees = _degrees(angles) if angles else np.full(3, 90.0)
    return cell_of(_numbers(lengths, path), degrees, str(path)), repeats


def cell_of(lengths: Array, degrees: Array, name: str) -> Array:
    """Return the cell [Å] with a along x and b in the xy plane; ReferenceDataError for angles that no cell has."""
    alpha, beta, gamma = np.cos(np.radians(degrees))
    squared = 1 - alpha**2 - beta**2 - gamma**2 + 2 * alpha * beta * gamma
    possible = ((degrees > 0) & (degrees < 180)).all() and squared > 0
    if not (np.isfinite([*lengths, *degrees]).all() and (lengths > 0).all() and possible):
        numbers = " ".join(f"{x:g}" for x in (*lengths, *degrees))
        raise ReferenceDataError(f"{name}: no cell has the lengths and angles {numbers}; mend them")
    cell: Array = cellpar_to_cell([*lengths, *degrees])
    return cell


def _coordinates(subsys: Section, cell: Array, path: Path) -> tuple[list[str], Array]:
    topology = subsys.first("TOPOLOGY")
    name = topology.value("COORD_FILE_NAME", "COORD_FILE")
    kind = (topology.value("COORD_FILE_FORMAT", "COORDINATE") or ["XYZ" if name else "OFF"])[0].upper()
    if topology.first("GENERATE").is_on("REORDER") or kind not in ("XYZ", "OFF"):
        raise ReferenceDataError(f"{path}: its ions are reordered, or in a file of format {kind}; {_REMEDY}")
    if name and kind == "XYZ":
        return _of_xyz(beside(path, name[0].strip("'\"")), path)
    section = subsys.first("COORD")
    unit = section.value("UNIT")
    scaled = section.is_on("SCALED")
    rows = [line for line in section.lines if line[0].upper() not in ("UNIT", "SCALED")]
    if not rows:
        raise ReferenceDataError(f"{path}: has no ions in &COORD; {_REMEDY}")
    positions = np.array([[_real(x) for x in row[1:4]] for row in rows])
    factor = 1.0 if scaled else _length((unit or ["angstrom"])[0], path)
    return [row[0] for row in rows], (positions @ cell if scaled else positions * factor)


def _of_xyz(file: Path, path: Path) -> tuple[list[str], Array]:
    """Return labels and positions [Å] of the first frame of the XYZ file that an input names."""
    if not file.is_file():
        raise ReferenceDataError(f"{path}: its COORD_FILE_NAME {file.name} cannot be read; copy it beside")
    lines = file_text(file).splitlines()
    rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
    if len(rows) < int(lines[0]) or not rows:
        raise ReferenceDataError(f"{file}: holds {len(rows)} of {lines[0].strip()} ions; copy it whole")
    return [row[0] for row in rows], np.array([[_real(x) for x in row[1:4]] for row in rows])


def _elements(labels: list[str], subsys: Section, path: Path) -> list[str]:
    """Return the element of each label: what its &KIND says, else the symbol that it starts with."""
    kinds = {section.parameter.upper(): section for section in subsys.all("KIND")}
    elements = {}
    for label in dict.fromkeys(labels):
        kind = kinds.get(label.upper(), Section("KIND"))
        if kind.is_on("GHOST"):
            raise NoCrystalError(f"{path}: {label} is a ghost, which is no ion; leave this run out")
        said = (kind.value("ELEMENT") or [re.sub(r"[\d_+-].*$", "", label)])[0].capitalize()
        if said not in atomic_numbers:
            raise ReferenceDataError(f"{path}: {label} is of no known element; give its &KIND an ELEMENT")
        elements[label] = said
    return [elements[label] for label in labels]


def _repeated(atoms: Atoms, repeats: tuple[int, ...]) -> Atoms:
    """Return the cell repeated as CP2K does it: whole images, the first vector fastest."""
    n_a, n_b, n_c = repeats
    shifts = [np.array([i, j, k]) @ atoms.cell.array for k in range(n_c) for j in range(n_b) for i in range(n_a)]
    positions = np.concatenate([atoms.positions + shift for shift in shifts])
    cell = atoms.cell.array * np.array(repeats)[:, None]
    return Atoms(list(atoms.symbols) * len(shifts), positions, cell=cell, pbc=True)


def _numbers(words: list[str], path: Path) -> Array:
    """Return three lengths [Å], which may stand behind a unit in brackets."""
    text = " ".join(words)
    unit = _BRACKETS.match(text)
    numbers = [_real(x) for x in _BRACKETS.sub("", text).split()[:3]]
    if len(numbers) < 3:
        raise ValueError(f"three numbers expected in {text!r}")
    return np.array(numbers) * (_length(unit[1], path) if unit else 1.0)


def _degrees(words: list[str]) -> Array:
    text = " ".join(words)
    unit = _BRACKETS.match(text)
    numbers = np.array([_real(x) for x in _BRACKETS.sub("", text).split()[:3]])
    return np.degrees(numbers) if unit and unit[1].lower() == "rad" else numbers


def _real(text: str) -> float:
    """Return a number as CP2K takes it: with an exponent of Fortran's double precision, as a fraction or product."""
    first, *others = re.split(r"([*/])", text.upper().replace("D", "E"))
    value = float(first)
    for sign, number in zip(others[::2], others[1::2], strict=True):
        value = value * float(number) if sign == "*" else value / float(number)
    return value


def _length(name: str, path: Path) -> float:
    factor = unit_factor(name, "length")
    if factor is None:
        raise ReferenceDataError(f"{path}: {name!r} is no unit of length that is known here; {_REMEDY}")
    return factor
