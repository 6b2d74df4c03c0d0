"""Small cells cut from a built boundary around a dopant: its first shell as it is, whole polyanions, neutral.

Of many boxes around a dopant the one is taken that needs the fewest mobile ions changed. A polyanion belongs to a box
where its centre does; one that lost a ligand in the boundary's melt gets it back, and loose ligands stay behind.
`dopantfit.reference.seam` closes what is cut here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.checks import element_of
from dopantfit.potential.files import named_in
from dopantfit.reference.glass import APART
from dopantfit.reference.plan import BoundaryCuts
from dopantfit.structures.cells import labels_of
from dopantfit.structures.convert import read_crystal
from dopantfit.structures.hosts import Host, load_host
from dopantfit.structures.polyanions import missing_ligand, polyanion_of

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

#: Boxes drawn around a dopant, whose middle is up to a quarter of the edge away from it.
_BOXES, _OFF = 500, 0.25
#: How far the ions of a cut may be from the number asked for.
_COUNT = 0.1
#: Part of the polyanions that either side of an interface has in a cut at least: two of eight to ten.
_EITHER = 0.2
#: Part of the distances at which ions are placed that a ligand must have when its polyanion gets it back.
_TIGHT = 0.9


@dataclass(frozen=True)
class Coordination:
    """The first shell of an ion: how many ligands, and how far they are on average [Å]."""

    coordination: int
    distance: float

    def __str__(self) -> str:
        return f"{self.coordination} at {self.distance:.2f} Å"


@dataclass(frozen=True)
class Cut:
    """What a box holds, before it is neutral and closed.

    labels, positions: of its ions, from the middle of the box [Å], ``shape=(n, 3)``. edge: of the box [Å].
    more: mobile ions that make it neutral, negative where some have to leave. around: which of its ions it is around.
    ion: which one of the boundary that is. shell: what that has in the boundary. mended: polyanions that got a ligand.
    """

    labels: tuple[str, ...]
    positions: Array
    edge: float
    more: int
    around: int
    ion: int
    shell: Coordination
    mended: int


@dataclass(frozen=True)
class CutBoundary:
    """A boundary that cells are cut from; ConfigError for one that none can be cut from as `item` says."""

    item: BoundaryCuts
    atoms: Atoms
    host: Host
    potential: Potential

    def __post_init__(self) -> None:
        item, lengths = self.item, self.atoms.cell.lengths()
        if missing := sorted({*self.labels, self.host.mobile} - set(self.potential.species)):
            raise ConfigError(f"{item.name}: potential {self.potential.name} has no {', '.join(missing)}; name another")
        if item.dopant not in self.labels:
            has = ", ".join(sorted(set(self.labels)))
            raise ConfigError(f"{item.name}: {item.boundary} holds no {item.dopant}, it has {has}; give a doped one")
        if np.abs(self.atoms.cell.array - np.diag(lengths)).max() > 1e-6:
            raise ConfigError(f"{item.name}: the cell of {item.boundary} is not orthogonal along x, y and z; turn it")
        if self.edge > lengths.min():
            most = int(lengths.min() ** 3 * len(self.atoms) / self.atoms.cell.volume)
            raise ConfigError(
                f"{item.name}: a box of {item.ions} ions is {self.edge:.1f} Å wide, and {item.boundary} only "
                f"{lengths.min():.1f} Å; ask for {most} ions at most, or give a wider boundary"
            )
        if item.place != "any" and self._grain_ions is None:
            raise ConfigError(
                f"{item.name}: {item.boundary} does not say how many of its ions were grain; add grain_ions = … as "
                'the structure before it has it, or take place = "any"'
            )

    @property
    def edge(self) -> float:
        """Of the boxes [Å]: they hold the ions asked for where the boundary is as dense as on average."""
        return float((self.item.ions * self.atoms.cell.volume / len(self.atoms)) ** (1 / 3))

    @property
    def volume(self) -> float:
        """What a cut has at the end [Å³ per ion]."""
        return self.item.volume or float(self.atoms.cell.volume / len(self.atoms))

    @cached_property
    def labels(self) -> list[str]:
        """Labels of its ions."""
        return labels_of(self.atoms)

    def cuts(self, rng: np.random.Generator) -> Iterator[Cut]:
        """Yield cuts without end, around one dopant after the other; ConfigError where none can be made."""
        dopants = [i for i, label in enumerate(self.labels) if label == self.item.dopant]
        while True:
            found = [cut for ion in rng.permutation(dopants) if (cut := self.cut_around(int(ion), rng)) is not None]
            if not found:
                where = "" if self.item.place == "any" else f" ({self.item.place})"
                raise ConfigError(
                    f"{self.item.name}: around none of the {len(dopants)} {self.item.dopant} of {self.item.boundary} "
                    f"can a neutral cut of {self.item.ions} ions with whole {self.host.polyanion.formula} be "
                    f"made{where}; ask for another number of ions, or another place"
                )
            yield from found

    def cut_around(self, ion: int, rng: np.random.Generator) -> Cut | None:
        """Return the cut around an ion that needs the fewest ions changed; None where no box gives one."""
        ligands, shell = first_shell(self.atoms, ion, self.host)
        whole = [ion, *ligands[~self._units.loose[ligands]]]
        best: tuple[tuple[int, int], Cut] | None = None
        for off in rng.uniform(-_OFF, _OFF, (_BOXES, 3)) * self.edge:
            positions, inside = self._in_box(self.atoms.positions[ion] + off)
            if not np.isin(whole, inside).all() or not self._lies_right(inside):
                continue
            missing = self._missing_ligands(positions, inside)
            more = None if missing is None else self._more_mobile(inside, len(missing))
            if missing is None or more is None:
                continue
            miss = abs(len(inside) + len(missing) + more - self.item.ions)
            worth = (abs(more) + len(missing), miss)
            if miss <= _COUNT * self.item.ions and (best is None or worth < best[0]):
                labels = (*(self.labels[i] for i in inside), *[self._ligand] * len(missing))
                there = np.concatenate([positions[inside], missing])
                around = int(np.searchsorted(inside, ion))
                best = worth, Cut(labels, there, self.edge, more, around, ion, shell, len(missing))
        return None if best is None else best[1]

    def _in_box(self, middle: Array) -> tuple[Array, Indices]:
        """Positions of all ions from the middle [Å], ligands beside their centre, and the ions of the box."""
        units, lengths = self._units, self.atoms.cell.lengths()
        from_middle = self.atoms.positions[units.heads] - middle
        from_middle -= np.round(from_middle / lengths) * lengths
        inside = (np.abs(from_middle) <= 0.5 * self.edge).all(axis=1) & ~units.loose
        return from_middle + units.shifts, np.flatnonzero(inside)

    def _missing_ligands(self, positions: Array, inside: Indices) -> Array | None:
        """Places for the ligands that centres of a box lack [Å], ``shape=(n, 3)``; None where one has no room."""
        found = np.empty((0, 3))
        for centre in inside[self._units.lacking[inside] != 0]:
            own = inside[self._units.heads[inside] == centre]
            if self._units.lacking[centre] != 1:
                return None
            others = np.concatenate([positions[np.setdiff1d(inside, own)], found])
            kinds = [self.kind_of(int(i)) for i in np.setdiff1d(inside, own)] + ["ligand"] * len(found)
            least = np.array([APART[frozenset({"ligand", kind})] for kind in kinds])
            bonds = positions[own[own != centre]] - positions[centre]
            places = [positions[centre] + vector for vector in missing_ligand(bonds, self.host.polyanion)]
            room = [float((np.linalg.norm(others - place, axis=1) / least).min(initial=np.inf)) for place in places]
            if max(room, default=0.0) < _TIGHT:
                return None
            found = np.concatenate([found, [places[int(np.argmax(room))]]])
        return found

    def _more_mobile(self, inside: Indices, ligands: int) -> int | None:
        """How many mobile ions make ions and so many more ligands neutral; None where whole ones cannot."""
        charges = self.potential.species
        charge = (
            sum(charges[self.labels[i]].formal_charge for i in inside) + ligands * charges[self._ligand].formal_charge
        )
        more, rest = divmod(-charge, charges[self.host.mobile].formal_charge)
        there = sum(self.labels[i] == self.host.mobile for i in inside)
        return None if rest or there + more < 0 else more

    def kind_of(self, ion: int) -> str:
        """Whether an ion is a cation, or centre or ligand of a polyanion."""
        return kind_of(self.labels[ion], self.host)

    def _lies_right(self, inside: Indices) -> bool:
        if self.item.place == "any" or self._grain_ions is None:
            return True
        centres = [i for i in inside if self.kind_of(int(i)) == "centre"]
        grain = float(np.mean(np.array(centres) < self._grain_ions)) if centres else 0.0
        place = "glass" if grain < _EITHER else "grain" if grain > 1.0 - _EITHER else "interface"
        return place == self.item.place

    @property
    def _grain_ions(self) -> int | None:
        told = self.item.grain_ions or self.atoms.info.get("grain_ions")
        return None if told is None else int(told)

    @property
    def _ligand(self) -> str:
        unit = self.host.polyanion.ligand
        return next(label for label in self.labels if element_of(label) == unit)

    @cached_property
    def _units(self) -> "_Units":
        unit = self.host.polyanion
        owner, shifts = polyanion_of(self.atoms, unit)
        kinds = np.array([self.kind_of(i) for i in range(len(owner))])
        heads = np.where(owner >= 0, owner, np.arange(len(owner)))
        there = np.bincount(owner[owner >= 0], minlength=len(owner))
        lacking = np.where(kinds == "centre", unit.count - there, 0)
        return _Units(heads, shifts, (kinds == "ligand") & (owner < 0), lacking)


@dataclass(frozen=True)
class _Units:
    """What is cut out together: heads is the centre of an ion's polyanion, or itself, shifts the way from there [Å].

    loose: ligands without a centre. lacking: ligands that a centre has not (negative: has too many).
    """

    heads: Indices
    shifts: Array
    loose: npt.NDArray[np.bool_]
    lacking: npt.NDArray[np.int_]


def kind_of(label: str, host: Host) -> str:
    """Whether an ion is a ``cation``, or ``centre`` or ``ligand`` of a polyanion."""
    element, unit = element_of(label), host.polyanion
    return "centre" if element == unit.centre else "ligand" if element == unit.ligand else "cation"


def cut_boundary(item: BoundaryCuts, folder: Path) -> CutBoundary:
    """Return the boundary that an item names; ConfigError where no cell can be cut from it. folder: of the set."""
    try:
        atoms = read_crystal(folder / item.boundary)
    except ConfigError as problem:
        raise ConfigError(f"{item.name}: boundary: {problem}") from None
    return CutBoundary(item, atoms, load_host(item.host, folder), Potential.load(named_in(folder, item.potential)))


def first_shell(atoms: Atoms, ion: int, host: Host) -> tuple[Indices, Coordination]:
    """Return the ligands within reach of a cation, and what shell they are."""
    from ase.geometry import get_distances

    elements = np.array([element_of(label) for label in labels_of(atoms)])
    ligands = np.flatnonzero(elements == host.polyanion.ligand)
    _, distances = get_distances(atoms.positions[[ion]], atoms.positions[ligands], cell=atoms.cell, pbc=True)
    near = distances[0] < host.cation_reach
    return ligands[near], Coordination(int(near.sum()), float(distances[0][near].mean()) if near.any() else 0.0)
