"""Where a dopant lives beside the framework site it was put on: on another cation's place, or in a channel."""

import numpy as np
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.structures.cells import labels_of, sorted_by_label, with_labels


def exchanged_pairs(
    atoms: Atoms, dopant: str, partner: str, count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Draw so many different pairs of a dopant and a partner; ConfigError where there are fewer."""
    labels = labels_of(atoms)
    pairs = [
        (i, j) for i, one in enumerate(labels) if one == dopant for j, other in enumerate(labels) if other == partner
    ]
    if len(pairs) < count:
        raise ConfigError(
            f"{count} exchanges of {dopant} and {partner} were asked for, but the cell has {len(pairs)} pairs of them; "
            f"ask for {len(pairs)} at most"
        )
    return [pairs[k] for k in sorted(rng.choice(len(pairs), size=count, replace=False).tolist())]


def with_exchange(atoms: Atoms, one: int, other: int) -> Atoms:
    """Return a copy in which two ions have exchanged their places; every ion keeps its number."""
    result = atoms.copy()
    result.positions[[one, other]] = atoms.positions[[other, one]]
    return result


def in_channel(
    atoms: Atoms, dopant: str, charge: int, mobile: str, mobile_charge: int, rng: np.random.Generator
) -> Atoms:
    """Return the cell with a dopant on the place of a mobile ion, so many others removed that its charge stays.

    Raises ConfigError where there are too few, or whole ions cannot balance it.
    """
    labels = labels_of(atoms)
    ions = [i for i, label in enumerate(labels) if label == mobile]
    more, rest = divmod(charge - mobile_charge, mobile_charge)
    if rest or more < 0:
        raise ConfigError(f"{dopant} of {charge:+d} e on a place of {mobile} ({mobile_charge:+d} e) leaves a charge")
    if len(ions) < 1 + more:
        raise ConfigError(
            f"{dopant} of {charge:+d} e takes {1 + more} places of {mobile}, but the cell has {len(ions)}; repeat it"
        )
    site, *removed = rng.choice(ions, size=1 + more, replace=False).tolist()
    labels[site] = dopant
    result = with_labels(atoms, labels)
    del result[removed]
    return sorted_by_label(result)
