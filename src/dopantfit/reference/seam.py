"""A cut of a boundary closed to a small periodic cell: made neutral, with a gap that a warm run shuts in steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import CollapseError, ConvergenceError, EngineError, ReferenceDataError
from dopantfit.potential.checks import element_of
from dopantfit.reference.cuts import Cut, CutBoundary, first_shell, kind_of
from dopantfit.reference.glass import APART, require_polyanions
from dopantfit.structures.cells import with_labels
from dopantfit.structures.hosts import Host

Array = npt.NDArray[np.float64]

#: The gap grows in such steps, up to a part of the edge of the box; voids are looked for on a grid of this spacing [Å].
_GAP, _WIDEST, _GRID = 0.1, 0.5, 0.4
#: Steps in which the gap is shut, each a part of the healing: ends come nearer by less than half an Å at a time.
_CLOSING = 4
#: Cuts that may be lost while their seams heal, for each that is asked for.
_LOST = 3
#: Half of the neighbouring cells; the other half sees the same distances.
_IMAGES = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) > (0, 0, 0)]


@dataclass(frozen=True)
class Healed:
    """A cut as a small cell, its seam healed, and in words what was done to it."""

    atoms: Atoms
    said: str


def healed_cuts(boundary: CutBoundary, work: Path, rng: np.random.Generator) -> list[Healed]:
    """Return the cuts that the item asks for, each run in a folder of its own below `work`.

    A cut that collapses or loses a polyanion is drawn anew; ReferenceDataError where too many do.
    """
    wanted = boundary.item.cuts
    made: list[Healed] = []
    lost: list[str] = []
    for number, cut in enumerate(boundary.cuts(rng)):
        try:
            made.append(_healed(cut, boundary, work / f"cut-{number:02d}", boundary.item.seed + number * 100 + 1))
        except (CollapseError, ConvergenceError, EngineError, ReferenceDataError) as problem:
            lost.append(str(problem))
        if len(made) == wanted:
            return made
        if len(lost) > _LOST * wanted:
            raise ReferenceDataError(
                f"{boundary.item.name}: {len(lost)} cuts were lost while their seams healed, for {len(made)} that "
                f"were made; heal them cooler, or take larger ones; the last: {lost[-1]}"
            )
    raise AssertionError("cuts have no end")


def closed(cut: Cut, host: Host) -> tuple[Atoms, int]:
    """Return the neutral periodic cell of a cut with the least gap, and which of its ions the cut is around.

    Mobile ions nearest to the faces of the box leave, or more take the widest voids; across the seam ions are as far
    from each other as ions that are placed. Raises ReferenceDataError where no gap has room for them.
    """
    outermost = sorted(
        (i for i, label in enumerate(cut.labels) if label == host.mobile), key=lambda i: -np.abs(cut.positions[i]).max()
    )
    gone = set(outermost[: max(0, -cut.more)])
    kept = [i for i in range(len(cut.labels)) if i not in gone]
    labels, positions = [cut.labels[i] for i in kept], cut.positions[kept]
    kinds = [kind_of(label, host) for label in labels]
    for gap in np.arange(0.0, _WIDEST * cut.edge, _GAP):
        edge = cut.edge + float(gap)
        if not _apart(positions, kinds, edge):
            continue
        voids = _voids(positions, kinds, edge, max(0, cut.more))
        if voids is None:
            continue
        labels += [host.mobile] * len(voids)
        bare = Atoms([element_of(label) for label in labels], np.concatenate([positions, voids]) + 0.5 * edge)
        bare.set_cell([edge] * 3)
        bare.pbc = True
        order = np.argsort(np.array(labels), kind="stable")
        return with_labels(bare, labels)[order], int(np.flatnonzero(order == kept.index(cut.around))[0])
    raise ReferenceDataError(f"the cut around ion {cut.ion} finds no room for its ions; take a larger one")


def _healed(cut: Cut, boundary: CutBoundary, work: Path, seed: int) -> Healed:
    """Close a cut, shut its gap while it is warm, let it heal and run it at the temperature asked for."""
    from dopantfit.lammps import Launcher
    from dopantfit.lammps.snapshots import md_snapshots

    item = boundary.item
    atoms, around = closed(cut, boundary.host)
    gapped, dense = float(atoms.cell[0, 0]), float((boundary.volume * len(atoms)) ** (1 / 3))
    edges = np.linspace(gapped, dense, _CLOSING + 1)[1:]
    legs = [(edge, item.healing, item.duration / _CLOSING) for edge in edges]
    legs += [(dense, item.healing, item.duration), (dense, item.temperature, item.duration)]
    for number, (edge, kelvin, duration) in enumerate(legs):
        atoms.set_cell([edge] * 3)  # ions stay where they are: the seam alone is squeezed
        place = work / f"leg-{number}"
        launcher = Launcher(ranks=1)
        (atoms,) = md_snapshots(atoms, boundary.potential, kelvin, duration, 1, seed + number, place, launcher)
    require_polyanions(atoms, boundary.host.polyanion, str(work))
    _, shell = first_shell(atoms, around, boundary.host)
    more, mobile, formula = cut.more, boundary.host.mobile, boundary.host.polyanion.formula
    changed = f", {abs(more)} {mobile} {'added' if more > 0 else 'removed'}" if more else ""
    changed += f", {cut.mended} {formula} mended" if cut.mended else ""
    said = (
        f"cut around {item.dopant} {cut.ion} of {item.boundary}{changed}; first shell {cut.shell} there, {shell} here"
    )
    return Healed(atoms, said)


def _least(kinds: Sequence[str], others: Sequence[str]) -> Array:
    """Shortest distances at which ions of different units may start [Å]."""
    return np.array([[APART[frozenset({one, other})] for other in others] for one in kinds])


def _apart(positions: Array, kinds: Sequence[str], edge: float) -> bool:
    """Whether ions are far enough from the periodic images of each other."""
    least = _least(kinds, kinds)
    vectors = positions[:, None] - positions
    return all((np.linalg.norm(vectors - edge * np.array(image), axis=-1) >= least).all() for image in _IMAGES)


def _voids(positions: Array, kinds: Sequence[str], edge: float, count: int) -> Array | None:
    """Places for so many cations [Å], the widest void first, ``shape=(count, 3)``; None where one is too narrow."""
    ticks = np.arange(0.0, edge, _GRID) - 0.5 * edge
    grid = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    room = np.full(len(grid), np.inf)

    def narrow(place: Array, kind: str) -> None:
        vectors = grid - place
        vectors -= np.round(vectors / edge) * edge
        np.minimum(room, np.linalg.norm(vectors, axis=1) / APART[frozenset({"cation", kind})], out=room)

    if count:
        for place, kind in zip(positions, kinds, strict=True):
            narrow(place, kind)
    found = np.empty((count, 3))
    for number in range(count):
        best = int(room.argmax())
        if room[best] < 1.0:
            return None
        found[number] = grid[best]
        narrow(found[number], "cation")
    return found
