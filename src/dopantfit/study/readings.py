"""Numbers that follow from the tables of a study: what captions and comparisons state beside the tables themselves."""

from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.statistics import Interval, interval_of, mean_of, standard_error
from dopantfit.study.files import GRIDS
from dopantfit.study.item import Cell, Item
from dopantfit.study.item_schemas import DensityMapFacts, HostProfileFacts, TernaryFacts, interval_columns, share_column

Row = Mapping[str, Cell]
Spans = Sequence[Sequence[float]]


def by_system(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by their system, in the order in which they come."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row["system"]), []).append(row)
    return groups


def numbers(rows: Iterable[Row], column: str) -> list[float]:
    """A column of numbers; nan where there is none."""
    return [float("nan") if row[column] is None else float(row[column] or 0.0) for row in rows]


def interval(row: Row, prefix: str) -> Interval:
    """Return the interval in the columns ``<prefix>_value`` (or ``<prefix>``), ``_low``, ``_high`` of a row.

    It begins at zero where only a bound is known, and has no ends where nothing is.
    """
    value, _, low, high = (row.get(name) for name in interval_columns(prefix))
    if value is None:
        value = row.get(prefix)
    if not isinstance(high, int | float):
        return Interval.unknown()
    return Interval(
        float(low) if isinstance(low, int | float) else 0.0,
        float(high),
        float(value) if isinstance(value, int | float) else None,
    )


def period(heights: Sequence[float]) -> float:
    """Length of the cell along the normal, of which `heights` are the middles of equal bins [Å]."""
    return heights[0] + heights[-1]


def acceptance_share(rows: Sequence[Row]) -> Interval:
    """Share of all attempts together with its 95 % interval, the systems taken as independent.

    Distances from the shares to the ends of their intervals add in squares (Zou and Donner, Stat. Med. 27, 1693
    (2008)), so that one system keeps its own interval.
    """
    tried = sum(int(row["attempts"] or 0) for row in rows)
    if not tried:
        return Interval.unknown()
    weights = [int(row["attempts"] or 0) / tried for row in rows]
    share, low, high = ([float(row[f"acceptance_{name}"] or 0.0) for row in rows] for name in ("value", "low", "high"))

    def distance(ends: Sequence[float]) -> float:
        return hypot(*(weight * (end - one) for weight, end, one in zip(weights, ends, share, strict=True)))

    value = sum(weight * one for weight, one in zip(weights, share, strict=True))
    return Interval(value - distance(low), value + distance(high), value)


def layers_of(item: Item[HostProfileFacts], spans: Spans) -> list[float]:
    """Shares of the ion in the layers of a domain [at%]."""
    z, mean = numbers(item.rows, "z"), numbers(item.rows, "mean")
    length = period(z)
    return [value for at, value in zip(z, mean, strict=True) if _inside(at / length, spans)]


def mean_over_layers(layers: Sequence[float]) -> tuple[float, float]:
    """Mean of at least two layers, and its standard error [at%]."""
    return sum(layers) / len(layers), standard_error(layers)


def _inside(place: float, spans: Spans) -> bool:
    return any(low <= place + image <= high for low, high in spans for image in (-1.0, 0.0, 1.0))


def minima_in_grain(item: Item[HostProfileFacts]) -> list[float] | None:
    """Depths of the first two minima of the profile above the amorphous phase, where the swaps go into the grain [Å].

    None where some layers hold no ion at all, so that there is no telling.
    """
    heights, mean = numbers(item.rows, "z"), numbers(item.rows, "mean")
    length, count = period(heights), len(heights)
    interface = max(high for _, high in item.facts.domains.amorphous) * length
    minima = sorted(
        (heights[i] - interface) % length
        for i in range(count)
        if mean[i] < mean[i - 1] and mean[i] <= mean[(i + 1) % count]
    )
    if 0.0 in mean:
        return None
    grain = sum(high - low for low, high in item.facts.domains.grain) * length
    return [depth for depth in minima if depth < 0.5 * grain][:2]


def shells_of(item: Item[DensityMapFacts]) -> list[tuple[float, float]]:
    """Shells around a dopant, from and to [Å]."""
    return sorted({(float(row["from"] or 0.0), float(row["to"] or 0.0)) for row in item.rows})


def shell_change(item: Item[DensityMapFacts], site: str, low: float, high: float) -> Interval:
    """Mean change around the dopants on one kind of site, with its 95 % interval [1/Å³].

    The error is the larger of those of the single ions, averaged, and of their spread.
    """
    chosen = [row for row in item.rows if (row["site"], row["from"], row["to"]) == (site, low, high)]
    return interval_of(mean_of(numbers(chosen, "difference"), numbers(chosen, "error")))


def read_grids(item: Item[DensityMapFacts]) -> dict[str, NDArray[np.float64]] | None:
    """Densities of the mobile ion in the doped crystal and of the reference, their difference [1/Å³], and the cell [Å].

    None where they were not kept; ConfigError where the file is not what a study writes.
    """
    path = item.files.get(GRIDS)
    if path is None:
        return None
    try:
        with np.load(path) as grids:
            return {name: grids[name] for name in ("doped", "reference", "difference", "cell")}
    except (OSError, ValueError, KeyError, BadZipFile, EOFError):
        raise ConfigError(f"{path}: holds no densities; run `dopantfit study` (and --keep) again") from None


def change_over_cell(item: Item[DensityMapFacts]) -> float | None:
    """Change of the mobile ion's density over the whole cell [1/Å³]; None where the grids are not there."""
    grids = read_grids(item)
    if grids is None:
        return None
    doped, reference = (float(grids[name].mean(dtype=np.float64)) for name in ("doped", "reference"))
    return doped - reference


def mean_shares(item: Item[TernaryFacts], label: str) -> dict[str, float]:
    """Share of a cation in each system, the mean over its structures."""
    column = share_column(label)
    return {name: sum(numbers(rows, column)) / len(rows) for name, rows in by_system(item.rows).items()}


def range_of_shares(item: Item[TernaryFacts], label: str, system: str) -> float:
    """Largest minus smallest share of a cation over the structures of a system."""
    found = numbers(by_system(item.rows)[system], share_column(label))
    return max(found) - min(found)


def energy_changes(rows: Sequence[Row]) -> list[float]:
    """How far the energy of every walker moved from its first to its last round [eV]."""
    found = []
    for walker in sorted({int(row["walker"] or 0) for row in rows}):
        energies = numbers([row for row in rows if row["walker"] == walker], "energy")
        found.append(energies[-1] - energies[0])
    return found
