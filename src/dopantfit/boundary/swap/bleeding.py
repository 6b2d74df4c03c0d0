"""What the swaps did: acceptance by pair, profiles of the lowest walkers, depth, and the sites that dopants took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from dopantfit.boundary.profile.profiles import BIN, profiles
from dopantfit.boundary.swap.acceptance import Counts
from dopantfit.boundary.swap.config import Layers
from dopantfit.boundary.swap.layers import depths
from dopantfit.energy.arrays import Floats
from dopantfit.errors import ConfigError
from dopantfit.statistics import wilson_interval
from dopantfit.structures import labels_of

#: A dopant farther than this from every reference site [Å] sits between sites; those of NASICON are 2.9 Å apart.
BETWEEN = 1.45
#: Below this a dopant is within what experiment calls impurity [at%] (Stegmaier et al., section 3.1).
IMPURITY = 0.5


@dataclass(frozen=True)
class Acceptance:
    """Swaps of one pair: attempted, accepted by the chain, and the share that Metropolis would accept.

    share: were every attempt relaxed to its end, whatever the estimates say; low, high: its 95 % interval (Wilson).
    """

    attempted: int
    accepted: int
    share: float
    low: float
    high: float


def acceptance(pairs: Mapping[str, Counts]) -> dict[str, Acceptance]:
    """Acceptance by partner; partners that were never tried are left out."""
    return {partner: _wilson(counts) for partner, counts in sorted(pairs.items()) if counts.attempted}


def _wilson(counts: Counts) -> Acceptance:
    """Wilson's interval.

    Where estimates err, weights vary more than yes and no with the same mean: they count as that number of trials whose
    yes and no would vary as much. Never as more than there were: the few that were relaxed say little of the others.
    """
    n = float(counts.attempted)
    share = min(1.0, counts.metropolis / n)
    variance = counts.metropolis_squares / n - (counts.metropolis / n) ** 2
    yes_or_no = share * (1.0 - share)
    trials = n if variance <= yes_or_no or yes_or_no == 0.0 else n * yes_or_no / variance
    return Acceptance(counts.attempted, counts.accepted, share, *wilson_interval(share, trials))


@dataclass(frozen=True)
class MeanProfiles:
    """Profiles along the normal over several walkers: heights [Å] (n,), mean and spread by label [at%] (n,)."""

    height: Floats
    mean: Mapping[str, Floats]
    spread: Mapping[str, Floats]


def mean_profiles(walkers: Sequence[Atoms], width: float = BIN) -> MeanProfiles:
    """Mean and standard deviation between walkers (nan for one), in bins of about ``width`` [Å] of the first's cell.

    Bins are a fixed number for all walkers, whose cells differ a little. Raises ConfigError without walkers.
    """
    if not walkers:
        raise ConfigError("no walker has played a round yet; run the swaps first")
    n_bins = max(1, round(float(walkers[0].cell[2, 2]) / width))
    found = [profiles(atoms, float(atoms.cell[2, 2]) / n_bins) for atoms in walkers]
    labels = sorted({label for one in found for label in one.atomic_percent})
    stacks = {label: np.array([one.atomic_percent.get(label, np.zeros(n_bins)) for one in found]) for label in labels}
    return MeanProfiles(
        found[0].height,
        {label: stack.mean(axis=0) for label, stack in stacks.items()},
        {
            label: stack.std(axis=0, ddof=1) if len(found) > 1 else np.full(n_bins, np.nan)
            for label, stack in stacks.items()
        },
    )


@dataclass(frozen=True)
class Penetration:
    """How deep dopants went into the grain [Å], of one walker.

    deepest: depth of the deepest dopant below the interface, 0 if none passed it. impurity_depth: from here on every
    layer holds less than ``IMPURITY`` at%. inside: dopants in the grain.
    """

    deepest: float
    impurity_depth: float
    inside: int


def penetration(atoms: Atoms, layers: Layers, start_length: float, dopant: str) -> Penetration:
    """The penetration of a dopant over the layers of one interface."""
    length = float(atoms.cell[2, 2])
    depth = depths(layers, atoms.positions[:, 2], length, start_length)
    within = (depth >= 0.0) & (depth < layers.count * layers.width)
    is_dopant = np.array(labels_of(atoms)) == dopant
    layer = (depth[within] / layers.width).astype(int)
    total = np.bincount(layer, minlength=layers.count)
    doped = np.bincount(layer[is_dopant[within]], minlength=layers.count)
    percent = 100.0 * doped / np.maximum(total, 1)
    above = np.flatnonzero(percent >= IMPURITY)
    deepest = float(depth[within & is_dopant].max(initial=0.0))
    return Penetration(
        deepest, layers.width * (int(above[-1]) + 1 if len(above) else 0), int(np.count_nonzero(within & is_dopant))
    )


@dataclass(frozen=True)
class OccupiedSite:
    """Where one dopant ion sits: its index, the kind of the nearest reference site, and how far that is [Å].

    kind: label of the ion that the reference has there, or "between" where none is near.
    """

    ion: int
    kind: str
    distance: float


def occupied_sites(
    atoms: Atoms, reference: Atoms, dopant: str, ions: Sequence[int], kinds: Sequence[str]
) -> list[OccupiedSite]:
    """The site kind of every given dopant ion, by the nearest cation site of a reference structure.

    reference: the same boundary before its swaps, in which the grain holds no dopant. ions: indices of ions of `atoms`,
    e.g. those in the grain; only dopants among them are looked at. Cells may differ a little: positions are compared in
    fractions of the cell, which takes up the strain between the two.
    """
    labels, known = np.array(labels_of(atoms)), np.array(labels_of(reference))
    sites = np.flatnonzero(np.isin(known, list(kinds)))
    if len(sites) == 0:
        raise ConfigError(f"the reference holds no {', '.join(kinds)}; give the boundary as it was before the swaps")
    places = reference.get_scaled_positions(wrap=True)[sites]
    chosen = [int(ion) for ion in ions if labels[ion] == dopant]
    images = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    everywhere = (places[:, None, :] + images).reshape(-1, 3) @ atoms.cell.array
    tree = cKDTree(everywhere)
    distance, nearest = tree.query(atoms.get_scaled_positions(wrap=True)[chosen].reshape(-1, 3) @ atoms.cell.array)
    found_kinds = known[sites[nearest // len(images)]]
    return [
        OccupiedSite(ion, str(kind) if away < BETWEEN else "between", float(away))
        for ion, kind, away in zip(chosen, found_kinds, distance, strict=True)
    ]
