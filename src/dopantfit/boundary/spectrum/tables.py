"""What a spectrum says, as tables for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from dopantfit.boundary.spectrum.record import TYPICAL, Band, SpectrumRecord
from dopantfit.terminal import new_table


def tables(record: SpectrumRecord, agreed: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Strata, placements, the check by a chain, and what is to be kept in mind."""
    parts: list[RenderableType] = [_strata(record), _placements(record)]
    if agreed:
        parts.append(_check(agreed))
    return [*parts, *record.warnings, *record.statements]


def _strata(record: SpectrumRecord) -> Table:
    title = f"exchange energies of {record.sampling.dopant} (eV, against the ion that moved, at {TYPICAL:g} K)"
    table = new_table(title, "site", "number", "sampled", "answered", "lowest", "median")
    for one in record.strata:
        lowest, median = ("" if value is None else f"{value:.2f}" for value in (one.lowest_eV, one.median_eV))
        name = f"{one.kind}, {one.domain}"
        table.add_row(name, f"{one.number:.1f}", str(one.sampled), str(one.answered), lowest, median)
    return table


def _placements(record: SpectrumRecord) -> Table:
    domains = list(record.placements[0].share)
    shares = [f"in the {one} (%)" for one in domains]
    table = new_table(
        f"where the dopants are ({record.dopants:g} in all)", "T (K)", *shares, "grain over amorphous", "carriers"
    )
    for one in record.placements:
        found = [_band(one.share[name], 100.0) for name in domains]
        ratio = "" if one.ratio is None else _band(one.ratio)
        carriers = f"{min(one.carriers.values(), default=0.0):.1f}"
        table.add_row(f"{one.temperature_K:g}", *found, ratio, carriers)
    return table


def _check(agreed: Sequence[Mapping[str, Any]]) -> Table:
    table = new_table("the chain of swaps as the check: grain over amorphous", "T (K)", "spectrum", "chain", "agree")
    for one in agreed:
        both = (_band(Band(**one[name])) for name in ("spectrum", "chain"))
        table.add_row(f"{one['temperature_K']:g}", *both, "yes" if one["agree"] else "no")
    return table


def _band(band: Band, scale: float = 1.0) -> str:
    value, low, high = (f"{scale * number:.3g}" for number in (band.value, band.low, band.high))
    return f"{value} ({low} to {high})"
