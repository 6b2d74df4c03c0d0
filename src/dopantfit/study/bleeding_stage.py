"""What bled: how much dopant the walkers of lowest energy have in their grain, how deep, and on which sites."""

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.boundary.swap.acceptance import Statistics
from dopantfit.boundary.swap.bleeding import Acceptance, acceptance, mean_profiles, occupied_sites
from dopantfit.boundary.swap.config import Layers
from dopantfit.boundary.swap.layers import depths
from dopantfit.statistics import (
    TWO_SIDED_95,
    Estimate,
    poisson_interval,
    poisson_limit,
    standard_error,
    student_quantile,
)
from dopantfit.structures import labels_of
from dopantfit.study.boundary_stage import domains_in
from dopantfit.study.files import PROFILE, STRUCTURE, read_structure, write_structure, write_table
from dopantfit.study.swap_stage import walker_file
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Outcome, Work

#: Part of the dopant in the grain that the penetration depth leaves above it.
_ABOVE = 0.95


@action(version=4)
def bleed(work: Work) -> Outcome:
    """Analyse the end of a composition's walkers.

    needs: boundary, swaps. settings: lowest, dopant, partners. The walkers of lowest energy are ``walker-1.extxyz``,
    ``walker-2.extxyz``, ...; their mean profile is ``profile.csv``.
    """
    want, boundary, swaps = work.settings, work.needs["boundary"], work.needs["swaps"]
    chosen = swaps.result["lowest"][: want["lowest"]]
    walkers = [read_structure(swaps.file(walker_file(replica))) for replica in chosen]
    reference = read_structure(boundary.file(STRUCTURE))
    layers = Layers.model_validate(dict(swaps.result["layers"]))
    found = [grain_of(atoms, boundary.result["domains"], layers, reference, want["dopant"]) for atoms in walkers]
    sites: Counter[str] = Counter({label: 0 for label in want["partners"]})
    for atoms, one in zip(walkers, found, strict=True):
        taken = occupied_sites(atoms, reference, want["dopant"], one.ions.tolist(), tuple(want["partners"]))
        sites.update(site.kind for site in taken)
    counts = Statistics.from_dict(dict(swaps.result["statistics"]))
    dopants = [labels_of(atoms).count(want["dopant"]) for atoms in walkers]
    tried = counts.total.attempted / len(swaps.result["lowest"])
    result = {
        "walkers": chosen,
        "acceptance": {partner: _as_dict(one) for partner, one in acceptance(counts.pairs).items()},
        "acceptance_across": {partner: _as_dict(one) for partner, one in acceptance(counts.across).items()},
        "statistics": counts.as_dict(),
        "grain_fraction": sum(len(one.ions) for one in found) / max(1, sum(one.size for one in found)),
        "grain_share": _or_none(share_of(found)),
        "penetration_A": _or_none(depth_of(found, layers)),
        "penetration_unknown": why_no_depth(found, layers),
        "explored_A": layers.count * layers.width,
        "sites": {label: sites[label] for label in want["partners"]},
        "between_sites": sites["between"],
        "attempts_per_dopant": tried / float(np.mean(dopants)),
    }
    return Outcome(result, (*_write(work, walkers, want["dopant"]), PROFILE))


class Grain:
    """The explored part of one walker's grain.

    ions: indices of the dopants in it. size: all its ions. elsewhere: dopant fraction of the amorphous domain.
    depth: below the interface that 95 % of these dopants stay above [Å]; 0 without any.
    """

    def __init__(self, ions: NDArray[np.intp], size: int, elsewhere: float, depth: float) -> None:
        self.ions, self.size, self.elsewhere, self.depth = ions, size, elsewhere, depth


def grain_of(atoms: Atoms, domains: Any, layers: Layers, reference: Atoms, dopant: str) -> Grain:
    """Return the explored part of a walker's grain; domains and layers are those of the undoped `reference`."""
    inside = domains_in(domains, atoms)
    depth = depths(layers, atoms.positions[:, 2], float(atoms.cell[2, 2]), float(reference.cell[2, 2]))
    explored = (depth >= 0.0) & (depth < layers.count * layers.width) & inside.members(atoms, "grain")
    is_dopant = np.array(labels_of(atoms)) == dopant
    amorphous = inside.members(atoms, "amorphous")
    ions = np.flatnonzero(explored & is_dopant)
    elsewhere = float(is_dopant[amorphous].mean()) if amorphous.any() else 0.0
    return Grain(ions, int(explored.sum()), elsewhere, float(np.quantile(depth[ions], _ABOVE)) if len(ions) else 0.0)


def share_of(grains: Sequence[Grain]) -> Estimate | None:
    """Dopant fraction of the grain over that of the amorphous domain, over walkers.

    The interval is the wider of Poisson's, for the number of ions counted, and Student's, for the spread of walkers;
    with no ion at all it is the limit that 3.0 of them would have passed in 5 of 100 cases. None where there is nothing
    to compare.
    """
    count, size = sum(len(one.ions) for one in grains), sum(one.size for one in grains)
    elsewhere = float(np.mean([one.elsewhere for one in grains]))
    if size == 0 or elsewhere == 0.0:
        return None
    unit = 1.0 / size / elsewhere
    if count == 0:
        return Estimate.upper_bound(poisson_limit(0) * unit)
    low, high = (end * unit for end in poisson_interval(count))
    value, error = count * unit, sqrt(count) * unit
    shares = [len(one.ions) / max(1, one.size) / one.elsewhere for one in grains if one.elsewhere]
    if len(shares) > 1:
        spread = standard_error(shares)
        half = spread * student_quantile(len(shares) - 1)
        low, high, error = min(low, max(0.0, value - half)), max(high, value + half), max(error, spread)
    return Estimate(value, error, low, high)


def depth_of(grains: Sequence[Grain], layers: Layers) -> Estimate | None:
    """Mean penetration depth of the walkers [Å], Student's interval; None where `why_no_depth` says why."""
    if why_no_depth(grains, layers):
        return None
    found = [one.depth for one in grains]
    return Estimate.symmetric(float(np.mean(found)), standard_error(found), len(found) - 1, least=0.0)


def why_no_depth(grains: Sequence[Grain], layers: Layers) -> str:
    """Why the true depth may be anything; empty where the walkers give one."""
    open_to = layers.count * layers.width
    if not any(len(one.ions) for one in grains):
        return "no dopant in the grain whose depth could be measured"
    if max(one.depth for one in grains) > open_to - layers.width:
        return f"a walker's dopant reached the last layer that was open, which ends at {open_to:g} Å"
    return "one walker shows no spread" if len(grains) < 2 else ""


def _or_none(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else estimate.as_dict()


def _as_dict(one: Acceptance) -> dict[str, Any]:
    error = (one.high - one.low) / (2.0 * TWO_SIDED_95)
    share = Estimate(one.share, error, one.low, one.high)
    return {"attempts": one.attempted, "accepted": one.accepted, "share": share.as_dict()}


def _write(work: Work, walkers: Sequence[Atoms], dopant: str) -> tuple[str, ...]:
    names = tuple(f"walker-{rank}.extxyz" for rank in range(1, len(walkers) + 1))
    for name, atoms in zip(names, walkers, strict=True):
        write_structure(work.folder / name, atoms)
    mean = mean_profiles(walkers)
    spread = [None if np.isnan(value) else float(value) for value in mean.spread[dopant]]
    rows = [
        (float(height), float(value), error)
        for height, value, error in zip(mean.height, mean.mean[dopant], spread, strict=True)
    ]
    write_table(work.folder / PROFILE, ("z_A", "mean_percent", "deviation_percent"), rows)
    return names
