"""Charge-balanced substitution: every dopant brings or removes the mobile ions that keep the cell neutral.

The rule: a dopant of formal charge z on the site of a host ion of charge z_h leaves the charge z - z_h, which mobile
ions make up for: they are brought, or removed where it is positive. Extra ions go to the empty sites of the crystal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.potential.checks import element_of
from dopantfit.structures.cells import check_distances, labels_of, sorted_by_label, total_formal_charge, with_labels
from dopantfit.structures.prototypes import Crystal

# A composition counts as commensurate when it names a whole number of ions within this [ions].
_WHOLE = 1e-6


@dataclass(frozen=True, slots=True)
class Substitution:
    """So many ions of one kind exchanged for a dopant.

    replaced: label of the host ion.
    dopant: label of the ion that takes its place.
    formal_charge: of the dopant [e].
    count: how many.
    """

    replaced: str
    dopant: str
    formal_charge: int
    count: int


def substituted(crystal: Crystal, substitutions: Sequence[Substitution], rng: np.random.Generator) -> Atoms:
    """Return the crystal with ions exchanged and its charge balanced, ions sorted by label.

    Exchanged sites are drawn at random; extra mobile ions take the empty sites that are farthest from each
    other (ties and the first one at random), removed ones are drawn at random.
    Raises ConfigError when there are too few ions or sites, naming the nearest possible counts.
    """
    charges = _charges(crystal, substitutions)
    extra = _extra_mobile(crystal, substitutions, charges)
    labels = _exchanged(labels_of(crystal.ions), substitutions, rng)
    atoms = with_labels(crystal.ions, labels)
    if extra > 0:
        mobile = str(crystal.mobile)
        atoms += Atoms([element_of(mobile)] * extra, positions=spread(crystal.empty, extra, atoms, rng))
        atoms = with_labels(atoms, [*labels, *[mobile] * extra])
    elif extra < 0:
        mobile_ions = [i for i, label in enumerate(labels) if label == crystal.mobile]
        del atoms[rng.choice(mobile_ions, size=-extra, replace=False)]
    check_distances(atoms, charges)
    if total_formal_charge(atoms, charges) != 0:
        raise ConfigError(f"{atoms.get_chemical_formula()} has a net formal charge; start from a neutral crystal")
    return sorted_by_label(atoms)


def spread(sites: NDArray[np.float64], count: int, atoms: Atoms, rng: np.random.Generator) -> NDArray[np.float64]:
    """Choose `count` of the sites [Å], each the farthest from those chosen before; ``shape=(count, 3)``.

    The first, and each among equally far ones, is drawn at random; distances are in the periodic `atoms`.
    """
    nearest = np.full(len(sites), np.inf)
    chosen: list[int] = []
    for _ in range(count):
        # 1e-6 Å: symmetry-equivalent distances differ by rounding only.
        best = np.flatnonzero(nearest >= nearest.max() - 1e-6) if chosen else np.arange(len(sites))
        site = int(rng.choice(best))
        chosen.append(site)
        _, distances = get_distances(sites[site], sites, cell=atoms.cell, pbc=True)
        nearest = np.minimum(nearest, distances[0])
    return sites[chosen]


def _exchanged(labels: list[str], substitutions: Sequence[Substitution], rng: np.random.Generator) -> list[str]:
    """Return labels with drawn ones exchanged; ConfigError when there are too few to exchange."""
    result = list(labels)
    for change in substitutions:
        candidates = [i for i, label in enumerate(result) if label == change.replaced]
        if change.count > len(candidates):
            raise ConfigError(
                f"{change.count} {change.replaced} to be replaced by {change.dopant}, "
                f"but there are {len(candidates)}; ask for {len(candidates)} at most"
            )
        for i in rng.choice(len(candidates), size=change.count, replace=False):
            result[candidates[i]] = change.dopant
    return result


def _charges(crystal: Crystal, substitutions: Sequence[Substitution]) -> dict[str, int]:
    """Formal charges of the crystal's ions and of the dopants; ConfigError where a label would have two."""
    charges = crystal.charges
    for change in substitutions:
        if change.count < 0:
            raise ConfigError(f"{change.count} {change.dopant} for {change.replaced}: the count must not be negative")
        element_of(change.dopant)
        if charges.setdefault(change.dopant, change.formal_charge) != change.formal_charge:
            raise ConfigError(
                f"{change.dopant} has the formal charge {charges[change.dopant]:+d}, "
                f"not {change.formal_charge:+d}; use one charge, "
                f"or another label (as in {change.dopant}_b) for another oxidation state"
            )
    return charges


def _extra_mobile(crystal: Crystal, substitutions: Sequence[Substitution], charges: Mapping[str, int]) -> int:
    """Return how many mobile ions to add (or, negative, to remove); ConfigError when that is impossible."""
    for change in substitutions:
        if change.replaced not in charges:
            raise ConfigError(f"{change.replaced} is no ion of this crystal; replace another one")
    missing = sum((charges[s.replaced] - s.formal_charge) * s.count for s in substitutions)
    if missing == 0:
        return 0
    dopants = " and ".join(f"{change.count} {change.dopant}" for change in substitutions if change.count)
    if crystal.mobile is None:
        raise ConfigError(f"{dopants} leave the charge {-missing:+d}, and this crystal has no ions to balance it with")
    extra, rest = divmod(missing, charges[crystal.mobile])
    if rest:
        raise ConfigError(
            f"{dopants} leave the charge {-missing:+d}, which whole {crystal.mobile} of "
            f"{charges[crystal.mobile]:+d} e cannot balance; take another number of them"
        )
    available = len(crystal.empty) if extra > 0 else labels_of(crystal.ions).count(crystal.mobile)
    if abs(extra) > available:
        verb, what = ("added", "empty sites") if extra > 0 else ("removed", f"{crystal.mobile} ions")
        nearest = _nearest(substitutions, charges, available * charges[crystal.mobile])
        raise ConfigError(
            f"{dopants} need {abs(extra)} {crystal.mobile} {verb}, but there are {available} {what}; "
            f"nearest possible: dopants that need {available}, as {nearest}"
        )
    return extra


def _nearest(substitutions: Sequence[Substitution], charges: Mapping[str, int], available: int) -> str:
    """Name the largest count of the last dopant that leaves at most the charge `available` to be balanced."""
    *others, last = substitutions
    fixed = sum((charges[s.replaced] - s.formal_charge) * s.count for s in others)
    step = charges[last.replaced] - last.formal_charge
    possible = [n for n in range(last.count) if abs(fixed + step * n) <= available]
    return f"{possible[-1]} {last.dopant}" if possible else f"fewer {others[0].dopant if others else last.dopant}"


def whole_count(name: str, fraction: float | Fraction, units: int, most: int) -> int:
    """Return the ions that `fraction` per formula unit means in so many units; ConfigError when not whole.

    most: sites of a formula unit.
    """
    exact = float(fraction) * units
    if not 0.0 <= float(fraction) <= most:
        raise ConfigError(f"{name} = {fraction} is outside 0 to {most}, the sites of a formula unit; change it")
    if abs(exact - round(exact)) > _WHOLE:
        nearest = " and ".join(f"{name} = {n}/{units} = {n / units:.5g}" for n in (int(exact), int(exact) + 1))
        raise ConfigError(
            f"{name} = {fraction} is {exact:.4g} ions in {units} formula units; nearest possible: {nearest}"
        )
    return round(exact)
