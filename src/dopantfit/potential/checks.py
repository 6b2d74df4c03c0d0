"""What makes a set of species and pairs a potential: known labels, every pair once, neutral cells neutral."""

import re
import statistics
from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement

from ase.data import atomic_numbers
from ase.formula import Formula

from dopantfit.errors import ConfigError

#: A chemical symbol, then nothing or a digit or underscore that starts a distinguishing tail: Ti, O_b, Fe3.
LABEL = re.compile(r"^([A-Z][a-z]?)([0-9_][A-Za-z0-9_]*)?$", re.ASCII)
#: Net charge [e] that still counts as rounding: charges have at most 16 digits, formulas few ions.
CHARGE_TOLERANCE = 1e-9

Pair = tuple[str, str]


def element_of(label: str) -> str:
    """Return the chemical symbol that a species label starts with; ConfigError when it starts with none."""
    match = LABEL.fullmatch(label)
    if match is None or atomic_numbers.get(match[1], 0) == 0:
        raise ConfigError(
            f"species.{label} is no species label; start with a chemical symbol, "
            f"then nothing or a digit or underscore and letters, as in Ti, O_b, Fe3"
        )
    return match[1]


def pair_key(a: str, b: str) -> Pair:
    """Return the key of a pair: its labels, sorted."""
    return (a, b) if a <= b else (b, a)


def labels_in(key: str) -> tuple[str, ...]:
    """Return the labels that a key is made of, in its order: two of "Mg-O", one of "O"."""
    return tuple(key.split("-"))


def read_pair(key: str) -> Pair | None:
    """Return the two labels of a key "A-B" in its order (see `pair_key`); None where it does not name two."""
    labels = labels_in(key)
    return (labels[0], labels[1]) if len(labels) == 2 and all(labels) else None


def expected_pairs(species: Iterable[str]) -> list[Pair]:
    """List all n(n+1)/2 pairs of the species, in the order of the species."""
    return [pair_key(a, b) for a, b in combinations_with_replacement(list(species), 2)]


def check_pairs(species: Iterable[str], pairs: Iterable[Pair]) -> None:
    """Raise ConfigError unless `pairs` are exactly the pairs of `species`."""
    labels, given = list(species), set(pairs)
    for pair in sorted(given):
        for label in pair:
            if label not in labels:
                raise ConfigError(
                    f"pairs.{'-'.join(pair)} names {label}, which is no species here ({', '.join(labels)}); "
                    f"add [species.{label}] or remove the pair"
                )
    missing = ["-".join(pair) for pair in expected_pairs(labels) if pair not in given]
    if missing:
        raise ConfigError(
            f"pairs: {', '.join(missing)} missing; list every pair of species once, "
            f"with A = 0.0 and C = 0.0 where there is no term"
        )


def charge_scale(formal: Mapping[str, int], total: Mapping[str, float]) -> float | None:
    """Return the charge per formal charge [dimensionless], None where no species has a formal charge."""
    ratios = [total[label] / z for label, z in formal.items() if z]
    return statistics.median_low(ratios) if ratios else None


def check_proportional(formal: Mapping[str, int], total: Mapping[str, float]) -> None:
    """Raise ConfigError unless total charges [e] are one multiple of the formal charges.

    Then, and only then, every cell with balanced formal charges is neutral.
    """
    scale = charge_scale(formal, total)
    for label, z in formal.items():
        expected = z * (scale or 0.0)
        if abs(total[label] - expected) > CHARGE_TOLERANCE:
            raise ConfigError(
                f"species.{label}: total charge {total[label]:.12g} e, expected {expected:.12g} e "
                f"({scale or 0.0:.12g} × formal charge {z:+d}, as for the other species), else "
                f"balanced cells are not neutral; mend the charge, or name the neutral formulas in neutral_in"
            )


def check_neutral(formula: str, elements: Mapping[str, str], total: Mapping[str, float]) -> None:
    """Raise ConfigError unless the charges [e] of `formula` (``"Na3OCl"``) sum to zero.

    elements: chemical symbol of every species label.
    """
    where = f'neutral_in "{formula}"'
    try:
        counts: dict[str, int] = Formula(formula).count()
    except (ValueError, AssertionError, KeyError):
        raise ConfigError(f"{where} is no chemical formula; write it as in Na3OCl") from None
    charge = 0.0
    for element, count in counts.items():
        charges = sorted({total[label] for label, symbol in elements.items() if symbol == element})
        if len(charges) != 1:
            reason = "is no species here" if not charges else "belongs to species of different charge"
            raise ConfigError(f"{where}: {element} {reason}; name formulas whose charge is well defined")
        charge += count * charges[0]
    if not counts or abs(charge) > CHARGE_TOLERANCE:
        raise ConfigError(f"{where} has the charge {charge:.12g} e, expected 0; mend the charges of its species")
