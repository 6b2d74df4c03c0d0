"""Crystal prototypes from published space groups, cells and sites, and cells built from them."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from dopantfit.errors import ConfigError
from dopantfit.structures.cells import sorted_by_label, supercell

#: Rows: the rhombohedral primitive vectors in terms of the hexagonal ones (obverse setting).
RHOMBOHEDRAL = np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3.0
#: Rows: the pseudo-cubic cell in terms of the rhombohedral primitive vectors; four of its volumes.
PSEUDO_CUBIC = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
#: The crystal that LATP derives from.
LTP = "LiTi2P3O12"

# Stands for an empty site while cells are built, so that sites and ions go through the same operations.
_EMPTY = "X"


@dataclass(frozen=True, eq=False)
class Host:
    """A crystal together with the empty sites that its mobile ions can take.

    sites: ions and, as ``X``, empty sites.
    mobile: label of the ion that balances charge by taking or leaving sites; None when there is none.
    """

    sites: Atoms
    mobile: str | None = None

    @property
    def ions(self) -> Atoms:
        """The crystal, sorted by label; a copy."""
        return sorted_by_label(self.sites[self.sites.numbers != 0])

    @property
    def empty(self) -> NDArray[np.float64]:
        """Positions of the empty sites [Å], ``shape=(n, 3)``."""
        positions: NDArray[np.float64] = self.sites.positions[self.sites.numbers == 0].copy()
        return positions

    def repeated(self, matrix: ArrayLike) -> Self:
        """Return the supercell whose vectors are `matrix` times this cell's (see ``supercell``)."""
        return type(self)(supercell(self.sites, matrix), self.mobile)

    def primitive(self) -> Self:
        """Return the rhombohedral primitive cell of a hexagonal R-centred one.

        Raises ConfigError when the cell is not R-centred.
        """
        cell = RHOMBOHEDRAL @ self.sites.cell.array
        scaled = np.linalg.solve(cell.T, self.sites.positions.T).T
        scaled -= np.floor(scaled + 1e-6)
        kept: list[int] = []
        for i, number in enumerate(self.sites.numbers):
            gap = scaled[kept] - scaled[i]
            # 1e-4 of a cell is 1e-3 Å: above rounding, below any distance of two ions.
            same = np.abs(gap - np.round(gap)).max(axis=1, initial=0.0) < 1e-4
            if not (same & (self.sites.numbers[kept] == number)).any():
                kept.append(i)
        if 3 * len(kept) != len(self.sites):
            raise ConfigError(
                f"{self.ions.get_chemical_formula()}: not a hexagonal R-centred cell; "
                f"only such cells have a rhombohedral primitive cell"
            )
        sites = Atoms(numbers=self.sites.numbers[kept], scaled_positions=scaled[kept], cell=cell, pbc=True)
        return type(self)(sites, self.mobile)

    def pseudo_cubic(self, n: int | tuple[int, int, int] = 1) -> Self:
        """Return n × n × n (or n₁ × n₂ × n₃) pseudo-cubic cells of a hexagonal R-centred crystal."""
        counts = (n, n, n) if isinstance(n, int) else n
        return self.primitive().repeated(np.diag(counts) @ PSEUDO_CUBIC)


def prototype_names() -> tuple[str, ...]:
    """Return the names of the crystals that ship with the package."""
    return tuple(_data()["structures"])


def formal_charges() -> dict[str, int]:
    """Return the formal charges [e] of the ions in all prototypes, by chemical symbol."""
    return dict(_data()["formal_charges"])


def host(name: str) -> Host:
    """Build the conventional cell of a prototype with its empty sites.

    Raises ConfigError when there is no prototype of that name.
    """
    from ase.spacegroup import crystal

    try:
        entry = _data()["structures"][name]
    except KeyError:
        raise ConfigError(f"'{name}' is no crystal prototype; there are {', '.join(prototype_names())}") from None
    occupied = [(label, position) for label, *position in entry["sites"]]
    every = occupied + [(_EMPTY, position) for position in entry.get("empty_sites", [])]
    built = crystal(
        [label for label, _ in every],
        [position for _, position in every],
        spacegroup=entry["spacegroup"],
        cellpar=_cell_parameters(entry),
    )
    # A plain Atoms: the symmetry that crystal() attaches no longer holds once ions are exchanged.
    sites = Atoms(built.get_chemical_symbols(), positions=built.positions, cell=built.cell, pbc=True)
    return Host(sites, entry.get("mobile"))


def prototype(name: str) -> Atoms:
    """Build the conventional cell of a prototype, ions sorted by label.

    Raises ConfigError when there is no prototype of that name.
    """
    return host(name).ions


def pseudo_cubic(n: int | tuple[int, int, int] = 1) -> Atoms:
    """Build LiTi2(PO4)3 as n × n × n pseudo-cubic cells of 144 ions, edge about 12.0 Å."""
    return host(LTP).pseudo_cubic(n).ions


def latp_cell(x: float) -> tuple[float, float]:
    """Return the measured hexagonal a, c [Å] of Li(1+x)Al(x)Ti(2-x)(PO4)3, linear between measurements.

    Raises ConfigError outside the measured range.
    """
    table = sorted((float(key), a, c) for key, (a, c) in _data()["latp_cells"].items())
    xs, a_values, c_values = (np.array(column) for column in zip(*table, strict=True))
    if not xs[0] <= x <= xs[-1]:
        raise ConfigError(f"x = {x!r} is outside the measured LATP cells, {xs[0]} to {xs[-1]}; relax a cell instead")
    return float(np.interp(x, xs, a_values)), float(np.interp(x, xs, c_values))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("dopantfit.structures").joinpath("prototypes.toml").read_text(encoding="utf-8"))


def _cell_parameters(entry: dict[str, Any]) -> list[float]:
    a = entry["a"]
    hexagonal = 143 <= entry["spacegroup"] <= 194
    return [
        a,
        entry.get("b", a),
        entry.get("c", a),
        90.0,
        entry.get("beta", 90.0),
        120.0 if hexagonal else 90.0,
    ]
