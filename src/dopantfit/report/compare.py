"""The published numbers, and ours beside them, each labelled with the size that it was found at."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from dopantfit.report.draw_boundary import by_system, numbers, period
from dopantfit.report.draw_crystals import shell_change
from dopantfit.report.findings import counted, share_of
from dopantfit.report.records import Item, Study
from dopantfit.report.words import interval, listed, percent_change, ranged, rounded
from dopantfit.statistics import Interval
from dopantfit.strict_toml import Table, parse_strict
from dopantfit.study.files import ACROSS
from dopantfit.study.host import FRAMEWORK, MOBILE, REDUCIBLE


class Number(Table):
    """One published number. size: key of the sizes."""

    key: str
    item: str
    quantity: str
    value: str
    size: str
    source: str


class Published(Table):
    """What the published study reports."""

    citation: str
    link: str
    dopant: str
    sizes: dict[str, str]
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Comparison:
    """A published number and ours."""

    quantity: str
    ours: str
    our_size: str
    theirs: str
    their_size: str
    source: str


def published() -> Published:
    """Read the numbers that ship with the package."""
    text = files("dopantfit.report").joinpath("published.toml").read_text(encoding="utf-8")
    return parse_strict(Published, text, "published.toml")


def comparisons(item: Item, study: Study, known: Published) -> list[Comparison]:
    """What was published on the same question as `item`, with our number where there is one."""
    return [
        Comparison(
            one.quantity,
            _OURS[one.key](item, study) or "not measured",
            size_of(one.size, study),
            one.value,
            known.sizes[one.size],
            one.source,
        )
        for one in known.numbers
        if one.item == item.name
    ]


def size_of(kind: str, study: Study) -> str:
    """Size of a part of our study, in words."""
    config = study.file.record.configuration
    if kind in ("boundary", "swaps"):
        ions = _ions(study.ions("boundary"))
        walkers = config["doping"]["realisations"]
        if kind == "boundary":
            return f"{ions}, {counted(len(study.compositions), 'composition')} × {counted(walkers, 'realisation')}"
        swaps = config["swaps"]
        rounds = swaps["rounds_per_layer"] * swaps["layers"]
        attempts, time = swaps["attempts_per_round"] * rounds, swaps["relaxation"] * rounds
        return f"{ions}, {attempts:,} attempts and {time:g} ps per walker, {walkers} walkers"
    if kind == "crystals":
        crystals = config["crystals"]
        ions = _ions(study.ions("crystals/C_ref/equilibrate"))
        return f"{ions}, {crystals['replicas']} × {crystals['production']:g} ps at {crystals['temperature']:g} K"
    cells = config["amorphous"]
    ions = _ions(study.ions("amorphous/A_ref/1/equilibrate"))
    return f"{ions}, {cells['cells']} cells each, {cells['production']:g} ps at {cells['temperature']:g} K"


def _ions(count: int | None) -> str:
    return "unknown size" if count is None else f"{count:,} ions"


def _concentrations(item: Item, study: Study) -> str:
    found = list(study.compositions.values())
    return f"{found[0]:g}–{found[-1]:g} at%" if len(found) > 1 else f"{found[0]:g} at%"


def _accepted(labels: tuple[str, ...]) -> Callable[[Item, Study], str]:
    def say(item: Item, study: Study) -> str:
        rows = [row for row in item.rows if row["sites"] == ACROSS]
        shares = [(label, share_of([row for row in rows if row["partner"] == label])) for label in labels]
        return "; ".join(f"{label} {ranged(one, '%', 100.0)}" for label, one in shares)

    return say


def _penetration(item: Item, study: Study) -> str:
    parts = []
    for system, found in item.facts.items():
        depth, share = found.get("penetration_A"), found.get("grain_share")
        # A share is a bound where no ion was counted.
        if share and "upper_bound_95" in share:
            parts.append(f"{system}: no {study.dopant} in the grain")
        elif depth:
            low, high = depth["interval_95"]
            parts.append(f"{system} {ranged(Interval(low, high, depth['value']), 'Å')}")
        else:
            parts.append(f"{system} undecided")
    return "; ".join(parts)


def _minima(item: Item, study: Study) -> str:
    """Depths of the first two minima of the profile above the amorphous phase, where the swaps go into the grain."""
    heights, mean = numbers(item.rows, "z"), numbers(item.rows, "mean")
    length, count = period(heights), len(heights)
    interface = max(high for _, high in item.facts["domains"]["amorphous"]) * length
    minima = sorted(
        (heights[i] - interface) % length
        for i in range(count)
        if mean[i] < mean[i - 1] and mean[i] <= mean[(i + 1) % count]
    )
    if 0.0 in mean:
        return f"undecided: some layers hold no {item.facts['label']} at all"
    grain = sum(high - low for low, high in item.facts["domains"]["grain"]) * length
    inside = [depth for depth in minima if depth < 0.5 * grain][:2]
    return f"{listed([f'−{depth:.0f}' for depth in inside])} Å" if inside else "none in this half of the grain"


def _li_sites(item: Item, study: Study) -> str:
    parts = []
    for system, rows in by_system(item.rows).items():
        whole = sum(int(row["count"] or 0) for row in rows)
        own = sum(int(row["count"] or 0) for row in rows if row["site"] == MOBILE)
        parts.append(f"{system.replace('C', 'GB')} {own} of {whole}")
    return "; ".join(parts)


def _volume(item: Item, study: Study) -> str:
    changes = {name: interval(rows[0], "volume_change") for name, rows in by_system(item.rows).items()}
    known = {name: one for name, one in changes.items() if one.value is not None}
    if not known:
        return ""
    name = max(known, key=lambda one: abs(known[one].value or 0.0))
    return f"{ranged(known[name], '%', 100.0)} in {name}"


def _li_ratio(only: str) -> Callable[[Item, Study], str]:
    """Ratios of the Li conductivity: the lowest, the whole range, or that of T_0."""

    def say(item: Item, study: Study) -> str:
        ratios = {
            name: Interval.from_dict(one) for name, one in item.facts["ratios"].items() if not name.endswith("_ref")
        }
        if only == "T_0":
            return percent_change(ratios["T_0"]) if "T_0" in ratios else ""
        known = {name: one for name, one in ratios.items() if one.value is not None and name != "T_0"}
        if not known:
            return "undecided"
        ordered = sorted(known, key=lambda name: known[name].value or 0.0)
        ends = ordered[:1] if only == "lowest" else [ordered[0], ordered[-1]]
        return "; ".join(f"{name} {percent_change(known[name])}" for name in dict.fromkeys(ends))

    return say


def _mobility(sites: tuple[str, ...]) -> Callable[[Item, Study], str]:
    """Conductivity of the dopant (on some sites, or anywhere) over that of Li in the same system, largest first."""

    def say(item: Item, study: Study) -> str:
        names = {f"{study.dopant} on {site}" for site in sites} if sites else {study.dopant}
        found: list[tuple[float, str]] = []
        for system, rows in by_system(item.rows).items():
            mobile = next((interval(row, "sigma") for row in rows if row["species"] == MOBILE), Interval.unknown())
            for row in rows:
                if row["species"] in names:
                    ratio = interval(row, "sigma").over(mobile)
                    if ratio.high < float("inf"):
                        found.append((ratio.high, f"{system} {row['species']} {ranged(ratio)}"))
        return max(found)[1] if found else "undecided, nothing but bounds"

    return say


def _titanium_share(item: Item, study: Study) -> str:
    shares = {
        name: sum(numbers(rows, f"x_{REDUCIBLE}")) / len(rows)
        for name, rows in by_system(item.rows).items()
        if not name.endswith("_0")
    }
    return " → ".join(f"{rounded(shares[name], 2)} ({name})" for name in _ends(list(shares)))


def _along(prefix: str, unit: str) -> Callable[[Item, Study], str]:
    def say(item: Item, study: Study) -> str:
        rows = {str(row["system"]): interval(row, prefix) for row in item.rows if not str(row["system"]).endswith("_0")}
        return " → ".join(f"{ranged(rows[name], unit)} ({name})" for name in _ends(list(rows)))

    return say


def _ends(names: list[str]) -> list[str]:
    """The reference and the highest dose."""
    first = [name for name in names if name.endswith("_ref")]
    last = [name for name in names if not name.endswith("_ref")][-1:]
    return first + last


def _density_change(item: Item, study: Study) -> str:
    """Change in the shell that holds the nearest Li sites, by site."""
    shells = sorted({(float(row["from"] or 0.0), float(row["to"] or 0.0)) for row in item.rows})
    if not shells:
        return ""
    low, high = shells[min(1, len(shells) - 1)]
    sites = sorted({str(row["site"]) for row in item.rows})
    told = "; ".join(f"{site} {ranged(shell_change(item, site, low, high), '10⁻³ Å⁻³', 1e3)}" for site in sites)
    return f"{told} (mean, {low:g}–{high:g} Å)"


_OURS: dict[str, Callable[[Item, Study], str]] = {
    "concentrations": _concentrations,
    "acceptance-Al": _accepted(("Al",)),
    "acceptance-others": _accepted((REDUCIBLE, MOBILE)),
    "penetration": _penetration,
    "host-minima": _minima,
    "li-sites": _li_sites,
    "volume": _volume,
    "li-density": _density_change,
    "crystal-li": _li_ratio("lowest"),
    "crystal-framework": _mobility(FRAMEWORK),
    "crystal-channel": _mobility((MOBILE,)),
    "titanium-share": _titanium_share,
    "titanium-distance": _along("nearest", "Å"),
    "mass-density": _along("mass_density", "g/cm³"),
    "amorphous-li": _li_ratio("range"),
    "titanium-free": _li_ratio("T_0"),
    "amorphous-dopant": _mobility(()),
}
