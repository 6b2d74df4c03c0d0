"""The cells and ions that CP2K prints into its output, to the digits that it prints."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_geometry import cell_of
from dopantfit.reference.named_units import unit_factor
from dopantfit.units import BOHR

Array = npt.NDArray[np.float64]

_CELL = re.compile(
    r"^ CELL\| Volume \[angstrom\^3\]:\s+(?P<volume>\S+)\s*\n"
    r"(?P<vectors>(?: CELL\| Vector [abc] \[angstrom\]:.*\n){3})"
    r"(?P<angles>(?: CELL\| Angle .*\n){3})",
    re.MULTILINE,
)
_IONS = re.compile(
    r"^ MODULE \w+:\s+ATOMIC COORDINATES IN \[?(?P<unit>\w+)\]?\s*\n\s*\n\s+Atom\s+Kind\s+Element.*\n\s*"
    r"(?P<rows>(?:\s*\d+\s+\d+\s+[A-Z][a-z]?\s+\d+(?:\s+\S+){5}[^\S\n]*\n)+)",
    re.MULTILINE,
)
# The volume of a step of molecular dynamics: since 8.1, and before.
_VOLUME = re.compile(
    r"^ MD(?:_INI)?\| Cell volume \[ang\^3\]\s+(?P<angstrom>\S+)"
    r"|^ (?:INITIAL )?VOLUME\[bohr\^3\]\s*=\s*(?P<bohr>\S+)",
    re.MULTILINE,
)
#: A cell that is printed to fewer decimals than this is good enough, and no better: 0.0005 Å of 5 Å strain it by 1e-4.
_DECIMALS = 5


@dataclass(frozen=True)
class PrintedCell:
    """A cell as printed: vectors [Å] to few digits, their lengths [Å], angles [degree] and volume [Å³] to more.

    decimals: of the lengths.
    """

    vectors: Array
    lengths: Array
    angles: Array
    volume: float
    decimals: int

    def array(self, like: Array | None, name: str) -> Array:
        """Return the cell [Å], vectors in rows, to the digits of its lengths and angles.

        like: a cell that is turned as this one is, exactly. Raises ReferenceDataError naming ``name`` when the
        output does not say which way the cell is turned.
        """
        upright = cell_of(self.lengths, self.angles, name)
        turned = [upright] if like is None else [upright, upright @ _turn(like)]
        for cell in turned:
            # The vectors are printed to three decimals, the lengths to as many or more.
            if np.abs(cell - self.vectors).max() < 6e-4 + 10.0**-self.decimals:
                return cell
        raise ReferenceDataError(
            f"{name}: the output does not say exactly how the cell is turned; put the input of the run beside it, or "
            f"the file of cells (&MOTION/&PRINT/&CELL)"
        )

    @property
    def is_coarse(self) -> bool:
        """Whether the cell is known to three decimals only, as from CP2K before 8.1."""
        return self.decimals < _DECIMALS

    def agrees(self, cell: Array) -> bool:
        """Return whether this is how ``cell`` [Å] would be printed."""
        half = 0.51 * 10.0**-self.decimals
        lengths = np.linalg.norm(cell, axis=1)
        return bool(np.abs(cell - self.vectors).max() < 6e-4 and np.abs(lengths - self.lengths).max() < half)


@dataclass(frozen=True)
class PrintedIons:
    """The ions that a run began with: elements, and positions [Å] as printed, to six decimals."""

    symbols: tuple[str, ...]
    positions: Array


def number_of(text: str, name: str) -> float:
    """Return a number as printed; ReferenceDataError naming ``name`` where it is none, such as asterisks."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ReferenceDataError(f"{name}: {text!r} is not a finite number; repeat the run")
    return value


def last_cell(text: str, name: str) -> PrintedCell | None:
    """Return the cell that is printed last in a part of an output, None where there is none."""
    found = None
    for found in _CELL.finditer(text):  # noqa: B007 - the last one counts
        pass
    if found is None:
        return None
    rows = [line.split("]:")[1].split() for line in found["vectors"].splitlines()]
    return PrintedCell(
        vectors=np.array([[number_of(x, name) for x in row[:3]] for row in rows]),
        lengths=np.array([number_of(row[-1], name) for row in rows]),
        angles=np.array([number_of(line.split()[-1], name) for line in found["angles"].splitlines()]),
        volume=number_of(found["volume"], name),
        decimals=len(rows[0][-1].partition(".")[2]),
    )


def printed_ions(text: str, name: str) -> PrintedIons | None:
    """Return the ions that are printed first, None where the output has none (PRINT_LEVEL LOW)."""
    found = _IONS.search(text)
    if found is None:
        return None
    factor = unit_factor(found["unit"], "length")
    if factor is None:
        raise ReferenceDataError(f"{name}: its ions are in {found['unit']!r}, a unit that is not known here")
    rows = [line.split() for line in found["rows"].splitlines()]
    positions = np.array([[number_of(x, name) for x in row[4:7]] for row in rows]) * factor
    return PrintedIons(tuple(row[2] for row in rows), positions)


def step_volume(text: str, name: str) -> float | None:
    """Return the volume [Å³] that molecular dynamics prints first behind an evaluation, None where it does not."""
    found = _VOLUME.search(text)
    if found is None:
        return None
    if found["angstrom"]:
        return number_of(found["angstrom"], name)
    return number_of(found["bohr"], name) * BOHR**3


def _turn(cell: Array) -> Array:
    """Return the rotation that takes the upright form of a cell (a along x, b in the xy plane) to the cell."""
    # cell.T = Q R, so cell = R.T Q.T with R.T lower triangular: the upright form, up to signs.
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    turn: Array = (q * signs).T
    return turn
