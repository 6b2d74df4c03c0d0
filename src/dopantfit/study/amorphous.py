"""Amorphous cells: periodic and neutral, cut from a boundary between its grains; and the one without reducible ions."""

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from dopantfit.boundary.dope.voids import largest_voids
from dopantfit.boundary.profile.domains import Span
from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.potential.checks import element_of
from dopantfit.structures import Host, labels_of, with_labels
from dopantfit.structures.polyanions import polyanion_of

Floats = NDArray[np.float64]

#: Distances that ions keep across the new face [Å]: cations, anions (as in every start), cation to anion (bonds
#: are shorter inside polyanions only, which are kept whole).
_LIKE_CATIONS, _LIKE_ANIONS, _UNLIKE = 2.4, 2.2, 1.6
#: How far the new face may be opened to reach them, and in which steps [Å].
_WIDEST, _STEP = 8.0, 0.1
#: How far a face may be moved for the sake of charge [Å]: half a layer of cations.
_MOVE = 2.0


def cut(atoms: Atoms, low: float, high: float, charges: Mapping[str, int], host: Host) -> Atoms:
    """Cut the slab low <= z < high out of a boundary and make it a periodic, neutral cell.

    Polyanions are kept or left whole, by where their centre is. Each face moves inwards, by 2 Å at most, to where the
    piece has the least charge; what remains is balanced by mobile ions, taken away next to the cut or put into the
    largest voids. The cell is opened along z until no two ions are closer across the new face than a start may have
    them; a run at constant pressure closes it again.
    low, high: [Å] along z, high > low, the window may run through the end of the cell.
    Raises ConfigError for a window that cannot be, ConvergenceError when the faces do not fit.
    """
    height = atoms.cell[2, 2]
    if not 0.0 < high - low < height or np.abs(atoms.cell.array[2, :2]).max() > 1e-6 * height:
        raise ConfigError(f"amorphous cell: a window from {low:.2f} to {high:.2f} Å does not lie in {height:.2f} Å")
    labels = labels_of(atoms)
    owner, shift = polyanion_of(atoms, host.polyanion)
    anchor = (atoms.positions[np.where(owner >= 0, owner, np.arange(len(atoms))), 2] - low) % height
    bottom, top = _least_charged(anchor, np.array([charges[label] for label in labels]), high - low)
    chosen = np.flatnonzero((anchor >= bottom) & (anchor < top))
    if len(chosen) == 0:
        raise ConfigError(f"amorphous cell: there are no ions from {low:.2f} to {high:.2f} Å; widen the window")
    piece = with_labels(atoms[chosen], [labels[i] for i in chosen])
    piece.positions[:, 2] = (anchor + shift[:, 2])[chosen] - bottom
    piece.cell[2] = (0.0, 0.0, top - bottom)
    return _neutral(_opened(piece, charges), charges, host.mobile)


def _least_charged(anchor: Floats, charges: NDArray[np.int64], width: float) -> tuple[float, float]:
    """Ends of the piece, moved inwards as little as gives the least charge [Å]."""
    moves = np.arange(0.0, min(_MOVE, width / 4.0) + 1e-9, _STEP)
    order = np.argsort(anchor, kind="stable")
    heights, sums = anchor[order], np.concatenate([[0], np.cumsum(charges[order])])

    def cost(ends: tuple[float, float]) -> tuple[int, float]:
        first, last = np.searchsorted(heights, ends)
        return abs(int(sums[last] - sums[first])), ends[0] - ends[1]

    return min(((float(a), float(width - b)) for a in moves for b in moves), key=cost)


def without(
    atoms: Atoms,
    exchange: Mapping[str, int],
    removed: str,
    charges: Mapping[str, int],
    mobile: str,
    rng: np.random.Generator,
) -> Atoms:
    """Replace every ion of one kind by others; see `exchanged`.

    exchange: label -> how many of them, together as many as there are ions to remove.
    Raises ConfigError when they are not.
    """
    if not exchange or labels_of(atoms).count(removed) != sum(exchange.values()):
        raise ConfigError(
            f"amorphous cell: {dict(exchange)} for {labels_of(atoms).count(removed)} {removed} cannot be; give as many"
        )
    return exchanged(atoms, {removed: exchange}, charges, mobile, rng)


def exchanged(
    atoms: Atoms,
    exchange: Mapping[str, Mapping[str, int]],
    charges: Mapping[str, int],
    mobile: str,
    rng: np.random.Generator,
) -> Atoms:
    """Replace ions, drawn at random, by others and stay neutral; the cell grows as the number of ions does.

    exchange: for a label whose ions leave, how many of which others take their places.
    Raises ConfigError when there are fewer ions than are to leave.
    """
    labels = labels_of(atoms)
    for removed, others in exchange.items():
        sites = [i for i, label in enumerate(labels) if label == removed]
        new = [label for label, count in sorted(others.items()) for _ in range(count)]
        if len(new) > len(sites):
            raise ConfigError(f"amorphous cell: {dict(others)} for {len(sites)} {removed} cannot be; exchange fewer")
        for i, label in zip(rng.permutation(sites), new, strict=False):
            labels[int(i)] = label
    more = -sum(charges[label] for label in labels) // charges[mobile]
    result = with_labels(atoms, labels)
    result.set_cell(atoms.cell.array * (1.0 + max(0, more) / len(atoms)) ** (1.0 / 3.0), scale_atoms=True)
    return _neutral(result, charges, mobile)


def dose_counts(
    counts: Mapping[str, int], charges: Mapping[str, int], dopant: str, host: Host, percent: float, share: float
) -> dict[str, int]:
    """Return how many framework ions of every label a dose of a glass replaces.

    counts: ions of the undoped glass. percent: of all ions of the doped glass [at%]: c = M / (N + k M), where every
    dopant brings k mobile ions. share: of the reducible ion among what is replaced; others of the framework share the
    rest in proportion to their number. Where there are too few of one kind, the other gives more.
    Raises ConfigError for less than one dopant, or more than there are framework ions.
    """
    total, part = sum(counts.values()), percent / 100.0
    others = {label: counts.get(label, 0) for label in host.framework if label != host.reducible}
    left = {host.reducible: counts.get(host.reducible, 0), **others}
    weights = {host.reducible: share} | {
        one: (1.0 - share) * n / max(1, sum(others.values())) for one, n in others.items()
    }
    brings = sum(w * (charges[one] - charges[dopant]) for one, w in weights.items()) / charges[host.mobile]
    wanted = round(part * total / (1.0 - part * brings)) if part * brings < 1.0 else sum(left.values()) + 1
    if not 1 <= wanted <= sum(left.values()):
        raise ConfigError(
            f"glass of {total} ions: {percent:g} at% {dopant} are {wanted} ions, expected 1 to {sum(left.values())}, "
            f"its {' and '.join(left)}; ask for another dose, or larger glasses"
        )
    found = dict.fromkeys(left, 0)
    for _ in range(wanted):
        open_ones = [one for one in left if found[one] < left[one]]
        behind = max(open_ones, key=lambda one: (weights[one] * wanted - found[one], left[one]))
        found[behind] += 1
    return found


def _opened(piece: Atoms, charges: Mapping[str, int]) -> Atoms:
    """Return the piece in the lowest cell in which ions keep their distances across the face."""
    low, high = float(piece.positions[:, 2].min()), float(piece.positions[:, 2].max())
    opened = piece.copy()
    # Units that stick out of the window on both sides would interlock: the search starts at the window's height.
    for extra in np.arange(0.0, _WIDEST + high - low - piece.cell[2, 2] + _STEP, _STEP):
        opened.cell[2, 2] = piece.cell[2, 2] + extra
        if _faces_fit(opened, charges):
            opened.positions[:, 2] -= low
            opened.wrap()
            return opened
    raise ConvergenceError(f"amorphous cell: its faces do not fit within {_WIDEST} Å; move the window")


def _faces_fit(atoms: Atoms, charges: Mapping[str, int]) -> bool:
    signs = np.sign([charges[label] for label in labels_of(atoms)])
    first, second, distance, image = neighbor_list("ijdS", atoms, _LIKE_CATIONS)
    across = image[:, 2] != 0
    product = (signs[first] * signs[second])[across]
    limit = np.where(product < 0, _UNLIKE, np.where(signs[first][across] > 0, _LIKE_CATIONS, _LIKE_ANIONS))
    return bool((distance[across] >= limit).all())


def _neutral(atoms: Atoms, charges: Mapping[str, int], mobile: str) -> Atoms:
    """Return a neutral copy: mobile ions leave from next to the face at z = 0, or go to the largest voids."""
    labels = labels_of(atoms)
    excess = sum(charges[label] for label in labels)
    step = charges[mobile]
    if excess % step:
        raise ConfigError(f"amorphous cell: a charge of {excess:+d} e cannot be balanced by {mobile} of {step:+d} e")
    if excess > 0:
        return _without_mobile(atoms, labels, mobile, excess // step)
    extra = -excess // step
    anions = np.array([charges[label] < 0 for label in labels])
    everywhere = Span(0.0, float(atoms.cell[2, 2]), float(atoms.cell[2, 2]))
    places, _ = largest_voids(atoms, anions, everywhere, extra) if extra else (np.empty((0, 3)), None)
    grown = atoms + Atoms([element_of(mobile)] * extra, positions=places)
    return with_labels(grown, [*labels, *[mobile] * extra])


def _without_mobile(atoms: Atoms, labels: Sequence[str], mobile: str, count: int) -> Atoms:
    height = atoms.cell[2, 2]
    to_face = {
        i: min(z := atoms.positions[i, 2] % height, height - z) for i, label in enumerate(labels) if label == mobile
    }
    if len(to_face) < count:
        raise ConfigError(f"amorphous cell: {count} {mobile} to remove, there are {len(to_face)}; move the window")
    leaving = set(sorted(to_face, key=lambda i: (to_face[i], i))[:count])
    kept = [i for i in range(len(atoms)) if i not in leaving]
    return with_labels(atoms[kept], [labels[i] for i in kept])
