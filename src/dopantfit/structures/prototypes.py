"""Crystal prototypes from published space groups, cells and sites, and cells built from them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from dopantfit.errors import ConfigError
from dopantfit.strict_toml import Table, parse_strict
from dopantfit.structures.cells import sorted_by_label, supercell
from dopantfit.structures.oxidation import formal_charges

Centring = Literal["P", "A", "C", "I", "F", "R"]
#: Rows: primitive vectors in terms of the conventional ones, by centring (International Tables A, 5.1.3); R obverse.
PRIMITIVE: Mapping[str, NDArray[np.float64]] = MappingProxyType(
    {
        "P": np.eye(3),
        "A": np.array([[2, 0, 0], [0, 1, -1], [0, 1, 1]]) / 2.0,
        "C": np.array([[1, -1, 0], [1, 1, 0], [0, 0, 2]]) / 2.0,
        "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2.0,
        "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2.0,
        "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3.0,
    }
)

# Stands for an empty site while cells are built, so that sites and ions go through the same operations.
_EMPTY = "X"

_Angle = Annotated[float, Field(gt=0.0, lt=180.0)]
_Length = Annotated[float, Field(gt=0.0)]


class Prototype(Table):
    """A crystal as tables of structures give it: space group, cell [Å, degrees] and sites [fractional]."""

    spacegroup: Annotated[int, Field(ge=1, le=230)]
    #: Of the conventional cell; that of the space group by default.
    centring: Centring | None = None
    #: Lengths that are not given equal a; angles are those of the crystal system.
    a: _Length
    b: _Length | None = None
    c: _Length | None = None
    alpha: _Angle | None = None
    beta: _Angle | None = None
    gamma: _Angle | None = None
    #: Chemical symbol and position of one ion of each orbit.
    sites: Annotated[tuple[tuple[str, float, float, float], ...], Field(min_length=1)]
    #: Sites that charge-balancing ions of the kind `mobile` take when a cell is doped.
    empty_sites: tuple[tuple[float, float, float], ...] = ()
    mobile: str | None = None
    #: For people: where cell and coordinates come from, and distances [Å] and densities of the finished cell.
    cell: str = ""
    coordinates: str = ""
    checks: str = ""

    def crystal(self) -> "Crystal":
        """Build the conventional cell with its empty sites."""
        from ase.spacegroup import Spacegroup, crystal

        every = [(label, position) for label, *position in self.sites] + [(_EMPTY, p) for p in self.empty_sites]
        built = crystal(
            [label for label, _ in every],
            [position for _, position in every],
            spacegroup=self.spacegroup,
            cellpar=self._cell_parameters(),
        )
        # A plain Atoms: the symmetry that crystal() attaches no longer holds once ions are exchanged.
        sites = Atoms(built.get_chemical_symbols(), positions=built.positions, cell=built.cell, pbc=True)
        centring = self.centring or Spacegroup(self.spacegroup).symbol[0]
        return Crystal(sites, self.mobile, centring, spacegroup=self.spacegroup)

    def _cell_parameters(self) -> list[float]:
        hexagonal = 143 <= self.spacegroup <= 194
        return [
            self.a,
            self.b or self.a,
            self.c or self.a,
            self.alpha or 90.0,
            self.beta or 90.0,
            self.gamma or (120.0 if hexagonal else 90.0),
        ]


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal together with the empty sites that its mobile ions can take.

    sites: ions and, as ``X``, empty sites.
    mobile: label of the ion that balances charge by taking or leaving sites; None when there is none.
    centring: of the cell, a key of `PRIMITIVE`.
    known_charges: formal charges by label [e]; from the composition where there are none.
    spacegroup: its number, 1 where nothing is said.
    """

    sites: Atoms
    mobile: str | None = None
    centring: str = "P"
    known_charges: Mapping[str, int] = field(default_factory=dict)
    spacegroup: int = 1

    @property
    def ions(self) -> Atoms:
        """The crystal, sorted by label; a copy."""
        return sorted_by_label(self.sites[self.sites.numbers != 0])

    @property
    def empty(self) -> NDArray[np.float64]:
        """Positions of the empty sites [Å], ``shape=(n, 3)``."""
        positions: NDArray[np.float64] = self.sites.positions[self.sites.numbers == 0].copy()
        return positions

    @property
    def charges(self) -> dict[str, int]:
        """Formal charges of its ions by label [e]; ConfigError where none are given and none follow."""
        return dict(self.known_charges) or formal_charges(self.ions)

    def repeated(self, matrix: ArrayLike) -> Self:
        """Return the supercell whose vectors are `matrix` times this cell's (see ``supercell``)."""
        return type(self)(supercell(self.sites, matrix), self.mobile, "P", self.known_charges)

    def primitive(self) -> Self:
        """Return the primitive cell; ConfigError when the cell does not have the centring that it is said to have."""
        matrix = PRIMITIVE[self.centring]
        cell = matrix @ self.sites.cell.array
        scaled = np.linalg.solve(cell.T, self.sites.positions.T).T
        scaled -= np.floor(scaled + 1e-6)
        kept: list[int] = []
        for i, number in enumerate(self.sites.numbers):
            gap = scaled[kept] - scaled[i]
            # 1e-4 of a cell is 1e-3 Å: above rounding, below any distance of two ions.
            same = np.abs(gap - np.round(gap)).max(axis=1, initial=0.0) < 1e-4
            if not (same & (self.sites.numbers[kept] == number)).any():
                kept.append(i)
        if round(1.0 / np.linalg.det(matrix)) * len(kept) != len(self.sites):
            raise ConfigError(
                f"{self.ions.get_chemical_formula()}: the cell is not {self.centring}-centred; give its centring"
            )
        sites = Atoms(numbers=self.sites.numbers[kept], scaled_positions=scaled[kept], cell=cell, pbc=True)
        return type(self)(sites, self.mobile, "P", self.known_charges)


def prototype_names() -> tuple[str, ...]:
    """Return the names of the crystals that ship with the package."""
    return tuple(_data())


def crystal(name: str) -> Crystal:
    """Build the conventional cell of a prototype of the library with its empty sites.

    Raises ConfigError when there is no prototype of that name.
    """
    try:
        entry = _data()[name]
    except KeyError:
        raise ConfigError(f"'{name}' is no crystal prototype; there are {', '.join(prototype_names())}") from None
    return parse_strict(Prototype, entry, f"prototypes.toml: structures.{name}").crystal()


def prototype(name: str) -> Atoms:
    """Build the conventional cell of a prototype, ions sorted by label.

    Raises ConfigError when there is no prototype of that name.
    """
    return crystal(name).ions


@cache
def _data() -> dict[str, Any]:
    text = files("dopantfit.structures").joinpath("prototypes.toml").read_text(encoding="utf-8")
    structures: dict[str, Any] = tomllib.loads(text)["structures"]
    return structures
