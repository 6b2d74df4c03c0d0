"""The published numbers, and ours beside them, each labelled with the size that it was found at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from dopantfit.report.draw_crystals import against_reference
from dopantfit.report.words import listed, percent_change, ranged, rounded
from dopantfit.statistics import Estimate, Interval, log_ratio
from dopantfit.strict_toml import Table, parse_strict
from dopantfit.structures import Host
from dopantfit.study import places
from dopantfit.study.ions import MovingIon
from dopantfit.study.item import Item
from dopantfit.study.item_schemas import (
    ACROSS,
    AcceptanceFacts,
    ConductivityFacts,
    DensityMapFacts,
    HostProfileFacts,
    OccupancyFacts,
    ProfileFacts,
    TernaryFacts,
    VolumeFacts,
    share_column,
)
from dopantfit.study.readings import (
    acceptance_share,
    by_system,
    interval,
    mean_shares,
    minima_in_grain,
    shell_change,
    shells_of,
)
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import EXCHANGED, Kind, System, crystal, glass
from dopantfit.terminal import counted

#: What a quantity does from the undoped reference to the highest dose.
Trend = Literal["rises", "falls"]
#: Puts our number on a question into words.
Say = Callable[[Item[Any], StudySummary], str]


class PublishedNumber(Table):
    """One published number. size: key of the sizes. trend: with the dose; None where it has none, or is no amount."""

    key: str
    item: str
    quantity: str
    value: str
    size: str
    source: str
    trend: Trend | None = None


class Published(Table):
    """What the published study reports."""

    citation: str
    link: str
    host: str
    dopant: str
    sizes: dict[str, str]
    numbers: tuple[PublishedNumber, ...]


@dataclass(frozen=True)
class PublishedBeside:
    """A published number and ours. trend, our_trend: with the dose; ours is None while it is open."""

    quantity: str
    ours: str
    our_size: str
    theirs: str
    their_size: str
    source: str
    trend: Trend | None = None
    our_trend: Trend | None = None

    @property
    def agreement(self) -> str:
        """Whether ours does what the publication's does, in words; empty where that has no trend."""
        if self.trend is None:
            return ""
        if self.our_trend is None:
            return f"open: published, it {self.trend}"
        return f"{self.our_trend}, {'as' if self.our_trend == self.trend else 'against what was'} published"


def published() -> Published:
    """Read the numbers that ship with the package."""
    text = files("dopantfit.report").joinpath("published.toml").read_text(encoding="utf-8")
    return parse_strict(Published, text, "published.toml")


def comparisons(item: Item[Any], study: StudySummary, known: Published) -> list[PublishedBeside]:
    """What was published on the same question as `item` of the same host, with our number where there is one."""
    return [
        PublishedBeside(
            one.quantity,
            _OURS[one.key](item, study) or "not measured",
            size_of(one.size, study),
            one.value,
            known.sizes[one.size],
            one.source,
            one.trend,
            None if one.trend is None else _trend(_RATIOS[one.key](item, study)),
        )
        for one in known.numbers
        if one.item == item.name and known.host == study.host.name
    ]


def agreement_in_words(beside: Iterable[PublishedBeside], dopant: str) -> str:
    """How many of the trends that were published for a dopant are found, and which are not; empty where none can be."""
    held = [one for one in beside if one.trend is not None]
    if not held:
        return ""
    alike = [one for one in held if one.our_trend == one.trend]
    against = [one.quantity for one in held if one.our_trend not in (None, one.trend)]
    unknown = [one.quantity for one in held if one.our_trend is None]
    found = (
        f"Of {counted(len(held), 'trend')} with the dose that were published for {dopant} this study has {len(alike)}"
    )
    others = [f"{word}: {' / '.join(names)}" for word, names in (("against it", against), ("open", unknown)) if names]
    return "; ".join([found, *others]) + "."


def size_of(kind: str, study: StudySummary) -> str:
    """Size of a part of our study, in words."""
    config = study.config
    if kind in ("boundary", "swaps"):
        quenches, realisations = config.boundary.quenches, config.doping.realisations
        ions, walkers = _ions(study.ions(places.BOUNDARY)), quenches * realisations
        if kind == "boundary":
            doped = f"{counted(len(study.doses), 'composition')} × {counted(realisations, 'realisation')}"
            return f"{ions}, {counted(quenches, 'build')} × {doped}"
        swaps = config.swaps
        rounds = swaps.rounds_per_layer * swaps.layers
        attempts, time = swaps.attempts_per_round * rounds, swaps.relaxation * rounds
        return f"{ions}, {attempts:,} attempts and {time:g} ps per walker, {walkers} walkers"
    if kind == "crystals":
        crystals, ions = config.crystals, _ions(study.ions(places.equilibrated(crystal())))
        runs = crystals.arrangements * crystals.replicas
        return f"{ions}, {runs} × {crystals.production:g} ps at {crystals.temperature:g} K"
    cells, ions = config.amorphous, _ions(study.ions(places.equilibrated(glass())))
    number = counted(config.boundary.quenches * cells.cells, "cell")
    return f"{ions}, {number} each, {cells.production:g} ps at {cells.temperature:g} K"


def _ions(count: int | None) -> str:
    return "unknown size" if count is None else f"{count:,} ions"


def _concentrations(item: Item[ProfileFacts], study: StudySummary) -> str:
    found = list(study.doses.values())
    return f"{found[0]:g}–{found[-1]:g} at%" if len(found) > 1 else f"{found[0]:g} at%"


def _accepted(ions: Callable[[Host], tuple[str, ...]]) -> Say:
    def say(item: Item[AcceptanceFacts], study: StudySummary) -> str:
        rows, labels = [row for row in item.rows if row["sites"] == ACROSS], ions(study.host)
        shares = [(label, acceptance_share([row for row in rows if row["partner"] == label])) for label in labels]
        return "; ".join(f"{label} {ranged(one, '%', 100.0)}" for label, one in shares)

    return say


def _penetration(item: Item[AcceptanceFacts], study: StudySummary) -> str:
    parts = []
    for system, found in item.facts.root.items():
        # A share is a bound where no ion was counted.
        if found.grain_share is not None and found.grain_share.is_upper_bound:
            parts.append(f"{system}: no {study.dopant} in the grain")
        elif found.penetration_A is not None:
            parts.append(f"{system} {ranged(Interval.of(found.penetration_A), 'Å')}")
        else:
            parts.append(f"{system} undecided")
    return "; ".join(parts)


def _minima(item: Item[HostProfileFacts], study: StudySummary) -> str:
    """Depths of the first two minima of the profile above the amorphous phase, where the swaps go into the grain."""
    found = minima_in_grain(item)
    if found is None:
        return f"undecided: some layers hold no {item.facts.label} at all"
    return f"{listed([f'−{depth:.0f}' for depth in found])} Å" if found else "none in this half of the grain"


def _mobile_sites(item: Item[OccupancyFacts], study: StudySummary) -> str:
    parts = []
    for system, rows in by_system(item.rows).items():
        whole = sum(int(row["count"] or 0) for row in rows)
        own = sum(int(row["count"] or 0) for row in rows if row["site"] == study.host.mobile)
        parts.append(f"{System.named(system).as_kind(Kind.BOUNDARY).name} {own} of {whole}")
    return "; ".join(parts)


def _volume(item: Item[OccupancyFacts], study: StudySummary) -> str:
    changes = {name: interval(rows[0], "volume_change") for name, rows in by_system(item.rows).items()}
    known = {name: one for name, one in changes.items() if one.value is not None}
    if not known:
        return ""
    name = max(known, key=lambda one: abs(known[one].value or 0.0))
    return f"{ranged(known[name], '%', 100.0)} in {name}"


def _mobile_ratio(only: str) -> Say:
    """Ratios of the mobile ion's conductivity: the lowest, the whole range, or that of T_0."""

    def say(item: Item[ConductivityFacts], study: StudySummary) -> str:
        ratios = against_reference(item)
        exchanged = ratios.pop(EXCHANGED.name, None)
        if only == EXCHANGED.name:
            return "" if exchanged is None else percent_change(exchanged)
        known = {name: one for name, one in ratios.items() if one.value is not None}
        if not known:
            return "undecided"
        ordered = sorted(known, key=lambda name: known[name].value or 0.0)
        ends = ordered[:1] if only == "lowest" else [ordered[0], ordered[-1]]
        return "; ".join(f"{name} {percent_change(known[name])}" for name in dict.fromkeys(ends))

    return say


def _mobility(of: Callable[[Host], tuple[str, ...]]) -> Say:
    """Conductivity of the dopant (on some sites, or anywhere) over that of the mobile ion there, largest first."""

    def say(item: Item[ConductivityFacts], study: StudySummary) -> str:
        names = {MovingIon(study.dopant, site).name for site in of(study.host)} or {study.dopant}
        found: list[tuple[float, str]] = []
        for system, rows in by_system(item.rows).items():
            own = [interval(row, "sigma") for row in rows if row["species"] == study.host.mobile]
            mobile = next(iter(own), Interval.unknown())
            for row in rows:
                if row["species"] in names:
                    ratio = interval(row, "sigma").over(mobile)
                    if ratio.high < float("inf"):
                        found.append((ratio.high, f"{system} {row['species']} {ranged(ratio)}"))
        return max(found)[1] if found else "undecided, nothing but bounds"

    return say


def _reducible_share(item: Item[TernaryFacts], study: StudySummary) -> str:
    shares = mean_shares(item, study.host.reducible)
    return " → ".join(f"{rounded(shares[name], 2)} ({name})" for name in _ends(shares))


def _along(prefix: str, unit: str) -> Say:
    def say(item: Item[VolumeFacts], study: StudySummary) -> str:
        rows = {str(row["system"]): interval(row, prefix) for row in item.rows}
        return " → ".join(f"{ranged(rows[name], unit)} ({name})" for name in _ends(rows))

    return say


def _ends(names: Iterable[str]) -> list[str]:
    """The reference and the highest dose."""
    systems = [System.named(name) for name in names]
    first = [one.name for one in systems if one.is_reference]
    last = [one.name for one in systems if one.is_dosed][-1:]
    return first + last


def _density_change(item: Item[DensityMapFacts], study: StudySummary) -> str:
    """Change in the shell that holds the nearest sites of the mobile ion, by site."""
    shells = shells_of(item)
    if not shells:
        return ""
    low, high = shells[min(1, len(shells) - 1)]
    sites = sorted({str(row["site"]) for row in item.rows})
    told = "; ".join(f"{site} {ranged(shell_change(item, site, low, high), '10⁻³ Å⁻³', 1e3)}" for site in sites)
    return f"{told} (mean, {low:g}–{high:g} Å)"


def _trend(ratio: Interval) -> Trend | None:
    """What a ratio of the highest dose to the reference says; None while its interval holds one."""
    return "rises" if ratio.low > 1.0 else "falls" if ratio.high < 1.0 else None


def _ratio_along(prefix: str) -> Callable[[Item[Any], StudySummary], Interval]:
    def ratio(item: Item[VolumeFacts], study: StudySummary) -> Interval:
        rows = {str(row["system"]): interval(row, prefix) for row in item.rows}
        ends = _ends(rows)
        return rows[ends[-1]].over(rows[ends[0]]) if len(ends) == 2 else Interval.unknown()

    return ratio


def _ratio_of_volumes(item: Item[OccupancyFacts], study: StudySummary) -> Interval:
    changes = [interval(rows[0], "volume_change") for rows in by_system(item.rows).values()]
    change = changes[-1] if changes else Interval.unknown()
    return Interval(1.0 + change.low, 1.0 + change.high)


def _ratio_of_shares(item: Item[TernaryFacts], study: StudySummary) -> Interval:
    """Of the highest dose to the reference, structure by structure; they scatter, and have no errors of their own."""
    column, systems = share_column(study.host.reducible), by_system(item.rows)
    ends = _ends(systems)
    if len(ends) < 2:
        return Interval.unknown()
    below, above = ([Estimate(float(row[column] or 0.0), 0.0, 0.0, 0.0) for row in systems[name]] for name in ends)
    found = log_ratio(above, below)
    return Interval.unknown() if found is None else found.interval()


def _ratio_of_conductivities(item: Item[ConductivityFacts], study: StudySummary) -> Interval:
    ratios = against_reference(item)
    ratios.pop(EXCHANGED.name, None)
    return next(reversed(ratios.values()), Interval.unknown())


#: Of quantities with a trend, what they have at the highest dose over the undoped reference.
_RATIOS: dict[str, Callable[[Item[Any], StudySummary], Interval]] = {
    "volume": _ratio_of_volumes,
    "reducible-share": _ratio_of_shares,
    "reducible-distance": _ratio_along("nearest"),
    "mass-density": _ratio_along("mass_density"),
    "amorphous-mobile": _ratio_of_conductivities,
}
_OURS: dict[str, Say] = {
    "concentrations": _concentrations,
    "acceptance-partner": _accepted(lambda host: (host.substitution.partner,)),
    "acceptance-others": _accepted(lambda host: (host.reducible, host.mobile)),
    "penetration": _penetration,
    "host-minima": _minima,
    "mobile-sites": _mobile_sites,
    "volume": _volume,
    "mobile-density": _density_change,
    "crystal-mobile": _mobile_ratio("lowest"),
    "crystal-framework": _mobility(lambda host: host.framework),
    "crystal-channel": _mobility(lambda host: (host.mobile,)),
    "reducible-share": _reducible_share,
    "reducible-distance": _along("nearest", "Å"),
    "mass-density": _along("mass_density", "g/cm³"),
    "amorphous-mobile": _mobile_ratio("range"),
    "reducible-free": _mobile_ratio("T_0"),
    "amorphous-dopant": _mobility(lambda host: ()),
}
